"""What a damaged placeholder stood for: the file's real content from before, kept encrypted in the session's folder.

Rules of this file:
1. Nothing is replaced or removed. When the store is full the oldest entries stay: they are nearest to what there was.
2. An entry is whole or not there: written beside its place, brought to disk, renamed.
3. Path, time and reason stand there in the clear, and what `entries` lists of them is not proven; `content` proves it.

An entry is a file `000001.kept`: `SAFEKEPT`, version (u16), length of the header (u32), header, ciphertext; big-endian.
The header is MessagePack. The content is under AES-256-GCM with a random nonce (NIST SP 800-38D, 8.2.2); associated
data: the entry's number (u32) and all that stands before the ciphertext. Keys come from the masking key by HKDF-SHA256
(RFC 5869).
"""

import contextlib
import hmac
import os
import secrets
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from wrapper.durable import sync_folder
from wrapper.errors import StateError
from wrapper.plan.caching import replace_file

FOLDER: Final = "recovery"
"""Its name in a session's folder."""
MOST_ENTRIES: Final = 200
MOST_BYTES: Final = 64 << 20

_HEAD: Final = struct.Struct(">8sHI")
_NUMBER: Final = struct.Struct(">I")
_MAGIC: Final = b"SAFEKEPT"
_VERSION: Final = 1
_LONGEST_HEADER: Final = 1 << 16  # a path has at most 4096 bytes, a reason `_LONGEST_WHY` characters
_LONGEST_WHY: Final = 1000
_NONCE: Final = 12
_SUFFIX: Final = ".kept"
_INFO: Final = b"safe-agent recovery v1"


@dataclass(frozen=True, slots=True)
class Entry:
    """One kept content: `path` as it was given (relative to the workspace), `at` in seconds since the epoch.

    Of a file that is damaged only `number` is known, and `why` says so.
    """

    number: int
    path: str
    at: float
    why: str
    size: int


class _Header(msgspec.Struct, frozen=True):
    """`same` is the HMAC-SHA256 of path and content: equal where both are, and nothing to guess values by."""

    path: bytes
    at: float
    why: str
    size: int
    same: bytes
    nonce: bytes


class _Keys(NamedTuple):
    content: bytes
    same: bytes


class RecoveryStore:
    """What one session kept; `folder` is made at the first keep, `key` is the user's masking key.

    One process writes, from any of its threads.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._key = key
        self._lock = threading.Lock()

    def keep(self, path: str, content: bytes, why: str, at: float) -> None:
        """Keep a file's real content; the same content of the same file is kept once.

        Raises StateError where the store is full, or cannot be read or written.
        """
        with self._lock:
            name, keys = os.fsencode(path), self._keys()
            same = hmac.digest(keys.same, _NUMBER.pack(len(name)) + name + content, "sha256")
            kept = list(self._headers())
            if any(header is not None and header.same == same for _, header in kept):
                return
            _refuse_when_full(path, len(content), [header.size for _, header in kept if header is not None])
            number = max((number for number, _ in kept), default=0) + 1
            nonce = secrets.token_bytes(_NONCE)
            header = _Header(name, at, _plain(why), len(content), same, nonce)
            self._write(number, _sealed(number, header, content, keys.content))

    def entries(self) -> list[Entry]:
        """Give what is kept, oldest first; needs no key. Raises StateError where the folder cannot be read."""
        return [
            Entry(number, "", 0.0, "its file is damaged", 0)
            if header is None
            else Entry(number, os.fsdecode(header.path), header.at, header.why, header.size)
            for number, header in self._headers()
        ]

    def content(self, number: int) -> bytes:
        """Give what was kept as `number`.

        Raises StateError where there is none, or where it is not what was kept under this key.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 (17 ms, when something is recovered only)
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        path = self._path(number)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise StateError(f"nothing is kept as {number}", hint="`safe-agent recover` lists what is") from error
        except OSError as error:
            raise StateError(f"cannot read `{path}`: {error.strerror}") from error
        header, start = _parsed(data)
        if header is not None:
            with contextlib.suppress(InvalidTag, ValueError):  # a nonce of another length
                bound = _NUMBER.pack(number) + data[:start]
                return AESGCM(self._keys().content).decrypt(header.nonce, data[start:], bound)
        raise StateError(
            f"what is kept as {number} cannot be opened", hint="its file was changed, or the masking key is another one"
        )

    def _keys(self) -> _Keys:
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 (see `content`)
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

        both = HKDF(algorithm=SHA256(), length=64, salt=None, info=_INFO).derive(self._key)
        return _Keys(both[:32], both[32:])

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}{_SUFFIX}"

    def _headers(self) -> Iterator[tuple[int, _Header | None]]:
        """Give number and header of each entry, by number; None for a damaged one."""
        try:
            for number in sorted(_numbers(self._folder)):
                with self._path(number).open("rb") as file:
                    yield number, _parsed(file.read(_LONGEST_HEADER))[0]
        except FileNotFoundError:
            return
        except OSError as error:
            raise StateError(f"cannot read `{self._folder}`: {error.strerror}") from error

    def _write(self, number: int, data: bytes) -> None:
        try:
            self._make_folder()
            replace_file(self._path(number), data, durable=True)
            sync_folder(self._folder)
        except OSError as error:
            raise StateError(
                f"cannot write `{self._folder}`: {error.strerror}", hint="free space there, or make the folder yours"
            ) from error

    def _make_folder(self) -> None:
        with contextlib.suppress(FileExistsError):
            self._folder.mkdir(mode=0o700)
            sync_folder(self._folder.parent)


def _plain(why: str) -> str:
    """Make a reason that quotes anything at all fit for the header."""
    return why[:_LONGEST_WHY].encode(errors="replace").decode()


def _refuse_when_full(path: str, size: int, kept: list[int]) -> None:
    if len(kept) >= MOST_ENTRIES:
        limit = f"holds {MOST_ENTRIES} files already"
    elif sum(kept) + size > MOST_BYTES:
        limit = f"would hold more than {MOST_BYTES >> 20} MiB"
    else:
        return
    raise StateError(
        f"the real content of `{path}` was not kept: the session's recovery store {limit}",
        hint="look at `safe-agent recover`, and start a new session",
    )


def _numbers(folder: Path) -> Iterator[int]:
    """Give the numbers of the entries there are; drafts that a crash has left are none."""
    for entry in folder.iterdir():
        if entry.suffix == _SUFFIX and entry.stem.isascii() and entry.stem.isdigit():
            yield int(entry.stem)


def _sealed(number: int, header: _Header, content: bytes, key: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 (see `content`)

    packed = msgspec.msgpack.encode(header)
    before = _HEAD.pack(_MAGIC, _VERSION, len(packed)) + packed
    return before + AESGCM(key).encrypt(header.nonce, content, _NUMBER.pack(number) + before)


def _parsed(data: bytes) -> tuple[_Header | None, int]:
    """Read an entry's header; the second value is where its ciphertext begins. None: this is no entry."""
    if len(data) < _HEAD.size:
        return None, 0
    magic, version, length = _HEAD.unpack_from(data)
    end = _HEAD.size + length
    if (magic, version) != (_MAGIC, _VERSION) or end > min(len(data), _LONGEST_HEADER):
        return None, 0
    try:
        return msgspec.msgpack.decode(data[_HEAD.size : end], type=_Header), end
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, 0

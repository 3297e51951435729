"""The key of an index of provenance: one file, made at first use, from which all keys are derived.

    safe-agent provenance key 1
    label: HOST 2026-01-02
    BASE64 OF 32 BYTES

The label is for people and of no weight. Whoever holds the file can read who and when in the index, tell whether a text
is in it, and write what looks like a session's own sheet. An organisation gives all machines the same file, so that
their indexes can be joined. The keys in use are derived by HKDF-SHA256 (RFC 5869), each by a name of its own.
"""

import base64
import binascii
import hmac
import os
import platform
import stat
import time
from pathlib import Path
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from wrapper.durable import sync_folder
from wrapper.errors import ProvenanceError
from wrapper.provenance.keyed import KEY_SIZE, Keyed

FILE: Final = "provenance.key"
MAC_SIZE: Final = 32
_FIRST: Final = b"safe-agent provenance key 1"
_LABEL: Final = b"label: "
_SECRET: Final = 32
_LONGEST: Final = 4096
_NONCE: Final = 12  # random: NIST SP 800-38D allows 2^32 messages under one key, which no index comes near


class Key:
    """What seals, authenticates and codes an index. `id`: 16 hex digits that say which key it is, and no more."""

    def __init__(self, secret: bytes, label: str = "") -> None:
        if len(secret) != _SECRET:
            raise ValueError(f"a key of provenance has {_SECRET} bytes")
        self.id = _derived(secret, b"id", 8).hex()
        self.label = label
        self._codes = _derived(secret, b"codes", KEY_SIZE)
        self._mac = _derived(secret, b"authentication", 32)
        self._seal = AESGCM(_derived(secret, b"sealing", 32))

    def __repr__(self) -> str:
        return f"Key({self.id})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and hmac.compare_digest(self._mac, other._mac)

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: a key goes nowhere by accident."""
        raise TypeError("keys are not pickled: load the key file where it is needed")

    def coder(self) -> Keyed:
        """Give what turns hashes into this key's codes; a new one for each thread."""
        return Keyed(self._codes)

    def seal(self, data: bytes, associated: bytes) -> bytes:
        """Encrypt: a random nonce, then AES-256-GCM. `associated` must be the same to unseal."""
        nonce = os.urandom(_NONCE)
        return nonce + self._seal.encrypt(nonce, data, associated)

    def unseal(self, data: bytes, associated: bytes) -> bytes:
        """Decrypt what `seal` gave. Raises ProvenanceError where it is damaged, of another key or another place."""
        try:
            return self._seal.decrypt(data[:_NONCE], data[_NONCE:], associated)
        except (InvalidTag, ValueError) as error:
            raise ProvenanceError("a sealed part of the index is damaged, or of another key") from error

    def authenticate(self, data: bytes) -> bytes:
        """Give the HMAC-SHA256 of `data`, `MAC_SIZE` bytes; compare with `hmac.compare_digest`."""
        return hmac.digest(self._mac, data, "sha256")


def written(secret: bytes, label: str) -> bytes:
    """Give the content of a key file."""
    flat = " ".join(label.split())
    return b"\n".join((_FIRST, _LABEL + flat.encode(), base64.b64encode(secret), b""))


def parse(content: bytes) -> Key:
    """Read the content of a key file. Raises ProvenanceError where it is none."""
    lines = content.split(b"\n")
    if lines[0].rsplit(b" ", 1)[0] == _FIRST.rsplit(b" ", 1)[0] and lines[0] != _FIRST:
        raise ProvenanceError("the key of provenance is of a later version", hint="update safe-agent")
    if len(lines) != 4 or lines[0] != _FIRST or not lines[1].startswith(_LABEL) or lines[3]:
        raise ProvenanceError("this is no key of provenance", hint="its first line is `" + _FIRST.decode() + "`")
    try:
        return Key(base64.b64decode(lines[2], validate=True), lines[1].removeprefix(_LABEL).decode("utf-8", "replace"))
    except (binascii.Error, ValueError) as error:
        raise ProvenanceError("the key of provenance is damaged", hint="restore the file from your copy") from error


def load(path: Path) -> Key:
    """Read a key file.

    Raises ProvenanceError where it is missing, no key, damaged, no regular file, or open to other users.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise ProvenanceError(
            f"`{path}` is missing", hint="it is made when the first session is captured; or copy it from your machine"
        ) from error
    except OSError as error:
        raise ProvenanceError(f"cannot read `{path}`: {error.strerror}") from error
    try:
        _check_private(path, os.fstat(descriptor))
        content = os.read(descriptor, _LONGEST)
    finally:
        os.close(descriptor)
    try:
        return parse(content)
    except ProvenanceError as error:
        raise ProvenanceError(f"`{path}`: {error.what}", hint=error.hint) from error


def load_or_make(path: Path) -> Key:
    """Read a key file, or make it, readable by its owner only and durable; who comes at once gets the same key.

    Raises ProvenanceError like `load`, and where it cannot be made.
    """
    try:
        if not path.exists():
            _make(path)
    except OSError as error:
        raise ProvenanceError(
            f"cannot make `{path}`: {error.strerror}", hint="the folder of configuration must be yours to write"
        ) from error
    return load(path)


def _make(path: Path) -> None:
    """Write a new file, whole or not at all; one that is there already is left as it is."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(written(os.urandom(_SECRET), f"{platform.node()} {time.strftime('%Y-%m-%d')}"))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, a link never replaces
    except FileExistsError:
        return
    finally:
        draft.unlink()
    sync_folder(path.parent)


def _check_private(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ProvenanceError(f"`{path}` is no file")
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise ProvenanceError(f"`{path}` is open to other users (mode {mode:04o})", hint=f"run `chmod 600 {path}`")


def _derived(secret: bytes, name: bytes, size: int) -> bytes:
    info = b"safe-agent provenance 1 " + name
    return HKDF(algorithm=hashes.SHA256(), length=size, salt=None, info=info).derive(secret)

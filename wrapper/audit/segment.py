"""One segment of a log while it is written: a key file, a log file, and the keys that belong to them.

- The key file is durable before the log exists, so no record can be lost for want of its key.
- Used keys are erased. What seals the key file is another process, which ends at once: what it leaves in its memory
  (the age file key, which opens the log from its start) is gone with it.
- Raises OSError as the disk does; `writer` says what that means.
- One that cannot be begun leaves nothing: half a header would look like a log that was cut.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from zstandard import ZstdCompressor

from wrapper.audit import format as layout
from wrapper.audit import seal
from wrapper.audit.ratchet import Ratchet, erase
from wrapper.durable import sync_folder
from wrapper.errors import AuditError

_HELD_BYTES: Final = 1 << 20  # frames gathered for one write(2)
_NO_KEY: Final = bytes(32)  # an END frame names no next key
_LEVEL: Final = 1  # of Zstandard: 400 MB/s of text to a third or so; higher levels are slower than the disk
_WORTH: Final = 128  # bytes; below, a frame of Zstandard's own saves nothing
_SAVED: Final = 16  # one part in so many must be saved, or what cannot be compressed would be unpacked for nothing
_PIPE: Final = 1 << 16
_STANDARD: Final = 3  # the first descriptor behind input, output and errors


class Place(NamedTuple):
    """Where a segment stands in its session; `previous` is the hex root over the one before."""

    number: int = 1
    first: int = 0
    previous: str = ""


class Segment:
    """The log file at `place` in the session's folder `directory`, and its key file for `recipients`.

    `signer` is the key that the segment before named for the next signature, None for the first. Raises
    FileExistsError where the file exists already, AuditError where a recipient is not usable.
    """

    def __init__(
        self,
        directory: Path,
        recipients: Sequence[str],
        *,
        created: float,
        place: Place = Place(),  # noqa: B008 (frozen)
        signer: Ed25519PrivateKey | None = None,
    ) -> None:
        self.place = place
        self._signer = signer or Ed25519PrivateKey.generate()
        log_key = os.urandom(32)
        key_file = _sealed(recipients, log_key)
        header = layout.encode_header(
            layout.LogHeader(
                session=directory.name,
                segment=place.number,
                created=created,
                recipients=tuple(recipients),
                key_file=hashlib.sha256(key_file).hexdigest(),
                key_commitment=layout.commitment(log_key).hex(),
                verification_key=_public(self._signer).hex(),
                previous=place.previous,
                first=place.first,
            )
        )
        self._ratchet = Ratchet(log_key, layout.VERSION)
        erase(log_key)
        self._tree = layout.Tree()
        self._compressor = ZstdCompressor(level=_LEVEL)
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.written = 0
        with contextlib.ExitStack() as undoing:
            self._place(directory, key_file, header, undoing)
            undoing.pop_all()
        self.header_hash = layout.header_hash(header)
        self._previous = self.header_hash
        self._epoch = -1
        self._next_epoch()

    def _place(self, directory: Path, key_file: bytes, header: bytes, undoing: contextlib.ExitStack) -> None:
        """Make the two files; `undoing` gets what takes them away again."""
        key_name, log_name = layout.segment_names(self.place.number)
        with os.fdopen(_open_new(directory / key_name, undoing), "wb") as file:
            file.write(key_file)
            file.flush()
            os.fsync(file.fileno())
        self._log = _open_new(directory / log_name, undoing)
        fcntl.flock(self._log, fcntl.LOCK_EX)  # says to readers that the session runs; ends with this process
        self._write(header)
        os.fsync(self._log)
        sync_folder(directory)
        self._has_name = bool(os.fstat(self._log).st_nlink)  # there are file systems that do not count names

    @property
    def size(self) -> int:
        """How many frames it has."""
        return self._tree.size

    def root(self) -> str:
        """Return the hex root over all its frames."""
        return self._tree.root().hex()

    @property
    def is_open(self) -> bool:
        """Say whether there are records after the last checkpoint."""
        return self._records > 0

    @property
    def is_full(self) -> bool:
        """Say whether the epoch has all the records that it may have."""
        return self._records >= layout.EPOCH_RECORDS or self._bytes >= layout.EPOCH_BYTES

    def append(self, record: bytes) -> int:
        """Take one record; it reaches the file with `flush`, or before. Returns its frame's number in the session."""
        self._records += 1
        self._bytes += len(record)
        flags, record = self._compressed(record)
        sequence = self.place.first + self._tree.size
        head = layout.encode_frame_header(len(record) + layout.TAG_SIZE, layout.DATA, self._epoch, sequence, flags)
        key = self._ratchet.next_key()
        body = AESGCM(key).encrypt(layout.nonce(sequence), record, head + self._previous)
        erase(key)
        self._put(head, body)
        return sequence

    def checkpoint(self, kind: int = layout.CHECKPOINT) -> Ed25519PrivateKey:
        """Sign all frames so far. Returns the key of the next signature, which a CONTINUED segment hands on."""
        root = self._tree.root()
        sequence = self.place.first + self._tree.size
        head = layout.encode_frame_header(layout.CHECKPOINT_SIZE, kind, self._epoch, sequence)
        successor = Ed25519PrivateKey.generate()
        named = _NO_KEY if kind == layout.END else _public(successor)
        signature = self._signer.sign(layout.signed_message(self.header_hash, head, root, named))
        self._signer = successor  # the old one's memory is cleared by OpenSSL when it goes
        self._put(head, root + named + signature)
        self._next_epoch()
        return successor

    def flush(self) -> None:
        """Write what is held back."""
        held = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        self._write(held)

    def sync(self) -> None:
        """Bring to disk what was written. Raises AuditError where the file has no name any more: it ends with us."""
        self.flush()
        os.fdatasync(self._log)
        if self._has_name and not os.fstat(self._log).st_nlink:
            raise AuditError("the log was deleted while the session ran", hint="let nothing clear the state folder")

    def close(self) -> None:
        """Let the file go, and with it the lock."""
        os.close(self._log)

    def disown(self) -> None:
        """Forget the keys and what is held back: for a copy of the process, which must neither read on nor sign."""
        self._ratchet.forget()
        del self._signer
        self._held.clear()

    def _compressed(self, record: bytes) -> tuple[int, bytes]:
        if len(record) < _WORTH:
            return 0, record
        packed = self._compressor.compress(record)
        return (layout.COMPRESSED, packed) if len(packed) < len(record) - len(record) // _SAVED else (0, record)

    def _put(self, head: bytes, body: bytes) -> None:
        self._previous = layout.leaf_hash(head, body)
        self._tree.add(self._previous)
        self._held += (head, body)
        self._held_bytes += len(head) + len(body)
        if self._held_bytes >= _HELD_BYTES:
            self.flush()

    def _next_epoch(self) -> None:
        self._ratchet.next_epoch()
        self._epoch += 1
        self._records = self._bytes = 0

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = os.write(self._log, rest)
            self.written += written
            rest = rest[written:]


def _public(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes_raw()


def _sealed(recipients: Sequence[str], log_key: bytes) -> bytes:
    """Return the key file; made in a process of its own. Raises AuditError as `seal.encrypt` does."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        _seal_and_exit(theirs, recipients, log_key)
    os.close(theirs)
    try:
        pieces = list(iter(lambda: os.read(ours, _PIPE), b""))
    finally:
        os.close(ours)
        os.waitpid(pid, 0)
    answer = b"".join(pieces)
    if answer[:1] == b"+":
        return answer[1:]
    what, hint = msgspec.msgpack.decode(answer[1:], type=tuple[str, str]) if answer else ("its process died", "")
    raise AuditError(what if answer else f"cannot seal the key of the log: {what}", hint=hint)


def _seal_and_exit(pipe: int, recipients: Sequence[str], log_key: bytes) -> None:
    code = 1
    try:
        # the recorder's connections and locks end with the recorder, not with this
        os.closerange(_STANDARD, pipe)
        os.closerange(pipe + 1, max(pipe + 2, os.sysconf("SC_OPEN_MAX")))
        try:
            answer = b"+" + seal.encrypt(recipients, log_key)
        except AuditError as error:
            answer = b"-" + msgspec.msgpack.encode((error.what, error.hint))
        with os.fdopen(pipe, "wb") as out:
            out.write(answer)
        code = 0
    finally:  # whatever happened, nothing of the parent's must run here
        os._exit(code)


def _open_new(path: Path, undoing: contextlib.ExitStack) -> int:
    """Open a file that was not there; `undoing` gets what removes it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    undoing.callback(_removed, path)
    return descriptor


def _removed(path: Path) -> None:
    with contextlib.suppress(OSError):  # the disk has failed already
        path.unlink()

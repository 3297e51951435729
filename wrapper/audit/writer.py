"""Writes one session's log; runs in the recorder process only.

- The key file is durable before the log exists, so no record can be lost for want of its key.
- A record is on disk when `sync` has returned, and then it is also signed: a checkpoint goes before each fsync.
- After a failed write nothing more is written: what the disk holds then is not known (fsync reports an error once).
- Keys that are used up are dropped, not overwritten: Python gives no way to clear memory for certain.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wrapper.audit import format as layout
from wrapper.audit import seal
from wrapper.durable import sync_folder
from wrapper.errors import AuditError

_HELD_BYTES: Final = 1 << 20  # frames gathered for one write(2)
_NO_KEY: Final = bytes(32)  # an END frame names no next key


class SessionWriter:
    """The log of the session whose folder is `directory`; its name is the session's id.

    Makes the folder (0700), the key file for `recipients` and the log. Raises AuditError where that fails, or where
    the folder holds a log already.
    """

    def __init__(self, directory: Path, recipients: Sequence[str], *, clock: Callable[[], float] = time.time) -> None:
        log_key = os.urandom(32)
        self._signer = Ed25519PrivateKey.generate()
        self._ratchet = layout.Ratchet(log_key)
        self._tree = layout.Tree()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._failed: AuditError | None = None
        with self._failing("cannot start the log"):
            directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.mkdir(mode=0o700, exist_ok=True)
            key_file = seal.encrypt(recipients, log_key)
            _write_new(directory / layout.KEY_FILE, key_file)
            header = layout.encode_header(
                layout.LogHeader(
                    session=directory.name,
                    segment=1,
                    created=clock(),
                    recipients=tuple(recipients),
                    key_file=hashlib.sha256(key_file).hexdigest(),
                    key_commitment=layout.commitment(log_key).hex(),
                    verification_key=_public(self._signer).hex(),
                )
            )
            self._log = _open_new(directory / layout.LOG_FILE)
            fcntl.flock(self._log, fcntl.LOCK_EX)  # says to readers that the session runs; ends with this process
            self._write(header)
            os.fsync(self._log)
            sync_folder(directory)
            sync_folder(directory.parent)
        self._header = layout.header_hash(header)
        self._previous = self._header
        self._epoch = -1
        self._next_epoch()

    def append(self, record: bytes) -> None:
        """Take one record (an encoded event); written soon, on disk after `sync`. Raises AuditError."""
        self._refuse_after_failure()
        if len(record) > layout.MAX_RECORD:
            raise AuditError(f"a record of {len(record)} bytes is too large for the log")
        sequence = self._tree.size
        head = layout.encode_frame_header(len(record) + layout.TAG_SIZE, layout.DATA, self._epoch, sequence)
        self._put(head, self._cipher.encrypt(layout.nonce(sequence), record, head + self._previous))
        self._records += 1
        self._bytes += len(record)
        if self._records >= layout.EPOCH_RECORDS or self._bytes >= layout.EPOCH_BYTES:
            self._checkpoint(layout.CHECKPOINT)

    def sync(self) -> None:
        """Sign and bring to disk all that was appended. Raises AuditError where the disk refuses."""
        self._refuse_after_failure()
        if self._records:
            self._checkpoint(layout.CHECKPOINT)
        self._flush()
        with self._failing("cannot write the log"):
            os.fdatasync(self._log)

    def close(self) -> None:
        """Seal the log: write the END frame and bring all to disk. Raises AuditError."""
        self._refuse_after_failure()
        self._checkpoint(layout.END)
        self._flush()
        with self._failing("cannot write the log"):
            os.fsync(self._log)
        self._failed = AuditError("the log is sealed")
        os.close(self._log)

    def _put(self, head: bytes, body: bytes) -> None:
        self._previous = layout.leaf_hash(head, body)
        self._tree.add(self._previous)
        self._held += (head, body)
        self._held_bytes += len(head) + len(body)
        if self._held_bytes >= _HELD_BYTES:
            self._flush()

    def _checkpoint(self, kind: int) -> None:
        root = self._tree.root()
        head = layout.encode_frame_header(layout.CHECKPOINT_SIZE, kind, self._epoch, self._tree.size)
        successor = Ed25519PrivateKey.generate()
        named = _NO_KEY if kind == layout.END else _public(successor)
        signature = self._signer.sign(layout.signed_message(self._header, head, root, named))
        self._signer = successor
        self._put(head, root + named + signature)
        self._next_epoch()

    def _next_epoch(self) -> None:
        self._cipher = AESGCM(self._ratchet.next_key())
        self._epoch += 1
        self._records = self._bytes = 0

    def _flush(self) -> None:
        held = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        with self._failing("cannot write the log"):
            self._write(held)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._log, rest) :]

    def _refuse_after_failure(self) -> None:
        if self._failed is not None:
            raise self._failed

    @contextlib.contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            self._failed = AuditError(f"{what}: `{error.filename}` exists already")
            raise self._failed from error
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            hint = "free space in the state folder" if full else "see that the state folder can be written"
            self._failed = AuditError(f"{what}: {error.strerror}", hint=f"{hint}, then start again")
            raise self._failed from error


def _public(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes_raw()


def _open_new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _write_new(path: Path, content: bytes) -> None:
    with os.fdopen(_open_new(path), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())

"""Checkpoints in a file: a mounted share, a medium that is taken out, a file that only root can cut (`chattr +a`).

Rules of this file:
1. The file is opened for appending and never for anything else; nothing here can shorten it or write over it.
2. Each note ends with the line `--`. Nobody was told that a note without that line is kept, so it is passed over at
   the end of the file; before the next note it is closed with `(cut off here)`. Anything else is no accident.
3. A file that does not begin as one of ours is left alone: a path is mistyped easily.
"""

import errno
import fcntl
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wrapper.audit import notes
from wrapper.audit.anchored import Prove, Receipt, UnreachableError
from wrapper.audit.format import TamperedError
from wrapper.durable import sync_folder

_END: Final = b"--\n"
_CUT: Final = b"\n(cut off here)\n"
_BEGINS: Final = b"safe-agent.local/"  # of every ledger's origin
_SECONDS: Final = 5.0  # for which another writer is waited for; each takes milliseconds
_MOST: Final = 256 << 20  # bytes: a million checkpoints
_MOST_NOTE: Final = 1 << 16  # bytes: one has 300
_HINT: Final = "mount it, or make it writable; the next checkpoint covers all that came before it"


@dataclass(frozen=True, slots=True)
class AppendedFile:
    """The file at `path`, which `where` names in the policy; its folder must be there."""

    where: str
    path: Path
    asks: bool = False

    def put(self, note: str, prove: Prove) -> Receipt:
        """Append the note and bring it to disk. Raises UnreachableError, TamperedError for a file of something else."""
        del prove
        checkpoint = notes.parse(note).checkpoint
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
            with os.fdopen(descriptor, "rb"):
                place = self._append(descriptor, note.encode())
            sync_folder(self.path.parent)
        except OSError as error:
            raise self._unreachable(error) from error
        return Receipt(checkpoint.size, checkpoint.root, f"byte {place}")

    def get(self) -> list[str]:
        """Return the notes in the file; none where there is no file in its folder yet.

        Raises UnreachableError, and TamperedError where the file holds something else than notes.
        """
        try:
            if self.path.parent.is_dir() and not self.path.exists():
                return []
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                _require_plain(descriptor)
                data = file.read(_MOST + 1)
        except OSError as error:
            raise self._unreachable(error) from error
        if len(data) > _MOST:
            raise UnreachableError(f"`{self.where}`: the file has more than {_MOST} bytes", hint="begin another one")
        return split(data, self.where)

    def _unreachable(self, error: OSError) -> UnreachableError:
        return UnreachableError(f"`{self.where}`: {error.strerror}", hint=_HINT)

    def _append(self, descriptor: int, note: bytes) -> int:
        """Write at the end, with one call, alone among writers on this machine; returns the place in bytes."""
        _require_plain(descriptor)
        _wait_for_lock(descriptor)
        _require_ours(os.pread(descriptor, len(_BEGINS), 0), self.where)
        size = os.fstat(descriptor).st_size
        whole = size == 0 or os.pread(descriptor, len(_END) + 1, max(0, size - len(_END) - 1)) == b"\n" + _END
        before = b"" if whole else _CUT + _END
        data = before + note + _END
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
        return size + len(before)


def split(data: bytes, where: str) -> list[str]:
    """Take a file of notes apart. Raises TamperedError with the line at which something else begins."""
    _require_ours(data, where)
    found: list[str] = []
    start = 0
    while (end := _end(data, start)) >= 0:
        if not data.endswith(_CUT[1:], start, end):
            found.append(_note(data, start, end, where))
        start = end + len(_END)
    return found


def _end(data: bytes, start: int) -> int:
    """Return where the line that ends the note at `start` begins, -1 where there is none."""
    if data.startswith(_END, start):
        return start
    found = data.find(b"\n" + _END, start)
    return -1 if found < 0 else found + 1


def _note(data: bytes, start: int, end: int, where: str) -> str:
    if end - start > _MOST_NOTE:
        raise _foreign(where, _line(data, start))
    try:
        text = data[start:end].decode()
        notes.parse(text)
    except (UnicodeDecodeError, TamperedError) as error:
        raise _foreign(where, _line(data, start)) from error
    return text


def _line(data: bytes, start: int) -> int:
    return data.count(b"\n", 0, start) + 1


def _require_ours(data: bytes, where: str) -> None:
    line = data[: len(_BEGINS)].partition(b"\n")[0]  # the first note may have been cut off, too
    if not _BEGINS.startswith(line):
        raise _foreign(where, 1)


def _foreign(where: str, line: int) -> TamperedError:
    return TamperedError(
        f"`{where}`: line {line} begins something that is no signed checkpoint",
        hint="somebody changed the file, or it is not one that safe-agent wrote",
    )


def _wait_for_lock(descriptor: int) -> None:
    """Wait for other writers, but not for ever: on a share anybody may hold the lock. Raises OSError (EAGAIN)."""
    last = time.monotonic() + _SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > last:
                raise
            time.sleep(0.02)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
                raise
            return  # a share without locks: one call that appends is the best there is
        else:
            return


def _require_plain(descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "not a plain file")

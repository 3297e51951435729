"""What to do where the disk, or the kernel, refuses what a log needs; pure."""

import errno
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

_FULL: Final = "free space for `{}`"
_NO_LOCKS: Final = "`{}` lies where no file can be locked: point XDG_STATE_HOME to a disk of this machine"
_NO_DESCRIPTORS: Final = "allow more open files (`ulimit -n`)"
_NO_ROOM: Final = "end other processes, or allow more of them"

_HINTS: Final[Mapping[int, str]] = MappingProxyType({
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "allow larger files (`ulimit -f`), or free space for `{}`",
    errno.ENOLCK: _NO_LOCKS,
    errno.EOPNOTSUPP: _NO_LOCKS,
    errno.ENOSYS: _NO_LOCKS,
    errno.EMFILE: _NO_DESCRIPTORS,
    errno.ENFILE: _NO_DESCRIPTORS,
    errno.EAGAIN: _NO_ROOM,
    errno.ENOMEM: _NO_ROOM,
})  # fmt: skip


def hint(error: OSError, folder: Path) -> str:
    """Return what to do about `error`, which met a writer of files in `folder`."""
    return _HINTS.get(error.errno or 0, "see that `{}` can be written").format(folder)

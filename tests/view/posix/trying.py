"""Cases of what POSIX and Linux say of files and folders: each works in an empty folder and tells what came of it.

A case takes `become`, which makes the caller an ordinary user where the case is run as one: what is done before it is
done as the one who runs the tests. Outcomes are plain values: numbers, texts, names of errors. After the cases of
pjdfstest, for the calls that a view serves.
"""

# The calls themselves are what is tried:

import contextlib
import ctypes
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

Outcome = Mapping[str, object]
Case = Callable[[Callable[[], None]], Outcome]

STRANGER: Final = 12346
"""Someone else than the one who runs a case, root or not."""

_TICK: Final = 0.012  # seconds: longer than a kernel's tick, so that two stamps differ
AT_FDCWD: Final = -100
NOREPLACE, EXCHANGE = 1, 2
libc = ctypes.CDLL(None, use_errno=True)


def tried(action: Callable[[], object]) -> object:
    """Give what an action gives, or the name of the error that it ends with."""
    try:
        return action()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))


def open_and_close(path: str, flags: int, mode: int = 0o644) -> object:
    def once() -> str:
        os.close(os.open(path, flags, mode))
        return "opened"

    return tried(once)


@contextlib.contextmanager
def held_open(path: str, flags: int = os.O_RDWR | os.O_CREAT, mode: int = 0o644) -> Iterator[int]:
    opened = os.open(path, flags, mode)
    try:
        yield opened
    finally:
        os.close(opened)


def write_file(path: str, data: bytes = b"x") -> None:
    Path(path).write_bytes(data)


def read_file(path: str) -> bytes:
    return Path(path).read_bytes()


def about_file(path: str) -> tuple[object, ...]:
    about = os.lstat(path)
    return stat.filemode(about.st_mode), about.st_nlink, about.st_size


def stamps_of(path: str, action: Callable[[], object]) -> tuple[object, bool, bool]:
    """Give what an action gives, whether the modification time of `path` moved, and whether its change time did."""
    before = os.lstat(path)
    time.sleep(_TICK)
    result = tried(action)
    after = os.lstat(path)
    return result, after.st_mtime_ns > before.st_mtime_ns, after.st_ctime_ns > before.st_ctime_ns


def renameat2(one: str, other: str, flags: int) -> object:
    if libc.renameat2(AT_FDCWD, one.encode(), AT_FDCWD, other.encode(), flags):
        return errno.errorcode[ctypes.get_errno()]
    return "renamed"

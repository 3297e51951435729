"""Open what is to be read: a plain file of this machine, or an object in a store."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final, cast

from wrapper.corpus.names import meant
from wrapper.corpus.storage import Storage, filesystem, is_remote

_CHUNK: Final = 1 << 20
_BLOCK: Final = 8 << 20  # fetched ahead from a store: a round trip takes as long as some megabytes


@contextmanager
def opened(location: str, storage: Storage | None, *, follow: bool = True) -> Iterator[BinaryIO]:
    """Open a path (`names.kept`) or an address. Raises OSError, also where it is no plain file.

    `follow`: where the last part of a path is a link, it is followed.
    """
    if is_remote(location):
        files, path = filesystem(location, storage)
        with files.open(path, "rb", block_size=_BLOCK) as remote:
            yield cast("BinaryIO", remote)
        return
    handle = os.open(meant(location), os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    try:
        _must_be_plain(os.fstat(handle).st_mode)
        # only now: opening a device or a pipe does something already
        descriptor = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    finally:
        os.close(handle)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        yield cast("BinaryIO", file)


def _must_be_plain(mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(None, "is no plain file")


def chunks(file: BinaryIO, start: int = 0, end: int = 0) -> Iterator[bytes]:
    """Give the bytes of a file in chunks, from `start` to before `end` (0: to its end). Raises OSError."""
    if start:
        file.seek(start)
    at = start
    while chunk := file.read(min(_CHUNK, end - at) if end else _CHUNK):
        yield chunk
        at += len(chunk)
    if at < end:
        raise OSError(None, "is shorter than it was")

"""Open what is to be read: a plain file of this machine, or an object in a store."""

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
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    with os.fdopen(os.open(meant(location), flags), "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(None, "is no plain file")
        yield cast("BinaryIO", file)


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """Give the bytes of a file in chunks. Raises OSError."""
    while chunk := file.read(_CHUNK):
        yield chunk

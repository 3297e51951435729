"""A JSON document written in place, where a rename would take the file's cover away."""

import errno
import os
from pathlib import Path


def write_in_place(path: Path, content: bytes) -> None:
    """Write a JSON document: before and after each step the file holds the old one or the new one, whole.

    Spaces may stand behind it. Raises OSError; the old one stands then.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        more = max(0, len(content) - size)
        if os.pwrite(descriptor, b" " * more, size) < more:  # a full disk is noticed here
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.pwrite(descriptor, content.ljust(size), 0)
        os.ftruncate(descriptor, len(content))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

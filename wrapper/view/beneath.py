"""Open a file of a folder that others can change at any moment, and never one outside of it.

The inside can put a symbolic link in the place of a folder of the workspace between two of our steps; we, outside,
would follow it to any file of the user's. So paths are walked from a trusted root, folder by folder, each opened
without following a link (the walk that openat2(2) does with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS).
"""

import errno
import os
import stat
from collections.abc import Sequence

FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def open_beneath(roots: Sequence[str], path: str, flags: int) -> int:
    """Open the absolute `path` below the deepest of `roots`; below none of them, its own folder is trusted.

    Never waits for a pipe's other end. Raises OSError: ELOOP or ENOTDIR where a link stands in the way.
    """
    own = path.rpartition("/")[0] or "/"
    root = max((root for root in roots if path.startswith(f"{root}/")), key=len, default=own)
    at = os.open(root, FOLDER)
    try:
        return open_below(at, path[len(root) :].strip("/"), flags)
    finally:
        os.close(at)


def open_below(root: int, path: str, flags: int) -> int:
    """Do the same for a `path` relative to the folder that the descriptor `root` stands for."""
    *folders, name = path.split("/")
    at = os.dup(root)
    try:
        for folder in folders:
            if folder == "..":
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
            below = os.open(folder, FOLDER | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=at)
    finally:
        os.close(at)


def open_regular(roots: Sequence[str], path: str, flags: int) -> int:
    """Open regular files only, as `open_beneath` does. Raises OSError (EINVAL) for anything else.

    What is no regular file is not even opened: a pipe's writer would take us for its reader. So the file is found
    first, which opens nothing, and what was found is opened, whatever stands at its name by then.
    """
    found = open_beneath(roots, path, os.O_PATH)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return os.open(f"/proc/self/fd/{found}", flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    finally:
        os.close(found)

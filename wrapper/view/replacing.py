"""Put a content back into the workspace from outside: in one step, with the file's mode, and never through a link.

Who runs inside may have put a link in the place of a folder since: followed, it would lead what is put back to any file
of the user's. So paths are walked below `root`, which is trusted, folder by folder (see `beneath`).
"""

import contextlib
import os
import secrets
import stat
from typing import Final

from wrapper.errors import StateError
from wrapper.view.beneath import FOLDER, open_below

_PERMISSIONS: Final = 0o777  # set-user-ID and the like are not put back: the inside may have set them
_ALONE: Final = 0o600


def read_now(root: str, path: str) -> bytes | None:
    """Read the plain file `path` (relative) below the folder `root`; None where nothing is there.

    Raises StateError where a link or something else than a plain file is in the way.
    """
    try:
        at = os.open(root, FOLDER)
        try:
            descriptor = open_below(at, path, os.O_RDONLY)
        finally:
            os.close(at)
        with os.fdopen(descriptor, "rb") as file:
            return file.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else _refuse(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _in_the_way(path, error) from error


def replace(root: str, path: str, content: bytes) -> None:
    """Make `content` that of the file `path` (relative) below the folder `root`; a new file is the user's alone (0600).

    Raises StateError as `read_now` does, or where it cannot be written; then the file is as it was.
    """
    above, _, name = path.rpartition("/")
    try:
        folder = _folder(root, above)
        try:
            _replace(folder, path, name, content)
        finally:
            os.close(folder)
    except OSError as error:
        raise _in_the_way(path, error) from error


def _folder(root: str, above: str) -> int:
    """Open the folder for fsync(2), which a mere place in the tree (O_PATH) does not take."""
    flags = os.O_RDONLY | os.O_DIRECTORY
    if not above:
        return os.open(root, flags | os.O_CLOEXEC)
    at = os.open(root, FOLDER)
    try:
        return open_below(at, above, flags)
    finally:
        os.close(at)


def _replace(folder: int, path: str, name: str, content: bytes) -> None:
    try:
        before = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        before = None
    if before is not None and not stat.S_ISREG(before.st_mode):
        _refuse(path)
    draft = f".safe-agent.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(draft, flags, _ALONE, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if before is not None:
                _take_after(descriptor, before)
            os.fsync(descriptor)
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise
    os.fsync(folder)


def _take_after(descriptor: int, before: os.stat_result) -> None:
    """Give the new file the mode of the old one, and to root's the owner, too."""
    if os.geteuid() == 0:
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, before.st_mode & _PERMISSIONS)


def _refuse(path: str) -> bytes:
    raise StateError(f"`{path}` is no plain file any more", hint="look at it; `--to FILE` writes to another place")


def _in_the_way(path: str, error: OSError) -> StateError:
    return StateError(
        f"cannot put `{path}` back: {error.strerror}",
        hint="a folder on its way may be gone, or be a link now; `--to FILE` writes to another place",
    )

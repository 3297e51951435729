"""A repository's folder, reached without following a link: what runs inside can put one anywhere in it.

Files are replaced as git does it: `NAME.lock` is made, which nobody else can make meanwhile, filled and renamed
(git's api-lockfile).
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from wrapper.guard.confining import confined
from wrapper.plan.plumbing import ask_within
from wrapper.view.beneath import FOLDER, open_below

_MOST: Final = 256 << 20
_WAIT: Final = 2.0  # seconds for a git that holds a lock
_NAP: Final = 0.02
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_COMMON: Final = "commondir"  # git makes it in folders of linked work trees only (gitrepository-layout(5))
_OF_REFS: Final = ("refs", "reftable", "worktrees")

Stamp = tuple[int, int, int, int]


class GitFolder:
    """The folder that stands at `path` now, wherever it is moved to; what comes in its place is another. OSError."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, FOLDER)

    def ask(
        self, *arguments: str, given: bytes | None = None, extra: Mapping[str, str] | None = None, below: str = ""
    ) -> bytes:
        """Ask git in this folder, or in one `below`. Raises OSError or SubprocessError, also where it is gone.

        By a file `commondir` git would read and move another repository's refs in place of this one's: nothing is asked
        where there is one. It may come between this look and git, and git then writes below this folder only.
        """
        if self.is_gone:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if self._names_another:
            raise OSError(errno.EXDEV, f"its `{_COMMON}` names another repository")
        asked = partial(ask_within, self._descriptor, arguments, below=below or ".", given=given, extra=extra)
        return confined(self._descriptor, asked)

    def read(self, name: str) -> bytes | None:
        """Give a regular file's content; None where there is none."""
        try:
            opened = open_below(self._descriptor, name, os.O_RDONLY)
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            return None
        with open(opened, "rb") as file:  # noqa: PTH123 (a descriptor, not a path)
            content = file.read(_MOST + 1)
        return content if len(content) <= _MOST else None

    def stamp(self, name: str) -> Stamp | None:
        """Say which version of a file stands there; None where there is none. Nobody inside can set a change time."""
        try:
            opened = open_below(self._descriptor, name, os.O_PATH)
        except OSError:
            return None
        found = os.fstat(opened)
        os.close(opened)
        return _stamp(found)

    def names(self, folder: str) -> list[str]:
        """Name what is in a folder; nothing where there is none."""
        try:
            opened = open_below(self._descriptor, folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return []
        try:
            return sorted(os.listdir(opened))  # noqa: PTH208 (a descriptor, not a path)
        finally:
            os.close(opened)

    def stamped(self, folder: str) -> Iterator[tuple[str, Stamp]]:
        """Yield the regular files below a folder, and which version of each stands there; through no link."""
        try:
            top = open_below(self._descriptor, folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return
        try:
            for below, _, files, at in os.fwalk(".", dir_fd=top):
                for name in files:
                    with contextlib.suppress(FileNotFoundError):  # git outside is at work
                        found = os.stat(name, dir_fd=at, follow_symlinks=False)
                        if stat.S_ISREG(found.st_mode):
                            yield os.path.normpath(f"{folder}/{below}/{name}"), _stamp(found)
        finally:
            os.close(top)

    def is_folder(self, name: str) -> bool:
        """Say whether a folder stands there, reached without a link."""
        try:
            os.close(open_below(self._descriptor, name, FOLDER))
        except OSError:
            return False
        return True

    def shared(self) -> Iterator[str]:
        """Yield the files by which git finds commits that have other names: who writes by one changes the other.

        git makes none: it puts a new file in the place of an old one.
        """
        for folder, below, files, at in os.fwalk(dir_fd=self._descriptor):
            if folder == ".":
                below[:] = [name for name in below if name in _OF_REFS]
            for name in files:
                with contextlib.suppress(FileNotFoundError):  # git outside is at work
                    if os.stat(name, dir_fd=at, follow_symlinks=False).st_nlink > 1:
                        yield os.path.normpath(f"{folder}/{name}")

    def leads_elsewhere(self, name: str) -> bool:
        """Say whether a link stands in the place of a file or of a folder on the way to it."""
        parts = name.split("/")
        for end in range(1, len(parts) + 1):
            try:
                opened = open_below(self._descriptor, "/".join(parts[:end]), os.O_PATH)
            except FileNotFoundError:
                return False
            except OSError:
                return True
            is_link = stat.S_ISLNK(os.fstat(opened).st_mode)
            os.close(opened)
            if is_link:
                return True
        return False

    @property
    def path(self) -> Path:
        """Where the folder really is now, whatever links lead to it."""
        return Path(f"/proc/self/fd/{self._descriptor}").readlink()

    @property
    def is_gone(self) -> bool:
        """Whether the folder was removed (proc(5): what `/proc/PID/fd` says of it then)."""
        return self.path.name.endswith(" (deleted)") and not self.path.exists()

    @property
    def _names_another(self) -> bool:
        try:
            os.stat(_COMMON, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def unlock(self, name: str) -> None:
        """Take away a lock that is left over, after the time that a git which is alive may hold it."""
        folder, _, own = name.rpartition("/")
        with contextlib.suppress(OSError):
            at = open_below(self._descriptor, folder, FOLDER) if folder else os.dup(self._descriptor)
            try:
                _remove(at, f"{own}.lock")
            finally:
                os.close(at)

    def unlink(self, name: str, *, kind: int = stat.S_IFLNK) -> bool:
        """Take away a symbolic link, or what is of another kind, and say whether there was one.

        Not where a folder on the way is a link.
        """
        folder, _, own = name.rpartition("/")
        try:
            at = open_below(self._descriptor, folder, FOLDER) if folder else os.dup(self._descriptor)
        except OSError:
            return False
        try:
            is_there = stat.S_IFMT(os.stat(own, dir_fd=at, follow_symlinks=False).st_mode) == kind
            if is_there:
                os.unlink(own, dir_fd=at)
        except OSError:
            return False
        finally:
            os.close(at)
        return is_there

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator["Locked"]:
        """Hold a file's lock. Raises OSError: FileExistsError where somebody else holds it for too long."""
        folder, _, own = name.rpartition("/")
        at = open_below(self._descriptor, folder, FOLDER) if folder else os.dup(self._descriptor)
        try:
            lock = Locked(at, own, _take(at, f"{own}.lock"))
            try:
                yield lock
            finally:
                lock.release()
        finally:
            os.close(at)


class Locked:
    """A file that is locked: `replace` puts new content in its place when the lock is given back."""

    def __init__(self, folder: int, name: str, opened: int) -> None:
        self._folder, self._name, self._opened = folder, name, opened
        self._is_new = False

    def replace(self, content: bytes) -> None:
        """Give the file new content, with the permissions that it has. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.fchmod(
                self._opened, stat.S_IMODE(os.stat(self._name, dir_fd=self._folder, follow_symlinks=False).st_mode)
            )
        with open(self._opened, "wb", closefd=False) as file:
            file.write(content)
        self._is_new = True

    def release(self) -> None:
        """Put new content in place, or give the lock back."""
        os.close(self._opened)
        if self._is_new:
            os.rename(f"{self._name}.lock", self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        else:
            os.unlink(f"{self._name}.lock", dir_fd=self._folder)


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _remove(folder: int, name: str) -> None:
    """Remove a file or an empty folder that stands there for longer than `_WAIT`. Raises OSError."""
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    time.sleep(max(0.0, min(_WAIT, found.st_ctime + _WAIT - time.time())))
    again = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if (again.st_ino, again.st_ctime_ns) != (found.st_ino, found.st_ctime_ns):
        return  # a git that works
    if stat.S_ISDIR(found.st_mode):
        os.rmdir(name, dir_fd=folder)
    else:
        os.unlink(name, dir_fd=folder)


def _take(folder: int, name: str) -> int:
    until = time.monotonic() + _WAIT
    while True:
        try:
            return os.open(name, _NEW, 0o666, dir_fd=folder)
        except FileExistsError:
            if time.monotonic() > until:
                raise
            time.sleep(_NAP)

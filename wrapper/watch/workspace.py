"""Hear of every change in the workspace from outside, whoever makes it: the agent through the sandbox, or the user.

Promises:
- Each change of a file in a watched folder is reported within 50 ms, in the order the kernel saw it.
- A folder that appears is watched, and what was put into it before the watch stood is reported too; so a file may be
  reported twice, never not at all.
- Links are never followed, and what is moved out of the workspace is no longer watched.
- Events that the kernel had to drop are noticed: the watches are made anew, then `on_overflow` is called.
Assumes: the workspace's path holds no link. Not seen: writes through a memory map (inotify(7), BUGS), and anything in
folders that are not scanned.
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, WatchDescriptor

from wrapper.errors import ProtectionError, SafeAgentError, SessionError
from wrapper.watch.reader import EVENTS, ROOT_EVENTS, Reader

_OPEN_WRITER: Final = 0.03  # seconds after which a write counts though its file is still open
_OTHER_HALF: Final = 0.01  # seconds a move waits for its second half; the kernel queues both in one go
_LIMIT_HINT: Final = (
    "raise the limit: `sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=1024`\n"
    "or leave out more folders with `skip` in `[files.scan]` of your policy"
)


class _Leaving(NamedTuple):
    """The first half of a move."""

    cookie: int
    path: str
    folder: bool
    since: float


class WorkspaceWatch:
    """A recursive watch on `root`, on a thread of its own.

    `is_scanned` is asked for folders only, with their path relative to `root` and `/` at its end. `on_change` gets a
    path relative to `root`, the action (`created`, `modified`, `deleted`, `moved`) and, for `moved`, the new path.
    `on_failed` gets what ended the watch by itself; without it the thread dies with the error. The callbacks are
    called on the watch's thread and must not call `stop`.
    """

    def __init__(
        self,
        root: Path,
        *,
        is_scanned: Callable[[str], bool],
        on_change: Callable[[str, str, str], None],
        on_overflow: Callable[[], None],
        on_failed: Callable[[SafeAgentError], None] | None = None,
    ) -> None:
        self._root = str(root.resolve())
        self._is_scanned = is_scanned
        self._change = on_change
        self._overflowed = on_overflow
        self._failed = on_failed
        self._lock = threading.RLock()
        self._folders: dict[int, str] = {}
        self._descriptors: dict[str, int] = {}
        self._leaving: _Leaving | None = None
        self._written: dict[str, float] = {}
        self._reader: Reader | None = None

    def start(self) -> None:
        """Watch from now on; what changes after the return is reported.

        Raises ProtectionError (`watch`) where the kernel's limits or the folder do not allow it.
        """
        try:
            self._reader = Reader(self)
        except OSError as error:
            raise _refusal(error) from error
        self._reader.start()
        try:
            with self._lock:
                self._watch_all()
        except SafeAgentError:
            self.stop()
            raise

    def stop(self) -> None:
        """Report what is still queued, then end; no callback comes after the return."""
        if self._reader is not None:
            self._reader.stop()
            self._reader.join()
            self._reader = None

    # -- what the reader calls, on its thread ------------------------------------------------------------------------

    def on_event(self, event: InotifyEvent) -> None:
        """Take one event of a watched folder."""
        with self._lock:
            folder = self._folders.get(event.wd)
            if folder is None:
                return
            if not event.name:
                self._of_itself(event, folder)
                return
            name = os.fsdecode(event.name)
            self._of_entry(event, f"{folder}/{name}" if folder else name)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Forget a folder that is gone."""
        with self._lock:
            folder = self._folders.pop(wd, None)
            if folder is not None and self._descriptors.get(folder) == wd:
                del self._descriptors[folder]

    def on_queue_overflow(self) -> None:
        """Walk the tree anew, since folders may have come and gone unseen; only then have it all looked at.

        The kernel gives a folder that is still there its old descriptor again. Taking all watches off first would queue
        one event for each: in a large workspace the next overflow, without end.
        """
        with self._lock:
            self._leaving = None
            self._written.clear()
            before = set(self._folders)
            self._folders.clear()
            self._descriptors.clear()
            self._watch_all()
            for descriptor in before - self._folders.keys():
                self._unwatch(descriptor)
        self._overflowed()

    def on_round(self, now: float) -> None:
        """Report what waited long enough for its other half, or for its file to be closed."""
        with self._lock:
            if self._leaving is not None and now - self._leaving.since >= _OTHER_HALF:
                self._left()
            for path in [path for path, since in self._written.items() if now - since >= _OPEN_WRITER]:
                self._modified(path)

    def next_due(self) -> float | None:
        """Say when `on_round` has something to report."""
        times = [since + _OPEN_WRITER for since in self._written.values()]
        if self._leaving is not None:
            times.append(self._leaving.since + _OTHER_HALF)
        return min(times, default=None)

    def on_end(self, error: Exception | None) -> None:
        """Report what still waits; tell of an end that nobody asked for."""
        if error is None:
            self.on_round(float("inf"))
            return
        refusal = error if isinstance(error, SafeAgentError) else _refusal(error)
        if self._failed is None:
            raise refusal
        self._failed(refusal)

    # -- one event ---------------------------------------------------------------------------------------------------

    def _of_itself(self, event: InotifyEvent, folder: str) -> None:
        if not folder and (event.is_delete_self or event.is_move_self):
            raise SessionError(f"the workspace `{self._root}` was moved or deleted", hint="start again where it is now")

    def _of_entry(self, event: InotifyEvent, path: str) -> None:
        """Sort one event about the entry `path` of a watched folder."""
        folder = bool(event.mask & InotifyConstants.IN_ISDIR)
        leaving = self._leaving
        if leaving is not None and not (event.is_moved_to and event.cookie == leaving.cookie):
            self._left()
            leaving = None
        if event.is_moved_from:
            self._leaving = _Leaving(event.cookie, path, folder, time.monotonic())
        elif event.is_moved_to and leaving is not None:
            self._moved(leaving, path)
        elif event.is_create or event.is_moved_to:
            self._created(path, folder=folder)
        elif event.is_delete:
            self._written.pop(path, None)
            self._change(path, "deleted", "")
        elif event.is_close_write:
            self._modified(path)
        elif event.is_modify and not folder:
            self._written.setdefault(path, time.monotonic())

    def _created(self, path: str, *, folder: bool) -> None:
        self._change(path, "created", "")
        if folder:
            for found in self._watch(path):
                self._change(found, "created", "")

    def _modified(self, path: str) -> None:
        self._written.pop(path, None)
        self._change(path, "modified", "")

    def _moved(self, leaving: _Leaving, path: str) -> None:
        self._leaving = None
        if self._written.pop(leaving.path, None) is not None:
            self._written[path] = time.monotonic()
        self._change(leaving.path, "moved", path)
        if leaving.folder:  # watched anew, not renamed: other folders may be scanned under the new name
            self._forget(leaving.path)
            for found in self._watch(path):
                self._change(leaving.path + found.removeprefix(path), "moved", found)

    def _left(self) -> None:
        """Report a move whose second half never came: it went out of the workspace, or into an unwatched folder."""
        leaving, self._leaving = self._leaving, None
        if leaving is not None:
            self._written.pop(leaving.path, None)
            self._change(leaving.path, "deleted", "")
            if leaving.folder:
                self._forget(leaving.path)

    # -- watches -----------------------------------------------------------------------------------------------------

    def _watch_all(self) -> None:
        for _ in self._watch(""):
            pass
        if "" not in self._descriptors:
            raise ProtectionError(
                "watch", f"the workspace `{self._root}` cannot be watched", hint="is it there, and readable?"
            )

    def _watch(self, top: str) -> Iterator[str]:
        """Watch `top` and the folders in it; yield all that lies in it. Each is watched before it is listed."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            if folder in self._descriptors or (folder and not self._is_scanned(f"{folder}/")):
                continue
            if not self._add(folder):
                continue
            for entry, is_folder in self._entries(folder):
                path = f"{folder}/{entry}" if folder else entry
                yield path
                if is_folder:
                    waiting.append(path)

    def _add(self, folder: str) -> bool:
        assert self._reader is not None  # noqa: S101 (called between start and stop)
        path = f"{self._root}/{folder}" if folder else self._root
        try:
            descriptor = self._reader.watch(path, EVENTS if folder else ROOT_EVENTS)
        except OSError as error:
            raise _refusal(error) from error
        if descriptor is None:
            return False
        self._folders[descriptor] = folder
        self._descriptors[folder] = descriptor
        return True

    def _entries(self, folder: str) -> list[tuple[str, bool]]:
        try:
            with os.scandir(f"{self._root}/{folder}") as entries:
                return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError:  # gone again, or not ours to read: then nothing inside reads it either
            return []

    def _forget(self, top: str) -> None:
        """Take the watches off `top` and all folders in it."""
        beneath = f"{top}/"
        for folder in [one for one in self._descriptors if not top or one == top or one.startswith(beneath)]:
            descriptor = self._descriptors.pop(folder)
            self._folders.pop(descriptor, None)
            self._unwatch(descriptor)

    def _unwatch(self, descriptor: int) -> None:
        if self._reader is not None:
            self._reader.unwatch(descriptor)


def _refusal(error: Exception) -> SafeAgentError:
    """Name the kernel's limits (inotify(7)): ENOSPC watches, EMFILE instances, both of the user."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EMFILE):
        what = "watches" if error.errno == errno.ENOSPC else "instances"
        return ProtectionError(
            "watch", f"the workspace cannot be watched: the limit of inotify {what} is reached", hint=_LIMIT_HINT
        )
    text = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return ProtectionError("watch", f"the watch on the workspace ended: {text}")

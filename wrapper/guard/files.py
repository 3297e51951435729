"""The guard's thread for files: hears of changes, covers what must be covered, restores what was written inside."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable

from redactors.documents import mask_known
from wrapper.audit.events import Event, FileChange, Warned
from wrapper.errors import SafeAgentError, SessionError
from wrapper.guard import watcher
from wrapper.guard.appearing import Appearing
from wrapper.guard.duties import GuardDuties
from wrapper.guard.publishing import Publisher
from wrapper.guard.watcher import Ended, Failed, Message, Overflowed, Seen
from wrapper.messages import printable
from wrapper.plan.contents import MOST_BYTES
from wrapper.view.beneath import open_regular

_CHANGING = frozenset(("created", "modified", "moved"))
_REPLACING = frozenset(("created", "deleted"))

_STOP_WAIT = 4.0  # seconds for the watcher to say all that the kernel had queued
_MOST_NEAR = 10  # near-misses told of one file
_SECOND_LOOK = 0.5  # seconds from the start: not in the way of a client that is starting


class FileThread(threading.Thread):
    """One worker for all that touches files; `tell` takes an event from this thread, `failed` a fatal error."""

    def __init__(
        self,
        duties: GuardDuties,
        publisher: Publisher,
        appearing: Appearing,
        *,
        tell: Callable[[Event], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        super().__init__(name="files", daemon=True)
        self._duties = duties
        self._tell = tell
        self._failed = failed
        self._publisher = publisher
        self._appearing = appearing
        self._second_look: float | None = time.monotonic() + _SECOND_LOOK
        self._missed = False  # changes went unseen: all must be looked at again in the end
        self._nearly: set[str] = set()
        self._state_files = {str(file) for file in duties.state_files}
        self._covers = duties.covers
        self._covers.report = self._report

    def finish(self) -> None:
        """Restore what waits, when nothing runs inside any more; returns when all is done.

        It does so whatever has failed before: the caller's own thread does the work.
        """
        with contextlib.suppress(OSError):
            self._duties.changes.send(watcher.STOP)
        self.join(_STOP_WAIT)
        if self.is_alive():  # a watcher that does not answer: the thread sees its socket end
            with contextlib.suppress(OSError):
                self._duties.changes.shutdown(socket.SHUT_RDWR)
            self.join()
        try:
            if self._missed:
                self._rescan()
        finally:
            for path in self._covers.finish():
                self._warn(f"could not write back what was written to `{path}` inside")

    def run(self) -> None:
        """Serve until `finish`."""
        try:
            for early in self._duties.seen:
                self._take(early)
            while not isinstance(message := self._next(), Ended):
                self._take(message)
        except BaseException as error:  # noqa: BLE001 (whatever it was, the session must end: promise 5)
            self._missed = True
            self._failed(error)

    def _next(self) -> Message | None:
        """Wait for the watcher; once, when the client has started, look again at what may have changed before.

        Between the walk over the workspace and the first watch a change is seen by neither.
        """
        while self._second_look is not None:
            self._duties.changes.settimeout(max(0.001, self._second_look - time.monotonic()))
            try:
                return watcher.receive(self._duties.changes)
            except TimeoutError:
                self._second_look = None
                self._duties.changes.settimeout(None)
                self._rescan()
        return watcher.receive(self._duties.changes)

    def _rescan(self) -> None:
        for path in self._duties.rescan():
            self._look_at(path)
        self._publisher.publish()

    def _take(self, message: Message | None) -> None:
        match message:
            case None:
                raise SessionError("the watch on the workspace ended unexpectedly")
            case Seen():
                self._seen(message)
            case Overflowed():
                self._overflowed(message.folder)
            case Failed() if self._duties.may_miss_changes:
                self._missed = True
                self._warn(f"degraded: {message.what}")
            case Failed():
                raise SessionError(message.what, hint=message.hint)
        self._publisher.publish()

    def _seen(self, seen: Seen) -> None:
        folder = self._duties.folders[seen.folder].folder
        paths = [os.fsdecode(path) for path in (seen.path, seen.target) if path]
        if folder == self._duties.workspace:
            self._tell(
                FileChange(
                    at=time.time(),
                    path=self._named(seen.path),
                    action=seen.action,
                    target=self._named(seen.target),
                )
            )
            if len(paths) == 2:
                self._covers.moved(f"{folder}/{paths[0]}", f"{folder}/{paths[1]}")
            for path in paths:
                if seen.action in _REPLACING:
                    self._covers.replaced(f"{folder}/{path}")
                self._look_at(f"{folder}/{path}")
            if seen.action in _CHANGING:
                self._appearing.look(paths[-1])
        elif folder == self._duties.staging:
            for path in paths:
                self._covers.inside_wrote(f"{folder}/{path}")
        else:
            for path in paths:
                if f"{folder}/{path}" in self._state_files:
                    self._look_at(f"{folder}/{path}")

    def _overflowed(self, number: int) -> None:
        folder = self._duties.folders[number].folder
        if folder == self._duties.workspace:
            self._warn("more files changed than the kernel could report; the whole workspace was looked at again")
            self._rescan()
        elif folder == self._duties.staging:
            self._covers.write_back()
        else:
            for file in self._state_files:
                self._look_at(file)

    def _look_at(self, path: str) -> None:
        try:
            self._covers.host_changed(path)
        except OSError as error:
            if os.path.lexists(path):
                self._warn(f"could not cover `{path}`: {error.strerror}")

    def _report(self, path: str, action: str) -> None:
        name = path.removeprefix(f"{self._duties.workspace}/")
        self._tell(FileChange(at=time.time(), path=self._named(os.fsencode(name)), action=action))
        if action == "restored":
            self._warn_of_near_misses(path, name)

    def _warn_of_near_misses(self, path: str, name: str) -> None:
        """Say once what was written inside as a placeholder and is none: it stands in the real file now."""
        roots = [str(self._duties.workspace), *(str(file.parent) for file in self._duties.state_files)]
        try:
            with os.fdopen(open_regular(roots, path, os.O_RDONLY), "rb") as opened:
                content = opened.read(MOST_BYTES)
        except OSError:
            return
        for near in self._duties.vault.near_misses(content)[:_MOST_NEAR]:
            text = f"{near.what} (in `{name}`)"
            if text not in self._nearly:
                self._nearly.add(text)
                self._warn(text)

    def _named(self, path: bytes) -> str:
        """Give a path as the log may have it: a name may hold a value."""
        return printable(os.fsdecode(mask_known(path, self._duties.engine).data))

    def _warn(self, text: str) -> None:
        self._tell(Warned(at=time.time(), text=printable(text)))


def reason(error: BaseException) -> str:
    """Say in one line why the file thread ended."""
    return error.what if isinstance(error, SafeAgentError) else f"{type(error).__name__}: {error}"

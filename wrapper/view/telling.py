"""What a FUSE view has to tell: changes and reads to the audit log, all else to the guard, from a thread of its own.

The daemon hands over and goes on: a log that is slow must not be felt in a `stat`. One that fails ends the process,
and with it the session (promise 4).
"""

import contextlib
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import msgspec

from wrapper.audit.events import Event, FileChange, FilesRead
from wrapper.audit.touched import touched
from wrapper.errors import StateError
from wrapper.messages import printable
from wrapper.view import messages
from wrapper.view.witness import Change

_MOST_READ: Final = 500  # files in one event
_MOST_AT_ONCE: Final = 64  # events and messages: what is told while the inside makes many files comes in bursts
_MOST_COMPARED: Final = 64 << 10  # bytes of contents at once: what is ready does not wait long for what is not

Read = tuple[bytes, float, int]
Contents = tuple[bytes, bytes] | None
"""What a file showed before and after, where its change is told with what is another in it."""
_Untold = tuple[Event, Contents] | Callable[[], None]


class Sink(Protocol):
    """Where events go; see `ports.AuditSink`."""

    def append_all(self, events: Iterable[Event]) -> None:
        """Hand over events in their order; where one raises, those before it. Raises AuditError if the log failed."""


class Keeper(Protocol):
    """Keeps what a damaged placeholder stood for; see `recovery.RecoveryStore`."""

    def keep(self, path: str, content: bytes, why: str, at: float) -> None:
        """Keep a file's real content. Raises StateError where it cannot be kept."""


class Telling:
    """The witness of one view (`witness.Witness`).

    `mask` is put over names of files, which may hold a value, too; `redact` over what was changed in them: what only
    looks like a secret is shown to the inside, and redacted wherever it leaves.

    What waits is told together, events before messages: the guard never hears of what the log was not told before.
    """

    def __init__(
        self,
        sink: Sink,
        guard: socket.socket,
        keeper: Keeper,
        workspace: Path,
        mask: Callable[[bytes], bytes],
        redact: Callable[[bytes], bytes],
    ) -> None:
        self._sink = sink
        self._guard = guard
        self._keeper = keeper
        self._workspace = workspace
        self._mask = mask
        self._redact = redact
        self._queue: queue.SimpleQueue[_Untold] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="telling", daemon=True).start()

    def changed(self, change: Change) -> None:
        """Record a change, the agent's or the host's."""
        event = FileChange(
            at=change.at,
            path=self._text(change.path),
            action=change.action,
            target=self._text(change.target),
            by=change.by,
            process=printable(change.process),
            ranges=change.ranges,
            before=change.before,
            after=change.after,
        )
        self._queue.put((event, change.contents))

    def read(self, files: Sequence[Read]) -> None:
        """Record what was read."""
        for at in range(0, len(files), _MOST_READ):
            rows = tuple((self._text(path), first, size) for path, first, size in files[at : at + _MOST_READ])
            self._queue.put((FilesRead(at=time.time(), files=rows), None))

    def masked(self, path: bytes) -> None:
        """Record that a file shows placeholders now."""
        self._record(path, "masked")

    def restored(self, path: bytes) -> None:
        """Record that placeholders became values."""
        self._record(path, "restored")

    def damaged(self, path: bytes, text: str, real: bytes, *, refused: bool) -> None:
        """Keep what was there before, and tell."""
        self._queue.put(partial(self._damaged, path, text, real, refused=refused))

    def left(self, path: bytes, why: str) -> None:
        """Tell of a placeholder that stays one."""
        self.say(f"a placeholder was written into `{self._text(path)}` and stays there as it is: {why}")

    def refused(self, path: bytes) -> None:
        """Tell of a write to a protected path."""
        self.say(f"a change of the protected `{self._text(path)}` was refused")

    def appeared(self, path: bytes) -> None:
        """Let the guard see whether that may run outside later."""
        self._send(messages.Appeared(path))

    def refs_moved(self, path: bytes) -> None:
        """Let the guard look at new commits."""
        self._send(messages.RefsMoved(path))

    def learned(self, values: Sequence[tuple[str, bytes]]) -> None:
        """Let the guard know of values that have become known."""
        for kind, value in values:
            self._send(messages.KnownValue(kind, value))

    def say(self, text: str) -> None:
        """Tell the user."""
        self._send(messages.Told(printable(text)))

    def rested(self) -> None:
        """Say that all is said; returns when it is."""
        done = threading.Event()
        self._send(messages.Rested())
        self._queue.put(done.set)
        done.wait()

    def _record(self, path: bytes, action: str) -> None:
        self._queue.put((FileChange(at=time.time(), path=self._text(path), action=action), None))

    def _damaged(self, path: bytes, text: str, real: bytes, *, refused: bool) -> None:
        if refused:
            self._put(messages.Told(printable(f"{text} (in `{self._text(path)}`); the write was refused")))
            return
        try:
            self._keeper.keep(str(self._workspace / os.fsdecode(path)), real, text, time.time())
            kept = "what was there before is kept: `safe-agent recover`"
        except (StateError, OSError) as error:
            kept = f"what was there before could not be kept: {error}"
        self._put(messages.Told(printable(f"{text} (in `{self._text(path)}`); {kept}")))

    def _send(self, message: messages.FromView) -> None:
        self._queue.put(partial(self._put, message))

    def _put(self, message: messages.FromView) -> None:
        packet = messages.encode(message)
        if len(packet) < messages.LONGEST:
            self._guard.send(packet)

    def _run(self) -> None:
        while True:
            try:
                self._tell(list(self._waiting()))
            except Exception as error:  # noqa: BLE001 (whatever it is, what follows would go unrecorded: no session then)
                os.write(2, f"safe-agent: the view cannot tell what happens any more: {error}\n".encode())
                os._exit(1)

    def _tell(self, waiting: Sequence[_Untold]) -> None:
        events = [one for one in waiting if isinstance(one, tuple)]
        if events:
            self._sink.append_all(self._with_diff(*one) for one in events)
        for one in waiting:
            if not isinstance(one, tuple):
                one()

    def _with_diff(self, event: Event, contents: Contents) -> Event:
        diff = touched(*contents) if contents is not None else b""
        if not diff:
            return event
        return msgspec.structs.replace(event, diff=self._redact(diff).decode("utf-8", "replace"))

    def _text(self, path: bytes) -> str:
        return printable(os.fsdecode(self._mask(path))) if path else ""

    def _waiting(self) -> Iterator[_Untold]:
        """Wait for something to tell; give it, and what waits behind it."""
        one, compared = self._queue.get(), 0
        yield one
        with contextlib.suppress(queue.Empty):
            for _ in range(_MOST_AT_ONCE - 1):
                compared += sum(map(len, one[1] or ())) if isinstance(one, tuple) else 0
                if compared > _MOST_COMPARED:
                    return
                one = self._queue.get_nowait()
                yield one


class Elsewhere:
    """The witness of a folder outside of the workspace: paths are absolute; what appears there is git's."""

    def __init__(self, telling: Telling, place: bytes) -> None:
        self._telling = telling
        self._place = place + b"/"

    def changed(self, change: Change) -> None:
        """Record a change."""
        target = self._place + change.target if change.target else b""
        self._telling.changed(msgspec.structs.replace(change, path=self._place + change.path, target=target))

    def read(self, files: Sequence[Read]) -> None:
        """Record what was read."""
        self._telling.read([(self._place + path, first, size) for path, first, size in files])

    def masked(self, path: bytes) -> None:
        """Record that a file shows placeholders now."""
        self._telling.masked(self._place + path)

    def restored(self, path: bytes) -> None:
        """Record that placeholders became values."""
        self._telling.restored(self._place + path)

    def damaged(self, path: bytes, text: str, real: bytes, *, refused: bool) -> None:
        """Keep what was there before, and tell."""
        self._telling.damaged(self._place + path, text, real, refused=refused)

    def left(self, path: bytes, why: str) -> None:
        """Tell of a placeholder that stays one."""
        self._telling.left(self._place + path, why)

    def refused(self, path: bytes) -> None:
        """Tell of a write to a protected path."""
        self._telling.refused(self._place + path)

    def appeared(self, path: bytes) -> None:
        """Let the guard know of names by which git finds commits: one may be a link. The rest is git's own work."""
        if path.startswith((b"refs/", b"reftable/", b"worktrees/")) and not path.endswith(b".lock"):
            self._telling.refs_moved(self._place + path)

    def refs_moved(self, path: bytes) -> None:
        """Let the guard look at new commits."""
        self._telling.refs_moved(self._place + path)

"""The recorder's end of the indexer: hands events over without ever waiting, and says at the end what came of it.

- Nothing is started before there is something to index: a model's answer, or a file that changed.
- What the indexer does not take at once waits in memory, at most `MOST`. Where that is not enough, or the indexer is
  gone, the session goes on, and its index is not whole: it can be made anew from the log.
- The indexer is a copy of this process, which holds the keys of the log: it forgets them first of all (`disown`).

A message is its length (u32), kind (u8) and record's number (u64), big-endian, then the record. Back comes one text at
the end: `DONE`, or why the index is not whole.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from wrapper.audit.events import FileChange, decode
from wrapper.errors import AuditError
from wrapper.processes import Forked, fork

RECORD: Final = 0
GAP: Final = 1
END: Final = 2
HEAD: Final = struct.Struct(">IBQ")
DONE: Final = "done"
LONGEST_ANSWER: Final = 4096

MOST: Final = 64 << 20
"""Bytes that may wait for the indexer; no record is longer."""

_PATIENCE: Final = 3.0  # seconds that a session's end waits for its index
_WANTED: Final = (b"\xa5start", b"\xa7request", b"\xa8response", b"\xa4file", b"\xa4read")
_FIRST: Final = 24  # bytes in which the type of an event stands: it is the first member
_OVERFLOW: Final = "more came than could be indexed in time"
_GONE: Final = "its process ended"
_LATE: Final = "it was not ready in time"


class Task(msgspec.Struct, frozen=True):
    """What an indexer has to know: paths are text; `key` is the file of the key, `state` the state folder.

    `commits` are those that git knew when the session began; None: nobody looked.
    """

    session: str
    workspace: str
    state: str
    key: str
    commits: tuple[str, ...] | None = None


class Handing:
    """Takes a session's records; meets `recorder.Listener`.

    `work` is what the indexer's process does; `patience` is how many seconds a session's end waits for it.
    """

    def __init__(
        self,
        task: Task,
        work: Callable[[socket.socket, Task], int],
        *,
        most: int = MOST,
        patience: float = _PATIENCE,
    ) -> None:
        self._task = task
        self._work = work
        self._most = most
        self._patience = patience
        self._disown: Callable[[], None] = lambda: None
        self._connection: socket.socket | None = None
        self._process: Forked | None = None
        self._waiting: deque[memoryview] = deque()
        self._size = 0
        self._lost = ""

    def begin(self, disown: Callable[[], None]) -> None:
        """Be told how a copy of the recorder forgets what only the recorder may know."""
        self._disown = disown

    @property
    def session(self) -> str:
        """The session's id."""
        return self._task.session

    @property
    def is_idle(self) -> bool:
        """Say whether nothing has come that would be indexed."""
        return self._process is None and not self._lost

    @property
    def full(self) -> socket.socket | None:
        """The connection that has to have room before more can be handed over; None where nothing waits."""
        return self._connection if self._waiting else None

    def take(self, sequence: int, record: bytes) -> None:
        """Hand a record over, as far as that can be done at once."""
        head = record[:_FIRST]
        if self._lost or not any(kind in head for kind in _WANTED):
            return
        if self._size + len(record) > self._most:
            self._lost = _OVERFLOW
            self._put(GAP, sequence, _OVERFLOW.encode())
        else:
            self._put(RECORD, sequence, record)
        if self._process is None and (self._lost or _begins(head, record)):
            self._start()
        self.write()

    def write(self) -> None:
        """Hand over what the connection has room for."""
        while self._waiting and self._connection is not None:
            piece = self._waiting[0]
            try:
                sent = self._connection.send(piece)
            except BlockingIOError:
                return
            except OSError:  # it is gone, but may have said why
                self._close(_text(_received(self._connection)) or _GONE)
                return
            self._size -= sent
            if sent == len(piece):
                self._waiting.popleft()
            else:
                self._waiting[0] = piece[sent:]

    def end(self) -> str:
        """Let the indexer end, for some seconds; return why the index is not whole, empty where it is."""
        if self._process is None:
            return self._lost
        deadline = time.monotonic() + self._patience
        self._put(END, 0, b"")
        said = self._answer(deadline)
        if said is None:  # nothing outlives the session
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process.pidfd, signal.SIGKILL)
        self._close("")
        self._process.wait()
        if self._lost or said == DONE:
            return self._lost
        return _LATE if said is None else said or _GONE

    def _answer(self, deadline: float) -> str | None:
        """Hand over the rest, and return what the indexer says until it ends; None where it does not in time."""
        said = b""
        while self._connection is not None:
            left = max(0.0, deadline - time.monotonic())
            wants = [self._connection] if self._waiting else []
            readable, writable, _ = select.select([self._connection], wants, [], left)
            if writable:
                self.write()
            elif not readable:
                return None
            elif not (data := _received(self._connection)):
                break
            else:
                said += data
        return _text(said)

    def _put(self, kind: int, sequence: int, payload: bytes) -> None:
        self._waiting += (memoryview(HEAD.pack(len(payload), kind, sequence)), memoryview(payload))[: 1 + bool(payload)]
        self._size += HEAD.size + len(payload)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            self._process = fork("safe-index", lambda: self._index(theirs), keep=[theirs.fileno()])
        except OSError as error:
            ours.close()
            self._close(f"its process could not be started: {os.strerror(error.errno or 0)}")
            return
        finally:
            theirs.close()
        ours.setblocking(False)
        self._connection = ours

    def _index(self, connection: socket.socket) -> int:
        self._disown()
        self._waiting.clear()
        return self._work(connection, self._task)

    def _close(self, why: str) -> None:
        self._lost = self._lost or why
        self._waiting.clear()
        self._size = 0
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _begins(head: bytes, record: bytes) -> bool:
    """Say whether a record is one for which an indexer is started."""
    if b"\xa8response" in head:
        return True
    if b"\xa4file" not in head:
        return False
    try:
        event = decode(record)
    except AuditError:
        return False
    return isinstance(event, FileChange) and event.by != "" and event.action in ("created", "modified")


def _text(said: bytes) -> str:
    return said[:LONGEST_ANSWER].decode("utf-8", "replace")


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(LONGEST_ANSWER)
    except OSError:
        return b""

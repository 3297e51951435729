"""How the session's processes hand events to the recorder: one socket each, never shared between processes.

- A log that failed, or a recorder that is gone, makes every later call raise AuditError.
- Nothing here loads `cryptography`, and `asyncio` only where an event loop runs already.
"""

import collections
import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from wrapper.audit import wire
from wrapper.audit.events import Event
from wrapper.errors import AuditError

if TYPE_CHECKING:
    from asyncio import Future, Handle, TimerHandle

_HINT: Final = "nothing may happen unrecorded; start again when the cause is gone"
_BUFFER: Final = 1 << 20  # asked of the kernel, which gives what net.core.wmem_max allows
# The guard never waits when it appends; past this the recorder is not keeping up, and memory must not grow for ever
_MOST_QUEUED: Final = 256 << 20
_JOINED: Final = 1 << 16  # bytes that are cheaper to copy than to send by a second call
# Seconds that an event waits for the next one, to go with it: each message wakes the recorder, which costs both more
# than the event itself, and what a request ends with mostly goes with the record of the next request
_GATHERED: Final = 0.002
_AT_ONCE: Final = 64  # parts of one call: the kernel takes no more than 1024


def _gone() -> AuditError:
    return AuditError("the recorder of the audit log ended", hint=_HINT)


class _Answers:
    """Parses what the recorder says; raises AuditError once it says that the log failed."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> int:
        """Return how many more durable events are on disk."""
        if not data:
            raise _gone()
        self._data += data
        written = 0
        while len(self._data) >= wire.ANSWER.size:
            kind, number = wire.ANSWER.unpack_from(self._data)
            if kind == wire.FAILED:
                reason = self._data[wire.ANSWER.size :][:number].decode(errors="replace")
                raise AuditError(f"the audit log failed: {reason}", hint=_HINT)
            written += number
            self._data = self._data[wire.ANSWER.size :]
        return written


class RecorderClient:
    """The blocking sink (`ports.AuditSink`) of one process; may be used by several of its threads."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        _widen(connection)
        self._connection = connection
        self._answers = _Answers()
        self._failure: AuditError | None = None
        self._lock = threading.Lock()

    def append(self, event: Event) -> None:
        """Hand over one event; on disk within 200 ms. Raises AuditError once the log has failed."""
        head, payload = wire.pack(event)  # what cannot be packed harms nobody else's events
        with self._lock, self._failing():
            self._send(head, payload)

    def append_all(self, events: Iterable[Event]) -> None:
        """Hand over several in their order, all at once: as `append` does with each, but the recorder wakes once.

        Where one raises, those before it were handed over.
        """
        parts: list[bytes] = []
        try:
            for event in events:
                parts += wire.pack(event)
        finally:
            if parts:
                with self._lock, self._failing():
                    self._send(b"".join(parts), b"")

    def append_durable(self, event: Event) -> None:
        """Return only after the event is on disk (fsync). Raises AuditError if it is not."""
        head, payload = wire.pack(event, durable=True)
        with self._lock, self._failing():
            self._send(head, payload)
            while not self._answers.feed(self._connection.recv(wire.MAX_REASON)):
                pass

    def close(self) -> None:
        """End the connection; the recorder seals the log when all have ended."""
        with self._lock:
            self._failure = AuditError("the audit log was closed")
            self._connection.close()

    def _send(self, head: bytes, payload: bytes) -> None:
        sent = self._connection.sendmsg((head, payload), (), socket.MSG_NOSIGNAL)
        if sent < len(head) + len(payload):  # a signal came in between
            self._connection.sendall(memoryview(head + payload)[sent:], socket.MSG_NOSIGNAL)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        if self._failure is not None:
            raise self._failure
        try:
            yield
        except OSError as error:
            self._failure = self._reason()
            raise self._failure from error
        except AuditError as error:
            self._failure = error
            raise
        except BaseException:  # a signal handler raised: half an event may have been sent
            self._failure = AuditError("an event was cut off on its way to the audit log", hint=_HINT)
            self._connection.close()
            raise

    def _reason(self) -> AuditError:
        """Return what the recorder said before it closed the connection."""
        try:
            while True:
                self._answers.feed(self._connection.recv(wire.MAX_REASON))
        except AuditError as error:
            return error
        except OSError:
            return _gone()


class AsyncRecorderClient:
    """The sink of an event loop (`ports.AsyncAuditSink`), made and used inside that loop only.

    A durable event goes to the recorder at once, with all before it; what comes while others are on their way to disk
    goes together at the loop's next turn, since the recorder would not take it before.
    `on_failure` is called once, with the reason, when the log fails or the recorder is gone.
    """

    def __init__(self, connection: socket.socket, *, on_failure: Callable[[AuditError], None] | None = None) -> None:
        import asyncio  # noqa: PLC0415 (49 ms, and the relay, which needs this module too, has no loop)

        connection.setblocking(False)
        _widen(connection)
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._on_failure = on_failure
        self._answers = _Answers()
        self._queue: collections.deque[memoryview] = collections.deque()
        self._queued = 0
        self._waiting: collections.deque[Future[None]] = collections.deque()
        self._drained: Future[None] | None = None
        self._failure: AuditError | None = None
        self._is_blocked = False  # the socket is full; the loop says when it takes more
        self._timer: TimerHandle | None = None
        self._turn: Handle | None = None
        self._loop.add_reader(connection, self._receive)

    def append(self, event: Event) -> None:
        """Hand over one event without waiting. Raises AuditError once the log has failed."""
        self._enqueue(event, durable=False)
        if self._queued > _JOINED:
            self._send()
        elif self._timer is None:
            self._timer = self._loop.call_later(_GATHERED, self._gathered)

    async def append_durable(self, event: Event) -> None:
        """Return only after the event is on disk (fsync). Raises AuditError if it is not."""
        self._enqueue(event, durable=True)
        written = self._loop.create_future()
        others_wait = bool(self._waiting)
        self._waiting.append(written)  # before anything is awaited: answers come in the order of the events
        if not others_wait:
            self._send()
        elif self._turn is None:
            self._turn = self._loop.call_soon(self._at_turn)
        await written

    async def close(self) -> None:
        """Send what is queued, then end the connection. Raises AuditError where the log failed before that."""
        self._send()
        if self._queue and self._failure is None:
            self._drained = self._loop.create_future()
            await self._drained
        failure, self._failure = self._failure, AuditError("the audit log was closed")
        self._detach()
        self._refuse_waiting(failure or self._failure)
        if failure is not None:
            raise failure

    def _enqueue(self, event: Event, *, durable: bool) -> None:
        if self._failure is not None:
            raise self._failure
        if self._queued > _MOST_QUEUED:
            self._fail(AuditError("the disk is too slow for the audit log", hint=_HINT))
            raise self._failure or _gone()
        head, payload = wire.pack(event, durable=durable)
        for part in (head, payload) if len(payload) > _JOINED else (head + payload,):
            self._queue.append(memoryview(part))
            self._queued += len(part)

    def _gathered(self) -> None:
        self._timer = None
        self._send()

    def _at_turn(self) -> None:
        self._turn = None
        self._send()

    def _send(self) -> None:
        """Hand over what the socket takes now, but where it is full and the loop will say when it takes more."""
        if not self._is_blocked:
            self._write()

    def _write(self) -> None:
        try:
            while self._queue:
                parts = tuple(itertools.islice(self._queue, _AT_ONCE))
                self._sent(self._connection.sendmsg(parts, (), socket.MSG_NOSIGNAL))
        except BlockingIOError:
            if not self._is_blocked:
                self._is_blocked = True
                self._loop.add_writer(self._connection, self._write)
            return
        except OSError:
            self._receive()  # the reason may stand in what the recorder said last
            self._fail(_gone())
            return
        if self._is_blocked:
            self._is_blocked = False
            self._loop.remove_writer(self._connection)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _sent(self, size: int) -> None:
        """Take the first `size` bytes off the queue."""
        self._queued -= size
        while self._queue and size >= len(self._queue[0]):
            size -= len(self._queue.popleft())
        if size:
            self._queue[0] = self._queue[0][size:]

    def _receive(self) -> None:
        try:
            written = self._answers.feed(self._connection.recv(wire.MAX_REASON))
        except BlockingIOError:
            return
        except AuditError as error:
            self._fail(error)
            return
        except OSError:
            self._fail(_gone())
            return
        for _ in range(min(written, len(self._waiting))):
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)

    def _fail(self, error: AuditError) -> None:
        if self._failure is not None:
            return
        self._failure = error
        self._detach()
        self._refuse_waiting(error)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self._on_failure is not None:
            self._on_failure(error)

    def _detach(self) -> None:
        if self._connection.fileno() >= 0:
            self._loop.remove_reader(self._connection)
            self._loop.remove_writer(self._connection)
            self._connection.close()
        for planned in (self._timer, self._turn):
            if planned is not None:
                planned.cancel()
        self._queue.clear()
        self._queued = 0

    def _refuse_waiting(self, error: AuditError) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(error)


def _widen(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)

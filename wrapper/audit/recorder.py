"""The recorder process: takes events from the session's processes and writes the log.

- Nothing is acknowledged before it is on disk; acknowledgements of one connection come in its order.
- What is not durable is on disk 200 ms after it arrived; events of one connection keep their order.
- A full socket buffer holds the sender: memory is bounded by one message per connection.
- A failed write is told to every connection, then the process ends: the session must not go on unrecorded.
- The end of all connections seals the log. So whoever holds a connection must not leak it into other processes.
- The ledger hears of the session when its first records stand, and before any others; if it cannot, the log fails.
  What it cannot be told later (a beat, a new segment) becomes a warning in the log: the session's end is told again.
"""

import contextlib
import math
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from wrapper.audit import wire
from wrapper.audit.bookkeeping import Bookkeeping
from wrapper.audit.events import Output, Warned, encode
from wrapper.audit.format import Position
from wrapper.audit.writer import Limits, SessionWriter
from wrapper.errors import AuditError

NOT_TOLD: Final = 2

_AT_RISK: Final = 0.15  # seconds from arrival to fsync: 200 ms less the time that the fsync takes
_BEAT: Final = 60.0  # seconds between two words to the ledger
_SOON: Final = 2.0  # seconds to the first: what earlier sessions left is looked after when this one stands
_LONGEST_WAIT: Final = 3600.0
_RECEIVE: Final = 1 << 20
_MERGED: Final = 1 << 16  # terminal output joined into one record: a pty gives 4 KiB at a time
_MERGED_SECONDS: Final = 0.02  # and no further apart than a replay would show
# the session decides when to end: by closing its connections. A terminal's keys and a shutdown reach us too, and the
# last two would kill where an error is wanted: a client that is gone, a file that may not grow
_IGNORED: Final = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGTERM,
    signal.SIGTSTP,
    signal.SIGTTOU,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)


class Listener(Protocol):
    """Somebody who is to hear of each record in the log, and whom the recorder never waits for."""

    def begin(self, disown: Callable[[], None]) -> None:
        """Be told how a copy of this process forgets the keys of the log: the first thing that one has to do."""

    def take(self, sequence: int, record: bytes) -> None:
        """Hear of a record, but of terminal output; must not raise, nor wait."""

    @property
    def full(self) -> socket.socket | None:
        """A connection for whose room it waits, and that `write` is to be called for; None: it waits for nothing."""

    def write(self) -> None:
        """Hand on what has room now; must not raise, nor wait."""

    @property
    def is_idle(self) -> bool:
        """Say whether nothing has come that it would keep."""


def serve(
    connections: Sequence[socket.socket],
    directory: Path,
    recipients: Sequence[str],
    *,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    on_event: Callable[[bytes], None] | None = None,
    listener: Listener | None = None,
) -> int:
    """Record until all connections have ended; `on_event` gets each encoded event but output, `listener` each record.

    Returns the exit code: 0 sealed, 1 the log failed, NOT_TOLD: sealed, but the ledger could not be told.

    `directory` is the session's folder, two below the state folder, where the ledger is, too. Takes the process over:
    changes its signal handling, closes `connections`.
    """
    for ignored in _IGNORED:
        signal.signal(ignored, signal.SIG_IGN)
    clients = [_Client(connection) for connection in connections]
    try:
        return 0 if _Recorder(directory, recipients, limits, clients, on_event, listener).run() else NOT_TOLD
    except AuditError as error:
        for client in clients:
            client.fail(error)
        return 1


class _Client:
    """One connection; `owed` counts durable events taken and not yet acknowledged."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.inbox = wire.Inbox()
        self.owed = 0
        connection.setblocking(False)

    def receive(self, room: memoryview) -> bool:
        """Take what has come; false at the end of the connection."""
        try:
            size = self.connection.recv_into(room)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        self.inbox.feed(room[:size])
        return size > 0

    def acknowledge(self) -> None:
        """Say that what was owed is on disk; a client that is gone does not need to know."""
        if self.owed:
            try:
                self.connection.send(wire.ANSWER.pack(wire.WRITTEN, self.owed))
            except BlockingIOError:
                return  # it does not read now; the next answer counts these too
            except OSError:
                pass
            self.owed = 0

    def fail(self, error: AuditError) -> None:
        """Say why the log failed, and close."""
        reason = ": ".join(filter(None, (error.what, error.hint))).encode()[: wire.MAX_REASON]
        with contextlib.suppress(OSError):
            self.connection.send(wire.ANSWER.pack(wire.FAILED, len(reason)) + reason)
        self.connection.close()


class _Recorder:
    def __init__(
        self,
        directory: Path,
        recipients: Sequence[str],
        limits: Limits,
        clients: Sequence[_Client],
        on_event: Callable[[bytes], None] | None,
        listener: Listener | None,
    ) -> None:
        self._on_event = on_event
        self._listener = listener
        self._waits_for: socket.socket | None = None
        self._books = Bookkeeping(directory.parent.parent, directory.name)
        self._writer = SessionWriter(directory, recipients, limits=limits, on_rotated=self._rotated)
        self._clients = list(clients)
        self._room = memoryview(bytearray(_RECEIVE))
        self._merged = _Merged(self._writer)
        self._deadline: float | None = None
        self._is_told = False
        self._next_beat = 0.0
        self._doubt = ""
        if listener is not None:
            listener.begin(self._writer.disown)

    def run(self) -> bool:
        """Record, then seal, and tell the ledger; gives whether it could be told."""
        with selectors.DefaultSelector() as selector:
            for client in self._clients:
                selector.register(client.connection, selectors.EVENT_READ, client)
            while self._clients:
                for key, _ in selector.select(self._patience()):
                    if key.data is not None:
                        self._take(key.data, selector)
                    elif self._listener is not None:
                        self._listener.write()
                self._settle()
                self._keep_books()
                self._listen(selector)
        self._keep_books(ends=True)
        self._writer.close()
        brought_nothing = self._listener is not None and self._listener.is_idle
        self._tell(lambda: self._books.closed(self._writer.position, brought_nothing=brought_nothing))
        return not self._doubt

    def _listen(self, selector: selectors.BaseSelector) -> None:
        """Be woken when the listener's connection has room, as long as it waits for that."""
        full = None if self._listener is None else self._listener.full
        if self._waits_for is not full:
            if self._waits_for is not None:
                selector.unregister(self._waits_for)
            if full is not None:
                selector.register(full, selectors.EVENT_WRITE, None)
            self._waits_for = full

    def _patience(self) -> float:
        due = self._next_beat if self._is_told else math.inf
        soonest = due if self._deadline is None else min(due, self._deadline)
        return max(0.0, min(soonest - time.monotonic(), _LONGEST_WAIT))

    def _keep_books(self, *, ends: bool = False) -> None:
        """Tell the ledger what is due: that the session runs, then how far its log is."""
        now = time.monotonic()
        if not self._is_told:
            self._books.opened(self._writer.header_hash)
            self._is_told, self._next_beat = True, now + _SOON
        elif now < self._next_beat and not ends:
            return
        else:
            self._next_beat = now + _BEAT
            self._tell(self._books.recover_others)
            if not ends:
                self._writer.sync()
                self._tell(lambda: self._books.beat(self._writer.position))
        self._put_down_doubt()

    def _rotated(self, ended: Position) -> None:
        self._tell(lambda: self._books.rotated(ended, self._writer.header_hash))

    def _tell(self, say: Callable[[], None]) -> None:
        try:
            say()
        except AuditError as error:
            self._doubt = self._doubt or error.what

    def _put_down_doubt(self) -> None:
        if self._doubt:
            text = f"the ledger of this machine could not be told: {self._doubt}"
            self._writer.append(encode(Warned(at=time.time(), text=text)))
            self._doubt = ""

    def _take(self, client: _Client, selector: selectors.BaseSelector) -> None:
        alive = client.receive(self._room)
        for kind, payload in client.inbox.messages():
            if kind == wire.OUTPUT:
                self._merged.add(*wire.output(payload))
                continue
            self._merged.write()
            sequence = self._writer.append(record := bytes(payload))
            if self._on_event is not None:
                self._on_event(record)
            if self._listener is not None:
                self._listener.take(sequence, record)
            client.owed += kind == wire.DURABLE
        self._merged.write()
        if self._deadline is None:
            self._deadline = time.monotonic() + _AT_RISK
        if not alive:
            self._leave(client, selector)

    def _leave(self, client: _Client, selector: selectors.BaseSelector) -> None:
        if client.inbox.pending:
            lost = client.inbox.pending
            text = f"a process of the session ended in the middle of an event; {lost} bytes of it are lost"
            self._writer.append(encode(Warned(at=time.time(), text=text)))
        selector.unregister(client.connection)
        self._settle(now=True)
        client.connection.close()
        self._clients.remove(client)

    def _settle(self, *, now: bool = False) -> None:
        """Bring to disk what is due, and say so to those who wait."""
        due = self._deadline is not None and time.monotonic() >= self._deadline
        if now or due or any(client.owed for client in self._clients):
            self._writer.sync()
            self._deadline = None
            for client in self._clients:
                client.acknowledge()


class _Merged:
    """Terminal output on its way into records: what came in one go and belongs together becomes one."""

    def __init__(self, writer: SessionWriter) -> None:
        self._writer = writer
        self._pieces: list[bytes] = []
        self._size = 0
        self._at = 0.0
        self._stream = ""

    def add(self, at: float, stream: str, data: bytes) -> None:
        fits = self._size + len(data) <= _MERGED and 0 <= at - self._at < _MERGED_SECONDS
        if stream != self._stream or not fits:
            self.write()
        if not self._pieces:
            self._at, self._stream = at, stream
        self._pieces.append(data)
        self._size += len(data)

    def write(self) -> None:
        if self._pieces:
            self._writer.append(encode(Output(at=self._at, stream=self._stream, data=b"".join(self._pieces))))
            self._pieces.clear()
            self._size = 0

"""A service on the user's loopback, reachable inside at the same port because policy says so.

Rules of this file:
1. That a connection is made is on disk before the service hears of it (promise 4); how much was moved, at its end.
2. Where policy gives an account, a database's protocol logs in with it outside; without one bytes are only moved.
3. A client that is slow to log in, and one that is one too many, is cut off. A connection that is open may be idle for
   as long as the session lasts: programs keep some open.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from wrapper.audit.events import Connection, Warned
from wrapper.errors import AuditError
from wrapper.gateway.databases.speaking import AsItIs, Database, Filter, Opened, RefusedLoginError
from wrapper.gateway.tunnel import Streams
from wrapper.ports import AsyncAuditSink

_CHUNK = 65536
_MOST = 512  # connections: as many as the egress proxy has; PostgreSQL takes 100
_LOG_IN = 60.0  # seconds: PostgreSQL's own `authentication_timeout`
_LINGERING = 1.0  # seconds
_MOST_TOLD = 100  # warnings: a client may fail in many ways


class LoopbackForward:
    """Connects what arrives on a socket made inside to 127.0.0.1:`port` outside, once that is recorded.

    `database` puts the password in; None: bytes are only moved. `rule` is the one of policy that opens the port.
    """

    def __init__(
        self,
        port: int,
        sink: AsyncAuditSink,
        *,
        database: Database | None = None,
        rule: str = "network.loopback",
        clock: Callable[[], float] = time.time,
        most: int = _MOST,
        log_in: float = _LOG_IN,
    ) -> None:
        self._port = port
        self._sink = sink
        self._database = database
        self._rule = f"{rule}: {database.title}" if database else rule
        self._clock = clock
        self._most = most
        self._log_in = log_in
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._told: set[str] = set()

    async def start(self, sock: socket.socket) -> None:
        """Serve connections accepted from `sock` (listening)."""
        self._server = await asyncio.start_server(self._accept, sock=sock)

    async def close(self) -> None:
        """Accept no more and drop what is open."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= self._most:
            writer.close()
            self._tell(f"more than {self._most} connections at the same time: those above it are closed")
            return
        task = asyncio.get_running_loop().create_task(self._serve((reader, writer)))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, inside: Streams) -> None:
        # a failed log ends the session
        with contextlib.closing(inside[1]), contextlib.suppress(OSError, EOFError, AuditError):
            try:
                await self._forward(inside)
            except RefusedLoginError as error:
                self._tell(error.told)
                await _say(inside, error.answer)

    async def _forward(self, inside: Streams) -> None:
        try:
            async with asyncio.timeout(self._log_in):
                opened = await self._opened(inside)
        except TimeoutError as error:
            raise RefusedLoginError(f"not connected and logged in within {self._log_in:g} seconds") from error
        counts = _Counts()
        with contextlib.closing(opened.streams[1]):
            try:
                await _moved(inside, opened, counts)
            finally:
                with contextlib.suppress(AuditError):
                    self._sink.append(self._connection(counts))

    async def _opened(self, inside: Streams) -> Opened:
        if self._database is None:
            return Opened(await self._connect(), AsItIs(), AsItIs())
        return await self._database.open(inside, self._connect, self._tell)

    async def _connect(self) -> Streams:
        await self._sink.append_durable(self._connection(_Counts()))
        return await asyncio.open_connection("127.0.0.1", self._port)

    def _connection(self, counts: "_Counts") -> Connection:
        return Connection(
            at=self._clock(),
            host="127.0.0.1",
            port=self._port,
            allowed=True,
            rule=self._rule,
            sent=counts.sent,
            received=counts.received,
        )

    def _tell(self, text: str) -> None:
        """Warn the user, once: a client that fails tries again."""
        if text in self._told or len(self._told) >= _MOST_TOLD:
            return
        self._told.add(text)
        spoken = f" ({self._database.title})" if self._database else ""
        with contextlib.suppress(AuditError):
            self._sink.append(Warned(at=self._clock(), text=f"127.0.0.1:{self._port}{spoken}: {text}"))


@dataclass(slots=True)
class _Counts:
    """Bytes moved so far, after the log-in."""

    sent: int = 0
    received: int = 0

    def on_sent(self, size: int) -> None:
        self.sent += size

    def on_received(self, size: int) -> None:
        self.received += size


async def _moved(inside: Streams, opened: Opened, counts: _Counts) -> None:
    """Move bytes both ways until both ends have closed, or one way breaks; one end alone may close its half first."""
    service = opened.streams
    ways = {
        asyncio.ensure_future(_pump(inside[0], service[1], opened.outward, counts.on_sent)),
        asyncio.ensure_future(_pump(service[0], inside[1], opened.inward, counts.on_received)),
    }
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        for way in done:
            way.result()
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, through: Filter, count: Callable[[int], None]
) -> None:
    """Move bytes until the reader ends, then close the writer's half. What a filter still holds then was no whole."""
    while data := await reader.read(_CHUNK):
        passed = through.feed(data)
        count(len(passed))
        writer.write(passed)
        await writer.drain()
    writer.write_eof()


async def _say(inside: Streams, answer: bytes) -> None:
    """Send a last answer. What the client still sends is read for a moment: to close with it unread would reset."""
    reader, writer = inside
    if writer.transport.is_closing() or not answer:
        return
    with contextlib.suppress(RuntimeError):  # this half was closed already, as the service had closed its own
        writer.write(answer)
        writer.write_eof()
    async with asyncio.timeout(_LINGERING):
        while await reader.read(_CHUNK):
            pass

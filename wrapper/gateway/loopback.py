"""A service on the user's loopback, reachable inside at the same port because policy says so."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable

from wrapper.audit.events import Connection
from wrapper.errors import AuditError
from wrapper.ports import AsyncAuditSink

_CHUNK = 65536


class LoopbackForward:
    """Connects what arrives on a socket made inside to 127.0.0.1:`port` outside, once that is recorded."""

    def __init__(self, port: int, sink: AsyncAuditSink, *, clock: Callable[[], float] = time.time) -> None:
        self._port = port
        self._sink = sink
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

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
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        event = Connection(at=self._clock(), host="127.0.0.1", port=self._port, allowed=True, rule="network.loopback")
        with contextlib.closing(writer), contextlib.suppress(OSError, AuditError):  # a failed log ends the session
            await self._sink.append_durable(event)
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
            with contextlib.closing(far_writer):
                # where one way breaks, both ends are closed and the other way ends by that
                await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()

"""What stands inside: clients before a forward, with all that they hear and say written down on its way."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from tests.gateway.wire import MemorySink, listening
from wrapper.audit.events import Warned
from wrapper.gateway.databases.speaking import Database
from wrapper.gateway.loopback import LoopbackForward

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Inside:
    """A forward's port as the inside has it; `heard` is all that came in there, `said` all that went out."""

    port: int
    sink: MemorySink
    forward: LoopbackForward
    heard: bytearray = field(default_factory=bytearray)
    said: bytearray = field(default_factory=bytearray)

    def told(self) -> list[str]:
        return [one.text for one in self.sink.of(Warned)]

    async def settled(self) -> None:
        """Wait until no connection is open: what a client left is seen a moment later."""
        while self.forward._open:
            await asyncio.wait(self.forward._open)

    async def talk(self, *pieces: bytes, ends: bool = True) -> bytes:
        """Send pieces, each by itself, close this half, and give all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if ends:
                writer.write_eof()
            return await reader.read()
        return b""


@contextlib.asynccontextmanager
async def inside(
    port: int, database: Database | None, *, most: int = 128, log_in: float = 60.0
) -> AsyncIterator[Inside]:
    """Forward a port; clients are tapped on their way to the forward."""
    sink = MemorySink()
    forward = LoopbackForward(port, sink, database=database, clock=lambda: 7.0, most=most, log_in=log_in)
    inner, tapped = listening(), listening()
    for sock in (inner, tapped):  # asyncio does that for sockets that say their protocol, as those of a session do
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made = Inside(tapped.getsockname()[1], sink, forward)
    await forward.start(inner)

    taps: set[asyncio.Task[None]] = set()

    def tapping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taps.add(asyncio.ensure_future(tap(reader, writer)))

    async def tap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = await asyncio.open_connection("127.0.0.1", inner.getsockname()[1])
        with contextlib.closing(writer), contextlib.closing(far[1]), contextlib.suppress(ConnectionError):
            await asyncio.gather(_moved(reader, far[1], made.said), _moved(far[0], writer, made.heard))

    server = await asyncio.start_server(tapping, sock=tapped)
    try:
        yield made
    finally:
        server.close()
        await forward.close()
        for one in taps:
            one.cancel()
        await asyncio.gather(*taps, return_exceptions=True)


@contextlib.asynccontextmanager
async def fake_server(serve: Serve) -> AsyncIterator[int]:
    """Serve connections on a free port."""
    writers: list[asyncio.StreamWriter] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0.01)


async def run(*command: str, text: str = "", **variables: str) -> str:
    """Run a client and give what it prints, errors among it."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**ENVIRONMENT, **variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate(text.encode())
    return out.decode()


async def _moved(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, noted: bytearray) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            noted += data
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()

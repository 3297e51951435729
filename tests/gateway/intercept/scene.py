"""An intercepted connection on loopback: a host of the test's own with a certificate, and what stands before it."""

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.company import Authority
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import Answer, Handler, Request, Send
from wrapper.gateway.intercept.exchanging import Limits
from wrapper.gateway.intercept.serving import serve
from wrapper.gateway.intercept.upstream import Kept
from wrapper.gateway.refusal import RefusedError
from wrapper.gateway.tunnel import Streams

HOST = "api.example.test"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def passing(request: Request, send: Send) -> Answer:
    """Pass everything on as it is."""
    return await send(request)


@dataclass
class Scene:
    """`port` is where the inside connects to; there it is past CONNECT's 200. `refused` is what was told to the log."""

    port: int
    host_port: int
    authority: Authority
    kept: Kept
    refused: list[RefusedError] = field(default_factory=list)
    dialled: int = 0

    def trusting(self, *protocols: str) -> ssl.SSLContext:
        """Give what a client of the inside shakes hands with."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    async def open(self, *protocols: str, sni: str | None = HOST) -> Streams:
        """Connect as the inside does."""
        context = self.trusting(*protocols)
        if sni != HOST:
            context.check_hostname = False
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=sni or "")

    async def say(self, data: bytes, *protocols: str) -> bytes:
        """Send bytes through TLS, and give all that comes back until the other end closes."""
        reader, writer = await self.open(*(protocols or ("http/1.1",)))
        try:
            writer.write(data)
            out = b""
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                async with asyncio.timeout(10):
                    while chunk := await reader.read(2**16):
                        out += chunk
            return out
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def scene(
    host: Serve,
    *,
    handle: Handler = passing,
    protocols: Sequence[str] = ("http/1.1",),
    offers: tuple[str, ...] | None = None,
    limits: Limits | None = None,
    certified: str = HOST,
) -> AsyncIterator[Scene]:
    """Start a host that speaks `protocols` (ALPN), and an interception before it. `certified`: whose certificate it has."""
    within = limits or Limits()
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        tasks: set[asyncio.Task[None]] = set()

        def kept_by(
            serving: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        ) -> Callable[..., None]:
            async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    await serving(reader, writer)
                finally:
                    writer.close()

            def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.get_running_loop().create_task(run(reader, writer))
                tasks.add(task)
                task.add_done_callback(_ended(tasks))

            return accepted

        outside = authority.context(certified)
        outside.set_alpn_protocols(list(protocols))
        server = await asyncio.start_server(kept_by(host), "127.0.0.1", 0, ssl=outside)
        host_port = server.sockets[0].getsockname()[1]
        inside = Authority(Path(folder)) if certified != HOST else authority
        shown = inside.context(HOST) if certified != HOST else _again(folder, certified, outside)
        shown.set_alpn_protocols(["h2", "http/1.1"])
        kept = Kept(lambda: ssl.create_default_context(cafile=str(authority.file)), within)

        async def connect() -> Streams:
            made.dialled += 1
            return await asyncio.open_connection("127.0.0.1", host_port)

        async def intercepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await serve(
                (reader, writer), Destination(HOST, 443), context=lambda _: shown, connect=connect, handle=handle,
                kept=kept, refused=made.refused.append, limits=within, offers=offers,
            )  # fmt: skip

        front = await asyncio.start_server(kept_by(intercepted), "127.0.0.1", 0)
        made = Scene(front.sockets[0].getsockname()[1], host_port, inside, kept)
        try:
            yield made
        finally:
            kept.close()
            front.close()
            server.close()
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.01)  # transports close their sockets in the loop's next rounds


def _again(folder: str, certified: str, other: ssl.SSLContext) -> ssl.SSLContext:
    """Make a second context with the same certificate: each has its own protocols."""
    del other
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(folder) / f"{certified}.key-and-certificate")
    return context


def _ended(tasks: set[asyncio.Task[None]]) -> Callable[[asyncio.Task[None]], None]:
    def done(task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        if not task.cancelled():
            error = task.exception()
            if error is not None and not isinstance(error, (OSError, asyncio.IncompleteReadError)):
                asyncio.get_running_loop().call_exception_handler({"message": "a task failed", "exception": error})

    return done

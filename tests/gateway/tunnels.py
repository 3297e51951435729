"""An egress proxy before a server of the test's own; names resolve as the test says; all on loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.gateway.wire import MemorySink, listening
from wrapper.audit.events import Connection
from wrapper.gateway.egress import EgressProxy, Timeouts
from wrapper.gateway.outward import DIRECT, Outward

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Verdict:
    action: str
    text: str


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what came, after the client has closed its half."""
    data = await reader.read(-1)
    writer.write(b"got " + data)
    await writer.drain()
    writer.close()


@dataclass
class Site:
    """The proxy, what it asked and what it reached. `port` stands for 443: the test's server has no right to it.

    `served` is the port of the server.
    """

    proxy: EgressProxy
    sink: MemorySink
    port: int
    asked: list[str] = field(default_factory=list)
    reached: list[bytes] = field(default_factory=list)
    served: int = 0

    async def say(self, data: bytes, *, eof: bool = True) -> bytes:
        """Send bytes, close this half, return all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            if eof:
                writer.write_eof()
            out = b""
            with contextlib.suppress(ConnectionError):
                out = await asyncio.wait_for(reader.read(-1), 5)
            return out
        finally:
            writer.close()

    async def connect(self, authority: str, data: bytes = b"") -> bytes:
        return await self.say(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode() + data)

    def connections(self) -> list[tuple[str, int, bool]]:
        return [(one.host, one.port, one.allowed) for one in self.sink.of(Connection)]


@contextlib.asynccontextmanager
async def site(  # noqa: PLR0913 - whatever a test wants otherwise
    serve: Serve = echo,
    *,
    allowed: Sequence[str] = ("allowed.example",),
    names: Mapping[str, Sequence[str]] | None = None,
    allow_private: bool = True,
    timeouts: Timeouts | None = None,
    redact: Callable[[bytes], bytes] | None = None,
    internal: Sequence[str] = (),
    outward: Outward = DIRECT,
    only_tls: bool = False,
    **more: Any,
) -> AsyncIterator[Site]:
    """Start a server and the proxy. Every dial goes to the server's port instead.

    Anything may be spoken on port 443, as if policy named it, but for `only_tls`. `more` goes to the proxy.
    """
    sink = MemorySink()
    asked: list[str] = []
    reached: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []
    known = names if names is not None else {"allowed.example": ["127.0.0.1"]}

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        if host not in known:
            raise OSError("no such name")
        return known[host]

    def decide(host: str, port: int) -> Verdict:
        named = host in allowed if port in {443, 80} else f"{host}:{port}" in allowed
        return Verdict("allow", "allowed by test.toml:1") if named else Verdict("deny", "nothing allows it")

    async def noted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(writer.get_extra_info("peername")[0].encode())
        writers.append(writer)
        await serve(reader, writer)

    server = await asyncio.start_server(noted, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy = EgressProxy(
        decide,
        sink,
        resolve=resolve,
        dial=lambda address, _port: asyncio.open_connection(address, port),
        redact=redact,
        allow_private=(lambda address: address.startswith("127.")) if allow_private else None,
        timeouts=timeouts,
        is_internal=lambda host, port: f"{host}:{port}" in internal,
        outward=outward,
        any_protocol=lambda _host, _port: not only_tls,
        **more,
    )
    sock = listening()
    await proxy.start(sock)
    try:
        yield Site(proxy, sink, sock.getsockname()[1], asked, reached, port)
    finally:
        await proxy.close()
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0.01)  # the server's handlers see their ends

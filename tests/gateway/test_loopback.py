"""A service of the user's, reached through a socket that stands for one made inside."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing

import msgspec
import pytest

from tests.gateway.wire import MemorySink, in_loop, listening
from wrapper.audit.events import Connection, Event
from wrapper.gateway.loopback import LoopbackForward

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say what was heard once all of it is there: the other side must have ended its half."""
    heard = await reader.read()
    writer.write(heard[::-1])
    await writer.drain()
    writer.close()


@asynccontextmanager
async def forwarding(serve: Serve | None, sink: MemorySink) -> AsyncIterator[tuple[int, LoopbackForward, int]]:
    """Give the port inside, the forward and the service's port."""
    server = await asyncio.start_server(serve or echo, "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    if serve is None:
        server.close()
        await server.wait_closed()
    forward = LoopbackForward(port, sink, clock=lambda: 7.0)
    sock = listening()
    await forward.start(sock)
    try:
        yield sock.getsockname()[1], forward, port
    finally:
        await forward.close()
        server.close()


async def ask(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with closing(writer):
        writer.write(data)
        writer.write_eof()
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@in_loop
async def test_what_is_sent_inside_reaches_the_service_and_its_answer_comes_back() -> None:
    data = bytes(range(256)) * 4000
    async with forwarding(echo, MemorySink()) as (port, _, _):
        assert await ask(port, data) == data[::-1]


@in_loop
async def test_each_connection_is_recorded_before_the_service_hears_of_it() -> None:
    """Promise 4."""
    order: list[str] = []
    sink = MemorySink()

    async def before(_event: Event) -> None:
        await asyncio.sleep(0.05)
        order.append("recorded")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        order.append("connected")
        await echo(reader, writer)

    sink.before = before
    async with forwarding(serve, sink) as (port, _, service):
        await ask(port, b"x")
    assert order == ["recorded", "connected"]
    made = Connection(at=7.0, host="127.0.0.1", port=service, allowed=True, rule="network.loopback")
    assert sink.of(Connection) == [made, msgspec.structs.replace(made, sent=1, received=1)]


@in_loop
async def test_where_nothing_can_be_recorded_nothing_is_connected() -> None:
    """Promise 4."""
    connected = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(reader)
        writer.close()

    async with forwarding(serve, MemorySink(fails=True)) as (port, _, _):
        assert await ask(port, b"x") == b""
    assert connected == []


@in_loop
async def test_a_service_that_is_not_there_closes_the_connection() -> None:
    async with forwarding(None, MemorySink()) as (port, _, _):
        assert await ask(port, b"") == b""


@in_loop
async def test_a_service_that_goes_away_closes_the_inside_too() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async with forwarding(serve, MemorySink()) as (port, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        assert await asyncio.wait_for(reader.read(), 2) == b""
        writer.close()


@in_loop
async def test_a_client_that_breaks_off_frees_the_service() -> None:
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await reader.read()
        left.set()
        writer.close()

    async with forwarding(serve, MemorySink()) as (port, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readexactly(5)
        writer.transport.abort()
        await asyncio.wait_for(left.wait(), 2)


@in_loop
async def test_closing_drops_what_is_open_and_accepts_no_more() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with forwarding(serve, MemorySink()) as (port, forward, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        await asyncio.sleep(0.05)
        await forward.close()
        assert await asyncio.wait_for(reader.read(), 2) == b""
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        assert forward._open == set()

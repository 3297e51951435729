"""What goes wrong at the provider, caused for real: who is told what, and clients try again as they do."""

import asyncio
import contextlib
import json
from collections.abc import Callable

import pytest

from tests.gateway.contract.apis import APIS, Api
from tests.gateway.contract.line import Line, line
from tests.gateway.contract.raw import FIRST, SOON, STREAMS, VALUE, assert_serves, chunk, posted
from tests.gateway.frames import Peer
from tests.gateway.wire import Received, chunked, in_loop, listening, plain
from wrapper.audit.events import Request, Response

NAMED = {api.name: api for api in APIS}
HTTP = pytest.mark.parametrize(
    "api", [NAMED["messages, streamed"], NAMED["responses, zstd"], NAMED["chat, streamed"]], ids=lambda api: api.name
)


@HTTP
def test_a_provider_that_is_not_there_is_a_502_each_time_and_may_come_back(api: Api) -> None:
    @in_loop
    async def run() -> None:
        async with line(api) as one:
            there = dict(one.world.gateway._bases)
            sock = listening()
            port = sock.getsockname()[1]
            sock.close()  # refused from now on
            one.world.gateway._bases[""] = f"http://127.0.0.1:{port}"
            for _ in range(2):
                heard = await one.ask()
                assert heard.status == 502
                assert b"cannot connect" in heard.body
                assert "x-should-retry" not in heard.headers  # clients try again by themselves
            one.world.gateway._bases.update(there)
            await assert_serves(one)

    run()


def _nothing(_head: bytes) -> bytes:
    return b""


def _half_a_head(head: bytes) -> bytes:
    return head[:20]


def _a_head(head: bytes) -> bytes:
    return head


def _half_a_body(head: bytes) -> bytes:
    return head + b'{"half":'


@HTTP
@pytest.mark.parametrize("sent", [_nothing, _half_a_head, _a_head, _half_a_body])
@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_provider_that_breaks_off_before_anything_went_in_is_a_502(
    api: Api, sent: Callable[[bytes], bytes], how: str
) -> None:
    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(sent(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"))
        await writer.drain()
        await asyncio.sleep(0.02)
        if how == "reset":
            writer.transport.abort()
        raise ConnectionError

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            one.provider.answer = answer
            heard = await asyncio.wait_for(one.ask(), 5)
            assert heard.status == 502
            assert b"safe-agent" in heard.body
            assert one.world.sink.of(Request)
            assert all(not answer.complete for answer in one.world.sink.of(Response))
            await assert_serves(one)

    run()


@HTTP
@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_provider_that_breaks_off_in_a_stream_breaks_it_off_inside(api: Api, how: str) -> None:
    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAMS + chunk(FIRST))
        await writer.drain()
        await asyncio.sleep(0.05)
        if how == "reset":
            writer.transport.abort()
        raise ConnectionError

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            one.provider.answer = answer
            _reader, data = await _open_stream(one)
            assert FIRST in data
            assert not data.endswith(b"0\r\n\r\n")
            assert [answer.complete for answer in await one.answers()] == [False]
            await assert_serves(one)

    run()


async def _open_stream(one: Line) -> tuple[asyncio.StreamReader, bytes]:
    """Ask, and read all there is until the gateway ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", one.world.port)
    try:
        writer.write(posted(one.api.body.plain, target=one.api.target))
        with contextlib.suppress(ConnectionError):
            return reader, await asyncio.wait_for(reader.read(-1), 5)
        return reader, bytes(reader._buffer)  # type: ignore[attr-defined]  # what came before the reset
    finally:
        writer.close()


@HTTP
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", STREAMS, STREAMS + chunk(FIRST)])
def test_a_client_that_has_waited_too_long_ends_the_call_to_a_provider_that_stalls(api: Api, begun: bytes) -> None:
    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        await writer.drain()

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            one.provider.answer = answer
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(one.ask(), 0.2)
            await asyncio.wait_for(one.provider.left.wait(), SOON)
            await assert_serves(one)

    run()


@HTTP
def test_a_client_that_reads_slowly_slows_the_provider_down(api: Api) -> None:
    """What is neither read nor sent must not pile up in between."""
    sent = 0
    event = b"event: ping\ndata: " + json.dumps({"type": "ping", "x": "y" * 20_000}).encode() + b"\n\n"

    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(STREAMS)
        while sent < 400 * 2**20:
            writer.write(chunk(event))
            sent += len(event)
            await writer.drain()

    @in_loop
    async def run() -> None:
        async with line(api, body_limit=2**20) as one:
            one.provider.answer = answer
            reader, writer = await asyncio.open_connection("127.0.0.1", one.world.port, limit=2**16)
            writer.write(posted(one.api.body.plain, target=one.api.target))
            await reader.readexactly(1000)
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.3)
            assert sent < 40 * 2**20  # sockets of loopback hold several megabytes each
            assert len(await reader.readexactly(2**20)) == 2**20
            await asyncio.sleep(0.1)
            writer.transport.abort()
            await asyncio.wait_for(one.provider.left.wait(), SOON)
            [answered] = await one.answers()
            assert not answered.complete
            assert len(answered.body) <= 2**20
            await assert_serves(one)

    run()


ODD_ANSWERS: dict[str, tuple[bytes, int]] = {
    "no HTTP": (b"SSH-2.0-x\r\n\r\n", 502),
    "no status": (b"HTTP/1.1 abc\r\n\r\n", 502),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", 502),
    "broken chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", 502),
    "no gzip": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\njunk", 502),
    "a coding nobody asked for": (b"HTTP/1.1 200 OK\r\nContent-Encoding: rot13\r\nContent-Length: 4\r\n\r\njunk", 502),
    "too many headers": (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 3000 + b"\r\n{}", 502),
    "a header too long": (b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 100_000 + b"\r\n\r\n{}", 502),
    "a body too large": (b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000, 502),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
    "hints before it": (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        200,
    ),
    "another place": (b"HTTP/1.1 307 T\r\nLocation: https://other.invalid/\r\nContent-Length: 0\r\n\r\n", 307),
}


@HTTP
@pytest.mark.parametrize("case", list(ODD_ANSWERS))
def test_an_odd_answer_is_passed_on_or_a_502_and_no_redirect_is_followed(api: Api, case: str) -> None:
    """A redirect would take the real credential elsewhere."""
    raw, status = ODD_ANSWERS[case]

    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        raise ConnectionError

    @in_loop
    async def run() -> None:
        async with line(api, body_limit=50_000) as one:
            one.provider.answer = answer
            heard = await asyncio.wait_for(one.ask(), 5)
            assert heard.status == status
            assert (b"safe-agent: " in heard.body) == (status == 502)
            await assert_serves(one)

    run()


@HTTP
def test_a_provider_that_switches_protocols_unasked_is_a_502(api: Api) -> None:
    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        await writer.drain()

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            one.provider.answer = answer
            assert (await asyncio.wait_for(one.ask(), 5)).status == 502
            await assert_serves(one)

    run()


# The client tries again.


@HTTP
def test_a_request_that_is_tried_again_arrives_again_and_is_recorded_again(api: Api) -> None:
    """The clients' libraries send the same bytes after a 429, a 529 or a broken connection, and count on nothing."""

    async def hangs_up(_request: Received, _writer: asyncio.StreamWriter) -> None:
        raise ConnectionError

    busy = plain(b'{"error":{"message":"busy"}}', status="529 Overloaded", headers=["retry-after: 0"])

    @in_loop
    async def run() -> None:
        async with line(api) as one:
            placeholder = one.world.knows(VALUE.encode()).encode()
            fine = one.provider.answer
            body = api.body.prompt(f" {VALUE} ")
            statuses = []
            for answer in (busy, hangs_up, fine):
                one.provider.answer = answer
                statuses.append((await one.ask(body, "x-stainless-retry-count: 1")).status)
            assert statuses == [529, 502, 200]
            asked = one.world.sink.of(Request)
            assert len({one.number for one in asked}) == 3
            assert one.sent == [one.body for one in asked] == [body.replace(VALUE.encode(), placeholder)] * 3
            assert [(one.number, one.status) for one in await one.answers(2)] == [
                (asked[0].number, 529),
                (asked[2].number, 200),
            ]

    run()


@in_loop
async def test_a_websocket_whose_provider_is_cut_off_is_opened_again_by_the_client() -> None:
    async with line(NAMED["WebSocket"]) as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", one.world.port)
        peer: Peer = await one._opened(reader, writer, one.api.target, ())
        one.provider.messages = [b'{"type":"response.created"}']
        peer.say(one.api.body.plain)
        assert await peer.heard() == '{"type":"response.created"}'
        one.provider.cut()
        code, _ = await asyncio.wait_for(peer.closed(), SOON)
        assert code == 0  # no close frame: this was no end
        writer.close()
        await assert_serves(one)


@HTTP
def test_many_clients_that_come_and_go_leave_nothing_open(api: Api) -> None:
    @in_loop
    async def run() -> None:
        async with line(api) as one:
            one.provider.answer = chunked(*[FIRST] * 50, gap=0.02)
            for _ in range(5):
                asking = [asyncio.create_task(one.ask()) for _ in range(8)]
                await asyncio.sleep(0.05)
                for task in asking:
                    task.cancel()
                await asyncio.gather(*asking, return_exceptions=True)
            await asyncio.sleep(0.2)
            client = one.world.gateway._opened()
            assert client.connector is not None
            assert not client.connector._acquired
            await assert_serves(one)

    run()

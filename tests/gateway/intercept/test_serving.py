"""How an intercepted connection behaves: streams, switches of protocol, ends that are none."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

import pytest
from h2.events import DataReceived, PingAckReceived
from h2.settings import SettingCodes

from tests.gateway.intercept.scene import HOST, Scene, scene
from tests.gateway.intercept.speaking import BrokenError, Host, Message, Talk, read_message, write_message
from wrapper.errors import AuditError
from wrapper.gateway.intercept.exchange import Answer, AnswerHead, Headers, Request, Send
from wrapper.gateway.intercept.exchanging import Limits
from wrapper.gateway.intercept.pieces import Whole
from wrapper.gateway.refusal import RefusedError

_GET = f"GET /x HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
_UPGRADE = (
    f"GET /socket HTTP/1.1\r\nHost: {HOST}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n"
).encode()
_SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX-A: b\r\n\r\n"
_PROTOCOLS = ("http/1.1", "h2")


@contextlib.asynccontextmanager
async def _asking(made: Scene, protocol: str) -> AsyncIterator["_Client"]:
    streams = await made.open(protocol)
    client = _Client(streams, Talk(*streams) if protocol == "h2" else None)
    try:
        yield client
    finally:
        streams[1].close()


class _Client:
    """Asks by either HTTP."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], talk: Talk | None) -> None:
        self.streams, self.talk = streams, talk

    async def ask(self, message: Message) -> Message:
        async with asyncio.timeout(10):
            if self.talk is not None:
                return await self.talk.ask(message)
            await write_message(self.streams[1], message)
            return await read_message(self.streams[0])


def test_a_websocket_is_switched_to_and_its_bytes_go_both_ways() -> None:
    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"\r\nupgrade: websocket\r\n" in head
        assert b"\r\nconnection: Upgrade\r\n" in head
        assert b"sec-websocket-key: x" in head
        writer.write(_SWITCHED + b"hello ")
        while data := await reader.read(100):
            writer.write(data.upper())

    async def run() -> None:
        async with scene(host, protocols=("h2", "http/1.1")) as made:
            reader, writer = await made.open("h2", "http/1.1")
            writer.close()
            reader, writer = await made.open("http/1.1")
            writer.write(_UPGRADE)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 101 ")
            assert b"\r\nupgrade: websocket\r\n" in head
            assert b"\r\nx-a: b\r\n" in head
            assert await reader.readexactly(6) == b"hello "
            for word in (b"one", b"two"):
                writer.write(word)
                assert await reader.readexactly(3) == word.upper()
            writer.close()

    asyncio.run(run())


def test_a_websocket_that_the_host_does_not_want_is_answered_and_ends_the_connection() -> None:
    async def run() -> None:
        host = Host([Message((b"403",), (), [b"no"], length=True)])
        async with scene(host.serve) as made:
            got = await made.say(_UPGRADE + _GET)  # what follows would be frames, not requests
            assert got.startswith(b"HTTP/1.1 403 ")
            assert got.endswith(b"no")
            assert len(host.got) == 1

    asyncio.run(run())


@pytest.mark.parametrize("protocol", _PROTOCOLS)
def test_an_answer_streams_while_the_request_is_still_being_sent(protocol: str) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if protocol == "h2":
            talk = Talk(reader, writer, client=False)
            await talk.wait(lambda: 1 if 1 in talk.messages else None)
            talk.h2.send_headers(1, [(b":status", b"200")])
            sent = 0
            while 1 not in talk.whole or sent < len(talk.messages[1].body):
                body = talk.messages[1].body
                if len(body) > sent:
                    talk.h2.send_data(1, body[sent:])
                    sent = len(body)
                    talk.flush()
                else:
                    await talk.read()
            talk.h2.end_stream(1)
            talk.flush()
            return
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while chunk := await reader.readuntil(b"\r\n"):
            data = await reader.readexactly(int(chunk, 16) + 2)
            writer.write(chunk + data)
            if data == b"\r\n":
                return

    async def run() -> None:
        async with scene(echo, protocols=(protocol,)) as made:
            reader, writer = await made.open("h2")
            talk = Talk(reader, writer)
            talk.h2.send_headers(
                1, [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", b"/")]
            )
            for number in range(5):  # each is answered before the next is sent
                talk.h2.send_data(1, b"%d" % number)
                talk.flush()
                async with asyncio.timeout(10):
                    while 1 not in talk.messages or len(talk.messages[1].body) <= number:
                        await talk.read()
            talk.h2.end_stream(1)
            talk.flush()
            await talk.wait(lambda: 1 if 1 in talk.whole else None)
            assert talk.messages[1].body == b"01234"
            writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("inside", _PROTOCOLS)
@pytest.mark.parametrize(
    "cut", [b"Content-Length: 10\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", b"\r\nhalf"]
)
def test_an_answer_that_breaks_off_is_broken_off_for_the_inside(inside: str, cut: bytes) -> None:
    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/whole" in head:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nto the end")  # with TLS's goodbye
            return
        writer.write(b"HTTP/1.1 200 OK\r\n" + cut)
        await writer.drain()
        await reader.readuntil(b"go on")  # until the inside has the first half
        writer.transport.abort()  # the TCP connection ends, TLS does not

    async def run() -> None:
        async with scene(host) as made:
            async with _asking(made, inside) as client:
                assert (await client.ask(Message((b"GET", b"/whole"), length=True))).body == b"to the end"
            reader, writer = await made.open(inside)
            if inside == "h2":
                talk = Talk(reader, writer)
                talk.h2.send_headers(
                    1, [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", b"/")]
                )
                talk.h2.send_data(1, b"begin")
                talk.flush()
                await talk.wait(lambda: 1 if 1 in talk.messages and talk.messages[1].body == b"half" else None)
                talk.h2.send_data(1, b"go on")
                talk.flush()
                await talk.wait(lambda: 1 if 1 in talk.resets else None)
                assert 1 not in talk.whole
            else:
                writer.write(
                    f"POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n".encode()
                )
                await reader.readuntil(b"half")
                writer.write(b"5\r\ngo on\r\n")
                rest = b""
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    rest = await reader.read(-1)
                assert not rest.endswith(b"0\r\n\r\n")
            writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("inside", _PROTOCOLS)
def test_what_a_handler_raises_is_an_answer_and_the_host_gets_nothing(inside: str) -> None:
    errors = {b"/refused": (RefusedError(403, "not that", hint="ask"), b"403"),
              b"/log": (AuditError("the disk is full"), b"503"),
              b"/broken": (OSError("gone"), b"502")}  # fmt: skip

    async def handle(request: Request, send: Send) -> Answer:
        if request.head.target.encode() in errors:
            raise errors[request.head.target.encode()][0]
        return await send(request)

    async def run() -> None:
        host = Host()
        async with scene(host.serve, handle=handle) as made, _asking(made, inside) as client:
            for path, (_, status) in errors.items():
                got = await client.ask(Message((b"POST", path), (), [b"body"], length=True))
                assert got.first == (status,)
                assert got.body.startswith(b"safe-agent: ")
            assert host.got == []
            assert (await client.ask(Message((b"GET", b"/good"), length=True))).body == b"fine"

    asyncio.run(run())


def test_a_small_body_that_comes_after_its_answer_ends_its_stream_without_an_error() -> None:
    """curl throws an answer away that comes together with an error for the body that it had still to send."""

    async def handle(request: Request, send: Send) -> Answer:
        raise RefusedError(403, "not that")

    async def run() -> None:
        async with scene(Host().serve, handle=handle) as made:
            talk = Talk(*await made.open("h2"))
            head = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", b"/")]
            talk.h2.send_headers(1, head)
            talk.flush()
            await talk.wait(lambda: 1 if 1 in talk.whole else None)
            assert talk.messages[1].first == (b"403",)
            talk.h2.send_data(1, b"{}", end_stream=True)
            talk.h2.ping(b"and then")
            talk.flush()
            while not any(isinstance(event, PingAckReceived) for event in await talk.read()):
                pass
            assert talk.resets == {}
            talk.writer.close()

    asyncio.run(run())


def test_a_ping_for_each_frame_of_data_is_no_flood() -> None:
    """As gRPC does it; pings alone are one (see tests/attacks/test_intercepted_http.py)."""

    async def run() -> None:
        host = Host([Message((b"200",), (), [bytes(2**24)], length=True)])
        async with scene(host.serve) as made:
            talk = Talk(*await made.open("h2"))
            await talk.send(1, Message((b"GET", b"/"), length=True))
            pings = 0
            while 1 not in talk.whole:
                for event in await talk.read():
                    if isinstance(event, DataReceived):
                        talk.h2.ping(b"%8d" % pings)
                        pings += 1
                talk.flush()
            assert pings > 700  # more than may come without data
            assert (await talk.ask(Message((b"GET", b"/next"), length=True))).body == b"fine"
            talk.writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("inside", _PROTOCOLS)
@pytest.mark.parametrize("outside", _PROTOCOLS)
def test_a_handler_that_puts_a_lines_end_into_a_head_sends_nothing(inside: str, outside: str) -> None:
    """A value from a file may hold one."""

    async def handle(request: Request, send: Send) -> Answer:
        if request.head.target == "/good":
            return await send(request)
        headers: Headers = ((b"authorization", b"value\r\nx-smuggled: 1"),)
        if request.head.target == "/back":
            return Answer(AnswerHead(200, headers), Whole(b"body"))
        return await send(Request(request.head.with_headers(headers), request.body))

    async def run() -> None:
        host = Host()
        async with (
            scene(host.serve, handle=handle, protocols=(outside,), offers=(outside,)) as made,
            _asking(made, inside) as client,
        ):
            for path, status in ((b"/out", b"400"), (b"/back", b"502")):
                got = await client.ask(Message((b"GET", path), length=True))
                assert got.first == (status,)
                assert b"smuggled" not in got.body
            assert host.got == []
            assert (await client.ask(Message((b"GET", b"/good"), length=True))).body == b"fine"

    asyncio.run(run())


def test_a_request_body_that_is_refused_while_it_is_sent_never_arrives_whole() -> None:
    class Stopped(Whole):
        async def __anext__(self) -> bytes:
            if self._left:
                return await super().__anext__()
            raise RefusedError(403, "a finding")

        length = None  # type: ignore[assignment]

        def __init__(self, data: bytes) -> None:
            self._left = data

    async def handle(request: Request, send: Send) -> Answer:
        return await send(Request(request.head, Stopped(b"so far")))

    async def run() -> None:
        for outside in _PROTOCOLS:
            host = Host()
            async with scene(host.serve, handle=handle, protocols=(outside,), offers=(outside,)) as made:
                got = await made.say(
                    f"POST / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx".encode()
                )
                assert got.startswith(b"HTTP/1.1 403 ")
                assert b"a finding" in got
            assert host.got == []

    asyncio.run(run())


@pytest.mark.parametrize("inside", _PROTOCOLS)
def test_a_body_is_not_read_ahead_of_who_reads_it(inside: str) -> None:
    """Back-pressure: 32 MB wait at who sends them, not in memory."""
    taken: list[int] = []
    go_on = asyncio.Event()

    async def handle(request: Request, send: Send) -> Answer:
        assert request.body is not None
        await go_on.wait()
        async for piece in request.body:
            taken.append(len(piece))
        return Answer(AnswerHead(200, ()), Whole(b"read"))

    async def run() -> None:
        async with scene(Host().serve, handle=handle) as made, _asking(made, inside) as client:
            sent = 0

            async def send() -> None:
                nonlocal sent
                piece = b"x" * 2**16
                writer = client.streams[1]
                if client.talk is not None:
                    await client.talk.send(1, Message((b"POST", b"/"), (), [piece] * 512))
                else:
                    writer.write(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {2**25}\r\n\r\n".encode())
                    for _ in range(512):
                        writer.write(piece)
                        await writer.drain()
                        sent += len(piece)

            task = asyncio.get_running_loop().create_task(send())
            done, _ = await asyncio.wait({task}, timeout=0.5)
            assert not done
            assert sent < 2**24  # the sockets' own buffers
            go_on.set()
            await task
            if client.talk is not None:
                talk = client.talk
                await talk.wait(lambda: 1 if 1 in talk.whole else None)
            else:
                assert (await read_message(client.streams[0])).body == b"read"
            assert sum(taken) == 2**25
            assert max(taken) <= 2**20

    asyncio.run(run())


def test_a_client_that_hangs_up_ends_its_exchange_at_the_host() -> None:
    async def run() -> None:
        asked, hung_up = asyncio.Event(), asyncio.Event()

        async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            with contextlib.suppress(ConnectionError):
                await reader.read(1)
            hung_up.set()

        for protocol in _PROTOCOLS:
            asked.clear()
            hung_up.clear()
            async with scene(host) as made:
                reader, writer = await made.open(protocol)
                if protocol == "h2":
                    talk = Talk(reader, writer)
                    await talk.send(1, Message((b"GET", b"/"), length=True))
                else:
                    writer.write(_GET)
                async with asyncio.timeout(10):
                    await asked.wait()
                    writer.close()
                    await hung_up.wait()

    asyncio.run(run())


def test_a_client_of_http_1_0_gets_the_answer_until_the_end() -> None:
    async def run() -> None:
        host = Host([Message((b"200",), (), [b"one", b"two"])])
        async with scene(host.serve) as made:
            got = await made.say(f"GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
            assert got.partition(b"\r\n\r\n")[2] == b"onetwo"
            assert b"chunked" not in got

    asyncio.run(run())


def test_expect_is_answered_when_the_body_is_wanted_and_not_before() -> None:
    async def handle(request: Request, send: Send) -> Answer:
        if request.head.target == "/refused":
            raise RefusedError(403, "not that")
        return await send(request)

    async def run() -> None:
        host = Host()
        async with scene(host.serve, handle=handle) as made:
            for path, interim in (("/refused", False), ("/sent", True)):
                reader, writer = await made.open("http/1.1")
                writer.write(
                    f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n".encode()
                )
                first = await reader.readuntil(b"\r\n\r\n")
                assert first.startswith(b"HTTP/1.1 100 ") is interim
                if interim:
                    writer.write(b"abc")
                    assert (await read_message(reader)).body == b"fine"
                writer.close()
            assert [one.body for one in host.got] == [b"abc"]
            assert b"expect" not in dict(host.got[0].headers)

    asyncio.run(run())


def test_many_streams_at_once_get_their_own_answers() -> None:
    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(EOFError):
            while True:
                asked = await read_message(reader)
                await asyncio.sleep(0.001)
                await write_message(writer, Message((b"200",), (), [asked.first[1] * 5000]))

    async def run() -> None:
        async with scene(host) as made:
            talk = Talk(*await made.open("h2"))
            await talk.read()
            numbers = [talk.h2.get_next_available_stream_id() + 2 * at for at in range(60)]
            for number in numbers:
                await talk.send(number, Message((b"GET", b"/%d" % number), length=True))
            async with asyncio.timeout(20):
                await talk.wait(lambda: 1 if len(talk.whole) == len(numbers) else None)
            assert all(talk.messages[number].body == b"/%d" % number * 5000 for number in numbers)
            talk.writer.close()

    asyncio.run(run())


def test_a_silent_host_is_a_gateway_timeout() -> None:
    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async def run() -> None:
        for protocol in _PROTOCOLS:
            async with scene(host, protocols=(protocol,), offers=(protocol,), limits=Limits(answer=0.2)) as made:
                got = await made.say(_GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                assert got.startswith(b"HTTP/1.1 504 "), protocol

    asyncio.run(run())


def test_what_came_before_an_answer_broke_off_is_not_lost_with_it() -> None:
    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart")  # and closes

    async def run() -> None:
        async with scene(host) as made:
            assert (await made.say(_GET)).endswith(b"\r\n\r\npart")

    asyncio.run(run())


def test_a_switch_to_no_protocol_at_all_is_no_answer() -> None:
    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read(-1)

    async def run() -> None:
        async with scene(host) as made:
            assert (await made.say(_UPGRADE)).startswith(b"HTTP/1.1 502 ")

    asyncio.run(run())


def test_wishes_for_other_protocols_in_a_row_are_requests_each() -> None:
    """All in one read: none of them is parsed within another."""

    async def run() -> None:
        async with scene(Host().serve) as made:
            wish = f"GET /x HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".encode()
            got = await made.say(wish * 700 + _GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert got.count(b"HTTP/1.1 200 ") == 701
            assert made.refused == []

    asyncio.run(run())


def test_blanks_around_a_value_are_taken_away_in_both_http() -> None:
    """curl sends `Bearer ` for a variable that is not set; h2 would end the connection without a word."""

    async def run() -> None:
        for protocol in _PROTOCOLS:
            host = Host([Message((b"200",), ((b"x-back", b"value "),), (b"fine",), length=True)])
            async with scene(host.serve, protocols=(protocol,)) as made, _asking(made, protocol) as client:
                answer = await client.ask(Message((b"GET", b"/"), ((b"authorization", b"Bearer "),)))
                assert dict(host.got[0].headers)[b"authorization"] == b"Bearer", protocol
                assert dict(answer.headers)[b"x-back"] == b"value", protocol

    asyncio.run(run())


def test_a_host_that_grants_our_encoder_much_memory_is_not_obeyed() -> None:
    """What is kept is searched for each field of each request."""
    sizes: list[int] = []

    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = Talk(reader, writer, client=False)
        talk.h2.update_settings({SettingCodes.HEADER_TABLE_SIZE: 2**24})
        talk.flush()
        with contextlib.suppress(EOFError, BrokenError):
            while True:
                number = await talk.wait(lambda: next((n for n in talk.whole if n not in talk.done), None))
                talk.done.add(number)
                sizes.append(talk.h2.decoder.header_table_size)
                await talk.send(number, Message((b"200",)))

    async def run() -> None:
        async with scene(host, protocols=("h2",)) as made, _asking(made, "h2") as client:
            for _ in range(3):
                await client.ask(Message((b"GET", b"/")))
            assert sizes == [4096] * 3

    asyncio.run(run())


def test_an_upload_that_its_client_ends_early_is_no_refusal_of_ours() -> None:
    """curl does so when the answer is an error: `HTTP error before end of send, stop sending`."""

    async def forbids(request: Request, send: Send) -> Answer:
        del request, send
        return Answer(AnswerHead(403, ()), Whole(b"no"))

    async def run() -> None:
        async with scene(Host().serve, handle=forbids) as made:
            talk = Talk(*await made.open("h2"))
            head = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", b"/")]
            talk.h2.send_headers(1, [*head, (b"content-length", b"9")])
            talk.flush()
            await talk.wait(lambda: 1 if 1 in talk.whole else None)
            assert talk.messages[1].body == b"no"
            talk.h2.send_data(1, b"part", end_stream=True)
            talk.flush()
            with contextlib.suppress(EOFError, BrokenError):
                async with asyncio.timeout(5):
                    await talk.wait(lambda: None)
            assert talk.gone is not None  # this length was seen to be wrong
            assert made.refused == []

    asyncio.run(run())

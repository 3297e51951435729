"""The judge between real connections: TLS on both sides, a client of the inside, a host that keeps what it reads."""

import asyncio

import pytest

from tests.gateway.intercept.desk import FORGE_KEY, Desk, run
from tests.gateway.intercept.scene import HOST, Scene, scene
from tests.gateway.intercept.speaking import Host, Message, Talk, read_message, write_message
from wrapper.audit.events import Answered, Refused, Sent
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.frames import TEXT, Messages, framed
from wrapper.gateway.intercept.frames import Message as Said

POLICY = f'[[hosts]]\nhosts = ["{HOST}"]\ninspect = "yes"\n'
UPGRADE = (
    f"GET /live HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: x\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
).encode()
SWITCHED = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
MASK = b"\1\2\3\4"


async def ask(made: Scene, protocol: str, *pieces: bytes) -> Message:
    reader, writer = await made.open(protocol)
    message = Message((b"POST", b"/comments"), ((b"content-type", b"text/plain"),), pieces, length=True)
    try:
        async with asyncio.timeout(10):
            if protocol == "h2":
                return await Talk(reader, writer).ask(message)
            writing = asyncio.ensure_future(write_message(writer, message))
            answer = await read_message(reader)
            writing.cancel()
            return answer
    finally:
        writer.close()


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_a_comment_arrives_and_one_with_a_key_is_answered_with_why_not(protocol: str) -> None:
    desk, host = Desk(POLICY), Host([Message((b"201",), (), [b"ok"], length=True)] * 2)

    async def talk() -> None:
        async with scene(host.serve, handle=desk.judge.handler(Destination(HOST, 443)), protocols=(protocol,)) as made:
            assert (await ask(made, protocol, b"looks good")).body == b"ok"
            refused = await ask(made, protocol, b"the key is " + FORGE_KEY[:-4])
            assert refused.first == (b"403",)
            assert b"GITHUB-TOKEN" in refused.body
            assert FORGE_KEY[:20] not in refused.body

    run(talk())
    assert [one.body for one in host.got] == [b"looks good"]
    assert [type(one) for one in desk.sink.events if isinstance(one, Sent | Answered | Refused)] == [
        Sent,
        Answered,
        Refused,
    ]
    desk.close()


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_an_upload_with_a_key_at_its_end_breaks_off_at_the_host(protocol: str) -> None:
    desk, host = Desk(POLICY), Host([Message((b"201",), (), [b"ok"], length=True)])
    filler = b"a plain line of a dump\n" * 40_000

    async def talk() -> None:
        async with scene(host.serve, handle=desk.judge.handler(Destination(HOST, 443)), protocols=(protocol,)) as made:
            answer = await ask(made, protocol, *[filler] * 6, FORGE_KEY, b"\nend")
            assert answer.first == (b"403",)

    run(talk())
    assert host.got == []
    assert not any(one.ended for one in desk.sink.of(Sent))
    desk.close()


def test_messages_of_a_websocket_pass_until_one_has_a_key() -> None:
    desk, got, ended = Desk(POLICY), bytearray(), asyncio.Event()

    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"permessage-deflate" not in head
        writer.write(SWITCHED)
        try:
            while data := await reader.read(2**16):
                got.extend(data)
                writer.write(b"\x81\x02hi")
        finally:
            ended.set()

    async def talk() -> None:
        async with scene(host, handle=desk.judge.handler(Destination(HOST, 443))) as made:
            reader, writer = await made.open("http/1.1")
            writer.write(UPGRADE)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            writer.write(framed(Said(TEXT, b"hello"), MASK))
            assert await reader.readexactly(4) == b"\x81\x02hi"
            writer.write(framed(Said(TEXT, b"the key is " + FORGE_KEY), MASK) + framed(Said(TEXT, b"late"), MASK))
            async with asyncio.timeout(10):
                await ended.wait()
            writer.close()

    run(talk())
    assert list(Messages(1000).feed(bytes(got))) == [Said(TEXT, b"hello")]
    assert [one.body for one in desk.sink.of(Sent) if one.method == "WEBSOCKET"] == [b"hello"]
    assert FORGE_KEY.decode() not in desk.log
    desk.close()

"""The fake provider's WebSocket: against another implementation of the protocol, and against raw bytes."""

import asyncio
import base64
import contextlib
import json
import os
import socket
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.fakes.provider import Call, Fault, FaultyProvider, Script, Turn
from wrapper.demo.provider import FakeProvider
from wrapper.demo.websocket import PING, TEXT, Channel, frame

SCRIPT = Script(turns=(Turn(text="I look", calls=(Call(run="env"),)), Turn(text="I saw {{seen:K=(\\w+)}}")))
TOOLS = [{"type": "function", "name": "exec_command"}]
USER = {"role": "user", "content": "hello"}
SECRET = "Zx9/Qk+41mVb7TtNw0Rj5Lc8"

Socket = aiohttp.ClientWebSocketResponse[Any]


def talking(provider: FakeProvider, talk: Callable[[Socket], Awaitable[None]], compress: int = 15) -> None:
    """Open a connection and run `talk` on it."""

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            url = f"{provider.url}/v1/responses"
            async with session.ws_connect(url, compress=compress, max_msg_size=0, autoping=False) as connection:
                await asyncio.wait_for(talk(connection), 10)

    asyncio.run(run())


async def ask(connection: Socket, *items: object, **more: object) -> list[dict[str, Any]]:
    """Ask once and return the events up to the last one of the answer."""
    body = {"type": "response.create", "model": "m", "tools": TOOLS, "input": list(items)} | more
    await connection.send_str(json.dumps(body))
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in ("response.completed", "error"):
        message = await connection.receive()
        if message.type is aiohttp.WSMsgType.PING:
            continue
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise EOFError(message.type, message.data)
        events.append(json.loads(message.data))
    return events


def spoken(events: list[dict[str, Any]]) -> str:
    return "".join(one["delta"] for one in events if one["type"] == "response.output_text.delta")


@pytest.mark.parametrize("compress", [0, 15])
def test_a_later_turn_names_the_response_that_it_follows(compress: int) -> None:
    async def talk(connection: Socket) -> None:
        warm = await ask(connection, generate=False)
        assert spoken(warm) == ""
        first = await ask(connection, USER, previous_response_id=warm[-1]["response"]["id"])
        assert spoken(first) == "I look"
        call = first[-1]["response"]["output"][1]
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "K=seen1"}
        second = await ask(connection, result, previous_response_id=first[-1]["response"]["id"])
        assert spoken(second) == "I saw seen1"
        unknown = await ask(connection, USER, previous_response_id="resp_nowhere")
        assert unknown[0]["error"]["code"] == "previous_response_not_found"

    with FaultyProvider(SCRIPT) as provider:
        talking(provider, talk, compress)
    asked = provider.model_requests()
    assert [one.method for one in asked] == ["WEBSOCKET"] * 3  # warming up asks the model nothing
    assert [one.path for one in asked] == ["/v1/responses"] * 3
    assert len(asked[1].whole["input"]) == 4
    assert asked[1].json["input"][0]["output"] == "K=seen1"


def test_a_connection_knows_no_responses_of_another() -> None:
    ids: list[str] = []

    async def talk(connection: Socket) -> None:
        if ids:
            assert (await ask(connection, USER, previous_response_id=ids[0]))[0]["type"] == "error"
        else:
            ids.append((await ask(connection, USER))[-1]["response"]["id"])

    with FakeProvider(SCRIPT) as provider:
        talking(provider, talk)
        talking(provider, talk)


def test_a_leak_in_a_compressed_frame_is_found() -> None:
    async def talk(connection: Socket) -> None:
        await ask(connection, {"role": "user", "content": f"key {SECRET}"})

    with FaultyProvider(SCRIPT) as provider:
        talking(provider, talk)
    assert not any(SECRET.encode() in bytes(log) for log in provider.wire)  # masked and compressed on the wire
    with pytest.raises(AssertionError, match="secret 0 is in"):
        provider.assert_nowhere([SECRET])


@pytest.mark.parametrize("refused", [426, 401, 503])
def test_a_handshake_is_refused_as_often_as_wanted(refused: int) -> None:
    async def talk(connection: Socket) -> None:
        await ask(connection, USER)

    with FaultyProvider(SCRIPT, handshakes=[refused]) as provider:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            talking(provider, talk)
        talking(provider, talk)
    assert caught.value.status == refused


def test_fragments_with_pings_in_between_are_the_same_answer() -> None:
    answers: list[list[dict[str, Any]]] = []

    async def talk(connection: Socket) -> None:
        answers.append(await ask(connection, USER))

    with FaultyProvider(SCRIPT, [Fault(split=3)]) as provider:
        talking(provider, talk)
        talking(provider, talk)
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        (Fault(close=1013), "CLOSE"),
        (Fault(reset_after=100), "CLOSED"),
        (Fault(reset_after=0), "CLOSED"),
    ],
)
def test_a_connection_ends_in_the_middle(fault: Fault, end: str) -> None:
    async def talk(connection: Socket) -> None:
        with pytest.raises(EOFError, match=end):
            await ask(connection, USER)
        if fault.close:
            assert connection.close_code == fault.close

    with FaultyProvider(SCRIPT, [fault]) as provider:
        talking(provider, talk)


def test_an_error_event_and_a_large_message_come_as_asked() -> None:
    async def talk(connection: Socket) -> None:
        (failure,) = await ask(connection, USER)
        assert (failure["type"], failure["status"]) == ("error", 503)
        await ask(connection, USER)
        message = await connection.receive()
        assert len(message.data) == 300_000

    with FaultyProvider(SCRIPT, [Fault(status=503), Fault(oversized=300_000)]) as provider:
        talking(provider, talk)


class _Wire:
    """A stream that gives prepared bytes and keeps what is written."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.written = b""

    def exactly(self, size: int) -> bytes:
        found, self.data = self.data[:size], self.data[size:]
        return found

    def say(self, data: bytes) -> None:
        self.written += data


def masked(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """Frame as a client does."""
    plain = frame(opcode, b"", final=final)[:1]
    mask = os.urandom(4)
    assert len(payload) < 126
    return plain + bytes((len(payload) | 128,)) + mask + bytes(b ^ mask[at % 4] for at, b in enumerate(payload))


@pytest.mark.parametrize(
    "wrong",
    [
        frame(TEXT, b"not masked"),
        masked(TEXT | 0x20, b"a"),
        masked(TEXT | 0x40, b"a"),
        masked(0, b"lone"),
        masked(TEXT, b"a", final=False) + masked(TEXT, b"b"),
        masked(3, b"a"),
        masked(PING, b"a", final=False),
        masked(TEXT, b"\xff"),
    ],
)
def test_a_client_that_breaks_the_protocol_is_told_so(wrong: bytes) -> None:
    wire = _Wire(wrong)
    assert list(Channel(wire, deflate=False).messages()) == []
    assert wire.written[:2] == bytes((0x88, len(wire.written) - 2))
    assert int.from_bytes(wire.written[2:4]) == 1002


def test_fragments_of_a_client_are_put_together_and_its_pings_answered() -> None:
    packed = zlib.compressobj(wbits=-15)
    data = (packed.compress(b"hello hello hello") + packed.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")
    cut = masked(TEXT | 0x40, data[:3], final=False) + masked(PING, b"x") + masked(0, data[3:])
    wire = _Wire(cut + masked(8, b"\x03\xe8bye"))
    assert list(Channel(wire, deflate=True).messages()) == [b"hello hello hello"]
    assert wire.written == frame(10, b"x") + frame(8, b"\x03\xe8")


def test_a_request_that_is_no_handshake_is_a_400() -> None:
    with FakeProvider() as provider:
        for key in ("x", base64.b64encode(b"too short").decode(), ""):
            host, port = provider.url.removeprefix("http://").split(":")
            with contextlib.closing(socket.create_connection((host, int(port)), 5)) as raw:
                head = f"GET /v1/responses HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {key}\r\n"
                raw.sendall(f"{head}Sec-WebSocket-Version: 13\r\n\r\n".encode())
                assert raw.recv(100).startswith(b"HTTP/1.1 400 ")

"""Values do not come back in the frames of a WebSocket, however a host cuts its messages."""

import asyncio
import struct
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.intercept.echoing import MASKER, Heard, Line, P, V, answered
from tests.gateway.intercept.exchanges import Pieces, asked, cut, read
from wrapper.gateway.intercept.exchange import Answer, AnswerHead
from wrapper.gateway.intercept.framing import BrokenFrameError

TEXT, BINARY, CONTINUATION, CLOSE, PING = 1, 2, 0, 8, 9


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    first = opcode | (0x80 if final else 0)
    if len(payload) < 126:
        return bytes((first, len(payload))) + payload
    if len(payload) < 2**16:
        return struct.pack("!BBH", first, 126, len(payload)) + payload
    return struct.pack("!BBQ", first, 127, len(payload)) + payload


def messages(data: bytes) -> list[tuple[int, bytes]]:
    """Put frames together; control frames come when they come."""
    out: list[tuple[int, bytes]] = []
    opcode, text = 0, b""
    while data:
        first, size, length = data[0], data[1], 2
        if size >= 126:
            form = "!H" if size == 126 else "!Q"
            (size,) = struct.unpack_from(form, data, 2)
            length += struct.calcsize(form)
        payload, data = data[length : length + size], data[length + size :]
        if first & 0x08:
            out.append((first & 0x0F, payload))
            continue
        assert (first & 0x0F == 0) == bool(opcode)
        opcode, text = opcode or first & 0x0F, text + payload
        if first & 0x80:
            out.append((opcode, text))
            opcode, text = 0, b""
    assert not opcode
    return out


def socket(data: bytes, sizes: Iterable[int] = (2**16,)) -> bytes:
    return read(answered(Pieces(cut(data, list(sizes))), status=101, upgrade="websocket").body)


def test_a_message_without_values_passes_as_it_is_framed() -> None:
    data = (
        frame(TEXT, b"hello") + frame(PING, b"x") + frame(BINARY, bytes(70_000)[:60_000]) + frame(CLOSE, b"\x03\xe8bye")
    )
    assert socket(data) == data


def test_a_value_in_messages_becomes_its_placeholder_across_frames_and_control_frames() -> None:
    data = (
        frame(TEXT, b"a " + V + b" b")
        + frame(TEXT, V[:10], final=False) + frame(PING, V[:0]) + frame(CONTINUATION, V[10:], final=False)
        + frame(CONTINUATION, b"!") + frame(CLOSE, b"\x03\xe8" + V) + frame(BINARY, bytes(200) + V)
    )  # fmt: skip
    got = [(opcode, text) for opcode, text in messages(socket(data))]
    assert [one for one in got if one[0] != PING] == [
        (TEXT, b"a " + P + b" b"), (TEXT, P + b"!"), (CLOSE, b"\x03\xe8" + P), (BINARY, bytes(200) + P),
    ]  # fmt: skip


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.lists(st.sampled_from([b"", b"a", V, V[:7], V[7:], b"x" * 130]), min_size=1, max_size=3), st.booleans()), max_size=5),
    st.lists(st.integers(1, 90), min_size=1),
)  # fmt: skip
def test_any_pieces_of_frames_give_the_same_messages(sent: list[tuple[list[bytes], bool]], sizes: list[int]) -> None:
    data = b""
    for parts, pings in sent:
        for at, part in enumerate(parts):
            data += frame(CONTINUATION if at else TEXT, part, final=at == len(parts) - 1) + (
                frame(PING, b"p") if pings else b""
            )
    texts = [text for opcode, text in messages(socket(data, sizes)) if opcode == TEXT]
    assert texts == [text for opcode, text in messages(socket(data)) if opcode == TEXT]
    assert len(texts) == len(sent)
    assert V not in b"".join(texts)


def test_a_long_frame_is_not_waited_for() -> None:
    async def run() -> None:
        line = Line()
        pieces = aiter(
            MASKER.answer(Answer(AnswerHead(101, ()), line), asked(upgrade="websocket"), Heard()).body or line
        )
        line.give(frame(BINARY, bytes(2**20))[:5000])
        assert len(await anext(pieces)) >= 4000
        line.give(None)

    asyncio.run(run())


@pytest.mark.parametrize(
    "data", [b"\xc1\x01a", b"\x81\x81abcda", b"\x89\x7e\x00\x80", b"\x09\x00", b"\x80\x01a", b"\x83\x01a"]
)
def test_frames_that_cannot_be_searched_end_the_connection(data: bytes) -> None:
    with pytest.raises(BrokenFrameError):
        socket(data + bytes(200))


def test_another_protocol_is_masked_as_bytes() -> None:
    assert read(answered(Pieces([b"\x81\x81" + V]), status=101, upgrade="tcp").body) == b"\x81\x81" + P

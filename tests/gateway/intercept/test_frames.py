import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.intercept.desk import chunked
from wrapper.gateway.intercept.frames import BINARY, CLOSE, PING, TEXT, Message, Messages, framed
from wrapper.gateway.refusal import RefusedError

MASK = b"\x01\xfe\x37\x80"
_MESSAGE = st.one_of(
    st.builds(Message, st.sampled_from([TEXT, BINARY]), st.binary(max_size=70_000)),
    st.builds(Message, st.sampled_from([PING, CLOSE]), st.binary(max_size=125)),
)


def frame(opcode: int, payload: bytes, *, final: bool = True, mask: bytes = MASK) -> bytes:
    """One frame, written by another hand than `framed`; shorter than 64 KiB."""
    first = (0x80 if final else 0) | opcode
    size = struct.pack(">B", 0x80 | len(payload)) if len(payload) < 126 else struct.pack(">BH", 0xFE, len(payload))
    return bytes([first]) + size + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


@given(st.lists(_MESSAGE, max_size=4), st.lists(st.integers(1, 5_000), max_size=30), st.binary(min_size=4, max_size=4))
def test_messages_come_back_however_their_bytes_are_cut(messages: list[Message], sizes: list[int], mask: bytes) -> None:
    reading = Messages(1 << 20)
    written = b"".join(framed(one, mask) for one in messages)
    assert [one for piece in chunked(written, sizes) for one in reading.feed(piece)] == messages


def test_a_message_in_fragments_comes_whole_and_a_ping_between_them_at_once() -> None:
    data = frame(TEXT, b"one ", final=False) + frame(PING, b"?") + frame(0, b"two ", final=False) + frame(0, b"three")
    assert list(Messages(100).feed(data)) == [Message(PING, b"?"), Message(TEXT, b"one two three")]


@given(st.binary(max_size=400), st.lists(st.integers(1, 50), max_size=10))
def test_whatever_comes_is_a_message_or_refused_or_waited_for(data: bytes, sizes: list[int]) -> None:
    reading = Messages(1000)
    try:
        for piece in chunked(data, sizes):
            for message in reading.feed(piece):
                assert len(message.payload) <= 1000
    except RefusedError as error:
        assert error.status in (400, 413)


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT | 0x40, b"deflated"),
        frame(3, b"reserved"),
        frame(PING, b"x", final=False),
        frame(PING, b"x" * 126),
        frame(0, b"nothing to continue"),
        frame(TEXT, b"a", final=False) + frame(TEXT, b"b"),
        b"\x81\x05hello",
    ],
)
def test_frames_that_break_the_protocol_or_hide_something_are_refused(data: bytes) -> None:
    with pytest.raises(RefusedError):
        list(Messages(1000).feed(data))


def test_a_message_that_is_too_long_is_refused_before_it_has_come() -> None:
    with pytest.raises(RefusedError) as caught:
        list(Messages(1000).feed(struct.pack(">BBQ", 0x81, 0xFF, 1 << 40)))
    assert caught.value.status == 413
    reading = Messages(1000)
    assert list(reading.feed(frame(TEXT, b"x" * 600, final=False))) == []
    with pytest.raises(RefusedError):
        list(reading.feed(frame(0, b"x" * 600)))

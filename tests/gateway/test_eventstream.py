"""Amazon's event stream encoding: frames cut anywhere, damaged, and made to mislead."""

import base64
import json
import struct
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway.eventstream import Frame, FrameParser, chunk

LIMIT = 2**16
HEADERS = b"\x0b:event-type\x07\x00\x05chunk"
EMPTY = bytes.fromhex("000000100000000005c248eb7d98c8ff")  # of the AWS SDKs' own test vectors: no headers, no payload


def parsed(data: bytes, places: list[int] | None = None) -> list[Frame]:
    parser = FrameParser(LIMIT)
    borders = sorted({0, len(data), *(place % (len(data) + 1) for place in places or [])})
    found = [frame for start, end in pairwise(borders) for frame in parser.feed(data[start:end])]
    assert parser.is_between
    return found


def test_the_sdks_own_vector_is_read_and_written() -> None:
    assert parsed(EMPTY) == [Frame(b"", b"")]
    assert bytes(Frame(b"", b"")) == EMPTY


@given(st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=200)), max_size=5), st.lists(st.integers(0, 2000)))
def test_however_a_stream_is_cut_the_same_frames_come_out(some: list[tuple[bytes, bytes]], places: list[int]) -> None:
    frames = [Frame(*one) for one in some]
    assert parsed(b"".join(map(bytes, frames)), places) == frames


@given(st.binary(max_size=300))
def test_an_event_in_a_chunk_is_what_was_put_there(event: bytes) -> None:
    (frame,) = parsed(bytes(chunk(event)))
    assert frame.event == event


def test_a_chunk_of_bedrocks_own_holds_padding_besides() -> None:
    payload = json.dumps({"bytes": base64.b64encode(b'{"type":"ping"}').decode(), "p": "abcdefgh"}).encode()
    assert Frame(HEADERS, payload).event == b'{"type":"ping"}'


@given(st.integers(0, len(bytes(chunk(b'{"type":"ping"}'))) - 1), st.integers(1, 255))
def test_any_byte_that_is_another_is_noticed(place: int, by: int) -> None:
    data = bytearray(bytes(chunk(b'{"type":"ping"}')))
    data[place] ^= by
    with pytest.raises(ValueError, match="frame"):
        FrameParser(LIMIT).feed(bytes(data) + bytes(2 * LIMIT))


@pytest.mark.parametrize(("size", "headers"), [(LIMIT + 1, 0), (15, 0), (0, 0), (30, 20), (2**32 - 1, 2**32 - 1)])
def test_a_frame_of_an_impossible_size_is_refused_at_once(size: int, headers: int) -> None:
    prelude = struct.pack(">II", size, headers)
    with pytest.raises(ValueError, match="a frame of"):
        FrameParser(LIMIT).feed(prelude + struct.pack(">I", zlib.crc32(prelude)))


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_a_frame_holds_it_is_an_event_or_a_refusal(headers: bytes, payload: bytes) -> None:
    for one in (Frame(headers, payload), Frame(HEADERS, payload), Frame(HEADERS + headers, payload)):
        try:
            event = one.event
        except ValueError:
            continue
        assert event is None or one.headers.startswith(HEADERS)


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b'"x"', b"{}", b'{"bytes": 1}', b'{"bytes": "%%%%"}', b'{"bytes": "YQ"}', b"\xff"]
)
def test_a_chunk_without_an_event_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        _ = Frame(HEADERS, payload).event

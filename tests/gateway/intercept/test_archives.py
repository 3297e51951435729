import gzip
import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway.intercept.archives import unpacked

TEXT = b"const key = 'it is in here';\n" * 20
PACKED = gzip.compress(TEXT)


@pytest.mark.parametrize(
    "body",
    [
        PACKED,
        b"x" + PACKED,
        b"\x1f\x8b\x08 looks like one " * 500 + PACKED,
        PACKED + b"and what is no gzip",
        b"--b\r\nContent-Type: application/gzip\r\n\r\n" + PACKED + b"\r\n--b--\r\n",
        json.dumps({"a": {"data": b64encode(PACKED).decode()}}).encode(),
        json.dumps([b64encode(PACKED).decode(), "x"], separators=(",", ":")).encode(),
        b"data:application/gzip;base64," + b64encode(PACKED),
        b64encode(PACKED),
        b"data=" + b64encode(PACKED),
    ],
)
def test_what_is_packed_in_a_body_is_given(body: bytes) -> None:
    assert list(unpacked(body)) == [TEXT]


def test_what_breaks_off_is_given_as_far_as_it_can_be_read() -> None:
    (text,) = unpacked(gzip.compress(bytes(range(256)) * 400)[:-30])
    assert (bytes(range(256)) * 400).startswith(text)


@pytest.mark.parametrize("body", [b"", b"H4sI", b"no gzip at all", b"\x1f\x8b\x08", b'"H4sI' + b"A" * 99])
def test_what_holds_nothing_packed_gives_nothing(body: bytes) -> None:
    assert list(unpacked(body)) == []


def test_a_bomb_is_unpacked_up_to_a_bound_and_so_are_many_files() -> None:
    bomb = gzip.compress(bytes(64 * 2**20))
    assert sum(map(len, unpacked(bomb))) <= 16 * 2**20
    many = json.dumps([b64encode(PACKED).decode()] * 150).encode()
    assert len(list(unpacked(many))) == 64


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_whatever_stands_around_nothing_is_raised(before: bytes, behind: bytes) -> None:
    for body in (before + PACKED[:20] + behind, before + b'"' + b64encode(PACKED)[:33] + behind):
        for text in unpacked(body):
            assert text

import gzip
import io
import json
import zipfile
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway.intercept.archives import Unpacking, unpacked

TEXT = b"const key = 'it is in here';\n" * 20
PACKED = gzip.compress(TEXT)


def _zip(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name in names:
            made.writestr(name, TEXT)
    return out.getvalue()


WHEEL = _zip("a.py")


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
        b"data=" + b"\r\n".join(b64encode(PACKED)[at : at + 76] for at in range(0, 400, 76)),
        PACKED[:3] + b"\x0c" + PACKED[4:10] + b"\2\0xxname\0" + PACKED[10:],  # with an extra field and a name
        PACKED[:-8] + bytes(8),  # with a checksum that says that it is broken
        WHEEL,
        b"x" + WHEEL,
        json.dumps([b64encode(WHEEL).decode()]).encode(),
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
    many = json.dumps([b64encode(PACKED).decode()] * 1100).encode()
    assert len(list(unpacked(many))) == 1024


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_whatever_stands_around_nothing_is_raised(before: bytes, behind: bytes) -> None:
    for body in (before + PACKED[:20] + behind, before + b'"' + b64encode(PACKED)[:33] + behind):
        for text in unpacked(body):
            assert text


def test_each_file_of_a_zip_archive_is_given() -> None:
    assert list(unpacked(_zip("a.py", "b/c.py"))) == [TEXT, TEXT]


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-be", "utf-32", "utf-32-be"])
def test_wide_text_is_given_in_one_byte_a_letter(coding: str) -> None:
    (text,) = unpacked(b"\xff\xd8 some image" + "a secret of some length".encode(coding))
    assert text.endswith(b"a secret of some length")


def test_soft_line_ends_are_undone_where_a_part_says_that_it_has_them() -> None:
    part = b"Content-Transfer-Encoding: Quoted-Printable\r\n\r\nsec=\r\nret=3D"
    (text,) = unpacked(part)
    assert text.endswith(b"secret=")
    assert list(unpacked(part.replace(b"Printable", b"Not"))) == []


@given(st.sampled_from([PACKED, WHEEL, b64encode(PACKED), b64encode(WHEEL)]), st.lists(st.integers(1, 60), max_size=40))
def test_what_comes_in_pieces_is_given_up_to_its_end(packed: bytes, sizes: list[int]) -> None:
    body, unpacking, texts, at = b"before " + packed + b" behind", Unpacking(), [b""], 0
    for size in [*sizes, len(body)]:
        texts += unpacking.feed(body[at : at + size])
        at += size
    assert texts[-1] == TEXT

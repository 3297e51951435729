"""What stands in a PDF, and that nothing in one stops the reader."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway import pdf

MOST = 1 << 20


def stream(content: bytes) -> bytes:
    return b"1 0 obj\n<< /Filter /FlateDecode >>\nstream\n" + zlib.compress(content) + b"\nendstream\nendobj\n"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"(plain) Tj", b"plain"),
        (b"[(sp) -20 (lit) 12.5 (ted)] TJ", b"splitted"),
        (b"[(two) -300 (words)] TJ", b"two words"),
        (b"(one line) Tj T* (another) Tj 0 -14 Td (third) Tj", b"one line\nanother\nthird"),
        (rb"(\(in\) \\ \101\102\) \053) Tj", rb"(in) \ AB) +"),
        (b"(cut \\\nhere) Tj", b"cut here"),
        (b"<48 65 6C6c\n6F> Tj", b"Hello"),
        (b"<00480065006C> Tj", b"Hel"),
        (b"<486> Tj", b"H`"),
    ],
)
def test_what_a_page_shows_is_put_together(content: bytes, text: bytes) -> None:
    assert pdf.shown(b"BT /F1 9 Tf " + content + b"\nET\n").strip() == text


def test_each_stream_is_given_as_it_is_and_as_it_shows() -> None:
    texts = list(pdf.texts(b"%PDF-1.7\n" + stream(b"/F1 9 Tf [(a) 1 (b)] TJ ") + stream(b"<x/>"), MOST))
    assert texts == [b"/F1 9 Tf [(a) 1 (b)] TJ ", b"ab", b"<x/>"]


def test_a_bomb_is_undone_as_far_as_the_bound_in_all() -> None:
    bombs = stream(bytes(8 * MOST)) * 5
    assert sum(map(len, pdf.texts(bombs, MOST))) == MOST


@given(st.binary(max_size=200), st.integers(0, 300), st.binary(max_size=3))
def test_nothing_in_a_file_stops_the_reader(content: bytes, at: int, put: bytes) -> None:
    file = b"%PDF-1.7\n" + stream(b"/F1 9 Tf (" + content) + stream(content)
    list(pdf.texts(file[:at] + put + file[at:], MOST))
    pdf.shown(content)

"""A text of any size is read in pieces, and places are those of the whole."""

import io
import random
import re

from hypothesis import given
from hypothesis import strategies as st

from wrapper.scan import windows as module
from wrapper.scan.hits import Place
from wrapper.scan.windows import STEP, Lines, Read, windows

MARK = re.compile(rb"<[0-9]+>")


def reader(data: bytes, most: int = 1 << 30) -> Read:
    stream = io.BytesIO(data)
    return lambda size: stream.read(min(size, most))


def text_with_marks(size: int, marks: int, seed: int) -> bytes:
    """Make words, lines and many-byte characters with marks in between."""
    chosen = random.Random(seed)  # noqa: S311 (filler text)
    text = bytearray()
    every = max(1, size // marks)
    while len(text) < size:
        text += chosen.choice(["word ", "é", "\n", "line of text\r\n", "漢字 "]).encode()
        if len(text) // every > (len(text) - 12) // every:
            text += b"<%d>" % len(text)
    return bytes(text)


def places(data: bytes, read: Read) -> list[Place]:
    """Find all marks by way of windows."""
    lines, found = Lines(), []
    for window in windows(read):
        for mark in MARK.finditer(window.data):
            if window.start <= mark.start() < window.end:
                found.append(lines.place(window, *mark.span()))
        lines.passed(window)
    return found


def place_in_whole(data: bytes, start: int, end: int) -> Place:
    def at(offset: int) -> tuple[int, int]:
        before = data[:offset].decode()
        return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1

    return Place(*at(start), *at(end))


def test_each_mark_of_a_long_text_is_met_once_at_its_place_in_the_whole() -> None:
    data = text_with_marks(3 * STEP + 4321, 40, 1)
    marks = [mark.span() for mark in MARK.finditer(data)]
    assert len(marks) >= 40
    assert places(data, reader(data)) == [place_in_whole(data, *mark) for mark in marks]


def test_a_mark_on_the_border_of_two_windows_is_met_once() -> None:
    for shift in range(-6, 3):
        data = b"x" * (STEP + shift) + b"<12345>" + b"y" * STEP
        assert places(data, reader(data)) == [Place(1, STEP + shift + 1, 1, STEP + shift + 8)]


@given(st.lists(st.sampled_from([b"a", b"\n", "é".encode(), b"<1>", b"<22>"])), st.integers(1, 7))
def test_how_much_each_read_gives_changes_nothing(parts: list[bytes], most: int) -> None:
    data = b"".join(parts)
    expected = [place_in_whole(data, *mark.span()) for mark in MARK.finditer(data)]
    assert places(data, reader(data, most)) == expected


def test_a_text_of_a_megabyte_is_one_window() -> None:
    data = b"z" * STEP
    assert [window.data for window in windows(reader(data))] == [data]


def test_no_window_is_longer_than_the_bound_whatever_the_line() -> None:
    data = b"z" * (5 * STEP)
    longest = module._BEFORE + STEP + module._BEHIND
    assert all(len(window.data) <= longest for window in windows(reader(data)))


def test_a_finding_over_several_lines_ends_on_its_last() -> None:
    data = "é\nab<1\n2\n3é>x".encode()
    (window,) = windows(reader(data))
    start, end = data.index(b"<"), data.index(b">") + 1
    assert Lines().place(window, start, end) == Place(2, 3, 4, 4)


def test_bytes_that_are_no_utf8_count_and_break_nothing() -> None:
    data = b"\xff\xfe<1>"
    assert places(data, reader(data)) == [Place(1, 3, 1, 6)]

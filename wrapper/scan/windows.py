"""Read a text of any size in pieces, and say where in it a finding stands; memory is bounded by the piece.

What it promises:
1. A text of up to a megabyte is one piece, so what is found in it is what the engine finds in the whole.
2. Of a longer one, every finding of up to 16 KiB is found once, with 4 KiB of what stands before it in sight.
3. Lines and columns are those of the whole text.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from wrapper.scan.hits import Place

STEP: Final = 1 << 20
_BEFORE: Final = 4 << 10  # more than any rule looks back for a key or a keyword
_BEHIND: Final = 16 << 10  # longer than any token; private keys are about 3 KiB
_CONTINUATION: Final = bytes(range(0x80, 0xC0))  # bytes that begin no character (RFC 3629)

Read = Callable[[int], bytes]
"""Gives the next bytes, at most so many; none at the end."""


class Window(NamedTuple):
    """A piece of a text: findings that start in `data[start:end]` are this piece's. `position` is that of `data[0]`."""

    data: bytes
    start: int
    end: int
    position: int


def windows(read: Read) -> Iterator[Window]:
    """Cut what `read` gives into pieces."""
    data = _filled(read, STEP + _BEHIND)
    start = position = 0
    while True:
        is_last = len(data) - start < STEP + _BEHIND
        end = len(data) if is_last else start + STEP
        yield Window(data, start, end, position)
        if is_last:
            return
        kept = max(0, end - _BEFORE)
        data = data[kept:] + _filled(read, STEP)
        position += kept
        start = end - kept


def _filled(read: Read, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0 and (part := read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class Lines:
    """Turns offsets into lines and columns; offsets must rise, and a window is passed before the next is asked of."""

    def __init__(self) -> None:
        self._at = 0  # position in the text that line and column are those of
        self._line = self._column = 1

    def place(self, window: Window, start: int, end: int) -> Place:
        """Say where `window.data[start:end]` stands."""
        self._advance(window, start)
        end_line, end_column = _moved(self._line, self._column, window.data[start:end])
        return Place(self._line, self._column, end_line, end_column)

    def passed(self, window: Window) -> None:
        """Leave a window behind."""
        self._advance(window, window.end)

    def _advance(self, window: Window, offset: int) -> None:
        between = window.data[self._at - window.position : offset]
        self._line, self._column = _moved(self._line, self._column, between)
        self._at = window.position + offset


def _moved(line: int, column: int, text: bytes) -> tuple[int, int]:
    """Give the line and column behind `text` that begins at these."""
    last = text.rfind(b"\n")
    if last < 0:
        return line, column + _characters(text)
    return line + text.count(b"\n"), _characters(text[last + 1 :]) + 1


def _characters(text: bytes) -> int:
    return len(text) if text.isascii() else len(text.translate(None, _CONTINUATION))

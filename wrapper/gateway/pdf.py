"""What stands in a PDF, as far as zlib alone shows it; pure.

Streams that are deflated (ISO 32000-1, 7.4.4), each undone, and the strings that a page shows, put together as they
are read: a page places letters singly. Not read: what is encrypted or has other filters, and text in fonts of which
only the file says what their numbers mean.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Final

MARK: Final = b"%PDF-"
_STREAM: Final = re.compile(rb"stream\r?\n")
_MOST_STREAMS: Final = 4096
_SHOWN: Final = re.compile(
    rb"\(((?>(?:[^\\()]++|\\.)*))\)|<([0-9A-Fa-f \r\n]++)>|(?:T[dDm*]|ET|['\"])(?=\s)|-(\d{3,})", re.DOTALL
)
_FONT: Final = b" Tf"  # sets one: pictures do not
_LONGEST: Final = 1 << 20  # bytes of a page's content: no other thread runs while a stretch without text is passed over
_WIDE_GAP: Final = 200  # thousandths of a letter's height: further apart are words
_ESCAPE: Final = re.compile(rb"\\(?:([0-7]{1,3})|(\r?\n)|(.))", re.DOTALL)
_CONTROL: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def texts(data: bytes, most: int) -> Iterator[bytes]:
    """Give each stream that can be undone, and what it shows as text; at most `most` bytes undone in all."""
    for number, begin in enumerate(_STREAM.finditer(data)):
        if number >= _MOST_STREAMS or most <= 0:
            return
        text = _undone(data, begin.end(), most)
        most -= len(text)
        if text:
            yield text
            if _FONT in text:
                yield shown(text[:_LONGEST])


def shown(content: bytes) -> bytes:
    """Give the strings of a page's content: a line for each place that is set, a blank for each wide gap."""
    parts: list[bytes] = []
    for one in _SHOWN.finditer(content):
        if one[1] is not None:
            parts.append(_ESCAPE.sub(_character, one[1]))
        elif one[2] is not None:
            parts.append(_of_hex(one[2]))
        elif one[3] is None:
            parts.append(b"\n")
        elif int(one[3][:6]) >= _WIDE_GAP:
            parts.append(b" ")
    return b"".join(parts)


def _undone(data: bytes, start: int, most: int) -> bytes:
    """Inflate what starts at an offset; what breaks off is given as far as it goes, and what is no zlib not at all."""
    stream = zlib.decompressobj()
    try:
        return stream.decompress(memoryview(data)[start:], most)
    except zlib.error:
        return b""


def _character(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes((int(escape[1], 8) & 0xFF,))
    return b"" if escape[2] else _CONTROL.get(escape[3], escape[3])


def _of_hex(digits: bytes) -> bytes:
    """Give what hex digits stand for (an odd last one has a 0 behind it), of two bytes a letter without their zeros."""
    digits = digits.translate(None, b" \r\n")
    return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode()).replace(b"\0", b"")

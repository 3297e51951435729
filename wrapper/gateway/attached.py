"""What is attached to a conversation as base64: archives, office documents, PDFs and texts are looked into; pure.

Rules of this file:
1. Looked at is base64 that begins an archive or a PDF, wherever it stands, and what a data URL or a member called
   `data` or `file_data` holds, if that is text. Images and sound are what they are.
2. Only what is certain counts. In a field of the API that takes files nothing can be replaced: a finding stands at one
   letter of the base64, for all of it, and its rule begins with PACKED, which tells that it keeps the request here.
   Elsewhere (in a file that the agent has read, in what a command printed) the base64 is the finding, and replaced like
   any other. Known values in a text are found and replaced in its base64 as everywhere (`redactors.encodings`).
3. What is done beyond a search of the bytes is paid for by their number: neither a bomb nor a million small pieces
   costs more than a body that is a few times as long. What cannot be paid for is not looked at.
4. What holds none of this is gone through once, for fixed bytes, and nothing else. What was seen is remembered as all
   findings are (`redactors.pieces`).
"""

import binascii
import re
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from redactors import jsonbytes
from redactors.finding import Confidence, Finding
from redactors.known import KnownValues
from redactors.ownfields import OwnFields
from redactors.patterns import Patterns, expression, shared
from wrapper.gateway import pdf
from wrapper.gateway.intercept.archives import MOST_UNPACKED, unpacked

PACKED: Final = "packed:"
_PAID: Final = 4  # bytes that may be unpacked for each one that is searched
_LOOK, _SEARCH = 1 << 10, 1 << 13  # bytes that a look at a beginning, and one more search, cost besides
_SHORTEST: Final = 24  # letters of base64; no secret fits into less
_MOST_FOUND: Final = 16  # values of one attachment
_HEAD: Final = 1024  # letters that say whether it is text
_URL: Final = b";base64,"
_FIELD: Final = b'data"'
_BEHIND_FIELD: Final = re.compile(rb'[ \t\r\n]*:[ \t\r\n]*"')
# What stands before base64 that is all of such a field: it begins a string, behind the head of a data URL if it is one.
_BEFORE_FILE: Final = re.compile(
    rb'"(?:data|file_data|url|image_url|file_url)"[ \t\r\n]*:[ \t\r\n]*"(?:data:[^"\\\s]{0,128};base64,)?[ \t\r\n]*\Z'
)
_FARTHEST: Final = 256  # bytes from such a field's name to its base64
_BEGINNINGS: Final = (b"H4sI", b"UEsDB", b"JVBERi")  # gzip, zip, PDF
_BETWEEN: Final = re.compile(rb"PK(?:\x01\x02|\x03\x04|\x07\x08)")  # files of a zip archive (APPNOTE.TXT 4.3)
_FILES: Final = (b"\x1f\x8b\x08", b"PK\x03\x04", pdf.MARK, b"\xff\xfe", b"\xfe\xff")  # and UTF-16
_RUN: Final = re.compile(rb"(?:[A-Za-z0-9+/_-]++|\\++[nrt/]|[ \r\n\t]++)*")
_ESCAPE: Final = re.compile(rb"\\+([nrt/])")
_LINE: Final = re.compile(rb"(?:[A-Za-z0-9+/_-]++|\\++/)+={0,2}")
_LINE_END: Final = re.compile(rb"(?:\\++[nrt]|[ \r\n\t]++)+")
_FOR_URLS: Final = bytes.maketrans(b"-_", b"+/")
_NAME: Final = re.compile(r"[a-z_]{1,32}")
_LETTERS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_BACKSLASH: Final = 0x5C
_NO_TEXT: Final = bytes(byte for byte in range(32) if byte not in b"\t\n\r\f\x1b")


class Searching(Protocol):
    """What is needed of who finds."""

    @property
    def known(self) -> KnownValues | None:
        """The known values that it finds."""

    def find(self, data: bytes) -> Sequence[Finding]:
        """Find secrets: sorted, not overlapping."""


class Attached:
    """A search that looks into what is attached, too."""

    def __init__(self, searching: Searching) -> None:
        self._searching = searching
        self._left = MOST_UNPACKED

    @property
    def known(self) -> KnownValues | None:
        """The known values."""
        return self._searching.known

    def find(self, data: bytes) -> Sequence[Finding]:
        """Find secrets: sorted, not overlapping; offsets are bytes of `data`."""
        seen = self._searching.find(data)
        self._left = min(MOST_UNPACKED, self._left + _PAID * len(data))
        for start, end in self._runs(data):
            values = self._values(_decoded(data[start:end]))
            if values and _BEFORE_FILE.search(data, max(0, start - _FARTHEST), start):
                seen = sorted((*seen, *_at_letters(data, start, end, values, seen)))
            elif values:
                seen = _in_place(data, start, _end_in_text(data, start, end), values[0], seen)
        return seen

    def _runs(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Give where base64 stands that is to be looked at, rising, not overlapping."""
        last = 0
        for at in sorted(_begun(data, max(0, self._left // _LOOK))):
            if at < last or self._left <= 0:
                continue
            self._left -= _LOOK
            if not _is_read(_decoded(_run(data, at, at + _HEAD))):
                continue
            last = at + len(_run(data, at, len(data)))
            if last - at >= _SHORTEST:
                yield at, last

    def _values(self, content: bytes) -> list[Finding]:
        """Give what is certain in what base64 stands for, each value once."""
        values: dict[tuple[str, bytes], Finding] = {}
        for found in self._certain(content):
            if len(values) < _MOST_FOUND:
                values.setdefault((found.kind, found.value), found)
        return list(values.values())

    def _certain(self, content: bytes) -> Iterator[Finding]:
        is_file = content.startswith(_FILES)
        yield from (found for found in self._found(content) if is_file or not found.rule.startswith("known"))
        for text in texts_in(content, self._left):
            self._left -= len(text)
            yield from self._found(text)

    def _found(self, text: bytes) -> Iterator[Finding]:
        self._left -= _SEARCH
        return (found for found in self._searching.find(text) if found.confidence is Confidence.CERTAIN)


def texts_in(content: bytes, most: int = MOST_UNPACKED) -> Iterator[bytes]:
    """Give what is packed or disguised in a file, or in a body that holds some: about `most` bytes, if there are more.

    Of files that stand in a zip archive as they are the ends are told: a token that ends a file has no border there.
    """
    if _BETWEEN.search(content):
        yield _BETWEEN.sub(b"\n\n\n\n", content)
    yield from unpacked(content, most)
    at = content.find(pdf.MARK)
    if at >= 0:
        yield from pdf.texts(content[at:], most)


def place_of(body: bytes, offset: int) -> str:
    """Say where in a document an offset stands, such as `messages[3].content[1].source.data`, without odd names."""
    path = OwnFields(body).path(offset)
    names = (f"[{one}]" if isinstance(one, int) else f".{one if _NAME.fullmatch(one) else '…'}" for one in path)
    return "".join(names).lstrip(".")


def holds_attached(data: bytes) -> bool:
    """Tell whether something may begin in a document that stands for far more bytes than it has."""
    return any(mark in data for mark in _BEGINNINGS)


def _marks() -> Patterns:
    return shared(*map(expression, (*_BEGINNINGS, _URL, _FIELD)))


def _begun(data: bytes, most: int) -> Iterator[int]:
    """Give where base64 may begin that is to be looked at, of the first `most` marks."""
    for number, end in _marks().scan_some(data, most).hits:
        if number < len(_BEGINNINGS):
            at = end - len(_BEGINNINGS[number])
            if not _goes_on(data, at):
                yield at
        elif number == len(_BEGINNINGS):
            yield end
        elif behind := _BEHIND_FIELD.match(data, end):
            yield behind.end()


def _goes_on(data: bytes, at: int) -> bool:
    """Whether what stands there is in the middle of something; a letter behind a backslash is a line end."""
    return at > 0 and data[at - 1] in _LETTERS and not (at > 1 and data[at - 2] == _BACKSLASH)


def _run(data: bytes, start: int, end: int) -> bytes:
    run = _RUN.match(data, start, end)
    return run[0] if run else b""


def _decoded(run: bytes) -> bytes:
    letters = run.translate(_FOR_URLS, b" \r\n\t") if b"\\" not in run else _ESCAPE.sub(_undone, run)
    letters = letters.translate(_FOR_URLS, b" \r\n\t")
    whole = len(letters) - (len(letters) % 4 == 1)
    return binascii.a2b_base64(letters[:whole] + b"=" * (-whole % 4))


def _undone(escape: re.Match[bytes]) -> bytes:
    return b"/" if escape[1] == b"/" else b""


def _is_read(head: bytes) -> bool:
    """Whether a beginning is one of a file that is read, or of text; its last character may be cut."""
    if head.startswith(_FILES):
        return True
    if not head or len(head.translate(None, _NO_TEXT)) < len(head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4
    return True


def _end_in_text(data: bytes, start: int, end: int) -> int:
    """Give where base64 ends behind which a text may go on: its lines are of one length, but for the last."""
    at = last = start
    first = 0
    while line := _LINE.match(data, at):
        if first and line.end() - at > first:
            break
        last = line.end()
        following = _LINE_END.match(data, last, end)
        if (first and last - at < first) or data.endswith(b"=", start, last) or following is None:
            break
        first, at = last - at, following.end()
    return last


def _in_place(data: bytes, start: int, end: int, first: Finding, seen: Sequence[Finding]) -> list[Finding]:
    """Put a finding in the place of base64, and of what was found in it or goes on beyond it."""
    beside = [one for one in seen if one.end <= start or end <= one.start]
    inner = [one for one in seen if one.start < end and start < one.end]
    start, end = min((start, *(one.start for one in inner))), max((end, *(one.end for one in inner)))
    return sorted((*beside, first._replace(start=start, end=end, value=jsonbytes.unescaped(data[start:end]))))


def _at_letters(
    data: bytes, start: int, end: int, values: Sequence[Finding], seen: Sequence[Finding]
) -> Iterator[Finding]:
    """Give each of `values` at a letter of base64 of its own that is part of no finding."""
    for found, at in zip(values, _places(data, start, end, seen), strict=False):
        yield found._replace(start=at, end=at + 1, rule=PACKED + found.rule)


def _places(data: bytes, start: int, end: int, seen: Sequence[Finding]) -> Iterator[int]:
    """Give letters that are part of no escape, and of no finding: those are replaced as they stand."""
    taken = [(one.start, one.end) for one in seen if one.start < end and start < one.end]
    for at in range(start, end):
        is_letter = data[at] in _LETTERS and data[at - 1 : at] != b"\\"
        if is_letter and not any(first <= at < last for first, last in taken):
            yield at

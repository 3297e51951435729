"""Server-sent events, read incrementally and kept as the bytes they came in.

Rules of this file (format: WHATWG HTML, "Server-sent events"):
1. An event ends with an empty line; lines end with LF, CRLF or CR. However the stream is cut into chunks, the same
   events come out, and their `raw` bytes joined are the stream.
2. An event is given out with the byte that ends it. One exception: where the last byte is a CR, the event waits for
   the next byte, which may be the LF that belongs to it. No provider uses bare CR.
3. What stands behind the last empty line is no event (the standard drops it); `rest()` gives it out unchanged.
"""

import re
from typing import NamedTuple, Self

_BLANK = re.compile(rb"(?:\r\n|\n|\r(?=[^\n]))(?:\r\n|\n|\r(?=[^\n]))")
_LEADING_BLANK = re.compile(rb"(?:\r\n|\n|\r(?=[^\n]))")
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|\Z)")
_USUAL = re.compile(rb"(?:event: ?[^\r\n]*\n)?data: ?([^\r\n]*)\n\n")  # how providers write an event
_BORDER = 3  # the longest beginning of a blank line that may stand at a chunk's end: CR LF CR
_BOM = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event with its closing empty line, byte for byte."""

    raw: bytes

    @property
    def data(self) -> bytes:
        """The `data` lines joined by LF; empty where there is none (comments, keep-alives)."""
        usual = _USUAL.fullmatch(self.raw)
        if usual:
            return usual[1]
        return b"\n".join(_value(line) for line in _lines(self.raw) if _name(line) == b"data")

    def with_data(self, data: bytes) -> Self:
        """Return the event with `data`; every other line keeps its bytes and its place.

        `data` without LF is one line (JSON is). An event without a `data` line is returned as it is.
        """
        usual = _USUAL.fullmatch(self.raw)
        if usual and b"\n" not in data:
            return self._replace(raw=self.raw[: usual.start(1)] + data + self.raw[usual.end(1) :])
        out: list[bytes] = []
        placed = False
        for line in _lines(self.raw):
            if _name(line) != b"data":
                out.append(line)
            elif not placed:
                placed = True
                out.extend(b"data: " + part + _ending(line) for part in data.split(b"\n"))
        return self._replace(raw=b"".join(out))

    def with_raw(self, raw: bytes) -> Self:
        """Return the event as other bytes."""
        return self._replace(raw=raw)


class EventParser:
    """Cuts a stream into events. `limit`: most bytes of one event; ValueError beyond it."""

    def __init__(self, limit: int = 64 * 2**20) -> None:
        self._limit = limit
        self._held = bytearray()
        self._searched = 0

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take the next chunk, give out the events that it completes."""
        self._held += chunk
        events: list[ServerSentEvent] = []
        begin = 0
        while (end := self._end_of_event(begin)) is not None:
            events.append(ServerSentEvent(bytes(self._held[begin:end])))
            begin = self._searched = end
        del self._held[:begin]
        self._searched = max(0, len(self._held) - _BORDER)
        if len(self._held) > self._limit:
            raise ValueError(f"an event is longer than {self._limit} bytes")
        return events

    def rest(self) -> bytes:
        """Give out what is no complete event, at the end of the stream."""
        rest = bytes(self._held)
        self._held.clear()
        self._searched = 0
        return rest

    def _end_of_event(self, begin: int) -> int | None:
        """Offset behind the event that starts at `begin`; an empty line at its very start is an event of its own."""
        leading = _LEADING_BLANK.match(self._held, begin)
        if leading:
            return leading.end()
        blank = _BLANK.search(self._held, max(begin, self._searched))
        return blank.end() if blank else None


def _lines(raw: bytes) -> list[bytes]:
    """Lines with their endings."""
    return [line for line in _LINE.findall(raw.removeprefix(_BOM)) if line]


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].rstrip(b"\r\n")


def _value(line: bytes) -> bytes:
    return line.partition(b":")[2].rstrip(b"\r\n").removeprefix(b" ")


def _ending(line: bytes) -> bytes:
    return line[len(line.rstrip(b"\r\n")) :]

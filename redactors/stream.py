"""Known values masked in a stream of terminal output.

What it promises:
1. Any chunking of the same bytes gives the same output, as long as nobody calls `flush` and no value is added.
2. Held back is only what may still become a known value; memory is bounded (LONGEST_HELD).
3. A value is found when terminal sequences, line ends with the blanks and borders around them, or chunk borders cut it.
   Its placeholder is followed by the terminal sequences that stood in it, so colours and the cursor stay right.
4. After a `flush` in the middle of a value its rest is still masked.
Less than `KnownValues.find` on purpose: encoded forms count as a whole only, and within the first three bytes of a
value only terminal sequences are gaps (the last letter of every line would be held back for a line end).
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

from redactors.finding import Finding
from redactors.known import KnownValues
from redactors.matcher import Match, Pass, Segment
from redactors.spans import WIDEST_GAP, Span, may_be_cut, owner, resolve
from redactors.squeeze import ESCAPE_SEQUENCE, UNFINISHED_SEQUENCE, Gaps, Squeezed
from redactors.unfinished import Beginnings, beginnings, counts_in_part
from redactors.vault import Origin, Vault

LONGEST_HELD = 64 * 1024
"""Bytes held back at most; a private key in a dozen encodings is shorter."""
_LONGEST_SEQUENCE = 600  # bytes of an unfinished terminal sequence: the bounds in `ESCAPE_SEQUENCE` and some
_FIRST_PIECE = 4
STREAM_GAPS = Gaps(breaks=False)


class StreamRedactor:
    """Bytes in, bytes out. Not for several threads at once; the known values may grow meanwhile, for later bytes.

    Call `flush` about 20 ms after the last byte, at once after the echo of a key (a letter may begin a value), and at
    the end. `on_mask(finding, placeholder)` is told each mask; offsets count from the start of the stream.
    """

    def __init__(self, known: KnownValues, vault: Vault) -> None:
        self.on_mask: Callable[[Finding, str], None] | None = None
        self._known = known
        self._vault = vault
        self._buffer = b""
        self._shown = 0  # so many bytes of the buffer were given out already; they are kept as context
        self._masked = b""  # the value whose placeholder ended what was shown
        self._passed = 0  # bytes of the stream before the buffer
        self._compiled: dict[Segment, Beginnings] = {}

    @property
    def held(self) -> bool:
        """Whether bytes are held back."""
        return len(self._buffer) > self._shown

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, give what may be shown now."""
        segments = self._known.segments()
        self._buffer += data
        if not segments:
            return self._release(len(self._buffer), [])
        unfinished = UNFINISHED_SEQUENCE.search(self._buffer, max(0, len(self._buffer) - _LONGEST_SEQUENCE))
        copy = Squeezed(self._buffer[: unfinished.start()] if unfinished else self._buffer, STREAM_GAPS)
        spans = list(_spans(segments, copy))
        end = _before_straddling(spans, self._first_open(segments, copy))
        if len(self._buffer) - end > LONGEST_HELD:
            end = len(self._buffer)
        return self._release(end, resolve(spans))

    def flush(self) -> bytes:
        """Give out what is held back; should it turn out to begin a value, the value's rest is masked still."""
        if not self.held:
            return b""
        copy = Squeezed(self._buffer, STREAM_GAPS)
        findings = resolve(list(_spans(self._known.segments(), copy)))
        shown = self._show(len(self._buffer), findings)
        self._shown = len(self._buffer)
        return shown

    def _first_open(self, segments: tuple[Segment, ...], copy: Squeezed) -> int:
        """Find where in the data the first value may have begun that has not ended yet."""
        self._forget_merged(segments)
        ahead = [self._beginnings(segment) for segment in segments]
        first = min(beginning.earliest(copy.text) for beginning in ahead)
        if first == len(copy.text):
            return _short_end(ahead, copy)
        return _place(copy, first)

    def _beginnings(self, segment: Segment) -> Beginnings:
        found = self._compiled.get(segment)
        if found is None:
            found = self._compiled[segment] = beginnings(segment)
        return found

    def _forget_merged(self, segments: tuple[Segment, ...]) -> None:
        if len(self._compiled) > len(segments):
            self._compiled = {segment: self._compiled[segment] for segment in segments if segment in self._compiled}

    def _release(self, end: int, findings: list[Finding]) -> bytes:
        """Give out the buffer up to `end` and keep the rest."""
        shown = self._show(end, findings) if end > self._shown else b""
        self._shown = max(0, self._shown - end)
        self._buffer = self._buffer[end:]
        self._passed += end
        return shown

    def _show(self, end: int, findings: list[Finding]) -> bytes:
        out: list[bytes] = []
        at = self._shown
        for found in findings:
            if found.end <= at or found.start >= end:
                continue
            start = max(found.start, at)
            out.append(self._buffer[at:start])
            if found.start >= self._shown or found.value != self._masked:  # else its placeholder was flushed before
                out.append(self._mask(found._replace(start=start)))
            out += ESCAPE_SEQUENCE.findall(self._buffer, start, found.end)
            at, self._masked = found.end, found.value
        if at < end:
            out.append(self._buffer[at:end])
            self._masked = b""
        return b"".join(out)

    def _mask(self, found: Finding) -> bytes:
        placeholder = self._vault.placeholder_of(found.value)
        if placeholder is None:  # a vault that is not that of the known values: never to be restored inside
            placeholder = self._vault.issue(found.kind, found.value, Origin.OUTSIDE)
        if self.on_mask is not None:
            self.on_mask(found._replace(start=found.start + self._passed, end=found.end + self._passed), placeholder)
        return placeholder.encode()


def _spans(segments: tuple[Segment, ...], copy: Squeezed) -> Iterator[Span]:
    for segment in segments:
        for match in segment.search(copy.data, Pass.EXACT):
            if (match.is_whole or counts_in_part(match.target)) and not _straddles_sequence(copy.data, match):
                yield Span(match.start, match.end, owner(match), f"known:{match.target.form}")
        for match in segment.search(copy.text, Pass.SQUEEZED):
            if match.is_whole or counts_in_part(match.target):
                yield from _cut_span(copy, match)


def _cut_span(copy: Squeezed, match: Match) -> Iterator[Span]:
    places = copy.places(match.start, match.end)
    if not may_be_cut(copy.data, match, places):
        return
    clipped = _clip(copy.data, places)
    # What stands before such a gap was shown already: the rest must be recognisable without it.
    if not clipped or (counts_in_part(match.target) and match.first + clipped <= match.target.at):
        yield Span(places[clipped], places[-1] + 1, owner(match), f"known:{match.target.form}-cut")


def _clip(data: bytes, places: list[int]) -> int:
    """How many characters at the start do not count, because more than sequences stands behind the first few."""
    clipped = 0
    while True:
        first = places[clipped : clipped + _FIRST_PIECE]
        gaps = [data[before + 1 : after] for before, after in pairwise(first)]
        broken = [place for place, gap in enumerate(gaps, 1) if gap and _is_more_than_sequences(gap)]
        if not broken:
            return clipped
        clipped += broken[-1]


def _straddles_sequence(data: bytes, match: Match) -> bool:
    """Whether a terminal sequence ends or begins inside the match: a terminal eats the `s` of `ESC s`, `k-…` is left.

    A match inside a sequence counts (a window title), and sequences are held back until they are whole.
    """
    return b"\x1b" in data and any(
        start < match.start < end < match.end or match.start < start < match.end < end
        for start, end in (sequence.span() for sequence in ESCAPE_SEQUENCE.finditer(data))
    )


def _is_more_than_sequences(gap: bytes) -> bool:
    return ESCAPE_SEQUENCE.sub(b"", gap) != b""


def _before_straddling(spans: list[Span], end: int) -> int:
    """Move `end` before a value, or several that overlap, on which it falls: they are shown together or not yet."""
    first = last = -1
    for span in sorted(spans):
        if span.start >= last:
            if first < end < last:
                break
            first = span.start
        last = max(last, span.end)
    return first if first < end < last else end


def _place(copy: Squeezed, first: int) -> int:
    """Where in the data `text[first:]` begins; the end of the data if a gap behind it is too wide for any value."""
    size = len(copy.text) - first
    place = len(copy.data) - size
    if copy.data.endswith(copy.text[first:]) and _last_sequence_end(copy.data) <= place:
        return place
    places = copy.places(first, len(copy.text))
    return len(copy.data) if len(copy.data) - places[-1] > WIDEST_GAP + 1 else places[0]


def _last_sequence_end(data: bytes) -> int:
    last = data.rfind(b"\x1b")
    sequence = ESCAPE_SEQUENCE.match(data, last) if last >= 0 else None
    return sequence.end() if sequence else 0


def _short_end(ahead: list[Beginnings], copy: Squeezed) -> int:
    """Where the last one to three bytes begin, if a value may begin so and only terminal sequences stand between."""
    for size in range(min(_FIRST_PIECE - 1, len(copy.text)), 0, -1):
        if any(beginning.is_short(copy.text[-size:]) for beginning in ahead):
            place = _place(copy, len(copy.text) - size)
            if len(ESCAPE_SEQUENCE.sub(b"", copy.data[place:])) == size:
                return place
    return len(copy.data)

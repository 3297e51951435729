"""Known values masked in a stream of terminal output.

What it promises:
1. Any chunking of the same bytes gives the same output, as long as nobody calls `flush` and no value is added.
2. Held back is only what may still become a known value; memory is bounded (LONGEST_HELD).
3. A value is found when terminal sequences, line ends with the blanks and borders around them, or chunk borders cut it.
   Its placeholder is followed by the terminal sequences that stood in it, so colours and the cursor stay right.
4. After a `flush` in the middle of a value its rest is still masked.
Less than `KnownValues.find` on purpose: encoded forms count as a whole only, and within the first three bytes of a
value only terminal sequences are gaps (the last letter of every line would be held back for a line end).

Cost: `feed` looks for anchors of values; only where it sees one (of 1,000 values: hardly ever) spans are worked out.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from sys import byteorder

from redactors.finding import Finding
from redactors.known import KnownValues
from redactors.matcher import Match, Pass, Segment, Target
from redactors.sequences import Strip, finished, place_of_last, without_sequences
from redactors.spans import WIDEST_GAP, Span, may_be_cut, owner, resolve
from redactors.squeeze import BLANKS, ESCAPE_SEQUENCE, Gaps, Squeezed
from redactors.unfinished import STEP, Beginnings, beginnings, counts_in_part
from redactors.vault import Origin, Vault

LONGEST_HELD = 64 * 1024
"""Bytes held back at most; a private key in a dozen encodings is shorter."""
_FIRST_PIECE = 4
_SHORT = (3, 2, 1)
_ESCAPE = 0x1B  # as a number: asking for one takes a third of the time of asking for bytes
_NEAR_THE_END = 64
_LAST_STEP = slice(-STEP, None)
_BLANK_END = frozenset(BLANKS) - {0x5C}  # a backslash may be the end of a terminal sequence
_number = int.from_bytes  # `redactors.unfinished.number`, without the call
_EXACT, _BOTH = Pass.EXACT, Pass.BOTH  # looking up a member of an enumeration takes a tenth of a search
STREAM_GAPS = Gaps(breaks=False)


class KnownStream:
    """Bytes in, bytes out. Not for several threads at once; the known values may grow meanwhile, for later bytes.

    `on_mask(finding, placeholder)` is told each mask; offsets count from the start of the stream. `on_moved(given,
    shift)` is told after each that what stands behind byte `given` of the output is `shift` bytes later in the input.
    """

    def __init__(self, known: KnownValues, vault: Vault, *, strip: Strip = without_sequences) -> None:
        self._strip = strip
        self.on_mask: Callable[[Finding, str], None] | None = None
        self.on_moved: Callable[[int, int], None] | None = None
        self._known = known
        self._vault = vault
        self._buffer = b""
        self._shown = 0  # so many bytes of the buffer were given out already; they are kept as context
        self._masked = b""  # the value whose placeholder ended what was shown
        self._passed = 0  # bytes of the stream before the buffer
        self._shift = 0  # bytes by which what was given out is shorter than what it stands for
        self._generation = 0  # of the known values that `passes` looks for; segments that were merged find the same
        self._segments: tuple[Segment, ...] = ()
        self._ahead: tuple[Beginnings, ...] = ()
        self._short: frozenset[bytes] = frozenset()
        self._blanked: tuple[Segment, ...] = ()
        # Of each segment: the table of what stands within its forms, its size, and whether an anchor stands in a text.
        self._glances: tuple[tuple[bytearray, int, Callable[[bytes], bool]], ...] = ()

    @property
    def held(self) -> bool:
        """Whether bytes are held back."""
        return len(self._buffer) > self._shown

    @property
    def pending(self) -> int:
        """How many bytes are held back."""
        return len(self._buffer) - self._shown

    def passes(self, lines: bytes) -> bool:
        """Take whole `lines`, without terminal sequences, if `feed` would give them back at once as they are.

        False: they were not taken.
        """
        if self._buffer:
            return False
        generation = self._known.generation  # a third of the time of asking for the segments
        if generation != self._generation:
            self.feed(b"")  # takes what is new
            self._generation = generation  # at last: what failed before is not taken for done
        size = len(lines)
        if self._end_in_plain(lines) != size:
            return False
        self._masked = b""
        self._passed += size
        return True

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, give what may be shown now."""
        buffer = self._buffer + data if self._buffer else data
        segments = self._known.segments()
        if segments is not self._segments:
            self._prepare(segments)
        end = -1 if self._shown else self._end_without_values(buffer)
        if end < 0:
            self._buffer = buffer
            return self._release(*self._end_and_values(buffer))
        size = len(buffer)
        if end == size or size - end > LONGEST_HELD:
            if buffer:
                self._buffer = self._masked = b""
                self._passed += size
            return buffer  # the very object that came, if nothing was held back
        self._buffer = buffer[end:]
        if end:
            self._masked = b""
            self._passed += end
        return buffer[:end]

    def flush(self) -> bytes:
        """Give out what is held back; should it turn out to begin a value, the value's rest is masked still."""
        if not self.held:
            return b""
        copy = Squeezed(self._buffer, STREAM_GAPS)
        findings = resolve(list(_spans(self._known.segments(), copy)))
        shown = self._show(len(self._buffer), findings)
        self._shown = len(self._buffer)
        return shown

    def _prepare(self, segments: tuple[Segment, ...]) -> None:
        """Work out what the new segments need; what was worked out for those that stay is kept."""
        done = dict(zip(self._segments, self._ahead, strict=True))
        self._ahead = tuple(done.get(segment) or beginnings(segment) for segment in segments)
        self._short = frozenset[bytes]().union(*(ahead.short for ahead in self._ahead))
        self._blanked = tuple(segment for segment in segments if any(map(_has_blank, segment.targets)))
        pairs = zip(segments, self._ahead, strict=True)
        self._glances = tuple((ahead.inside, len(ahead.inside), self._sees(segment)) for segment, ahead in pairs)
        self._segments = segments  # at last: what failed before is not taken for done

    def _prepare_as(self, other: "KnownStream") -> None:
        """Take over all that another has worked out."""
        self._ahead, self._short = other._ahead, other._short  # noqa: SLF001  (its own class)
        self._blanked, self._glances = other._blanked, other._glances  # noqa: SLF001  (as above)
        self._segments = other._segments  # noqa: SLF001  (as above)

    def _sees(self, segment: Segment) -> Callable[[bytes], bool]:
        """Give what tells whether an anchor of `segment` stands in a squeezed text; for the thread of this stream."""
        return segment.probe()

    def _end_without_values(self, buffer: bytes) -> int:
        """Say up to where `buffer` may be shown if no anchor of a value stands in it, else -1."""
        return self._end_among_sequences(buffer) if _ESCAPE in buffer else self._end_in_plain(buffer)

    def _end_in_plain(self, buffer: bytes) -> int:
        """As `_end_without_values`, of a buffer without terminal sequences."""
        text = buffer.translate(None, BLANKS)
        last = _number(text[_LAST_STEP], byteorder)
        may_go_on = 0
        for inside, places, sees in self._glances:
            if sees(text):
                return self._end_beside_values(buffer, text)
            may_go_on |= inside[last % places]
        for segment in self._blanked:
            if segment.search(buffer, _EXACT):
                return -1
        # No anchor stands there, so no value does.
        if may_go_on:
            return self._first_open(buffer, text)
        # The last four bytes stand within no form, so none has begun that has not ended, unless with its last three
        # bytes or fewer and no blank behind them.
        return len(buffer) if not buffer or buffer[-1] in BLANKS else self._short_end_of(buffer)

    def _end_beside_values(self, buffer: bytes, text: bytes) -> int:
        """As `_end_without_values`, where a glance at `text`, the squeezed buffer, saw something."""
        if any(segment.search(text, _BOTH) for segment in self._segments):
            return -1
        if any(segment.search(buffer, _EXACT) for segment in self._blanked):
            return -1
        return self._first_open(buffer, text)

    def _short_end_of(self, buffer: bytes) -> int:
        """As `_short_end` if there are no sequences: the last bytes of the text are those of the buffer, or blanks."""
        short = self._short
        size = 3 if buffer[-3:] in short else 2 if buffer[-2:] in short else 1 if buffer[-1:] in short else 0
        return max(0, len(buffer) - size)

    def _end_among_sequences(self, buffer: bytes) -> int:
        data = finished(buffer)
        text = self._strip(data).translate(None, BLANKS)
        for segment in self._segments:  # a value may also stand within a sequence, as in the title of a window
            if segment.search(text, _BOTH) or segment.search(data, _EXACT):
                return -1
        return self._first_open(data, text)

    def _end_and_values(self, buffer: bytes) -> tuple[int, list[Finding]]:
        """Say up to where `buffer` may be shown, and which values stand in it."""
        copy = Squeezed(finished(buffer), STREAM_GAPS)
        spans = list(_spans(self._segments, copy))
        end = _before_straddling(spans, self._first_open(copy.data, copy.text))
        return end if len(buffer) - end <= LONGEST_HELD else len(buffer), resolve(spans)

    def _first_open(self, data: bytes, text: bytes) -> int:
        """Find where in `data`, squeezed to `text`, the first value may have begun that has not ended yet."""
        first = min((ahead.earliest(text) for ahead in self._ahead), default=len(text))
        if first < len(text):
            return _place(data, text[first:])
        return len(data) if data and data[-1] in _BLANK_END else self._short_end(data, text)

    def _short_end(self, data: bytes, text: bytes) -> int:
        """Where the last one to three bytes begin, if a value may begin so and only sequences stand between them."""
        for size in _SHORT:
            end = text[-size:]
            if end in self._short:
                place = place_of_last(data, len(end))
                if without_sequences(data[place:]) == end:
                    return place if len(data) - place_of_last(data, 1) <= WIDEST_GAP + 1 else len(data)
        return len(data)

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
            instead = ESCAPE_SEQUENCE.findall(self._buffer, start, found.end)
            if found.start >= self._shown or found.value != self._masked:  # else its placeholder was flushed before
                instead.insert(0, self._mask(found._replace(start=start)))
            out += instead
            at, self._masked = found.end, found.value
            self._move(found.end, found.end - start - sum(map(len, instead)))
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

    def _move(self, end: int, lost: int) -> None:
        self._shift += lost
        if self.on_moved is not None:
            self.on_moved(self._passed + end - self._shift, self._shift)


def _has_blank(target: Target) -> bool:
    """Whether the squeezed text does not show what `target` stands for."""
    return target.within is Pass.EXACT


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


def _place(data: bytes, end: bytes) -> int:
    """Where in the data `end` begins, its last squeezed bytes; the data's end if too wide a gap follows."""
    place = len(data) - len(end)
    last = data.rfind(b"\x1b")
    if data.endswith(end) and (last < 0 or _sequence_end(data, last) <= place):
        return place
    start = max(0, data.rfind(b"\x1b", 0, max(0, place - _NEAR_THE_END)))  # a sequence begins there, none is cut
    copy = Squeezed(data[start:], STREAM_GAPS)
    if len(copy.text) < len(end):
        start, copy = 0, Squeezed(data, STREAM_GAPS)
    places = copy.places(len(copy.text) - len(end), len(copy.text))
    return len(data) if len(copy.data) - places[-1] > WIDEST_GAP + 1 else start + places[0]


def _sequence_end(data: bytes, start: int) -> int:
    sequence = ESCAPE_SEQUENCE.match(data, start)
    return sequence.end() if sequence else 0

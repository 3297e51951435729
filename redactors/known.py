"""Known values: exact secrets of this machine, found again however they are written.

What `find` promises:
1. A known value is found raw and in every form of `redactors.encodings`, wherever it stands.
2. It is found when gaps cut it: terminal sequences, line ends, blanks, escapes, NUL bytes, the columns of a hex dump.
3. Of a random value of at least 16 characters, a stretch of 12 at its start or end is enough, or one of 24 from
   anywhere (of 60 in values beyond 1 KB); of its encoded forms, a stretch around the middle.
4. Values that would mask ordinary text are not searched for; they are named in `unmatched`.
What is less sure: a value trimmed to one stretch and cut more than once in it (`redactors.anchors`); a value that is
not random, cut by backslashes where nothing needs them.
What would break it: adding a value that is a public constant; the caller decides what is secret.
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from redactors.anchors import Anchors, anchors, says_it_over_and_over
from redactors.commonplace import Windows, why_unmatched, windows
from redactors.cuts import cuts_in, neighbourhood
from redactors.finding import Finding
from redactors.hexbytes import hex_lists, swapped_dump, together
from redactors.hints import Hints, Scout
from redactors.matcher import Segment
from redactors.merging import Merging, extra_cost, merged, merging
from redactors.pem import body
from redactors.sites import Places, Sites, grouped, reaching, within_anchors
from redactors.spans import Known, Span, decoded_spans, dump_spans, exact_spans, resolve, twice_encoded_spans
from redactors.squeeze import Copies, Gaps, own_gaps, squeeze
from redactors.vault import Origin, Vault

_DUMP_MARGIN = 320  # bytes before and behind a line with an offset that belong to the dump: a line of 64 columns
_LINE_MARGIN = 120
_RUN_REACH = 256  # characters, and gaps between them, beside a long run that may be of the same base64
_USUAL, _WRITTEN = Gaps(), Gaps(written=True)
_REPEATED = "long, and the same text over and over"


class _Waiting(NamedTuple):
    """A value that was added and is not compiled yet."""

    known: Known
    marks: Windows


class _State(NamedTuple):
    """All that a search needs; replaced as a whole, so that a search never sees half of an add."""

    segments: tuple[Segment, ...]
    waiting: tuple[_Waiting, ...]
    next: Merging


class _Finder(NamedTuple):
    """Finds where cut values of these segments may stand."""

    of: tuple[Segment, ...]
    places: Places


class KnownValues:
    """Values that are secret for certain, with their encodings; shared between threads, adds are copy-on-write.

    Nothing is compiled before the first `find` after an `add`. `vault` gives each value its placeholder at once.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._values: set[bytes] = set()
        self._unmatched: dict[str, str] = {}
        self._state = _State((), (), Merging())
        self._extra = 0  # what searching with several segments has cost since some were merged
        self._scout = Scout()
        self._finder = _Finder((), Places())
        self._changing = threading.Lock()

    @property
    def generation(self) -> int:
        """Grows with every accepted `add`: a cache of findings is good for one generation."""
        return len(self._values)

    @property
    def unmatched(self) -> Mapping[str, str]:
        """Name of each value that is too short or too common to match -> the reason; never the value."""
        return MappingProxyType(self._unmatched)

    def add(self, kind: str, value: bytes, origin: Origin, *, name: str = "") -> bool:
        """Search for `value` and its encodings from now on; issues its placeholder in the vault.

        False: not matched (too short, too common), see `unmatched`. Blanks around a value do not belong to it. Adding
        a value twice only settles its origin. A PEM block is known by its body: BEGIN and END lines are no secret.
        """
        value = body(value) or value.strip()
        reason = why_unmatched(value) or (_REPEATED if says_it_over_and_over(value) else "")
        if reason:
            if name:
                self._unmatched[name] = reason
            return False
        self._vault.issue(kind, value, origin)
        with self._changing:
            if value not in self._values:
                segments, waiting, following = self._state
                self._state = _State(segments, (*waiting, _known(kind, value)), following)
                self._values.add(value)
        return True

    def find(self, data: bytes) -> list[Finding]:
        """Find known values: sorted, not overlapping, confidence CERTAIN, rule `known:<form>`.

        `value` is the known value whatever the form, so one secret keeps one placeholder. Only for rule `known:raw`
        is `data[start:end]` the value itself: who writes placeholders back to disk issues `data[start:end]` for the
        other rules, or the file changes (a base64 form would come back raw).
        """
        segments = self.segments(len(data))
        if not segments:
            return []
        looks = [segment.look(data) for segment in segments]
        hints = next((look.hints for look in looks if look.hints is not None), None) or self._scout.hints(data)
        sites = self._sites(segments, data, [end for look in looks for end in look.ends])
        if sites is not None and not any((*sites, *hints)):
            return []  # whole, cut or encoded, a value shows one of these
        spans = exact_spans(match for look in looks for match in look.matches)
        kinds = _WRITTEN if hints.written else _USUAL
        near = neighbourhood(segments, data, sites, _USUAL)
        copies = Copies(data)
        spans += cuts_in(segments, copies, near, _USUAL, kinds)
        written = _written(segments, data, hints.written)
        if written.others:
            near_written = neighbourhood(segments, data, written, kinds)
            spans += cuts_in(segments, copies, near_written, kinds, kinds)
        runs = self._scout.runs(data) if near is None else self._scout.runs_near(data, near.spans)
        if runs:
            runs = [reaching(data, *run, _RUN_REACH, kinds) for run in runs]
        spans += twice_encoded_spans(segments, copies, runs, self._scout, kinds)
        if any(hints):
            spans += _decoded(segments, data, hints)
        return resolve(spans)

    def _sites(self, segments: tuple[Segment, ...], data: bytes, ends: list[int]) -> Sites | None:
        """Where cut values may stand; None: anywhere. `ends`: where an anchor or a piece of one stands."""
        finder = self._finder
        if finder.of is not segments:
            places = Places(
                (text for segment in segments for text in segment.lone_elsewhere), before=finder.places.lone
            )
            finder = self._finder = _Finder(segments, places)
        if not finder.places.is_enough or (b"\0" in data and any(segment.pieces for segment in segments)):
            return None
        found = finder.places.find(data)
        return None if found is None else found._replace(others=found.others + ends)

    def segments(self, size: int = 0) -> tuple[Segment, ...]:
        """Everything added so far, compiled. `size`: bytes that will be searched with it now (see `merging`)."""
        state = self._state
        if len(state.segments) > 1:
            self._extra += extra_cost(state.segments, size)
        if not state.waiting and self._extra < state.next.cost:
            return state.segments
        with self._changing:
            segments, waiting, following = self._state
            if waiting:
                segments = (*segments, _segment(map(_anchors, waiting)))
                following = merging(segments)
            if self._extra >= following.cost:
                segments = merged(segments, following.group)
                following, self._extra = merging(segments), 0
            self._state = _State(segments, (), following)
        return segments


def _written(segments: tuple[Segment, ...], data: bytes, ends: Sequence[int]) -> Sites:
    """Give those written sequences that may stand within an anchor."""
    sequences = bool(ends) and b"\x1b" in data
    if ends and not sequences:
        ends = within_anchors(data, ends, frozenset[int]().union(*(segment.characters for segment in segments)))
    return Sites([], list(ends), sequences)


def _decoded(segments: tuple[Segment, ...], data: bytes, hints: Hints) -> list[Span]:
    """Find values in dumps and in lists of hex bytes."""
    spans: list[Span] = []
    for start, end in grouped(hints.dump, _DUMP_MARGIN, len(data)):
        if (
            bisect_right(hints.dump, end) - bisect_left(hints.dump, start) > 1
        ):  # of one line the hex is found without a view to its columns
            dumped = dump_spans(segments, data[start:end])
            spans += [span._replace(start=span.start + start, end=span.end + start) for span in dumped]
    lines = grouped(hints.dump, _LINE_MARGIN, len(data))
    decoded = [*(swapped_dump(data, *line) for line in lines), *hex_lists(data, hints.hex_lists)]
    return [*spans, *decoded_spans(segments, together(decoded))]


def _anchors(added: _Waiting) -> Anchors:
    return anchors(added.known.value, added.marks, added.known.breaks, added.known)


def _segment(found: Iterable[Anchors]) -> Segment:
    found = tuple(found)
    return Segment(
        (target for anchors in found for target in anchors.targets),
        (piece for anchors in found for piece in anchors.pieces),
        lone=(text for anchors in found for text in anchors.lone),
        tails=(tail for anchors in found for tail in anchors.tails),
        reach=max(anchors.reach for anchors in found),
    )


def _known(kind: str, value: bytes) -> _Waiting:
    squeezed = squeeze(value, _USUAL)
    marks = windows(value)
    if squeezed == value:
        return _Waiting(Known(kind, value, bool(marks.edges), frozenset()), marks)
    return _Waiting(Known(kind, value, bool(windows(squeezed).edges), own_gaps(value)), marks)

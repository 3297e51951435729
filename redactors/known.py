"""Known values: exact secrets of this machine, found again however they are written.

What `find` promises:
1. A known value is found raw and in every form of `redactors.encodings`, wherever it stands.
2. It is found when gaps cut it: terminal sequences, line ends, blanks, escapes, NUL bytes, the columns of a hex dump.
3. Of a random value of at least 16 characters, a stretch of 12 at its start or end is enough; of its encoded forms, a
   stretch around the middle.
4. Values that would mask ordinary text are not searched for; they are named in `unmatched`.
What would break it: adding a value that is a public constant; the caller decides what is secret.
"""

import threading
from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from redactors import encodings
from redactors.commonplace import SHORTEST, why_unmatched, windows
from redactors.finding import Finding
from redactors.hints import Scout
from redactors.matcher import Pass, Segment, Target, targets
from redactors.pem import body
from redactors.spans import Known, cut_spans, dump_spans, exact_spans, resolve, twice_encoded_spans
from redactors.squeeze import Gaps, Squeezed, squeeze
from redactors.vault import Origin, Vault

_SEGMENTS = 8  # more are merged: each adds a pass, each merge compiles again


class _State(NamedTuple):
    """All that a search needs; replaced as a whole, so that a search never sees half of an add."""

    segments: tuple[Segment, ...]
    waiting: tuple[Known, ...]


class KnownValues:
    """Values that are secret for certain, with their encodings; shared between threads, adds are copy-on-write.

    Nothing is compiled before the first `find` after an `add`. `vault` gives each value its placeholder at once.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._values: set[bytes] = set()
        self._unmatched: dict[str, str] = {}
        self._state = _State((), ())
        self._scout = Scout()
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
        reason = why_unmatched(value)
        if reason:
            if name:
                self._unmatched[name] = reason
            return False
        self._vault.issue(kind, value, origin)
        with self._changing:
            if value not in self._values:
                self._state = self._state._replace(waiting=(*self._state.waiting, _known(kind, value)))
                self._values.add(value)
        return True

    def find(self, data: bytes) -> list[Finding]:
        """Find known values: sorted, not overlapping, confidence CERTAIN, rule `known:<form>`.

        `value` is the known value whatever the form, so one secret keeps one placeholder. Only for rule `known:raw`
        is `data[start:end]` the value itself: who writes placeholders back to disk issues `data[start:end]` for the
        other rules, or the file changes (a base64 form would come back raw).
        """
        segments = self.segments()
        if not segments:
            return []
        hints = self._scout.hints(data)
        copy = Squeezed(data, Gaps(written=hints.written))
        spans = [*exact_spans(segments, data), *cut_spans(segments, copy)]
        if hints.runs:
            spans += twice_encoded_spans(segments, copy, self._scout)
        if hints.dump:
            spans += dump_spans(segments, data)
        return resolve(spans)

    def segments(self) -> tuple[Segment, ...]:
        """Everything added so far, compiled."""
        if not self._state.waiting:
            return self._state.segments
        with self._changing:
            segments, waiting = self._state
            if waiting:
                added = Segment(target for known in waiting for target in _targets(known))
                segments = _merged((*segments, added))
                self._state = _State(segments, ())
        return segments


def _merged(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Too many segments: those of about the smallest size become one, so that a value is seldom compiled again."""
    if len(segments) <= _SEGMENTS:
        return segments
    limit = 4 * min(len(segment.targets) for segment in segments)
    small = [segment for segment in segments if len(segment.targets) <= limit]
    if len(small) < _SEGMENTS // 2:
        small = list(segments)
    large = [segment for segment in segments if segment not in small]
    return (*large, Segment(target for segment in small for target in segment.targets))


def _known(kind: str, value: bytes) -> Known:
    breaks = Squeezed(value, Gaps())
    places = breaks.places(0, len(breaks.text))
    cut = frozenset(at for at, (before, after) in enumerate(pairwise(places), 1) if after - before > 1)
    return Known(kind, value, bool(windows(breaks.text).edges), cut)


def _targets(known: Known) -> Iterator[Target]:
    """Anchors for all forms of a value: at both ends of the raw one, in the middle of the others."""
    marks = windows(known.value)
    for form in encodings.forms(known.value, marks.inner):
        raw = form.name == "raw"
        places = marks.edges if raw else form.windows
        squeezed = squeeze(form.text, Gaps())
        same = squeezed == form.text
        yield from targets(form.text, places, within=Pass.BOTH if same else Pass.EXACT, form=form.name, owner=known)
        if not same and len(squeezed) >= SHORTEST:
            places = windows(squeezed).edges if raw else ()
            yield from targets(squeezed, places, within=Pass.SQUEEZED, form=form.name, owner=known)

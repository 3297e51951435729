"""What was found in one document, and what follows from it: spans, coverage, decision; pure."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from wrapper.corpus.policy import Bounds, CorpusPolicy, Measure, SpanMeasure, Stage, decide
from wrapper.provenance.matching import Found, Matcher, Span
from wrapper.provenance.model import Emission

NOTHING: Final = Found(-1, Stage.CLEAN, [], 0)
_OF_A_LINE: Final = 6  # tokens: what a span leaves out, as comments between its lines, makes none of them count
_LISTED: Final = b'\\n",'
_BETWEEN: Final = re.compile(rb'\\n",\s*"')  # the end of a line, and the beginning of the next one
_MARKS: Final = re.compile(rb'[",]')
_WHOLE: Final[Mapping[str, str]] = MappingProxyType(
    {
        Stage.BLOB: "a session left this content, byte for byte",
        Stage.NORMALISED: "a session left this content, token for token",
    }
)


class PlacedSpan(NamedTuple):
    """A span in its document, with what is known of its emission; the columns of `batch.SPAN`."""

    start: int
    end: int
    first_line: int
    last_line: int
    session: str
    kind: str
    model: str
    at: float
    request: int
    tokens: int
    exact: bool


class Verdict(NamedTuple):
    """What is said of one document. `sha256` and `size` are given of cut documents only."""

    stage: str
    decision: str
    because: str = ""
    coverage: float = 0.0
    spans: Sequence[PlacedSpan] = ()
    sessions: Sequence[str] = ()
    sha256: str | None = None
    size: int = 0


class Place(NamedTuple):
    """Where a text stands in its document: bytes and lines before it, and how many bytes the part before had, too."""

    offset: int = 0
    line: int = 0
    overlap: int = 0
    is_cut: bool = False


class _Placed(NamedTuple):
    """A span with its emission's number."""

    span: PlacedSpan
    emission: int


class Judge:
    """What documents are judged by: a matcher, a policy, and whether the index has faults. Not for several threads."""

    def __init__(self, matcher: Matcher, policy: CorpusPolicy, *, is_incomplete: bool = False) -> None:
        self.matcher = matcher
        self.policy = policy
        self.is_incomplete = is_incomplete
        self.clean = Verdict(
            Stage.CLEAN,
            policy.without(is_incomplete=is_incomplete),
            "nothing found, but the index is incomplete" if is_incomplete else "",
        )
        self._emissions: dict[int, Emission] = {}

    def search(
        self,
        texts: Sequence[bytes | None],
        digests: Sequence[bytes],
        is_binary: npt.NDArray[np.bool_],
        is_cut: npt.NDArray[np.bool_],
    ) -> dict[int, Found]:
        """Search all texts of a batch at once; give what was found, by row. Parts are searched for spans only.

        `digests`: the SHA-256 of each text.
        """
        entire = {row: text for row, text in enumerate(texts) if text is not None and not is_cut[row]}
        found = zip(entire, self.matcher.find(list(entire.values()), [digests[row] for row in entire]), strict=True)
        hits = {row: self._seen(entire[row], one, is_binary=bool(is_binary[row])) for row, one in found if _is_hit(one)}
        parts = {row: text for row, text in enumerate(texts) if text is not None and is_cut[row] and not is_binary[row]}
        for row, spans in zip(parts, self.matcher.spans(list(parts.values())), strict=True):
            hits[row] = NOTHING._replace(spans=spans)
        listed = {row: text for row, text in {**entire, **parts}.items() if _LISTED in text}
        for row, spans in zip(listed, self.matcher.spans([_unlisted(text) for text in listed.values()]), strict=True):
            before = hits.get(row)
            if _size(spans) > _size(before.spans if before else []):
                whole = before or NOTHING._replace(tokens=self.matcher.tokens([listed[row]])[0])
                hits[row] = whole._replace(stage=whole.stage if whole.whole >= 0 else Stage.SPANS, spans=spans)
        return hits

    def emission(self, number: int) -> Emission:
        """Unseal an emission, once."""
        if number not in self._emissions:
            self._emissions[number] = self.matcher.pack.emission(number)
        return self._emissions[number]

    def counts(self, number: int) -> bool:
        """Say whether the policy counts spans of this emission."""
        return self.policy.counts(self.emission(number))

    def verdict(self, text: bytes, found: Found, *, is_binary: bool = False) -> Verdict:
        """Judge a whole document."""
        document = Document(self)
        document.add(text, found, Place())
        verdict = document.verdict()
        if is_binary and verdict.stage == Stage.CLEAN:
            return self._without_text(Stage.BINARY, "binary: nothing found, but text may be packed in it")
        return verdict

    def unread(self, why: str, *, is_binary: bool = False) -> Verdict:
        """Judge a document without its text: it could not be read, or it is binary and too large."""
        return self._without_text(Stage.BINARY if is_binary else Stage.UNREADABLE, why)

    def _seen(self, text: bytes, found: Found, *, is_binary: bool) -> Found:
        """Give the pieces of a whole content, too: one line of it may be an agent's, or all; of binary ones none."""
        if found.whole < 0:
            return found
        return found._replace(spans=[] if is_binary else self.matcher.spans([text])[0])

    def _without_text(self, stage: Stage, why: str) -> Verdict:
        nothing = Measure(stage)
        return Verdict(stage, decide(self.policy, nothing, nothing, is_incomplete=self.is_incomplete), why)


class Document:
    """A document whose parts are added one after the other."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._hash = hashlib.sha256()
        self._size = 0
        self._tokens = 0
        self._spans: list[_Placed] = []
        self._whole = NOTHING

    def add(self, text: bytes, found: Found, place: Place) -> None:
        """Add the next part, and what was found in it."""
        if place.is_cut:
            new = text[place.overlap :]
            self._hash.update(new)
            self._size += len(new)
            self._tokens += self._judge.matcher.tokens([new])[0]
        else:
            self._tokens = found.tokens
        if found.whole >= 0 and self._judge.counts(found.whole):
            self._whole = found
        counted = [span for span in found.spans if self._judge.counts(span.emission)]
        if counted:
            self._place(text, counted, place)

    def verdict(self) -> Verdict:
        """Judge what was added."""
        verdict = self._found() if self._spans or self._whole.whole >= 0 else self._judge.clean
        return verdict._replace(sha256=self._hash.hexdigest(), size=self._size) if self._size else verdict

    def _found(self) -> Verdict:
        whole, policy = self._whole.whole, self._judge.policy
        refusing, suspected = self._measure(policy.refuse), self._measure(policy.quarantine)
        decision = decide(policy, refusing, suspected, is_incomplete=self._judge.is_incomplete)
        spans = [placed.span for placed in self._spans]
        coverage = self._coverage(spans)
        stage = self._whole.stage if whole >= 0 else Stage.SPANS
        sessions = {span.session for span in spans} | ({self._judge.emission(whole).session} if whole >= 0 else set())
        return Verdict(stage, decision, _because(stage, spans, coverage), coverage, spans, sorted(sessions))

    def _place(self, text: bytes, spans: Sequence[Span], place: Place) -> None:
        """Note spans by their place in the document; one that the part before ended with is carried on."""
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == 0x0A)
        firsts = np.searchsorted(ends, [span.start for span in spans]) + place.line + 1
        lasts = np.searchsorted(ends, [max(span.end - 1, span.start) for span in spans]) + place.line + 1
        for span, first, last in zip(spans, firsts.tolist(), lasts.tolist(), strict=True):
            self._append(_placed(span, (first, last), place.offset, self._judge.emission(span.emission)))

    def _append(self, placed: _Placed) -> None:
        span, end = placed.span, max((one.span.end for one in self._spans[-1:]), default=0)
        if span.start < end:  # in what two parts have in common
            if span.end <= end:
                return
            tokens = round(span.tokens * (span.end - end) / (span.end - span.start))
            before = self._spans[-1]
            if before.emission == placed.emission:
                whole = before.span._replace(end=span.end, last_line=span.last_line, tokens=before.span.tokens + tokens)
                self._spans[-1] = before._replace(span=whole)
                return
            placed = placed._replace(span=span._replace(start=end, tokens=tokens))
        self._spans.append(placed)

    def _measure(self, bounds: Bounds) -> Measure:
        """Measure the spans that one of the policy's bounds counts."""
        spans = [one.span for one in self._spans if bounds.counts(self._judge.emission(one.emission))]
        is_whole = self._whole.whole >= 0 and bounds.counts(self._judge.emission(self._whole.whole))
        stage = self._whole.stage if is_whole else Stage.SPANS if spans else Stage.CLEAN
        sizes = [SpanMeasure(span.tokens, min(_lines(span), span.tokens // _OF_A_LINE)) for span in spans]
        return Measure(stage, self._coverage(spans), sizes)

    def _coverage(self, spans: Sequence[PlacedSpan]) -> float:
        return min(sum(span.tokens for span in spans) / max(self._tokens, 1), 1.0)


def _unlisted(text: bytes) -> bytes:
    """Join lines that stand in lists of JSON, as those of notebooks do; each byte keeps its place."""
    return _BETWEEN.sub(lambda found: b"\\n" + _MARKS.sub(b" ", found[0][2:]), text)


def _lines(span: PlacedSpan) -> int:
    return span.last_line - span.first_line + 1


def _size(spans: Sequence[Span]) -> int:
    return sum(span.tokens for span in spans)


def _is_hit(found: Found) -> bool:
    return found.whole >= 0 or bool(found.spans)


def _placed(span: Span, lines: tuple[int, int], offset: int, emission: Emission) -> _Placed:
    return _Placed(
        PlacedSpan(
            start=span.start + offset,
            end=span.end + offset,
            first_line=lines[0],
            last_line=lines[1],
            session=emission.session,
            kind=str(emission.kind),
            model=emission.model,
            at=emission.at,
            request=emission.request,
            tokens=span.tokens,
            exact=bool(span.exact),
        ),
        span.emission,
    )


def _because(stage: str, spans: Sequence[PlacedSpan], coverage: float) -> str:
    """Say in short what was found."""
    reasons = [_WHOLE[stage]] if stage in _WHOLE else []
    if spans:
        longest = max(map(_lines, spans))
        many = f"{len(spans)} spans, the longest of {longest} lines" if len(spans) > 1 else f"a span of {longest} lines"
        reasons.append(f"{many}, {coverage:.0%} of its tokens")
    return "; ".join(reasons)

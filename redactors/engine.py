"""The engine: bytes in, findings and redacted bytes out.

Rules of this file:
1. Known values win over rules; of two rules the surer one wins, then the longer span, then the earlier, then the one
   that knows the issuer. What a loser covered alone is masked too: no half of a secret stays readable.
2. A span never holds a quote, a backslash or a line end that is not the secret's own: what is around it stays whole.
3. Our own placeholders, with their prefixes, are never findings: redacting twice changes nothing.
4. Data without findings is given back as the same object.
"""

import copy
import re
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, Self, runtime_checkable

from redactors import jsonbytes
from redactors.detector import LEAST_OUTSIDE_OURS, Detector
from redactors.finding import Confidence, Finding, Redaction
from redactors.glance import BEGINS, Glance
from redactors.issued import IssuedShapes
from redactors.known import KnownValues
from redactors.prefixes import IssuerPrefixes, issuer_prefix
from redactors.rules.model import Rule
from redactors.rules.widths import widths
from redactors.vault import LONGEST_PREFIX, MARK, PLACEHOLDER, Origin, Vault

_OURS = re.compile(PLACEHOLDER)
_CLOSING = r"""\s"'`\\"""  # of a class: what the values of most assignments never hold
_ALONE = re.compile(PLACEHOLDER + rb"(?=[%b]|\Z)" % _CLOSING.encode())
# One class, in which nothing of _CLOSING is, and look-around.
_LOOK_AROUND = r"\(\?<?[=!](?:\[(?:[^\]\\]|\\.)*\]|\\.|[^()\[\\])*\)"
_WITHOUT_CLOSING = re.compile(
    rf"(?:{_LOOK_AROUND})*\[\^{re.escape(_CLOSING)}(?:[^\]\\]|\\.)*\]\{{\d+,\d+\}}(?:{_LOOK_AROUND})*"
)
_LONGEST_OURS = 96 + LONGEST_PREFIX  # a kind has at most 64 characters
_NOWHERE = 2**62

Spans = Sequence[tuple[int, int]]
"""Starts and ends, in order."""


class Scanner(Protocol):
    """Finds candidates: pairs of rule index and end offset, for each rule in order of the end."""

    def scan(self, data: bytes) -> Iterable[tuple[int, int]]:
        """Give every candidate in `data`."""
        ...


@runtime_checkable
class Probing(Protocol):
    """A scanner that can tell faster whether there is any candidate, and whether one may have begun."""

    def probe(self) -> Callable[[bytes], Glance]:
        """Give a function that tells it of data of `redactors.scanner.BLOCK` bytes at most, for one thread."""
        ...


class Source(Protocol):
    """Finds what the bundled rules do not know: rules of the policy, words of the context, denied code."""

    def find(self, data: bytes) -> Iterable[Finding]:
        """Give findings in any order; they may overlap, and compete with those of rules."""
        ...


class Engine:
    """Finds and replaces secrets; safe to share between threads of one process.

    `sources` find besides the rules; nothing filters their findings but `allow`: a value in it is no finding of a rule
    or of one of these sources.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        scanner: Scanner,
        vault: Vault,
        known: KnownValues | None = None,
        *,
        sources: Sequence[Source] = (),
        allow: Sequence[str] = (),
    ) -> None:
        self.vault = vault
        self.known = known
        issued = IssuedShapes(rules)
        self._detectors = tuple(Detector(rule, issued) for rule in rules)
        self._widths = tuple(map(_width, rules))
        self._places = {rule.id: place for place, rule in enumerate(rules)}
        self._rules = tuple(rules)
        self._prefixes = IssuerPrefixes(rules)
        self._scanner = scanner
        self._sources = tuple(sources)
        self._added: tuple[Source, ...] = ()
        self._unread: frozenset[int] = frozenset()
        self._allow = frozenset(one.encode() for one in allow)
        self.yields: Callable[[str], bool] = _never
        """Tells the kinds that are only watched."""

    def watching(self, is_watched: Callable[[str], bool]) -> Self:
        """Give an engine in which findings of some kinds yield to all others, however sure they are.

        Who only watches these kinds leaves them where they are: they must not hide what is replaced.
        """
        other = copy.copy(self)
        other.yields = is_watched
        return other

    def with_sources(self, *sources: Source) -> Self:
        """Give an engine that finds by `sources` too; vault, known values and rules are those of this one.

        What these find is not for `allow` to take back: a user's list does not undo an organisation's words.
        """
        wider = copy.copy(self)
        wider._added = (*self._added, *sources)  # noqa: SLF001  (a copy of its own class)
        return wider

    def for_lines(self) -> Self:
        """Give an engine for who shows line after line, and must not depend on how many come at once.

        It reads no tables, and knows no values.
        """
        from redactors.readers import OF_LINES  # noqa: PLC0415 (as where they read)

        other = copy.copy(self)
        other.known = None
        other._unread = frozenset(at for at, rule in enumerate(self._rules) if rule.reader in OF_LINES)  # noqa: SLF001
        return other

    def find(self, data: bytes) -> Sequence[Finding]:
        """Find secrets: sorted, not overlapping; offsets are bytes of `data`."""
        known = self.known.find(data) if self.known is not None else []
        ruled = [*self._by_rules(data), *_by_sources(self._sources, data)]
        if self._allow:
            ruled = [found for found in ruled if found.value not in self._allow]
        return self.settle(data, known, [*ruled, *_by_sources(self._added, data)])

    def may_find(self, data: bytes) -> bool:
        """Tell whether `find` could find anything but known values: False is a proof, at the cost of one search."""
        for _ in self._scanner.scan(data):
            return True
        return bool(self._sources or self._added)

    def probe(self) -> Callable[[bytes], Glance]:
        """Give a function for one thread that glances at a few lines: a stream does it all the time."""
        if self._sources or self._added or not isinstance(self._scanner, Probing):
            return self._glance
        return self._scanner.probe()

    def _glance(self, data: bytes) -> Glance:
        is_found = BEGINS in data or self.may_find(data)
        return Glance.MAY_FIND if is_found else Glance.OPENS  # nobody knows what begins there

    def settle(self, data: bytes, known: Sequence[Finding], ruled: Sequence[Finding]) -> list[Finding]:
        """Choose among overlapping findings: known values, then the surer, the longer, the earlier; never ours.

        Those of `ruled` whose kind `yields` come last.
        """
        return _settled(data, known, ruled, self.yields, self.ours)

    def ours(self, data: bytes, low: int = 0, high: int | None = None) -> Spans:
        """Give the placeholders between `low` and `high`, each with its prefix.

        That is the one it was issued with, else one of an issuer: whoever scans a checkout has issued none.
        """
        high = len(data) if high is None else high
        if data.find(MARK, low, high) < 0:
            return ()
        return [(self._begin(data, ours.start()), ours.end()) for ours in _OURS.finditer(data, low, high)]

    def _begin(self, data: bytes, mark: int) -> int:
        return mark - (self.vault.prefix_before(data, mark) or self._prefixes.before(data, mark))

    def issuer_prefix(self, value: bytes) -> str:
        """Give what its issuer puts before every token like `value`; see `redactors.prefixes`."""
        return issuer_prefix(self._rules, value)

    def redact(
        self, data: bytes, *, origin: Origin = Origin.INSIDE, minimum: Confidence = Confidence.LIKELY
    ) -> Redaction:
        """Replace what `find` finds, from `minimum` on; values are issued with `origin`."""
        findings = [found for found in self.find(data) if found.confidence.value >= minimum.value]
        return self.replace(data, findings, origin=origin)

    def redact_json(self, data: bytes) -> Redaction:
        """Replace secrets in the raw bytes of a JSON document.

        The document stays valid and all bytes outside the spans stay as they are. Findings of rules inside opaque
        fields of the providers (signatures, encrypted reasoning) are left alone; known values are not.
        """
        findings, numbers = jsonbytes.fit(data, self.find(data))
        return self.replace(data, findings, quotes=numbers)

    def replace(
        self,
        data: bytes,
        findings: Sequence[Finding],
        *,
        origin: Origin = Origin.INSIDE,
        quotes: frozenset[int] = frozenset(),
    ) -> Redaction:
        """Put a placeholder in the place of each of `findings`, which are sorted and do not overlap.

        Those whose start is in `quotes` get quotation marks (a number in JSON becomes a string).
        """
        if not findings:
            return Redaction(data, (), ())
        placeholders = tuple(self.vault.issue(found.kind, found.value, origin) for found in findings)
        pieces: list[bytes] = []
        at = 0
        for found, placeholder in zip(findings, placeholders, strict=True):
            text = placeholder.encode("ascii")
            pieces += (data[at : found.start], b'"%b"' % text if found.start in quotes else text)
            at = found.end
        pieces.append(data[at:])
        return Redaction(b"".join(pieces), tuple(findings), placeholders)

    def _by_rules(self, data: bytes) -> list[Finding]:
        found: list[Finding] = []
        tried: dict[Detector, int] = {}
        alone: set[int] | None = None  # where our placeholders begin of which nothing is glued to the end
        for index, end in self._scanner.scan(data):
            start = end - self._widths[index]
            if alone is None and start >= 0 and data.startswith(MARK, start):  # once: data may be full of marks
                alone = {ours.start() for ours in _ALONE.finditer(data)}
            if alone and start in alone:
                continue  # the value would be a placeholder and no byte more, which is none
            if index in self._unread:
                continue
            found += self._detectors[index].find(data, end, tried)
        found.sort(key=self._rank, reverse=True)
        return found

    def _rank(self, found: Finding) -> int:
        """Place of a rule in the catalogue: rules that know no issuer stand first, and yield to those that do."""
        return self._places[found.rule]


def _width(rule: Rule) -> int:
    """Give how far before the end of a candidate its value begins, if that is fixed and no value holds _CLOSING.

    Else so far that nothing stands there.
    """
    if not rule.names or rule.has_context() or not _WITHOUT_CLOSING.fullmatch(rule.regex):
        return _NOWHERE
    least, most = widths(rule.value_trigger())
    return least if least == most else _NOWHERE


def _never(_kind: str) -> bool:
    return False


def _settled(
    data: bytes,
    known: Sequence[Finding],
    ruled: Sequence[Finding],
    yields: Callable[[str], bool],
    placeholders: Callable[[bytes, int, int], Spans],
) -> list[Finding]:
    if not ruled:
        return list(known)
    taken = sorted(known)
    best_first = sorted(
        ruled, key=lambda one: (yields(one.kind), -one.confidence.value, one.start - one.end, one.start)
    )
    for candidate in best_first:
        for part in tuple(_left_over(data, taken, candidate, placeholders)):
            insort(taken, part, key=_start)
    return taken


def _by_sources(sources: Iterable[Source], data: bytes) -> Iterator[Finding]:
    return (found for source in sources for found in source.find(data))


def _left_over(
    data: bytes, taken: Sequence[Finding], found: Finding, placeholders: Callable[[bytes, int, int], Spans]
) -> Iterator[Finding]:
    """Give what of a finding nothing covers yet: all of it, or the readable rest of a secret.

    A few bytes beside one of our placeholders, or beside what is surer than a guess, are the text around it.
    """
    covered = [(one.start, one.end) for one in _overlapping(taken, found)]
    near = placeholders(data, max(0, found.start - _LONGEST_OURS), found.end + _LONGEST_OURS)
    ours = [(start, end) for start, end in near if start < found.end and found.start < end]
    if not covered and not ours:
        yield found
        return
    least = LEAST_OUTSIDE_OURS if ours or found.confidence is Confidence.LIKELY else 1
    start = found.start
    for low, high in (*sorted((*covered, *ours)), (found.end, found.end)):
        if low - start >= least:
            yield found._replace(start=start, end=low, value=data[start:low])
        start = max(start, high)


def _overlapping(taken: Sequence[Finding], found: Finding) -> Sequence[Finding]:
    last = first = bisect_left(taken, found.end, key=_start)
    while first and taken[first - 1].end > found.start:  # what is taken does not overlap: the one before ends last
        first -= 1
    return taken[first:last]


def _start(found: Finding) -> int:
    return found.start

r"""What must not leave although it is nobody's key: names of projects and customers, people, hosts; as policy says.

Rules of this file:
1. Terms have a database of their own, beside that of the secrets: 5,000 compile in 90 ms and are passed at 5 GB/s. In
   the database of the rules they would cost as much per byte, and a second to compile that one anew for each policy.
   Each shape has one too: together they would be passed at half the speed. Expressions have theirs (`expressions`).
2. A finding's value is what the inside reads: one level of JSON escapes undone. Each spelling has its own placeholder,
   so what is restored is exactly what stood there.
3. No span begins or ends within a character.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from redactors import terms
from redactors.expressions import Expressions
from redactors.finding import Confidence, Finding
from redactors.patterns import Patterns
from redactors.shapes import shape
from redactors.terms import Borders

_ALLOWED_REACH = 256  # bytes around a match in which a phrase that is allowed may begin or end


@dataclass(frozen=True, slots=True)
class ContextRule:
    """What to find, by one of `terms`, `regex` and `shape`, and the kind of its placeholder.

    `terms`: literal, none of them empty; `borders` and `ignore_case` are about them. `regex`:
    for Hyperscan, see `expressions`. `shape`: one of `shapes.SHAPES`, `hosts` are for `internal-host`. `allow`: phrases
    (`*` for anything without a blank) in which a match stays.
    """

    kind: str
    confidence: Confidence = Confidence.CERTAIN
    terms: tuple[str, ...] = ()
    borders: Borders = Borders.PART
    ignore_case: bool = True
    regex: str = ""
    shape: str = ""
    hosts: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    name: str = ""

    @property
    def id(self) -> str:
        """How findings name the rule: as `name` says, or by its kind."""
        return self.name or f"context:{self.kind}"


class Seeker(Protocol):
    """Fixes the spans around an offset where the database saw something."""

    def spans(self, data: bytes, end: int) -> Iterator[tuple[int, int]]:
        """Give the spans that cover `end` or end there."""
        ...


class Context:
    """Finds what `rules` name; compiled at the first search, may then be used from any thread.

    `ValueError` names the rule whose `regex` Hyperscan does not compile.
    """

    def __init__(self, rules: Sequence[ContextRule]) -> None:
        self._rules = tuple(rules)
        self._allowed = tuple(terms.phrases(rule.allow) for rule in rules)
        by_trigger: dict[bytes, list[tuple[int, Seeker]]] = {}
        for number, rule in enumerate(rules):
            for term in terms.terms(rule.terms, rule.borders, ignore_case=rule.ignore_case):
                for trigger in term.triggers:
                    by_trigger.setdefault(trigger, []).append((number, term))
        shapes = [(number, shape(rule.shape, rule.hosts)) for number, rule in enumerate(rules) if rule.shape]
        self._databases = (
            _Database(by_trigger),
            *(_Database({found.trigger: [(number, found)]}) for number, found in shapes),
        )
        self._with_regex = [number for number, rule in enumerate(rules) if rule.regex]
        self._expressions = _expressions([rules[number] for number in self._with_regex])

    def find(self, data: bytes) -> list[Finding]:
        """Find: in no particular order, and spans may overlap."""
        spans = {hit for database in self._databases for hit in database.hits(data)}
        if self._with_regex:
            found = self._expressions.spans(data)
            spans.update((self._with_regex[number], *whole(data, start, end)) for number, start, end in found)
        return [self._finding(data, *span) for span in spans if not self._is_allowed(data, *span)]

    def _is_allowed(self, data: bytes, number: int, start: int, end: int) -> bool:
        allowed = self._allowed[number]
        if allowed is None:
            return False
        around = allowed.finditer(data, max(0, start - _ALLOWED_REACH), end + _ALLOWED_REACH)
        return any(phrase.start() <= start and end <= phrase.end() for phrase in around)

    def _finding(self, data: bytes, number: int, start: int, end: int) -> Finding:
        rule = self._rules[number]
        return Finding(start, end, rule.kind, rule.confidence, rule.id, as_read(data[start:end]))


class _Database:
    """What is looked for by triggers: each leads to the rules, by number, that may have a span there."""

    def __init__(self, by_trigger: Mapping[bytes, Sequence[tuple[int, Seeker]]]) -> None:
        self._seekers = tuple(by_trigger.values())
        self._triggers = Patterns(by_trigger)

    def hits(self, data: bytes) -> Iterator[tuple[int, int, int]]:
        """Give number of the rule, start and end of each span."""
        for trigger, end in self._triggers.scan(data):
            for number, seeker in self._seekers[trigger]:
                for start, stop in seeker.spans(data, end):
                    yield number, start, stop


def _expressions(rules: Sequence[ContextRule]) -> Expressions:
    try:
        return Expressions([rule.regex for rule in rules])
    except ValueError as error:
        number, why = error.args
        raise ValueError(f"rule `{rules[number].id}`: {why}") from error


def as_read(span: bytes) -> bytes:
    """Give what a JSON reader makes of a piece of a string; the piece itself where it is none."""
    if b"\\" not in span:
        return span
    try:
        return str(json.loads(b'"%b"' % span, strict=False)).encode()
    except (ValueError, UnicodeEncodeError):
        return span


def whole(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Widen a span to whole characters of UTF-8."""
    while start and data[start] & 0xC0 == 0x80:
        start -= 1
    while end < len(data) and data[end] & 0xC0 == 0x80:
        end += 1
    return start, end

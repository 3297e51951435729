"""The engine: bytes in, findings and redacted bytes out.

Rules of this file:
1. Known values win over rules; of two rules the surer one wins, then the longer span, then the earlier.
2. A span never holds a quote, a backslash or a line end that is not the secret's own: what is around it stays whole.
3. Our own placeholders are never findings: redacting twice changes nothing.
4. Data without findings is given back as the same object.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from redactors import jsonbytes
from redactors.checks import CHECKS
from redactors.filters import entropy, is_example
from redactors.finding import Confidence, Finding, Redaction
from redactors.known import KnownValues
from redactors.rules.model import Rule
from redactors.vault import PLACEHOLDER, Origin, Vault

_OURS = re.compile(PLACEHOLDER)
_MARK = b"MASKED-"
_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
# What may stand before a token although its last byte is a word character: the tail of an escape sequence.
_ESCAPE_BEFORE = re.compile(rb"(?:\\[nrtbfv0]|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|%[0-9A-Fa-f]{2}|\[[0-9;]{0,12}m)$")
_LONGEST_ESCAPE = 14
_KEYWORD_REACH = 64
_LEAST_OUTSIDE_OURS = 8


class Scanner(Protocol):
    """Finds candidates: pairs of rule index and end offset, in order of the end."""

    def scan(self, data: bytes) -> list[tuple[int, int]]:
        """Give every candidate in `data`."""
        ...


class Spans(Protocol):
    """Finds the matches of rules that are not ours: rule index, start, end."""

    def spans(self, data: bytes) -> list[tuple[int, int, int]]:
        """Give every match in `data`."""
        ...


class Detector:
    """One rule ready to run: its pattern is compiled when the first candidate comes."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._before = self._behind = 0
        self._group = "secret" if rule.names or "(?P<secret>" in rule.regex else 0
        self._is_token = self._group == 0
        self._keyword: re.Pattern[bytes] | None = None
        self._pattern: re.Pattern[bytes] | None = None
        self._allow: re.Pattern[bytes] | None = None
        self._begin: re.Pattern[bytes] | None = None

    def spans(self, data: bytes, end: int) -> Iterator[tuple[int, int]]:
        """Give the secrets of this rule whose match covers or touches the offset `end`."""
        pattern = self._pattern or self._compile()
        for match in self._matches(pattern, data, end):
            if match.end() < end:
                continue
            if match.start() >= end:
                return
            if self._begins_well(data, match.start()):
                yield match.span(self._group)

    def judge(self, data: bytes, start: int, end: int) -> tuple[Confidence, bytes] | None:
        """Say how sure the span is, with the canonical value; None if it is no secret."""
        value = data[start:end]
        rule = self.rule
        if self._keyword is not None and not self._keyword.search(data, max(0, start - _KEYWORD_REACH), start):
            return None
        if rule.entropy and entropy(value) < rule.entropy:
            return None
        if is_example(value) or (self._allow is not None and self._allow.fullmatch(value)):
            return None
        verdict = CHECKS[rule.check](value) if rule.check else rule.confidence
        if verdict is None:
            return None
        sure = verdict if verdict.value < rule.confidence.value else rule.confidence
        return sure, jsonbytes.unescaped(value)

    def _compile(self) -> re.Pattern[bytes]:
        """Make what the rule needs; the pattern last, since another thread takes it as the sign that all is there."""
        self._before, self._behind = self.rule.reach()
        if self.rule.names:
            self._begin = re.compile(self.rule.begin().encode("ascii"))
        if self.rule.keywords:
            words = "|".join(re.escape(word) for word in self.rule.keywords)
            self._keyword = re.compile(rf"(?i)(?<![a-z])(?:{words})".encode("ascii"))
        if self.rule.allow:
            self._allow = re.compile("|".join(f"(?:{one})" for one in self.rule.allow).encode("ascii"))
        pattern = self.rule.pattern() + ("(?![A-Za-z0-9])" if self._is_token else "")
        self._pattern = re.compile(pattern.encode("ascii"))
        return self._pattern

    def _matches(self, pattern: re.Pattern[bytes], data: bytes, end: int) -> Iterator[re.Match[bytes]]:
        low, high = max(0, end - self._before), min(len(data), end + self._behind)
        if self._begin is None:
            yield from pattern.finditer(data, low, high)
            return
        for begin in self._begin.finditer(data, low, end):  # keys alone: cheaper than the whole pattern everywhere
            match = pattern.match(data, begin.start(), high)
            if match is not None:
                yield match

    def _begins_well(self, data: bytes, start: int) -> bool:
        if not self._is_token or start == 0 or data[start - 1] not in _WORD or data[start] not in _WORD:
            return True
        return bool(_ESCAPE_BEFORE.search(data[max(0, start - _LONGEST_ESCAPE) : start]))


class Engine:
    """Finds and replaces secrets; safe to share between threads of one process.

    `extra` are rules of the policy with what finds their spans; nothing filters them. `allow` holds regular
    expressions; a value that one of them matches whole is no finding of a rule.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        scanner: Scanner,
        vault: Vault,
        known: KnownValues | None = None,
        *,
        extra: tuple[Sequence[Rule], Spans] | None = None,
        allow: Sequence[str] = (),
    ) -> None:
        self.vault = vault
        self.known = known
        self._detectors = tuple(Detector(rule) for rule in rules)
        self._scanner = scanner
        self._extra = extra
        self._allow = re.compile("|".join(f"(?:{one})" for one in allow).encode()) if allow else None

    def find(self, data: bytes) -> Sequence[Finding]:
        """Find secrets: sorted, not overlapping; offsets are bytes of `data`."""
        known = self.known.find(data) if self.known is not None else []
        return settle(data, known, [*self._by_rules(data), *self._by_extra(data)])

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
        done: dict[int, int] = {}
        for index, end in self._scanner.scan(data):
            if end <= done.get(index, -1):
                continue
            detector = self._detectors[index]
            for start, stop in detector.spans(data, end):
                done[index] = max(stop, end)
                judged = detector.judge(data, start, stop)
                if judged is None or (self._allow is not None and self._allow.fullmatch(judged[1])):
                    continue
                rule = detector.rule
                found.append(Finding(start, stop, rule.kind, judged[0], rule.id, judged[1]))
        return found

    def _by_extra(self, data: bytes) -> Iterator[Finding]:
        if self._extra is None:
            return
        rules, scanner = self._extra
        for index, start, end in scanner.spans(data):
            rule = rules[index]
            if self._allow is None or not self._allow.fullmatch(data, start, end):
                yield Finding(start, end, rule.kind, rule.confidence, rule.id, data[start:end])


def settle(data: bytes, known: Sequence[Finding], ruled: Sequence[Finding]) -> list[Finding]:
    """Choose among overlapping findings: known values, then the surer, the longer, the earlier; never our own marks."""
    if not ruled:
        return list(known)
    ours = [match.span() for match in _OURS.finditer(data)] if _MARK in data else []
    taken = list(known)
    best_first = sorted(ruled, key=lambda one: (-one.confidence.value, one.start - one.end, one.start))
    for candidate in best_first:
        if any(_is_ours(candidate, span) for span in ours):
            continue
        if not any(one.start < candidate.end and candidate.start < one.end for one in taken):
            taken.append(candidate)
    return sorted(taken)


def _is_ours(found: Finding, span: tuple[int, int]) -> bool:
    shared = min(found.end, span[1]) - max(found.start, span[0])
    return shared > 0 and (found.end - found.start) - shared < _LEAST_OUTSIDE_OURS

"""One rule ready to run: from the end of a candidate to the span of a secret, and whether it is one.

Hyperscan says "rule i, up to here". How far before that end a match can begin is known from the widths of what it was
given, mostly to the byte: the pattern is then tried at one place, never searched for. Every place is tried once per
rule, so the cost is linear in the data however many candidates there are.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from redactors import jsonbytes, labels
from redactors.checks import CHECKS
from redactors.fillers import is_alphabet, is_filler, is_for_sandbox
from redactors.filters import has_entropy, is_example
from redactors.finding import Confidence, Finding
from redactors.issued import IssuedShapes, literal, telling
from redactors.quoted import end_of_value
from redactors.rules.model import CONTEXT, KEYWORD_REACH, Rule
from redactors.rules.widths import widths
from redactors.vault import PLACEHOLDER

_OURS = re.compile(PLACEHOLDER)
_MARK = b"MASKED-"
LEAST_OUTSIDE_OURS = 8
"""A finding that holds a placeholder counts if it has so many bytes beside it."""
_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
# What may stand before a token although its last byte is a word character: the tail of an escape sequence.
_ESCAPE_BEFORE = re.compile(rb"(?:\\[nrtbfv0]|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|%[0-9A-Fa-f]{2}|\[[0-9;]{0,12}m)$")
_LONGEST_ESCAPE = 14
_NEAR = 56  # most keys stand so near before their value
_LONGEST_NAME = 64
_REMEMBERED = 256  # verdicts: a conversation is sent whole each turn, and what a value is does not change
_UNDERSCORE = 0x5F
_TELLING = 4  # characters that a token begins with: behind `_`, as in `MY_ghp_…`, they begin one all the same
_UNMISTAKABLE = 10  # and so many, as `github_pat_`, in the middle of a word too
_OF_BASE64 = frozenset({b"+", b"/"})  # behind these a token may be a chance run of letters within a longer text
_DISTINCT = 6
_LONGEST_CONTEXT = 1_024  # a search that fails looks so far beyond the last place; longer patterns are tried one by one
_BEYOND = 64  # what looks ahead sees the text as it goes on
# So many places are searched in the time in which one is tried. A search that fails goes on beyond the last place: of
# text that is full of candidates it would look at all again for each of them.
_SEARCHED_LIKE_TRIED = 10
# What is glued to such a token goes with it. For shorter beginnings a few characters more are another length of the
# same shape, which is none of the issuer's.
_GLUED = "[A-Za-z0-9_-]{%d,99}"
_LEAST_GLUED = 5
_BOTH_CASES = re.compile(r"\\.|A-Za-z")

_CONTEXT_MOST = widths(CONTEXT)[1]

Span = tuple[int, int]


class Reach(NamedTuple):
    """How many bytes before the end of a candidate its match can begin."""

    least: int
    most: int


class Token:
    """A secret that is its own evidence, or stands in a context that the pattern spells out."""

    def __init__(self, rule: Rule) -> None:
        self._group = "secret" if "(?P<secret>" in rule.regex else 0
        self._is_bare = self._group == 0
        self._head = literal(rule.regex)
        self._most = widths(rule.regex)[1] if not self._is_bare else _LONGEST_CONTEXT + 1
        self._telling = telling(rule.regex)
        self._pattern = _compiled(rule.pattern() + ("(?![A-Za-z0-9])" if self._is_bare else ""))
        least = 1 if self._telling >= _DISTINCT else _LEAST_GLUED
        glues = self._is_bare and self._telling >= _TELLING
        self._glued = _compiled(rule.pattern() + _GLUED % least) if glues else None
        self.reach = _reach(rule.value_trigger(), rule.regex)

    def spans(self, data: bytes, first: int, last: int) -> Iterator[Span]:
        """Give the secrets whose match begins from `first` to `last`, both included."""
        while match := self._next(data, first, last):
            yield match.span(self._group)
            first = max(match.start() + 1, match.end(self._group))

    def _next(self, data: bytes, first: int, last: int) -> re.Match[bytes] | None:
        """Give the first match that begins from `first` to `last`.

        A context may begin at hundreds of places before its secret: there `re` looks, not a loop.
        """
        if self._most <= _LONGEST_CONTEXT:
            end = last + self._most + _BEYOND
            if (last - first) * _SEARCHED_LIKE_TRIED < end - last:
                places = range(first, last + 1)
                return next(filter(None, (self._pattern.match(data, place, end) for place in places)), None)
            found = self._pattern.search(data, first, end)
            return found if found is not None and found.start() <= last else None
        while first <= last:
            first = data.find(self._head, first, last + len(self._head)) if self._head else first
            if first < 0:
                return None
            match = self._match(data, first)
            if match is not None:
                return match
            first += 1
        return None

    def _match(self, data: bytes, start: int) -> re.Match[bytes] | None:
        if not self._is_bare:
            return self._pattern.match(data, start)
        if not self._begins_well(data, start):
            return None
        match = self._pattern.match(data, start)
        if match is None and self._glued is not None and data[start - 1 : start] not in _OF_BASE64:
            match = self._glued.match(data, start)
        return match

    def _begins_well(self, data: bytes, start: int) -> bool:
        if start == 0 or data[start - 1] not in _WORD or data[start] not in _WORD:
            return True
        if self._telling >= _UNMISTAKABLE or (self._telling >= _TELLING and data[start - 1] == _UNDERSCORE):
            return True
        return bool(_ESCAPE_BEFORE.search(data[max(0, start - _LONGEST_ESCAPE) : start]))


class Assigned:
    """A value of unknown shape behind a key: the value's place is known, so the key is looked for only if it fits."""

    def __init__(self, rule: Rule) -> None:
        self._value = re.compile(rule.regex.encode("ascii"))
        self._pattern = re.compile(rule.pattern().encode("ascii"))
        self._names = Names(rule.names)
        self._far = _CONTEXT_MOST + self._names.longest
        self.reach = _reach(rule.value_trigger(), rule.regex)

    def spans(self, data: bytes, first: int, last: int) -> Iterator[Span]:
        """Give the secrets that begin from `first` to `last`, both included."""
        for start in range(first, last + 1):
            value = self._value.match(data, start)
            if value is None or _is_ours(data, start, value.end()):
                continue
            if self._is_named(data, start, _NEAR) or self._is_named(data, start, self._far):
                yield value.span()
                return

    def _is_named(self, data: bytes, start: int, reach: int) -> bool:
        for name in self._names.within(data, max(0, start - reach), start):
            match = self._pattern.match(data, name)
            if match is not None and match.start("secret") == start and not _names_ours(data, name):
                return True
        return False


class Keyed:
    """A value behind a key where the place of neither is known to the byte."""

    def __init__(self, rule: Rule) -> None:
        self._pattern = re.compile(rule.pattern().encode("ascii"))
        self._names = Names(rule.names)
        between = 0 if rule.has_context() else _CONTEXT_MOST
        least, most = _reach(rule.value_trigger(), rule.regex)
        self.reach = Reach(least + 1, most + between + self._names.longest)

    def spans(self, data: bytes, first: int, last: int) -> Iterator[Span]:
        """Give the secrets whose key begins from `first` to `last`, both included."""
        done = first
        for name in self._names.within(data, first, last + self._names.longest):
            match = self._pattern.match(data, name) if done <= name <= last else None
            if match is not None and not _names_ours(data, name):
                yield match.span("secret")
                done = match.end("secret")


class Names:
    """The names of a key, found in any case.

    What they find is only where a pattern is tried. `re` skips to the first letters of the alternatives if it need
    not heed case, so the data is put into lower case instead; names that ask for upper case cannot be found so.
    """

    def __init__(self, names: str) -> None:
        self._lower = not any(letter.isupper() for letter in _BOTH_CASES.sub("", names))
        self._pattern = re.compile((names if self._lower else f"(?i:{names})").encode("ascii"))
        self.longest = min(_LONGEST_NAME, widths(names)[1])

    def within(self, data: bytes, low: int, high: int) -> Iterator[int]:
        """Give where names may begin between `low` and `high`."""
        window = data[low:high].lower() if self._lower else data[low:high]
        return (low + found.start() for found in self._pattern.finditer(window))


class Detector:
    """One rule; its patterns are compiled when the first candidate comes."""

    def __init__(self, rule: Rule, issued: IssuedShapes) -> None:
        self.rule = rule
        self._issued = issued
        self._search: Token | Assigned | Keyed | None = None
        self._keyword: re.Pattern[bytes] | None = None
        self._allow: re.Pattern[bytes] | None = None
        self._verdict = self._verdict_of
        self._denies = self._says_no

    def find(self, data: bytes, end: int, tried: dict["Detector", int]) -> Iterator[Finding]:
        """Give the secrets of this rule whose trigger ends at `end`; `tried`: up to where each rule has looked."""
        search = self._search or self._compile()
        if self.rule.reader:
            yield from self._read(data, end, tried)
            return
        first, last = max(tried.get(self, 0), end - search.reach.most), end - search.reach.least
        if first > last:
            return
        tried[self] = last + 1
        for start, stop in search.spans(data, first, last):
            tried[self] = max(tried[self], stop)
            if _is_ours(data, start, stop):
                continue
            found = self._judge(data, start, stop)
            if found is not None:
                yield found

    def _read(self, data: bytes, end: int, tried: dict["Detector", int]) -> Iterator[Finding]:
        """Give the secrets that stand apart from a key that ends at `end`."""
        if end <= tried.get(self, 0):
            return
        from redactors.readers import READERS  # noqa: PLC0415 (a start that finds no table needs none of them)

        read = READERS[self.rule.reader](data, end)
        tried[self] = max(end, read.behind)
        for start, stop in read.values:
            found = None if _is_ours(data, start, stop) else self._judge(data, start, stop)
            if found is not None:
                yield found

    def _judge(self, data: bytes, start: int, end: int) -> Finding | None:
        """Say how sure the span is, and where it ends if it goes on behind an escape; None if it is no secret."""
        if self._keyword is not None and not self._has_keyword(self._keyword, data, start):
            return None
        sure = self._verdict(data[start:end])
        if sure is None or (self.rule.names and self._is_denied(data, start, end)):
            return None
        end = end_of_value(data, start, end) if self.rule.names else end
        return Finding(start, end, self.rule.kind, sure, self.rule.id, jsonbytes.unescaped(data[start:end]))

    def _verdict_of(self, value: bytes) -> Confidence | None:
        """Judge the value alone; what costs least and throws out most comes first."""
        rule = self.rule
        if rule.entropy and not has_entropy(value, rule.entropy):
            return None
        if self._allow is not None and self._allow.fullmatch(value):
            return None
        if is_example(value):
            return None
        verdict = CHECKS[rule.check](value) if rule.check else rule.confidence
        if verdict is Confidence.CERTAIN:
            verdict = rule.confidence
        if verdict is None or (not rule.issuer and rule.names and self._issued.is_cut(value)):
            return None
        if not is_filler(value):
            return verdict
        is_none = not rule.issuer or is_for_sandbox(value) or (verdict is Confidence.LIKELY and is_alphabet(value))
        return None if is_none else Confidence.LIKELY

    def _is_denied(self, data: bytes, start: int, end: int) -> bool:
        """Tell whether the key before a value says that it is no secret."""
        key = labels.key(data[max(0, start - labels.LONGEST) : start])
        return self._denies(key) or (not self.rule.issuer and self._issued.is_short(key, data[start:end]))

    def _says_no(self, key: bytes) -> bool:
        harmless = labels.is_digest if self.rule.issuer else labels.is_harmless
        return labels.is_made_up(key) or harmless(key)

    def _compile(self) -> "Token | Assigned | Keyed":
        """Make what the rule needs; the search last, since another thread takes it as the sign that all is there."""
        rule = self.rule
        if rule.keywords:
            words = "|".join(re.escape(word.lower()) for word in rule.keywords)
            self._keyword = re.compile(rf"(?<![a-z])(?:{words})".encode("ascii"))
        if rule.allow:
            self._allow = re.compile("|".join(f"(?:{one})" for one in rule.allow).encode("ascii"))
        self._verdict = lru_cache(_REMEMBERED)(self._verdict_of)
        self._denies = lru_cache(_REMEMBERED)(self._says_no)
        self._search = search = _search_for(rule)
        return search

    @staticmethod
    def _has_keyword(keyword: re.Pattern[bytes], data: bytes, start: int) -> bool:
        low = max(0, start - KEYWORD_REACH)
        before = low - (low > 0)  # one byte more for the look-behind
        return bool(keyword.search(data[before:start].lower(), low - before))


def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode("ascii"))


def _search_for(rule: Rule) -> Token | Assigned | Keyed:
    if not rule.names:
        return Token(rule)
    least, most = widths(rule.value_trigger())
    return Assigned(rule) if least == most and not rule.has_context() else Keyed(rule)


def _reach(trigger: str, regex: str) -> Reach:
    least, most = widths(trigger)
    return Reach(least, min(most, max(least, widths(regex)[1])))


def _names_ours(data: bytes, name: int) -> bool:
    """Tell a name within a placeholder, which says what that stands for and nothing of what stands behind it."""
    mark = data.rfind(_MARK, max(0, name - _LONGEST_NAME - len(_MARK)), name)
    ours = _OURS.match(data, mark) if mark >= 0 else None
    return ours is not None and name < ours.end()


def _is_ours(data: bytes, start: int, end: int) -> bool:
    """Tell a placeholder with little behind it."""
    if not data.startswith(_MARK, start):
        return False
    ours = _OURS.match(data, start)
    return ours is not None and end - ours.end() < LEAST_OUTSIDE_OURS

"""Spans of expressions that are not ours, without backtracking and without Hyperscan's own start of match.

Hyperscan cannot backtrack, so no expression of a policy can hold up a request. But its flag for the start of a match
crashes on some: `a+b` over 300 times `a` (library 5.4.11, a write to memory that is not its own), and an expression may
come with a clone. So only ends are asked for, and each start is found by scanning again what stands before its end:
the last possible start by halving, then further to the left as long as there is another one near.
"""

import re
from collections.abc import Iterator, Sequence

from redactors.patterns import Patterns
from redactors.terms import spelled

LONGEST = 512
"""Bytes of a match at most; of a longer one this much is found."""
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_SET = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_NEAR = 32  # bytes before a possible start in which another one is looked for: an optional beginning is shorter


def problem(expression: str) -> str:
    """Say why an expression cannot be searched for; empty if it can. A third of the cost of making `Expressions`."""
    try:
        _compile(0, Patterns([_over_bytes(0, expression)]))
    except ValueError as error:
        return str(error.args[1])
    return ""


class Expressions:
    """Finds what each of `expressions` matches, leftmost and longest. May be used from any thread.

    A character outside ASCII counts as one, however JSON escapes it. `ValueError` with the number of the expression
    that Hyperscan does not take, and why.
    """

    def __init__(self, expressions: Sequence[str]) -> None:
        bodies = [_over_bytes(number, expression) for number, expression in enumerate(expressions)]
        self._starting = [Patterns([b"^(?:%b)" % body]) for body in bodies]
        self._single = [Patterns([body]) for body in bodies]
        self._all = Patterns(bodies)
        for number, patterns in enumerate(zip(self._starting, self._single, strict=True)):
            _compile(number, *patterns)

    def spans(self, data: bytes) -> Iterator[tuple[int, int, int]]:
        """Give number of the expression, start and end of each match; those of one expression do not overlap."""
        done = [0] * len(self._single)
        for number, end in self._all.scan(data):
            if end > done[number]:
                start = self._start(data, number, max(done[number], end - LONGEST), end)
                done[number] = max(end, self._longest(data, number, start))
                yield number, start, done[number]

    def _start(self, data: bytes, number: int, low: int, end: int) -> int:
        """Find the first of the starts from `low` on of matches that end at `end`."""
        found, beyond = low, end
        while beyond - found > 1:  # a match begins at `found` or behind it, none at `beyond` or behind
            middle = (found + beyond) // 2
            if _ends(self._single[number], data[middle:end]):
                found = middle
            else:
                beyond = middle
        at = found
        while at > max(low, found - _NEAR):
            at -= 1
            if _ends(self._starting[number], data[at:end]):
                found = at
        return found

    def _longest(self, data: bytes, number: int, start: int) -> int:
        ends = self._starting[number].scan(data[start : start + LONGEST])
        return start + max((end for _, end in ends), default=0)


def _ends(patterns: Patterns, piece: bytes) -> bool:
    hits = patterns.scan(piece)
    return bool(hits) and hits[-1][1] == len(piece)


def _compile(number: int, *patterns: Patterns) -> None:
    import hyperscan  # noqa: PLC0415 (11 ms, for policies with expressions only)

    try:
        for one in patterns:
            one.scan(b"")
    except hyperscan.HyperscanError as error:
        raise ValueError(number, str(error)) from error


def _over_bytes(number: int, expression: str) -> bytes:
    """Give an expression as one over bytes; in a set a character outside ASCII would be its halves, so none may be."""
    for found in _SET.finditer(expression):
        if found[0].startswith("[") and not found[0].isascii():
            raise ValueError(
                number, f"characters outside ASCII cannot stand in a set: write `(?:ä|ö)` for `{found[0]}`"
            )
    return _NOT_ASCII.sub(lambda found: spelled(found[0]).decode(), expression).encode()

"""Which moments of a story a reviewer wants to see."""

import posixpath
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from redactors.expressions import Expressions, problem
from wrapper.errors import SafeAgentError
from wrapper.review.story import Moment

_AROUND: Final = 2  # lines shown before and after one that was looked for
_APART: Final = "…"


class ChoiceError(SafeAgentError):
    """A choice that cannot be made: an expression that is none."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be shown: kinds (none: all), a test for lines, a path or a folder; a moment must meet all of them."""

    kinds: frozenset[str] = frozenset()
    finds: Callable[[str], bool] | None = None
    path: str = ""

    def of(self, moments: Iterable[Moment]) -> Iterator[Moment]:
        """Yield the moments that are chosen; of those found by a line of many, that line and those around it."""
        for moment in moments:
            if self.kinds and moment.kind not in self.kinds:
                continue
            if self.path and not any(_below(path, self.path) for path in moment.paths):
                continue
            if self.finds is None or self.finds(moment.title):
                yield moment
            elif found := [at for at, line in enumerate(moment.lines) if self.finds(line)]:
                yield replace(moment, lines=tuple(_around(moment.lines, found)))


def expression(text: str) -> Callable[[str], bool]:
    """Return a test for lines that takes a time linear in their length, whatever the expression is.

    Raises ChoiceError for what is no expression, or one that cannot be had without backtracking.
    """
    wrong = problem(text)
    if wrong:
        hint = "no look-around and no back-references; `(?i)` before it ignores case"
        raise ChoiceError(f"--grep: `{text}` is no expression that can be searched for: {wrong}", hint=hint)
    expressions = Expressions([text])
    return lambda line: any(True for _ in expressions.spans(line.encode(errors="surrogatepass")))


def _below(path: str, wanted: str) -> bool:
    """Say whether `path` is the wanted one, lies below it, or ends in it."""
    one, other = posixpath.normpath(path), posixpath.normpath(wanted)
    return one == other or one.startswith(f"{other}/") or one.endswith(f"/{other}") or f"/{other}/" in one


def _around(lines: tuple[str, ...], found: list[int]) -> Iterator[str]:
    last = -1
    for at in sorted({near for one in found for near in range(one - _AROUND, one + _AROUND + 1)}):
        if 0 <= at < len(lines):
            if at != last + 1:
                yield _APART
            yield lines[at]
            last = at
    if last + 1 < len(lines):
        yield _APART

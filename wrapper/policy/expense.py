"""Whether an expression for Python's `re` can be searched for in any text without holding everything up; pure.

`re` backtracks, and an expression may come with a clone. So repetitions are counted as what they can cost at one place
of the text: they multiply one after the other, and one within another is refused, since that is where the cost grows
without measure. What is left is checked against `_MOST`. This says nothing about meaning; `parse` does that.
"""

from collections.abc import Sequence
from re import _constants, _parser  # type: ignore[attr-defined] # the parser of `re`, not described to type checkers
from typing import Any, Final

_MOST: Final = 50_000  # steps at one place: two gaps of 60 characters, and a few letters that may be missing
_ENDLESS: Final = 300  # what `*` counts for: two of them are too many
_BLANKS: Final = 4  # what repeated blanks count for: texts are searched with runs of blanks made one

_REPEATS: Final = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)
_ONCE: Final = (_constants.ASSERT, _constants.ASSERT_NOT, _constants.ATOMIC_GROUP)
_BLANK: Final = (
    (_constants.IN, [(_constants.CATEGORY, _constants.CATEGORY_SPACE)]),
    (_constants.LITERAL, ord(" ")),
)


def problem(regex: str) -> tuple[str, str]:
    """Say what makes the (valid) expression expensive, and what to do; empty if nothing."""
    parsed = list(_parser.parse(regex))
    if _begins_endless(parsed):
        return "begins with an endless repetition", "leave it out: the expression may match anywhere in the text"
    try:
        steps = _steps(parsed, repeated=False)
    except ValueError as error:
        return str(error), "say what stands between as `[^.]{0,60}`"
    return (
        ("may take too long", "bound the repetitions, as in `[^.]{0,60}`, and use few") if steps > _MOST else ("", "")
    )


def _begins_endless(items: Sequence[tuple[Any, Any]]) -> bool:
    """Whether what is tried at each place goes on to the end of the text: then the cost is its square."""
    consuming = [item for item in items if item[0] is not _constants.AT]
    if not consuming:
        return False
    kind, inner = consuming[0]
    if kind is _constants.SUBPATTERN:
        return _begins_endless(list(inner[-1]))
    return kind in _REPEATS and inner[1] is _constants.MAXREPEAT


def _steps(items: Sequence[tuple[Any, Any]], *, repeated: bool) -> int:
    """Multiply what `items` cost one after the other. Raises ValueError for a choice that is repeated.

    What only looks, and what gives nothing back, is tried once for each way to come to it.
    """
    ways = dearest = 1
    for item in items:
        cost = _cost(item, repeated=repeated)
        dearest = max(dearest, ways * cost)
        ways *= 1 if item[0] in _ONCE else cost
    return max(ways, dearest)


def _cost(item: tuple[Any, Any], *, repeated: bool) -> int:
    kind, inner = item
    if kind in _REPEATS:
        least, most, body = inner
        if repeated and least != most:
            raise ValueError("has a repetition within a repetition")
        within = _steps(list(body), repeated=repeated or most > 1)
        return within * _ways(least, most, list(body))
    if kind is _constants.BRANCH:
        if repeated:
            raise ValueError("has a choice within a repetition")
        return max(_steps(list(one), repeated=repeated) for one in inner[1])
    if kind in (_constants.SUBPATTERN, _constants.ASSERT, _constants.ASSERT_NOT):
        return _steps(list(inner[-1]), repeated=repeated)
    if kind is _constants.ATOMIC_GROUP:
        return _steps(list(inner), repeated=repeated)
    if kind is _constants.GROUPREF_EXISTS:
        return max(_steps(list(one or ()), repeated=repeated) for one in inner[1:])
    return 1


def _ways(least: Any, most: Any, body: list[tuple[Any, Any]]) -> int:
    if len(body) == 1 and body[0] in _BLANK:
        return min(int(most) - int(least) + 1, _BLANKS)
    return min(int(most) - int(least) + 1, _ENDLESS)

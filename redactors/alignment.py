"""Two runs of tokens laid beside each other: how far they agree when names may differ, if only they do so consistently.

Parameterised matching (Baker, "A theory of parameterized pattern matching", STOC 1993): two runs are the same but for
their names if each name stands as far behind its last use as its counterpart does. What stood before a run began does
not count: a piece that was cut out has lost it.
"""

import numpy as np

from redactors.idioms import neighbours
from redactors.tokens import Flags, Places, Small, Tokens, outline

MEMORY = 255
"""Tokens back that a name's last use is looked for: a link is a byte, and further names are often other variables."""
_PATTERN = 3  # tokens whose outline was there before in a run repeat it: fewer are in every line, more miss short rows
_FAR = 2 * MEMORY


def links(tokens: Tokens) -> Small:
    """Give for each token how many tokens ago the same name stood; 0 for none among the last `MEMORY`, and no name."""
    rows = np.flatnonzero(tokens.names)
    named = tokens.exact.take(rows)
    order = np.argsort(named, kind="stable")
    same = np.flatnonzero(named[order[1:]] == named[order[:-1]])
    rows = rows[order]
    back = rows[same + 1] - rows[same]
    linked = np.zeros(tokens.exact.size, np.uint8)
    linked[rows[same + 1]] = np.where(back <= MEMORY, back, 0)
    return linked


def consistent(mine: Small, theirs: Small) -> list[tuple[int, int]]:
    """Give the longest stretches in which names correspond one to one, in order; they may overlap.

    `mine`, `theirs`: links of runs of one length that agree but for their names.
    """
    if not mine.size:
        return []
    rows = np.arange(mine.size)
    nearer = np.minimum(*(np.where(each == 0, _FAR, each.astype(np.int64)) for each in (mine, theirs)))
    # Where links differ, no stretch may hold both ends of the shorter one.
    first = np.maximum.accumulate(np.where(mine == theirs, 0, np.maximum(rows - nearer + 1, 0)))
    ends = np.append(np.flatnonzero(first[1:] != first[:-1]) + 1, mine.size)
    return list(zip(first[ends - 1].tolist(), ends.tolist(), strict=True))


def repeated(tokens: Tokens) -> Flags:
    """Tell which tokens only go on as an earlier part of the same run did: the rows of a table, a list of setters."""
    known = np.ones(tokens.exact.size, np.bool_)
    _, fresh = np.unique(neighbours(outline(tokens), _PATTERN), return_index=True)
    known[: _PATTERN - 1] = False
    known[fresh + _PATTERN - 1] = False
    return known


def evidence(worth: Small, known: Flags, shortest: int, drift: int) -> int:
    """Give what the best part of a run proves, of `shortest` tokens at least: the sum of what its tokens are worth.

    A known token counts a tenth; `drift` is taken off for each, or a table that is long enough would prove anything.
    """
    if worth.size < shortest:
        return 0
    each = worth.astype(np.int64)
    each[known] //= 10
    total = np.concatenate((_NOTHING, np.cumsum(each - drift)))
    before: Places = np.minimum.accumulate(total[: total.size - shortest])
    return int((total[shortest:] - before).max())


_NOTHING = np.zeros(1, np.int64)

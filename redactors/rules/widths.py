r"""How many characters a regular expression can match, read from the expression alone.

Knows what rules are written in: characters, classes, groups, alternatives, repeats, look-around (of no width). In a
class, a backslash escapes the next character; there are no back-references (Hyperscan has none). ASCII expressions:
characters are bytes.
"""

import re

UNBOUNDED = 1 << 30
"""Greatest width of an expression with a repeat that has no upper bound."""

TOKEN = re.compile(
    r"""(?sx)
    (?P<look> \(\?<?[=!] ) | \(\?[a-zA-Z]+\) | (?P<open> \((?:\?(?:P<\w+>|[a-zA-Z-]*:|>))? ) | (?P<close> \) )
    | (?P<or> \| ) | (?P<nothing> [\^$] | \\[bBAZz] )
    | (?P<repeat> \{(?P<least>\d+)(?P<comma>,(?P<most>\d*))?\} | [*+?] ) [?+]?
    | (?P<one> \\x[0-9a-fA-F]{2} | \\. | \[\^?\]?(?:\\.|[^\\\]])*\] | . )
    """
)
"""What an expression is made of; flags for all that follows belong to no group."""
_Width = tuple[int, int]
_NOTHING: _Width = (0, 0)
_SIGNS = {"*": (0, UNBOUNDED), "+": (1, UNBOUNDED), "?": (0, 1)}


class _Group:
    """The alternatives of one group so far, and the items of the last of them."""

    def __init__(self, *, looks: bool = False) -> None:
        self._looks = looks
        self._done: list[_Width] = []
        self.items: list[_Width] = []

    def alternate(self) -> None:
        self._done.append((sum(least for least, _ in self.items), sum(most for _, most in self.items)))
        self.items = []

    def width(self) -> _Width:
        self.alternate()
        if self._looks:
            return _NOTHING
        return min(least for least, _ in self._done), min(UNBOUNDED, max(most for _, most in self._done))


def widths(regex: str) -> tuple[int, int]:
    """Give the least and the greatest number of characters of a match; `ValueError` for groups that do not pair."""
    groups = [_Group()]
    for token in TOKEN.finditer(regex):
        if token["open"] or token["look"]:
            groups.append(_Group(looks=bool(token["look"])))
        elif token["close"]:
            closed = groups.pop()
            if not groups:
                raise ValueError(f"`{regex}` closes a group that it did not open")
            groups[-1].items.append(closed.width())
        elif token["or"]:
            groups[-1].alternate()
        elif token["repeat"]:
            groups[-1].items.append(_times(groups[-1].items.pop(), token))
        elif token["one"]:
            groups[-1].items.append((1, 1))
        elif token["nothing"]:
            groups[-1].items.append(_NOTHING)
    if len(groups) > 1:
        raise ValueError(f"`{regex}` opens a group that it does not close")
    return groups[0].width()


def _times(item: _Width, token: re.Match[str]) -> _Width:
    if token["least"] is None:
        least, most = _SIGNS[token["repeat"]]
    else:
        least = int(token["least"])
        most = least if not token["comma"] else int(token["most"]) if token["most"] else UNBOUNDED
    return item[0] * least, min(UNBOUNDED, item[1] * most)

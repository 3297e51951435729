r"""What stands of a match before a line end in it, as regular expressions read from the expression of the match.

A match of `key:\s{0,3}[a-z]+` that spans lines begins with one of `key:\s{1,3}`. Such an *opening* may match more than
there is: it takes a class for a line end if the class may match one under any flags. It never matches less: of a match
of the expression, all that stands before the end of any line feed in it is matched by one of its openings.
"""

import re

from redactors.rules.widths import TOKEN, widths

_SIGNS = {"*": None, "+": None, "?": 1}
_FLAGS = re.compile(r"\(\?[a-zA-Z]+\)")
_UNLIKE = re.compile(r"\\v|\[:\^?[a-z]+:")  # of a class too: `re` takes these for other characters than Hyperscan


class _Group:
    """The alternatives of one group so far, and what stands in the last of them: each the text and its openings."""

    def __init__(self, begin: str) -> None:
        self._begin = begin
        self._texts: list[str] = []
        self._openings: list[str] = []
        self.items: list[tuple[str, list[str]]] = []

    def alternate(self) -> None:
        before = ""
        for text, openings in self.items:
            self._openings += [before + opening for opening in openings]
            before += text
        self._texts.append(before)
        self.items = [item for item in self.items if _FLAGS.fullmatch(item[0])]  # they hold for the next one too

    def closed(self, end: str) -> tuple[str, list[str]]:
        self.alternate()
        return self._begin + "|".join(self._texts) + end, [self._begin + one + end for one in self._openings]


def openings(regex: str, *, longer: int) -> list[str]:
    """Give the openings of `regex` that may be `longer` than so many characters; `ValueError` as from `widths`."""
    widths(regex)  # groups that do not pair
    groups = [_Group("")]
    for token in TOKEN.finditer(regex):
        if token["open"] or token["look"]:
            groups.append(_Group(token[0]))
        elif token["close"]:
            closed = groups.pop().closed(token[0])
            groups[-1].items.append(closed)
        elif token["or"]:
            groups[-1].alternate()
        elif token["repeat"]:
            text, begun = groups[-1].items.pop()
            groups[-1].items.append((text + token[0], [_again(text, token) + one for one in begun]))
        else:
            is_line_end = token["one"] is not None and _may_end_line(token["one"])
            groups[-1].items.append((token[0], [token[0]] if is_line_end else []))
    return [one for one in groups[0].closed("")[1] if widths(one)[1] > longer]


def _again(text: str, token: re.Match[str]) -> str:
    """Give what stands before the last turn of a repeat, whichever it is."""
    if token["least"] is None:
        most = _SIGNS[token["repeat"]]
    else:
        most = int(token["most"] or 0) or None if token["comma"] else int(token["least"])
    return f"{text}*" if most is None else f"{text}{{0,{most - 1}}}" if most > 1 else ""


def _may_end_line(one: str) -> bool:
    if _UNLIKE.search(one):
        return True
    try:
        return re.match(one.encode("ascii"), b"\n", re.DOTALL) is not None
    except re.error:
        return True  # Hyperscan may know it

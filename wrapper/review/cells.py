"""The cells of a line on a terminal's screen, and what is taken from pyte to have them."""

from functools import lru_cache
from typing import Final

from wrapper.errors import SafeAgentError

try:
    import pyte.graphics as looks
    from pyte import modes
    from pyte.screens import Char, Cursor, Margins, StaticDefaultDict
    from pyte.screens import Screen as Pyte
    from wcwidth import wcwidth
except ImportError as error:
    raise SafeAgentError(
        "what stood on the screen cannot be worked out: the package `pyte` is not installed",
        hint="install safe-agent with its extra `review`",
    ) from error

__all__ = ["BLANK", "SPACE", "Char", "Cursor", "Line", "Margins", "Pyte", "looks", "modes", "pen", "width"]

BLANK: Final = Char(" ")
SPACE: Final = " "

width: Final = lru_cache(maxsize=1 << 14)(wcwidth)


class Line(StaticDefaultDict[int, Char]):
    """The cells of one line by column; `goes_on` says that what it holds goes on in the next line (it was wrapped).

    `changed` says that it was not looked at since it changed; `seen` is kept for whoever looks.
    """

    def __init__(self, default: Char = BLANK) -> None:
        super().__init__(default)
        self.goes_on = False
        self.changed = False
        self.seen: frozenset[tuple[int, str]] = frozenset()
        self._text: str | None = None

    def touch(self) -> None:
        """Note that cells change."""
        self.changed = True
        self._text = None

    def text(self) -> str:
        """Return what stands in the line, blanks up to the last cell that was written."""
        if self._text is None:
            self._text = "".join([self[x].data if x in self else SPACE for x in range(max(self, default=-1) + 1)])
        return self._text

    def copy(self) -> "Line":
        """Return a line of the same cells."""
        line = Line(self.default)
        line.update(self)
        line.goes_on, line.changed, line.seen = self.goes_on, self.changed, self.seen
        return line


class Pen(dict[str, Char]):
    """The cells of letters in one rendition, made once each."""

    def __init__(self, attrs: Char) -> None:
        super().__init__()
        self._attrs = attrs

    def __missing__(self, letter: str) -> Char:
        cell = self[letter] = self._attrs._replace(data=letter)
        return cell


@lru_cache(maxsize=256)
def pen(attrs: Char) -> Pen:
    """Return the cells of letters that look like `attrs`."""
    return Pen(attrs)

"""Lines of text in named tones, and the base of the widgets that draw them row by row.

No text ever passes through markup: a line is a tuple of pieces, a piece is a text and the name of its tone. A text that
came out of a log goes through `said`, which leaves nothing in it that a terminal would act on.
"""

from collections.abc import Iterator
from typing import ClassVar, Final

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from textual.scroll_view import ScrollView
from textual.strip import Strip

from wrapper.review.render import printable

Piece = tuple[str, str]
Line = tuple[Piece, ...]

TONES: Final = ("plain", "dim", "strong", "accent", "good", "warn", "bad", "new", "gone", "hunk", "mark")
_MOST_CELLS: Final = 4_000  # of one line; what is longer is no text that a person reads in a terminal
_BREAK_AFTER: Final = 2 / 3  # of the width: a line is broken at a blank behind that, else in a word


def said(text: str, tone: str = "plain") -> Piece:
    """Make a piece of a text that anybody may have written."""
    return printable(text), tone


def clipped(text: str, width: int, *, left: bool = False) -> str:
    """Cut a text to `width` cells, its beginning where `left` says so, and fill it up to them."""
    if cell_len(text) > width:
        room = max(width - 1, 0)
        if left:
            rest = text
            while cell_len(rest) > room:
                rest = rest[max(1, len(rest) - room) :] if len(rest) > room else rest[1:]
            text = f"…{rest}"
        else:
            text = f"{next(iter(chop_cells(text[: room * 4], room)), '')}…" if room else "…"
    return text + " " * (width - cell_len(text))


def folded(line: Line, width: int) -> Iterator[Line]:
    """Break a line into lines of at most `width` cells, at blanks where it can."""
    text = "".join(piece for piece, _ in line)
    if cell_len(text) <= width:
        yield line
        return
    pieces = list(line)
    for length in _lengths(text[:_MOST_CELLS], max(width, 2)):
        yield tuple(_taken(pieces, length))
    if len(text) > _MOST_CELLS:
        yield ((f"… {len(text) - _MOST_CELLS} more characters in this line", "dim"),)


def _lengths(text: str, width: int) -> Iterator[int]:
    while text:
        length = len(chop_cells(text[: width * 4], width)[0])
        blank = text.rfind(" ", 0, length) + 1
        if length < len(text) and blank > width * _BREAK_AFTER:
            length = blank
        yield length
        text = text[length:]


def _taken(pieces: list[Piece], length: int) -> Iterator[Piece]:
    while length and pieces:
        text, tone = pieces[0]
        yield text[:length], tone
        if len(text) > length:
            pieces[0] = (text[length:], tone)
        else:
            del pieces[0]
        length -= min(length, len(text))


class Painted(ScrollView):
    """A widget that draws the rows which are seen, and only those."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"tone--{tone}" for tone in TONES}
    DEFAULT_CSS = """
    Painted { background: $background; scrollbar-size-vertical: 1; overflow-x: hidden; }
    Painted .tone--plain { color: $foreground; }
    Painted .tone--dim { color: $foreground 60%; }
    Painted .tone--strong { color: $foreground; text-style: bold; }
    Painted .tone--accent { color: $text-primary; text-style: bold; }
    Painted .tone--good { color: $text-success; }
    Painted .tone--warn { color: $text-warning; }
    Painted .tone--bad { color: $text-error; text-style: bold; }
    Painted .tone--new { color: $text-success; background: $success-muted; }
    Painted .tone--gone { color: $text-error; background: $error-muted; }
    Painted .tone--hunk { color: $text-secondary; }
    Painted .tone--mark { color: $text-warning; text-style: reverse; }
    """

    @property
    def width(self) -> int:
        """How many cells of a row are seen."""
        return self.scrollable_content_region.width

    def strip(self, line: Line, over: Style | None = None) -> Strip:
        """Draw one line over the whole width; `over` lies on top of its tones."""
        base = self.rich_style if over is None else self.rich_style + over
        segments = [
            Segment(text, self.rich_style + self.get_component_rich_style(f"tone--{tone}") + (over or Style.null()))
            for text, tone in line
            if text
        ]
        return Strip(segments).adjust_cell_length(self.width, base)

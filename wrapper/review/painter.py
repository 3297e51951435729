"""Paints a screen of ours onto a reviewer's terminal; pure.

Nothing of what was recorded is passed through: what goes out is made of letters and colours of cells, and of sequences
of our own, all of which are undone by `LEAVE`. So a recording cannot act on the terminal, whatever it holds.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from wrapper.review.cells import Char, Line, looks, width
from wrapper.review.screen import Screen

ENTER: Final = b"\x1b[?1049h\x1b[?7l\x1b[0m\x1b[H\x1b[2J"  # the alternate screen, without wrapping
LEAVE: Final = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
_HIDE: Final = b"\x1b[?25l"
_SHOW: Final = b"\x1b[?25h"
_FOREGROUND: Final = {name: str(number) for number, name in (looks.FG_ANSI | looks.FG_AIXTERM).items()}
_BACKGROUND: Final = {name: str(number) for number, name in (looks.BG_ANSI | looks.BG_AIXTERM).items()}
_STYLES: Final = (
    ("bold", "1"), ("italics", "3"), ("underscore", "4"), ("blink", "5"), ("reverse", "7"), ("strikethrough", "9"),
)  # fmt: skip
_HEX: Final = 6  # letters of a colour in red, green and blue


class Painter:
    """A terminal of `columns` by `rows`, of which the last line says where we are."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = max(columns, 1)
        self.rows = max(rows, 1)
        self._shown: list[bytes | None] = [None] * self.rows

    @property
    def room(self) -> int:
        """Lines that a recorded screen has."""
        return self.rows - 1

    def fits(self, screen: Screen) -> bool:
        """Whether the whole screen can be seen."""
        return screen.columns <= self.columns and screen.rows <= self.room

    def paint(self, screen: Screen, status: str) -> bytes:
        """Return what makes the terminal show the screen, where it changed; the cursor's line is always among it."""
        top = min(max(0, screen.cursor.y - self.room + 1), max(0, screen.rows - self.room))
        rows = [
            row_of(screen.line(top + y), min(self.columns, screen.columns)) if top + y < screen.rows else b""
            for y in range(self.room)
        ]
        rows.append(f"\x1b[7m{status[: self.columns]:<{self.columns}}".encode())
        changed = list(self._change(rows))
        return b"".join((_HIDE, *changed, self._cursor(screen, top)))

    def _change(self, rows: list[bytes]) -> Iterator[bytes]:
        for y, row in enumerate(rows):
            if row != self._shown[y]:
                self._shown[y] = row
                yield b"\x1b[%d;1H\x1b[0m\x1b[K%s\x1b[0m" % (y + 1, row)

    def _cursor(self, screen: Screen, top: int) -> bytes:
        x, y = min(screen.cursor.x, screen.columns - 1), screen.cursor.y - top
        if screen.cursor.hidden or x >= self.columns or not 0 <= y < self.room:
            return b""
        return b"\x1b[%d;%dH%s" % (y + 1, x + 1, _SHOW)


def row_of(line: Line, columns: int) -> bytes:
    """Return the first cells of a line with their colours, without blanks at the end."""
    cells = [line[x] for x in range(min(columns, max(line, default=-1) + 1))]
    while cells and cells[-1].data == " " and cells[-1].bg == "default" and not cells[-1].reverse:
        cells.pop()
    if cells and len(cells) == columns and width(cells[-1].data[:1]) > 1:
        cells[-1] = cells[-1]._replace(data=" ")  # half of it would not fit
    return "".join(_written(cells)).encode()


def _written(cells: list[Char]) -> Iterator[str]:
    look = ""
    for cell in cells:
        wanted = _look(cell._replace(data=""))
        if wanted != look:
            look = wanted
            yield f"\x1b[0{wanted}m"
        yield cell.data


@lru_cache(maxsize=1 << 10)
def _look(cell: Char) -> str:
    """Return the parameters of SGR that follow a reset."""
    styles = [number for name, number in _STYLES if getattr(cell, name)]
    colours = _colour(cell.fg, _FOREGROUND, 38), _colour(cell.bg, _BACKGROUND, 48)
    return "".join(f";{number}" for number in (*styles, *colours) if number)


def _colour(name: str, names: dict[str, str], kind: int) -> str:
    if name == "default":
        return ""
    if name in names:
        return names[name]
    if len(name) != _HEX:  # numbers above 255: no colour
        return ""
    red, green, blue = (int(name[at : at + 2], 16) for at in (0, 2, 4))
    return f"{kind};2;{red};{green};{blue}"

"""The cells of a terminal's screen: pyte's, with what it lacks.

Lacking in pyte 0.8: the alternate screen, scrolling by SU and SD, REP, one saved cursor as terminals have it (its stack
grows without end), movements outside of the scroll region, halves of wide letters, lines that know that they go on in
the next one, and speed. Nothing here raises, whatever the numbers.
"""

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from wrapper.review.cells import BLANK, SPACE, Char, Cursor, Line, Margins, Pyte, modes, pen, width

MOST_COLUMNS: Final = 1000  # of a window; wider ones are cut, since every cell costs memory
MOST_ROWS: Final = 500
_MOST_MARKS: Final = 4  # marks on one letter; more of them hide what stands around
_MOST_PENS: Final = 1 << 12
_ON: Final = frozenset({modes.DECAWM, modes.DECTCEM})


class Matrix(Pyte):
    """A screen of `columns` by `lines`. `losing(y)` is called before cells of line `y` that changed are lost."""

    def __init__(self, columns: int, lines: int, losing: Callable[[int], None] | None = None) -> None:
        self._losing = losing
        self._other: tuple[Any, Cursor] | None = None  # the main screen while the alternate one is shown
        self._saved: tuple[Cursor, bool] | None = None
        self._last = SPACE
        self._pens: dict[tuple[Char, tuple[int, ...]], Char] = {}
        super().__init__(columns, lines)
        self.buffer = self._blank_screen()

    @staticmethod
    def _blank_screen() -> Any:
        return defaultdict(Line)

    @property
    def default_char(self) -> Char:
        """A blank; reverse video of the whole screen (DECSCNM) is not followed."""
        return BLANK

    def line(self, y: int) -> Line:
        """Return line `y`, to be looked at."""
        line = self.buffer[y]
        assert isinstance(line, Line)  # noqa: S101 (the buffer is ours)
        return line

    def reset(self) -> None:
        """Begin anew (RIS)."""
        if self._other is not None:
            self.show_main()
        self.lose(range(self.lines))
        super().reset()
        self._saved = None

    def soft_reset(self) -> None:
        """Take modes, margins and rendition back (DECSTR)."""
        self.mode = set(_ON)
        self.margins = None
        self.cursor.attrs = BLANK
        self.cursor.hidden = False

    def lose(self, rows: Iterable[int]) -> None:
        """Let what changed in these lines be looked at: it is about to change again."""
        if self._losing is None:
            return
        for y in rows:
            if y in self.buffer and self.line(y).changed:
                self._losing(y)

    # drawing

    def draw(self, data: str) -> None:
        """Draw letters, none of them a control character."""
        if not data:
            return
        self._last = data[-1]
        if data.isascii() or all(width(letter) == 1 for letter in data):
            self._draw_narrow(data)
            return
        for letter in data:
            cells = width(letter)
            if cells == 1:
                self._draw_narrow(letter)
            elif cells == 2:  # UAX 11: wide letters take two cells
                self._draw_wide(letter)
            elif cells == 0:
                self._draw_mark(letter)

    def _draw_narrow(self, text: str) -> None:
        while text:
            room = self._room(1)
            part, text = text[:room], text[room:]
            if (
                text and modes.DECAWM not in self.mode
            ):  # each letter takes the place of the one before in the last column
                part, text = part[:-1] + text[-1], ""
            self._put(part)

    def _draw_wide(self, letter: str) -> None:
        if self.columns > 1:
            self._room(2)
            self._put((letter, ""))

    def _draw_mark(self, letter: str) -> None:
        x, line = self.cursor.x, self.line(self.cursor.y)
        at = x - 1 if x and line[x - 1].data else x - 2
        if at in line and len(line[at].data) <= _MOST_MARKS:
            line[at] = line[at]._replace(data=line[at].data + letter)
            line.touch()

    def _room(self, needed: int) -> int:
        """Return how many cells there are behind the cursor; where not `needed` ones, go on in the next line."""
        room = self.columns - self.cursor.x
        if room >= needed:
            return room
        if modes.DECAWM not in self.mode:
            self.cursor.x = self.columns - needed
            return needed
        self.line(self.cursor.y).goes_on = True
        self.cursor.x = 0
        self.linefeed()
        return self.columns

    def _put(self, cells: Sequence[str]) -> None:
        if modes.IRM in self.mode:
            self.insert_characters(len(cells))
        x, y = self.cursor.x, self.cursor.y
        line = self.line(y)
        end = x + len(cells)
        if line:
            if (
                self._losing is not None
                and line.changed
                and any(line[at].data.strip() for at in range(x, end) if at in line)
            ):
                self._losing(y)
            self._mend(line, x, end)
        made = pen(self.cursor.attrs)
        line.update(zip(range(x, end), map(made.__getitem__, cells), strict=True))
        line.touch()
        if end == self.columns:
            line.goes_on = False  # until the next letter says so
        self.cursor.x = end

    @staticmethod
    def _mend(line: Line, x: int, end: int) -> None:
        """Blank the other halves of wide letters that are cut at `x` and `end`."""
        if x in line and not line[x].data and x - 1 in line:
            line[x - 1] = line[x - 1]._replace(data=SPACE)
        if end in line and not line[end].data:
            line[end] = line[end]._replace(data=SPACE)

    def select_graphic_rendition(self, *attrs: int) -> None:
        """Change how letters look (SGR). Programs say the same few things over and over: what they mean is kept."""
        key = self.cursor.attrs, attrs
        meant = self._pens.get(key)
        if meant is None:
            super().select_graphic_rendition(*attrs)
            if len(self._pens) < _MOST_PENS:
                self._pens[key] = self.cursor.attrs
        else:
            self.cursor.attrs = meant

    def repeat(self, count: int) -> None:
        """Draw the last letter again (REP)."""
        self.draw(self._last * min(count or 1, self.columns * self.lines))

    # the cursor

    def cursor_up(self, count: int | None = None) -> None:
        """Move up, to the upper margin, or from above it to the edge."""
        top = self.margins.top if self.margins and self.cursor.y >= self.margins.top else 0
        self.cursor.y = max(self.cursor.y - (count or 1), top)

    def cursor_down(self, count: int | None = None) -> None:
        """Move down, to the lower margin, or from below it to the edge."""
        bottom = self.margins.bottom if self.margins and self.cursor.y <= self.margins.bottom else self.lines - 1
        self.cursor.y = min(self.cursor.y + (count or 1), bottom)

    def cursor_to_line(self, line: int | None = None) -> None:
        """Move to a line (VPA)."""
        top = self.margins.top if self.margins and modes.DECOM in self.mode else 0
        self.cursor.y = (line or 1) - 1 + top
        self.ensure_vbounds()

    def backtab(self, count: int) -> None:
        """Move to the tab stop before (CBT)."""
        for _ in range(min(count or 1, self.columns)):
            self.cursor.x = max((stop for stop in self.tabstops if stop < self.cursor.x), default=0)

    def tabs(self, count: int) -> None:
        """Move some tab stops on (CHT)."""
        for _ in range(min(count or 1, self.columns)):
            self.tab()

    def save_cursor(self) -> None:
        """Keep the cursor, with its rendition and the origin mode (DECSC)."""
        self._saved = copy.copy(self.cursor), modes.DECOM in self.mode

    def restore_cursor(self) -> None:
        """Bring the kept cursor back (DECRC)."""
        kept, origin = self._saved or (Cursor(0, 0, BLANK), False)
        hidden = self.cursor.hidden
        self.cursor = copy.copy(kept)
        self.cursor.hidden = hidden
        (self.mode.add if origin else self.mode.discard)(modes.DECOM)
        self.ensure_hbounds()
        self.ensure_vbounds()

    def next_line(self) -> None:
        """Move to the beginning of the next line (NEL)."""
        self.carriage_return()
        self.index()

    # lines that move

    def set_region(self, top: int = 0, bottom: int = 0) -> None:
        """Let only these lines scroll, counted from 1 (DECSTBM); 0 is the screen's edge."""
        first, last = max(top, 1), min(bottom or self.lines, self.lines)
        if first < last:
            self.margins = None if (first, last) == (1, self.lines) else Margins(first - 1, last - 1)
            self.cursor_position()

    def _region(self) -> Margins:
        return self.margins or Margins(0, self.lines - 1)

    def index(self) -> None:
        """Move down one line; at the lower margin the lines go up."""
        if self.cursor.y == self._region().bottom:
            self.scroll_up(1)
        else:
            self.cursor_down()

    def reverse_index(self) -> None:
        """Move up one line; at the upper margin the lines go down."""
        if self.cursor.y == self._region().top:
            self.scroll_down(1)
        else:
            self.cursor_up()

    def scroll_up(self, count: int) -> None:
        """Take lines out at the upper margin (SU)."""
        top, bottom = self._region()
        self._take_out(top, bottom, count)

    def scroll_down(self, count: int) -> None:
        """Put blank lines in at the upper margin (SD)."""
        top, bottom = self._region()
        self._put_in(top, bottom, count)

    def insert_lines(self, count: int | None = None) -> None:
        """Put blank lines in at the cursor (IL)."""
        top, bottom = self._region()
        if top <= self.cursor.y <= bottom:
            self._put_in(self.cursor.y, bottom, count or 1)
            self.carriage_return()

    def delete_lines(self, count: int | None = None) -> None:
        """Take lines out at the cursor (DL)."""
        top, bottom = self._region()
        if top <= self.cursor.y <= bottom:
            self._take_out(self.cursor.y, bottom, count or 1)
            self.carriage_return()

    def _take_out(self, top: int, bottom: int, count: int) -> None:
        count = min(max(count, 1), bottom - top + 1)
        self.lose(range(top, top + count))
        lines = self.buffer
        for y in range(top, bottom + 1 - count):
            lines[y] = lines[y + count]
        for y in range(bottom + 1 - count, bottom + 1):
            lines[y] = Line()

    def _put_in(self, top: int, bottom: int, count: int) -> None:
        count = min(max(count, 1), bottom - top + 1)
        self.lose(range(bottom + 1 - count, bottom + 1))
        lines = self.buffer
        for y in range(bottom, top + count - 1, -1):
            lines[y] = lines[y - count]
        for y in range(top, top + count):
            lines[y] = Line()

    # what is erased

    def insert_characters(self, count: int | None = None) -> None:
        """Move the rest of the line to the right (ICH)."""
        self._shift(count or 1)

    def delete_characters(self, count: int | None = None) -> None:
        """Move the rest of the line to the left (DCH)."""
        self._shift(-(count or 1))

    def _shift(self, by: int) -> None:
        self.lose((self.cursor.y,))
        x, line = self.cursor.x, self.line(self.cursor.y)
        moved = {at + by: line.pop(at) for at in [at for at in line if at >= x]}
        line.update({at: cell for at, cell in moved.items() if x <= at < self.columns})
        line.touch()

    def erase_characters(self, count: int | None = None) -> None:
        """Blank some cells from the cursor on (ECH)."""
        self._erase(self.cursor.y, self.cursor.x, min(self.cursor.x + (count or 1), self.columns))

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:  # noqa: FBT001, FBT002 (pyte's signature)
        """Blank the line from the cursor on, up to it, or whole (EL)."""
        del private
        start = 0 if how else self.cursor.x
        self._erase(self.cursor.y, start, self.cursor.x + 1 if how == 1 else self.columns)

    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        """Blank the screen from the cursor on, up to it, or whole (ED)."""
        del args, kwargs
        if how > 2:  # the scrollback, which is no part of the screen
            return
        rows = (range(self.cursor.y + 1, self.lines), range(self.cursor.y), range(self.lines))[how]
        for y in rows:
            self._erase(y, 0, self.columns)
        if how < 2:  # ED 0 and 1 are about the cursor's line, too
            self.erase_in_line(how)

    def _erase(self, y: int, start: int, end: int) -> None:
        self.lose((y,))
        line = self.line(y)
        blank = self.cursor.attrs._replace(data=SPACE)
        if blank.bg != "default":
            line.update(dict.fromkeys(range(start, end), blank))  # what is erased takes the colour behind letters
        elif start == 0 and end == self.columns:
            line.clear()
        else:
            for at in [at for at in line if start <= at < end]:
                del line[at]
        if end == self.columns:
            line.goes_on = False
        line.touch()

    # both screens

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown."""
        return self._other is not None

    def show_alternate(self) -> None:
        """Show the alternate screen, blank."""
        if self._other is None:
            self.lose(range(self.lines))
            self._other = self.buffer, copy.copy(self.cursor)
            self.buffer = self._blank_screen()

    def show_main(self) -> None:
        """Show the main screen as it was left."""
        if self._other is not None:
            self.lose(range(self.lines))
            self.buffer, _ = self._other
            self._other = None

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """Take another size; where there are fewer lines, those above the cursor go first."""
        lines, columns = lines or self.lines, columns or self.columns
        self.lose(range(self.lines))
        above = max(0, self.cursor.y - lines + 1)
        for buffer in (self.buffer, *(self._other[:1] if self._other else ())):
            kept = {y - above: line for y, line in buffer.items() if above <= y < above + lines}
            buffer.clear()
            for y, line in kept.items():
                for at in [at for at in line if at >= columns]:
                    del line[at]
                buffer[y] = line
                line.touch()
        self.lines, self.columns = lines, columns
        self.tabstops.update(range(8, columns, 8))
        self.margins = None
        self.cursor.y -= above
        self.ensure_hbounds()
        self.ensure_vbounds()

    def twin(self) -> "Matrix":
        """Return a screen that shows the same and goes on by itself; nobody looks at what it loses."""
        other = Matrix(self.columns, self.lines)
        other.__dict__.update(self.__dict__ | {"_losing": None})
        other.buffer = self._copied(self.buffer)
        other.cursor = copy.copy(self.cursor)
        other.mode, other.tabstops, other.dirty = set(self.mode), set(self.tabstops), set()
        other.keep_main(self._other)
        return other

    def keep_main(self, main: tuple[Any, Cursor] | None) -> None:
        """Take a copy of another screen's main one."""
        self._other = None if main is None else (self._copied(main[0]), copy.copy(main[1]))

    def _copied(self, lines: Any) -> Any:
        buffer = self._blank_screen()
        buffer.update({y: line.copy() for y, line in lines.items()})
        return buffer

"""What stands on a terminal's screen, worked out from its output."""

import copy
from collections.abc import Callable
from typing import Final

from wrapper.review.cells import Cursor, Line
from wrapper.review.controls import Controls
from wrapper.review.matrix import MOST_COLUMNS, MOST_ROWS, Matrix

_COLUMNS, _ROWS = 80, 24  # where nobody said
_LATER_SCREENS: Final = frozenset({47, 1047, 1049})
_WITH_CURSOR: Final = 1049
_CURSOR: Final = 1048
_PRIVATE: Final = frozenset({6, 7, 25})  # origin, autowrap, cursor shown: what pyte does right
_ANSI: Final = frozenset({4, 20})  # insert, new line
_Act = Callable[[Matrix, tuple[int, ...]], None]


def _first(params: tuple[int, ...]) -> int:
    return params[0] if params else 0


_ACTS: Final[dict[str, _Act]] = {
    "\b": lambda matrix, _: matrix.backspace(),
    "\t": lambda matrix, _: matrix.tab(),
    "\n": lambda matrix, _: matrix.linefeed(),
    "\v": lambda matrix, _: matrix.linefeed(),
    "\f": lambda matrix, _: matrix.linefeed(),
    "\r": lambda matrix, _: matrix.carriage_return(),
    "\x1b7": lambda matrix, _: matrix.save_cursor(),
    "\x1b8": lambda matrix, _: matrix.restore_cursor(),
    "\x1bD": lambda matrix, _: matrix.index(),
    "\x1bE": lambda matrix, _: matrix.next_line(),
    "\x1bH": lambda matrix, _: matrix.set_tab_stop(),
    "\x1bM": lambda matrix, _: matrix.reverse_index(),
    "\x1bc": lambda matrix, _: matrix.reset(),
    "[!p": lambda matrix, _: matrix.soft_reset(),
    "[@": lambda matrix, params: matrix.insert_characters(_first(params)),
    "[A": lambda matrix, params: matrix.cursor_up(_first(params)),
    "[B": lambda matrix, params: matrix.cursor_down(_first(params)),
    "[C": lambda matrix, params: matrix.cursor_forward(_first(params)),
    "[D": lambda matrix, params: matrix.cursor_back(_first(params)),
    "[E": lambda matrix, params: matrix.cursor_down1(_first(params)),
    "[F": lambda matrix, params: matrix.cursor_up1(_first(params)),
    "[G": lambda matrix, params: matrix.cursor_to_column(_first(params)),
    "[H": lambda matrix, params: matrix.cursor_position(*params[:2]),
    "[I": lambda matrix, params: matrix.tabs(_first(params)),
    "[J": lambda matrix, params: matrix.erase_in_display(_first(params)),
    "[K": lambda matrix, params: matrix.erase_in_line(_first(params)),
    "[L": lambda matrix, params: matrix.insert_lines(_first(params)),
    "[M": lambda matrix, params: matrix.delete_lines(_first(params)),
    "[P": lambda matrix, params: matrix.delete_characters(_first(params)),
    "[S": lambda matrix, params: matrix.scroll_up(_first(params)),
    "[T": lambda matrix, params: matrix.scroll_down(_first(params)) if len(params) == 1 else None,
    "[X": lambda matrix, params: matrix.erase_characters(_first(params)),
    "[Z": lambda matrix, params: matrix.backtab(_first(params)),
    "[`": lambda matrix, params: matrix.cursor_to_column(_first(params)),
    "[a": lambda matrix, params: matrix.cursor_forward(_first(params)),
    "[b": lambda matrix, params: matrix.repeat(_first(params)),
    "[d": lambda matrix, params: matrix.cursor_to_line(_first(params)),
    "[e": lambda matrix, params: matrix.cursor_down(_first(params)),
    "[f": lambda matrix, params: matrix.cursor_position(*params[:2]),
    "[g": lambda matrix, params: matrix.clear_tab_stop(_first(params)),
    "[m": lambda matrix, params: matrix.select_graphic_rendition(*params),
    "[r": lambda matrix, params: matrix.set_region(*params[:2]),
    "[s": lambda matrix, params: matrix.save_cursor() if params == (0,) else None,
    "[u": lambda matrix, params: matrix.restore_cursor() if params == (0,) else None,
    "[h": lambda matrix, params: matrix.set_mode(*_ANSI.intersection(params)),
    "[l": lambda matrix, params: matrix.reset_mode(*_ANSI.intersection(params)),
    "[?h": lambda matrix, params: _switch(matrix, params, on=True),
    "[?l": lambda matrix, params: _switch(matrix, params, on=False),
}


def _switch(matrix: Matrix, modes: tuple[int, ...], *, on: bool) -> None:
    change = matrix.set_mode if on else matrix.reset_mode
    for mode in modes:
        if mode in _PRIVATE:
            change(mode, private=True)
        elif mode == _CURSOR:
            (matrix.save_cursor if on else matrix.restore_cursor)()
        elif mode in _LATER_SCREENS:
            if on and mode == _WITH_CURSOR and not matrix.alternate:
                matrix.save_cursor()
            was_alternate = matrix.alternate
            (matrix.show_alternate if on else matrix.show_main)()
            if not on and mode == _WITH_CURSOR and was_alternate:
                matrix.restore_cursor()


class Screen:
    """The screen of a terminal of `columns` by `rows`; a size of 0 is that of a terminal which does not know its own.

    `losing(y)` is called before what changed in line `y` is drawn over, erased or scrolled away; who gives it takes
    `line(y).changed` back after looking.
    """

    def __init__(self, columns: int = 0, rows: int = 0, losing: Callable[[int], None] | None = None) -> None:
        size = _bounded(columns, _COLUMNS, MOST_COLUMNS), _bounded(rows, _ROWS, MOST_ROWS)
        self._controls, self._matrix = Controls(), Matrix(*size, losing)

    @property
    def columns(self) -> int:
        """The width in cells."""
        return self._matrix.columns

    @property
    def rows(self) -> int:
        """The number of lines."""
        return self._matrix.lines

    @property
    def cursor(self) -> Cursor:
        """Where the cursor is: `x` and `y` from 0 (`x` may be one behind the last column), and `hidden`."""
        return self._matrix.cursor

    def feed(self, data: bytes) -> None:
        """Draw the next piece of output."""
        matrix = self._matrix
        for token in self._controls.feed(data):
            if isinstance(token, str):
                matrix.draw(token)
            else:
                act = _ACTS.get(token.name)
                if act is not None:
                    act(matrix, token.params)

    def resize(self, columns: int, rows: int) -> None:
        """Take another size; 0 keeps the one that was."""
        self._matrix.resize(
            _bounded(rows, self._matrix.lines, MOST_ROWS), _bounded(columns, self._matrix.columns, MOST_COLUMNS)
        )

    def line(self, y: int) -> Line:
        """Return line `y` (from 0) with its cells."""
        return self._matrix.line(y)

    def lines(self) -> list[str]:
        """Return the text of each line, without blanks at its end."""
        return [self.line(y).text().rstrip() for y in range(self.rows)]

    def copy(self) -> "Screen":
        """Return another screen that shows the same, and goes on by itself; nobody looks at what it loses."""
        other = Screen()
        other.__dict__.update(_controls=copy.deepcopy(self._controls), _matrix=self._matrix.twin())
        return other


def _bounded(size: int, unknown: int, most: int) -> int:
    return min(size, most) if size > 0 else unknown

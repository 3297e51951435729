"""A list of which only the rows that are seen are ever drawn: 50,000 rows cost what 50 cost."""

from collections.abc import Callable, Iterable
from typing import ClassVar, Final, Generic, TypeVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from wrapper.review.app.painted import Line, Painted

Item = TypeVar("Item")
_DOUBLE: Final = 2


class Rows(Painted, Generic[Item], can_focus=True):
    """Draws each item by `paint(item, width)`; `empty` stands there while there is none.

    The row under the cursor has a mark before it, so that it is found without colours, too.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor"}
    DEFAULT_CSS = """
    Rows .rows--cursor { background: $surface-lighten-2; text-style: bold; }
    Rows:focus .rows--cursor { background: $primary-muted; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("pagedown,ctrl+f,space", "page(1)", show=False),
        Binding("home,g", "edge(0)", show=False),
        Binding("end,G", "edge(1)", show=False),
        Binding("enter", "choose", "open"),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)

    class Moved(Message):
        """The cursor is on another row, or another item came to stand in it."""

        def __init__(self, rows: Widget) -> None:
            super().__init__()
            self._rows = rows

        @property
        def control(self) -> Widget:
            """The list."""
            return self._rows

    class Chosen(Moved):
        """The row under the cursor was chosen."""

    def __init__(self, paint: Callable[[Item, int], Line], *, id: str, empty: str = "") -> None:  # noqa: A002 (Textual's own name)
        super().__init__(id=id)
        self._paint = paint
        self._items: list[Item] = []
        self.empty = empty

    @property
    def items(self) -> list[Item]:
        """What is listed; change it by `replace`, `extend` and `change` only."""
        return self._items

    @property
    def current(self) -> Item | None:
        """The item under the cursor; None where there is none."""
        return self._items[self.cursor] if 0 <= self.cursor < len(self._items) else None

    def replace(self, items: Iterable[Item], cursor: int = 0) -> None:
        """List other items."""
        self._items = list(items)
        self._fit()
        self.set_reactive(Rows.cursor, max(0, min(cursor, len(self._items) - 1)))
        self._see()
        self.post_message(self.Moved(self))

    def extend(self, items: Iterable[Item]) -> None:
        """List more items below."""
        was_empty = not self._items
        self._items.extend(items)
        self._fit()
        if was_empty and self._items:
            self.post_message(self.Moved(self))

    def change(self, number: int, item: Item) -> None:
        """Put another item into one row."""
        self._items[number] = item
        self.refresh(self._region(number))
        if number == self.cursor:
            self.post_message(self.Moved(self))

    def say(self, empty: str) -> None:
        """Change what stands there while the list is empty."""
        self.empty = empty
        self.refresh()

    def go(self, number: int) -> None:
        """Put the cursor on a row that may be far away, with what is around it."""
        self.scroll_to(y=max(0, number - self.size.height // 3), animate=False, immediate=True)
        self.cursor = number

    def render_line(self, y: int) -> Strip:
        """Draw the row that stands `y` rows below the upper edge."""
        number = self.scroll_offset.y + y
        if number >= len(self._items):
            told = self.empty.split("\n") if not self._items else []
            return self.strip(((f"  {told[y]}", "plain"),) if y < len(told) else ())
        here = number == self.cursor
        over: Style | None = self.get_component_rich_style("rows--cursor", partial=True) if here else None
        line = self._paint(self._items[number], max(self.width - 2, 1))
        return self.strip((("▌ " if here else "  ", "accent"), *line), over)

    def watch_cursor(self, before: int, after: int) -> None:
        """Draw both rows anew and bring the new one into sight."""
        self.refresh(self._region(before), self._region(after))
        self._see()
        self.post_message(self.Moved(self))

    def action_move(self, by: int) -> None:
        """Move the cursor by so many rows."""
        if self._items:
            self.cursor = max(0, min(self.cursor + by, len(self._items) - 1))

    def action_page(self, by: int) -> None:
        """Move the cursor by so many screens."""
        self.action_move(by * max(self.size.height - 1, 1))

    def action_edge(self, end: int) -> None:
        """Move the cursor to the first row, or the last."""
        self.action_move(len(self._items) if end else -len(self._items))

    def action_choose(self) -> None:
        """Tell that the row under the cursor is wanted."""
        if self.current is not None:
            self.post_message(self.Chosen(self))

    def on_click(self, event: Click) -> None:
        """Move the cursor to where the mouse is; a second click there chooses."""
        place = event.get_content_offset(self)
        number = -1 if place is None else self.scroll_offset.y + place.y
        if 0 <= number < len(self._items):
            self.cursor = number
            if event.chain == _DOUBLE:
                self.action_choose()

    def on_resize(self, event: Resize) -> None:
        """Keep the cursor in sight."""
        del event
        self._fit()
        self._see()

    def _fit(self) -> None:
        self.virtual_size = Size(self.width, len(self._items))
        self.refresh()

    def _region(self, number: int) -> Region:
        return Region(0, number - self.scroll_offset.y, self.size.width, 1)

    def _see(self) -> None:
        top, height = self.scroll_offset.y, self.size.height
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif height and self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

"""Text to read: lines in tones, folded to the width."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.geometry import Size
from textual.strip import Strip

from wrapper.review.app.painted import Line, Painted, folded


class Page(Painted, can_focus=True):
    """Shows lines; those too long for the width go on below, unless `fold` is off."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", show=False),
        Binding("down,j", "scroll_down", show=False),
        Binding("pageup,ctrl+b", "page_up", show=False),
        Binding("pagedown,ctrl+f,space", "page_down", show=False),
        Binding("home,g", "scroll_home", show=False),
        Binding("end,G", "scroll_end", show=False),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 (Textual's own name)
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()
        self._rows: list[Line] = []
        self._fold = True

    @property
    def text(self) -> str:
        """What is shown, without its tones."""
        return "\n".join("".join(text for text, _ in line) for line in self._lines)

    def show(self, lines: Sequence[Line], *, fold: bool = True) -> None:
        """Show other lines, from the top."""
        self._lines, self._fold = lines, fold
        self._fit()
        self.scroll_to(y=0, animate=False, immediate=True)

    def render_line(self, y: int) -> Strip:
        """Draw the row that stands `y` rows below the upper edge."""
        number = self.scroll_offset.y + y
        return self.strip(self._rows[number] if number < len(self._rows) else ())

    def on_resize(self, event: Resize) -> None:
        """Fold anew."""
        del event
        self._fit()

    def _fit(self) -> None:
        width = self.width
        self._rows = [row for line in self._lines for row in (folded(line, width) if self._fold else (line,))]
        self.virtual_size = Size(width, len(self._rows))
        self.refresh()

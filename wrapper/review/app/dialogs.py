"""Small windows over a screen: something to read, something to choose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from wrapper.review.app.momentwords import tone_of
from wrapper.review.app.page import Page
from wrapper.review.app.painted import Line, folded, said
from wrapper.review.app.rows import Rows
from wrapper.review.render import printable
from wrapper.review.story import Moment

_WIDTH: Final = 76
_FRAME: Final = 6  # rows around what a window holds: border, title, hint and the blank ones between

_CLOSE: Final = "escape,q"


class Window(ModalScreen[object]):
    """A frame with a title above and the keys below."""

    DEFAULT_CSS = """
    Window { align: center middle; background: $background 60%; }
    Window > Vertical {
        width: 76; max-width: 94%; height: auto; max-height: 92%;
        padding: 0 1; border: round $primary; background: $background;
    }
    Window .title { text-style: bold; color: $text-primary; margin-bottom: 1; }
    Window .keys { color: $foreground 60%; margin-top: 1; }
    """

    title_text: str = ""
    keys_text: str = ""

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical():
            yield Static(Content(printable(self.title_text)), classes="title")
            yield from self.inside()
            yield Static(Content(self.keys_text), classes="keys")

    def inside(self) -> ComposeResult:
        """Lay out what the window holds."""
        raise NotImplementedError

    def action_close(self) -> None:
        """Close it without a choice."""
        self.dismiss(None)


class Notice(Window):
    """Something to read."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding(f"{_CLOSE},enter,question_mark", "close", "close")]

    def __init__(self, title: str, lines: Sequence[Line]) -> None:
        super().__init__()
        self.title_text = title
        self.keys_text = "esc close   ↑ ↓ scroll"
        self.lines = lines

    def inside(self) -> ComposeResult:
        """Lay out the text."""
        yield Page(id="told")

    def on_mount(self) -> None:
        """Show the text, as high as it needs."""
        page = self.query_one(Page)
        room = min(_WIDTH, self.app.size.width * 94 // 100) - 4
        rows = sum(1 for line in self.lines for _ in folded(line, room))
        page.styles.height = max(min(rows, self.app.size.height - _FRAME - 2), 1)
        page.show(self.lines)
        page.focus()


class Choice(Window):
    """One of several; its result is the name chosen, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding(_CLOSE, "close", "close")]

    def __init__(self, title: str, options: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.title_text = title
        self.keys_text = "↑ ↓ choose   enter take   esc leave"
        self._options = options

    def inside(self) -> ComposeResult:
        """Lay out the options."""
        yield Rows(_option, id="options")

    def on_mount(self) -> None:
        """List the options."""
        rows = self._rows
        rows.styles.height = len(self._options)
        rows.replace(self._options)
        rows.focus()

    @on(Rows.Chosen)
    def _chosen(self) -> None:
        if (option := self._rows.current) is not None:
            self.dismiss(option[0])

    @property
    def _rows(self) -> Rows[tuple[str, str]]:
        return self.query_one("#options", Rows)


def _option(option: tuple[str, str], width: int) -> Line:
    del width
    return said(f"{option[0]:<10}", "accent"), said(option[1])


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    count: int
    shown: bool


class Kinds(Window):
    """Which kinds of moments are shown; its result is the set of those that are not, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(_CLOSE, "close", "close"),
        Binding("space,x", "flip", "on/off", priority=True),
        Binding("o", "only", "only this"),
        Binding("a", "all", "all"),
    ]

    def __init__(self, counts: Sequence[tuple[str, int]], hidden: frozenset[str]) -> None:
        super().__init__()
        self.title_text = "What is shown"
        self.keys_text = "space on/off   o only this one   a all   enter apply   esc leave"
        self._kinds = [_Kind(name, count, name not in hidden) for name, count in counts]

    def inside(self) -> ComposeResult:
        """Lay out the kinds."""
        yield Rows(_kind, id="kinds", empty="nothing has been read yet")

    def on_mount(self) -> None:
        """List the kinds."""
        rows = self._rows
        rows.styles.height = max(min(len(self._kinds), self.app.size.height - _FRAME - 2), 1)
        rows.replace(self._kinds)
        rows.focus()

    @property
    def _rows(self) -> Rows[_Kind]:
        return self.query_one("#kinds", Rows)

    def action_flip(self) -> None:
        """Show the kind under the cursor, or do not."""
        self._set(lambda kind, here: kind.shown != here)

    def action_only(self) -> None:
        """Show the kind under the cursor only."""
        self._set(lambda _, here: here)

    def action_all(self) -> None:
        """Show all kinds."""
        self._set(lambda *_: True)

    def _set(self, shown: Callable[[_Kind, bool], bool]) -> None:
        at = self._rows.cursor
        items = [_Kind(kind.name, kind.count, shown(kind, at == row)) for row, kind in enumerate(self._rows.items)]
        self._rows.replace(items, at)

    @on(Rows.Chosen)
    def _apply(self) -> None:
        self.dismiss(frozenset(kind.name for kind in self._rows.items if not kind.shown))


def _kind(kind: _Kind, width: int) -> Line:
    del width
    tone = tone_of(Moment(0, 0.0, kind.name, ""))
    return ("[x] " if kind.shown else "[ ] ", "strong"), said(f"{kind.name:<12}", tone), (f"{kind.count:>8,}", "dim")


def keys_help(rows: Sequence[tuple[str, str]]) -> list[Line]:
    """Make the lines of a help from keys and what they do; a row without a key is a heading."""
    return [
        ((f"  {key:<10}", "accent"), (what, "plain")) if key else ((what, "strong"),) if what else ()
        for key, what in rows
    ]

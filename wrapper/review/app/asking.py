"""A small window that asks for a line of text."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static

from wrapper.review.app.dialogs import Window
from wrapper.review.render import printable


class Ask(Window):
    """Its result is what was typed, without blanks at its ends, or None; `needed` is said where that is empty."""

    DEFAULT_CSS = """
    Ask .refused { color: $text-error; height: auto; }
    Ask .about { margin-bottom: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close")]

    def __init__(self, title: str, about: str, *, needed: str = "", longest: int = 0) -> None:
        super().__init__()
        self.title_text = title
        self.keys_text = "enter take   esc leave"
        self._about = about
        self._needed = needed
        self._longest = longest

    def inside(self) -> ComposeResult:
        """Lay out the question."""
        yield Static(Content(printable(self._about)), classes="about")
        yield Input(id="answer", compact=True, max_length=self._longest)
        yield Static(classes="refused")

    def on_mount(self) -> None:
        """Wait for words."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        answer = event.value.strip()
        if answer or not self._needed:
            self.dismiss(answer)
        else:
            self.query_one(".refused", Static).update(Content(self._needed))

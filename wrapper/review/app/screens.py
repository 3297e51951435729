"""The screen of `safe-agent audit`: all of the program that is not a single screen."""

from typing import ClassVar, Final

from textual.app import App
from textual.binding import Binding, BindingType

from wrapper.review.app.desk import Desk
from wrapper.review.app.sessions import SessionsScreen

_DARK: Final = "textual-dark"
_LIGHT: Final = "textual-light"


class Review(App[None]):
    """Sessions, their timelines, and what each moment of them holds."""

    TITLE = "safe-agent audit"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 (declared so by Textual)
    VERTICAL_BREAKPOINTS = [(0, "-low"), (16, "-high")]  # noqa: RUF012 (declared so by Textual)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("T", "turn", show=False),
        Binding("q", "quit", "quit", show=False),
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]
    CSS = """
    #title { height: 1; padding: 0 1; background: $primary-muted; color: $text-primary; text-style: bold; }
    #note { height: 1; padding: 0 1; color: $foreground 70%; background: $surface; }
    #heads { height: 1; }
    #sessions, #timeline, #hits { height: 1fr; }
    #about { height: 7; padding: 0 1; border-top: solid $surface-lighten-2; }
    #panes { height: 1fr; }
    .-wide #panes { layout: horizontal; }
    .-wide #timeline { width: 1fr; height: 1fr; }
    .-wide #text { width: 1fr; height: 1fr; padding: 0 1; border-left: solid $surface-lighten-2; }
    .-narrow #panes { layout: vertical; }
    .-narrow #timeline { width: 1fr; height: 1fr; }
    .-narrow #text { width: 1fr; height: 1fr; padding: 0 1; border-top: solid $surface-lighten-2; }
    .-wide #text:focus { border-left: solid $primary; }
    .-narrow #text:focus { border-top: solid $primary; }
    .-low #about, .-low.-narrow #text { display: none; }
    .-zoomed #timeline { display: none; }
    .-zoomed #panes #text { display: block; border: none; }
    #words { margin: 0 1; }
    """

    def __init__(self, desk: Desk, *, light: bool = False) -> None:
        super().__init__()
        self._desk = desk
        self.theme = _LIGHT if light else _DARK

    def get_default_screen(self) -> SessionsScreen:
        """Begin with the list of sessions."""
        return SessionsScreen(self._desk)

    def action_turn(self) -> None:
        """Go from dark to light, or back."""
        self.theme = _LIGHT if self.theme == _DARK else _DARK

    def action_search_everywhere(self) -> None:
        """Search all sessions, from wherever this is asked for."""
        for screen in self.screen_stack:
            if isinstance(screen, SessionsScreen):
                screen.action_search()

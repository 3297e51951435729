"""The list of all sessions."""

from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize, ScreenResume
from textual.widgets import Footer, Static

from wrapper.audit.reader import Session, State
from wrapper.errors import SafeAgentError
from wrapper.review.app.commands import Commands
from wrapper.review.app.desk import Desk
from wrapper.review.app.hits import Hits
from wrapper.review.app.page import Page
from wrapper.review.app.rows import Rows
from wrapper.review.app.session import SessionScreen
from wrapper.review.app.sessionwords import Listed, about, heads, listed
from wrapper.review.app.working import Job

_EMPTY = """
No session has been recorded yet.

Start one with `safe-claude` or `safe-codex` in a project,
or see it work on a throw-away one: `safe-agent demo`.

Then press r here."""


class SessionsScreen(Commands):
    """All sessions, newest first, and below them what is known of the one under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "nothing", show=False)]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._known: dict[str, Listed] = {}

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(Content("Sessions"), id="title")
        yield Page(id="heads")
        yield Rows(listed, id="sessions", empty="\nlooking for sessions …")
        yield Page(id="about")
        yield Static(id="note")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Look for sessions."""
        self.query_one("#heads").can_focus = False
        self.rows.focus()
        self.action_reload()

    @property
    def rows(self) -> Rows[Listed]:
        """The list."""
        return self.query_one("#sessions", Rows)

    @property
    def chosen(self) -> Session | None:
        """The session under the cursor."""
        row = self.rows.current
        return None if row is None else row.session

    def action_reload(self) -> None:
        """List the sessions anew, then look into each."""
        self.start("list", self._list)

    def _list(self, job: Job) -> None:
        try:
            found = self.desk.sessions()[::-1]
        except SafeAgentError as error:
            job.tell(self.rows.say, f"\n{error.what}\n{error.hint}")
            return
        job.tell(self._listed, found)
        for number, session in enumerate(found) if not self.desk.closed else ():
            if session.state is not State.DAMAGED and self._is_news(session):
                job.tell(self._known_better, number, self._look(session))

    def _is_news(self, session: Session) -> bool:
        known = self._known.get(session.id)
        return known is None or known.session != session or (known.outline is None and not known.problem)

    def _look(self, session: Session) -> Listed:
        try:
            return Listed(session, self.desk.outline(session))
        except SafeAgentError as error:
            return Listed(session, problem=error.what)

    def _listed(self, found: tuple[Session, ...]) -> None:
        rows = []
        for session in found:
            known = self._known.get(session.id)
            rows.append(known if known is not None and known.session == session else Listed(session))
        self.rows.say(_EMPTY)
        self.rows.replace(rows, self.rows.cursor)
        self.query_one("#title", Static).update(Content(f"Sessions  {len(rows)}"))
        self.note(self.desk.closed if rows else "")

    def _known_better(self, number: int, row: Listed) -> None:
        self._known[row.session.id] = row
        self.rows.change(number, row)

    @on(Rows.Moved, "#sessions")
    def _moved(self) -> None:
        row = self.rows.current
        self.query_one("#about", Page).show(tuple(about(row, self.desk.closed)) if row else ())

    @on(Rows.Chosen, "#sessions")
    def _open(self) -> None:
        if (row := self.rows.current) is not None:
            self.app.push_screen(SessionScreen(self.desk, row, counted=partial(self._counted, row)))

    def _counted(self, row: Listed, masked: int) -> None:
        for number, one in enumerate(self.rows.items):
            if one.session.id == row.session.id:
                self._known_better(number, Listed(one.session, one.outline, one.problem, masked))

    def on_resize(self, event: Resize) -> None:
        """Draw the heads for the new width."""
        self.query_one("#heads", Page).show((((*heads(event.size.width - 2),)),), fold=False)

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Come back with the keys on the list."""
        del event
        self.rows.focus()

    def action_search(self) -> None:
        """Search all of them."""
        self.app.push_screen(Hits(self.desk, tuple(self.rows.items), self._found))

    def _found(self, row: Listed, sequence: int, sequences: tuple[int, ...]) -> None:
        screen = SessionScreen(self.desk, row, counted=partial(self._counted, row), goal=sequence, hits=sequences)
        self.app.push_screen(screen)

    def action_nothing(self) -> None:
        """Stay: there is nothing behind this screen."""

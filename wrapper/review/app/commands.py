"""What can be done with a session wherever one is chosen: prove it, play it, write it out."""

from collections.abc import Iterable
from functools import partial
from typing import ClassVar, Final

from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from wrapper.audit.reader import Session
from wrapper.errors import SafeAgentError
from wrapper.review.app.desk import Desk, Verdict
from wrapper.review.app.dialogs import Choice, Notice, keys_help
from wrapper.review.app.momentwords import ill
from wrapper.review.app.painted import Line, said
from wrapper.review.app.working import Job, Working
from wrapper.review.render import printable

HELP: Final = (
    ("", "Anywhere"),
    ("↑ ↓  j k", "move; also page up and down, home, end, g, G, mouse"),
    ("enter", "open what is under the cursor"),
    ("esc", "back"),
    ("/", "search what you look at"),
    ("S", "search all sessions"),
    ("v", "prove the log: is it as it was written?"),
    ("p", "play the terminal, from this moment on"),
    ("e", "export as a file"),
    ("r", "read again"),
    ("T", "dark or light"),
    ("q", "quit"),
    ("", ""),
    ("", "In a session"),
    ("tab", "from the timeline to the text and back"),
    ("J K", "next and previous moment, also while reading the text"),
    ("f", "which kinds of moments are shown; F shows all"),
    ("s", "the terminal at this moment, or the text again"),
    ("z", "the text over the whole screen; enter does that, too"),
    ("n N", "next and previous hit of the search"),
    ("] [", "next and previous page of a very long session"),
)


class Commands(Working[None]):
    """A screen on which a session can be chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "find", key_display="/"),
        Binding("S", "app.search_everywhere", show=False),
        Binding("v", "verify", "verify"),
        Binding("p", "play", "play"),
        Binding("e", "export", "export"),
        Binding("r", "reload", show=False),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q", "app.quit", "quit"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk

    @property
    def chosen(self) -> Session | None:
        """The session that a command is about."""
        raise NotImplementedError

    @property
    def moment(self) -> int:
        """The record from which on to play; 0 for the start."""
        return 0

    def action_help(self) -> None:
        """Say what the keys do."""
        self.app.push_screen(Notice("Keys", keys_help(HELP)))

    def action_verify(self) -> None:
        """Prove the log, and say what came of it."""
        if (session := self.chosen) is not None:
            self.note(f"proving {session.id} …")
            self.start("verify", partial(self._prove, session))

    def _prove(self, session: Session, job: Job) -> None:
        try:
            verdict = self.desk.verify(session)
        except SafeAgentError as error:
            row = ill(error, 0.0)
            verdict = Verdict(row.kind, (row.title, *row.lines), good=False)
        job.tell(self._proven, session, verdict)

    def _proven(self, session: Session, verdict: Verdict) -> None:
        self.note(f"{session.id}: {verdict.name}")
        lines: list[Line] = [(said(verdict.name.upper(), "good" if verdict.good else "bad"),), ()]
        self.app.push_screen(Notice(session.id, lines + [(said(sentence),) for sentence in verdict.sentences]))

    def action_play(self) -> None:
        """Give the terminal to the player until it ends."""
        session = self.chosen
        if session is None:
            return
        try:
            with self.app.suspend():
                self.desk.play(session, self.moment)
        except SuspendNotSupported:
            self.fail("this terminal cannot be lent to the player")
        except SafeAgentError as error:
            self.fail(error.what, error.hint)

    def action_export(self) -> None:
        """Ask for a format, then write the file."""
        if self.chosen is not None:
            self.app.push_screen(Choice(f"Export {self.chosen.id} as", self.desk.formats), self._export)

    def _export(self, form: object) -> None:
        session = self.chosen
        if session is not None and isinstance(form, str):
            self.note(f"writing {form} …")
            self.start("export", partial(self._write, session, form))

    def _write(self, session: Session, form: str, job: Job) -> None:
        try:
            said = self.desk.export(session, form)
        except SafeAgentError as error:
            job.tell(self.fail, error.what, error.hint)
        else:
            job.tell(self.tell, "Exported", said)
            job.tell(self.note, f"written to {said[0]}")

    def fail(self, what: str, hint: str = "") -> None:
        """Show what did not work."""
        self.note(what)
        self.tell("That did not work", filter(None, (what, hint and f"hint: {hint}")))

    def tell(self, title: str, sentences: Iterable[str]) -> None:
        """Show sentences in a window."""
        self.app.push_screen(Notice(title, [(said(sentence),) for sentence in sentences]))

    def note(self, text: str) -> None:
        """Say something in the line above the keys."""
        self.query_one("#note", Static).update(Content(printable(text)))

"""The screen of `safe-agent review`: hunks that nobody has approved, one after the other.

Nothing is signed until the person says so at the end; until then everything can be undone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Footer, Static

from wrapper.errors import SafeAgentError
from wrapper.provenance import screenwords
from wrapper.provenance.decisions import MAX_REASON, Decision
from wrapper.provenance.judgements import Verdict
from wrapper.provenance.model import Emission
from wrapper.provenance.reviewing import Found
from wrapper.review.app.asking import Ask
from wrapper.review.app.dialogs import Choice, Notice, keys_help
from wrapper.review.app.page import Page
from wrapper.review.app.painted import Line, said
from wrapper.review.app.rows import Rows
from wrapper.review.app.working import Job, Working
from wrapper.review.render import printable

_DARK: Final = "textual-dark"
_LIGHT: Final = "textual-light"
_EMPTY: Final = "\nNothing is left:\nevery agent-written hunk here has been approved."
_SIGN, _DISCARD, _STAY = "sign", "discard", "stay"
HELP: Final = (
    ("", "Moving"),
    ("↑ ↓  j k", "another hunk; also n p, page up and down, home, end, the mouse"),
    ("tab", "from the list to the text and back; enter too"),
    ("z", "the text over the whole screen, or the list again"),
    ("", ""),
    ("", "Deciding; the agent's lines have a +, those somebody edited a ~"),
    ("a", "approve the hunk under the cursor, and go on"),
    ("r", "reject it; asks why"),
    ("u", "undo what was decided last"),
    ("s", "sign what was decided into the ledger; asks first"),
    ("", ""),
    ("T", "dark or light"),
    ("q", "quit; asks what to do with what is not signed"),
)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the screen asks of outside. `user`: who decides; `told`: sentences about what may be missing.

    `sign` writes decisions about hunks (by id) into the ledger, and gives what is left then. `prompt` gives what the
    user had asked for, "" where that is not known, and is called in a thread; both may raise SafeAgentError. `reason`:
    an approval needs one.
    """

    user: str
    sign: Callable[[Sequence[Found], Mapping[str, Decision]], Sequence[Found]]
    prompt: Callable[[Emission], str]
    reason: bool = False
    told: tuple[str, ...] = ()


class HunksScreen(Working[None]):
    """The list above or left, the hunk under the cursor below or right."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "approve", "approve"),
        Binding("r", "reject", "reject"),
        Binding("u", "undo", "undo"),
        Binding("n,J", "step(1)", "next", key_display="n"),
        Binding("p,K", "step(-1)", "prev", key_display="p"),
        Binding("s", "sign", "sign"),
        Binding("z", "zoom", show=False),
        Binding("tab,shift+tab", "other", show=False, priority=True),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q", "leave", "quit"),
        Binding("escape", "list", show=False),
    ]

    def __init__(self, desk: Desk, left: Sequence[Found]) -> None:
        super().__init__()
        self._desk = desk
        self._left = list(left)
        self._decisions: dict[str, Decision] = {}
        self._last: list[dict[str, Decision]] = []
        self._prompts: dict[tuple[str, int], str] = {}

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(id="title")
        with Container(id="panes"):
            yield Rows(self._row, id="hunks", empty=_EMPTY)
            yield Page(id="text")
        yield Static(id="note")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """List the hunks."""
        self.rows.replace(self._left)
        self.rows.focus()
        self.note("; ".join(self._desk.told))
        self._entitle()

    @property
    def rows(self) -> Rows[Found]:
        """The list."""
        return self.query_one("#hunks", Rows)

    def note(self, text: str) -> None:
        """Say something in the line above the keys."""
        self.query_one("#note", Static).update(Content(printable(text)))

    def _row(self, found: Found, width: int) -> Line:
        return screenwords.row(found, self._decisions.get(found.id), width)

    def _entitle(self) -> None:
        self.query_one("#title", Static).update(Content(screenwords.summary(self._left, self._decisions)))

    # looking

    @on(Rows.Moved, "#hunks")
    def _moved(self) -> None:
        self._show()
        found = self.rows.current
        if found is not None and found.sources and found.sources[0].prompt:
            self.start("prompt", partial(self._ask, found.sources[0]))

    def _show(self) -> None:
        found = self.rows.current
        lines = screenwords.text(found, self._decisions.get(found.id), self._prompt(found)) if found else ()
        self.query_one("#text", Page).show(tuple(lines))

    def _prompt(self, found: Found) -> str:
        source = found.sources[0] if found.sources else None
        return self._prompts.get((source.session, source.prompt), "") if source else ""

    def _ask(self, source: Emission, job: Job) -> None:
        place = (source.session, source.prompt)
        if place in self._prompts:
            return
        try:
            prompt = self._desk.prompt(source)
        except SafeAgentError as error:
            prompt = f"({error.what})"
        job.tell(self._asked, place, prompt)

    def _asked(self, place: tuple[str, int], prompt: str) -> None:
        self._prompts[place] = prompt
        self._show()

    @on(Rows.Chosen, "#hunks")
    def action_other(self) -> None:
        """Go from the list to the text, or back."""
        (self.query_one("#text", Page) if self.rows.has_focus else self.rows).focus()

    def action_list(self) -> None:
        """Come back to the list."""
        self.screen.remove_class("-zoomed")
        self.rows.focus()

    def action_zoom(self) -> None:
        """Give the text the whole screen, or the list its place again."""
        self.screen.toggle_class("-zoomed")
        (self.query_one("#text", Page) if self.screen.has_class("-zoomed") else self.rows).focus()

    def action_step(self, by: int) -> None:
        """Go to the next hunk or the one before, also while reading."""
        self.rows.action_move(by)

    def action_help(self) -> None:
        """Say what the keys do."""
        self.app.push_screen(Notice("Keys", keys_help(HELP)))

    # deciding

    def action_approve(self) -> None:
        """Approve the hunk under the cursor."""
        self._decide(Decision(Verdict.APPROVED))

    def action_reject(self) -> None:
        """Ask why, then reject it."""
        if (found := self.rows.current) is not None:
            why = Ask("Reject", found.place, needed="a rejection needs a reason", longest=MAX_REASON)
            self.app.push_screen(why, self._reject)

    def _reject(self, reason: object) -> None:
        if isinstance(reason, str):
            self._decide(Decision(Verdict.REJECTED, reason))

    def _decide(self, decision: Decision) -> None:
        found = self.rows.current
        if found is None:
            return
        self._last.append(dict(self._decisions))
        self._decisions[found.id] = decision
        self.rows.action_move(1)
        self._changed(f"{decision.verdict.value}: {found.place}")

    def action_undo(self) -> None:
        """Take back the last decision that is not signed."""
        if not self._last:
            self.note("there is nothing to undo: what is signed can only be followed by another decision")
            return
        before = self._last.pop()
        changed = [one.id for one in self._left if self._decisions.get(one.id) != before.get(one.id)]
        self._decisions = before
        number = next((at for at, one in enumerate(self._left) if one.id in changed), self.rows.cursor)
        self.rows.go(number)
        self._changed(f"undone: {self._left[number].place}")

    def _changed(self, note: str) -> None:
        self.rows.refresh()
        self._show()
        self._entitle()
        self.note(note)

    # signing

    def action_sign(self) -> None:
        """Ask, then sign."""
        if not self._decisions:
            self.note("nothing is decided yet: a approves, r rejects")
            return
        self._confirm(((_SIGN, f"as {self._desk.user}, into the ledger, for ever"), (_STAY, "go on reviewing")))

    def action_leave(self) -> None:
        """Leave; ask first where something is not signed."""
        if not self._decisions:
            self.app.exit()
            return
        self._confirm(
            (
                (_SIGN, f"as {self._desk.user}, into the ledger, and leave"),
                (_DISCARD, "leave, and sign nothing"),
                (_STAY, "go on reviewing"),
            ),
            leaving=True,
        )

    def _confirm(self, options: Sequence[tuple[str, str]], *, leaving: bool = False) -> None:
        self.app.push_screen(Choice(self._counted(), options), partial(self._confirmed, leaving))

    def _counted(self) -> str:
        verdicts = [decision.verdict for decision in self._decisions.values()]
        rejected = verdicts.count(Verdict.REJECTED)
        return f"{len(verdicts) - rejected} approved, {rejected} rejected, not signed yet"

    def _confirmed(self, leaving: bool, choice: object) -> None:  # noqa: FBT001 (called by the window)
        if choice == _DISCARD:
            self.app.exit()
        elif choice == _SIGN and self._needs_reason():
            why = Ask("Sign", "why they are approved", needed="policy asks for a reason", longest=MAX_REASON)
            self.app.push_screen(why, partial(self._reasoned, leaving))
        elif choice == _SIGN:
            self._sign(leaving=leaving)

    def _needs_reason(self) -> bool:
        return self._desk.reason and any(not one.reason for one in self._decisions.values())

    def _reasoned(self, leaving: bool, reason: object) -> None:  # noqa: FBT001 (called by the window)
        if isinstance(reason, str):
            given = {name: one if one.reason else one._replace(reason=reason) for name, one in self._decisions.items()}
            self._decisions = given
            self._sign(leaving=leaving)

    def _sign(self, *, leaving: bool) -> None:
        try:
            left = self._desk.sign(self._left, self._decisions)
        except SafeAgentError as error:
            lines: list[Line] = [(said(error.what, "bad"),), *([(said(error.hint),)] if error.hint else [])]
            self.app.push_screen(Notice("Nothing is signed", lines))
            return
        if leaving:
            self.app.exit()
            return
        told = self._counted().removesuffix(", not signed yet")
        self._left, self._decisions, self._last = list(left), {}, []
        self.rows.replace(self._left, self.rows.cursor)
        self._changed(f"signed: {told}")


class HunksApp(App[None]):
    """The program around the screen."""

    TITLE = "safe-agent review"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 (declared so by Textual)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("T", "turn", show=False),
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]
    CSS = """
    #title { height: 1; padding: 0 1; background: $primary-muted; color: $text-primary; text-style: bold; }
    #note { height: 1; padding: 0 1; color: $foreground 70%; background: $surface; }
    #panes { height: 1fr; }
    .-wide #panes { layout: horizontal; }
    .-wide #hunks { width: 2fr; height: 1fr; }
    .-wide #text { width: 3fr; height: 1fr; padding: 0 1; border-left: solid $surface-lighten-2; }
    .-narrow #panes { layout: vertical; }
    .-narrow #hunks { width: 1fr; height: 6; }
    .-narrow #text { width: 1fr; height: 1fr; padding: 0 1; border-top: solid $surface-lighten-2; }
    .-wide #text:focus { border-left: solid $primary; }
    .-narrow #text:focus { border-top: solid $primary; }
    .-zoomed #hunks { display: none; }
    """

    def __init__(self, desk: Desk, left: Sequence[Found], *, light: bool = False) -> None:
        super().__init__()
        self._desk = desk
        self._left = left
        self.theme = _LIGHT if light else _DARK

    def get_default_screen(self) -> HunksScreen:
        """Begin with the first hunk."""
        return HunksScreen(self._desk, self._left)

    def action_turn(self) -> None:
        """Go from dark to light, or back."""
        self.theme = _LIGHT if self.theme == _DARK else _DARK

"""The search: a line to type into, and the hits as they are found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Footer, Input, Static

from wrapper.errors import SafeAgentError
from wrapper.review.app.desk import Desk
from wrapper.review.app.painted import Line, Piece, clipped, said
from wrapper.review.app.rows import Rows
from wrapper.review.app.sessionwords import Listed
from wrapper.review.app.working import Job, Working
from wrapper.review.export.clock import clock
from wrapper.review.render import printable

if TYPE_CHECKING:
    from wrapper.review.search import Hit

MOST_HITS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Found:
    """A hit in a session; without one, why the session could not be searched to its end."""

    row: Listed
    hit: "Hit | None"
    problem: str = ""


class Hits(Working[None]):
    """Searches `rows`; `go(row, sequence, sequences)` is called for the hit chosen, with all hits of its session."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back"),
        Binding("slash", "type", "other words", key_display="/"),
        Binding("down", "list", show=False),
        Binding("q", "app.quit", "quit"),
    ]

    def __init__(
        self, desk: Desk, rows: Sequence[Listed], go: Callable[[Listed, int, tuple[int, ...]], object]
    ) -> None:
        super().__init__()
        self._desk = desk
        self._rows = rows
        self._go = go
        self._text = ""

    def compose(self) -> ComposeResult:
        """Lay it out."""
        where = self._rows[0].name if len(self._rows) == 1 else f"{len(self._rows)} sessions"
        yield Static(Content(printable(f"Search {where}")), id="title")
        yield Input(
            placeholder="text on the screen, in prompts, answers, results, paths (small letters find both)",
            id="words",
            compact=True,
        )
        yield Rows(self._said, id="hits", empty="\nenter searches, esc leaves")
        yield Static(id="note")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Wait for words."""
        self.query_one(Input).focus()

    @property
    def hits(self) -> Rows[Found]:
        """The list."""
        return self.query_one("#hits", Rows)

    @on(Input.Submitted)
    def _begin(self, event: Input.Submitted) -> None:
        if not event.value:
            return
        self._text = event.value
        self.hits.replace(())
        self.hits.say("\nsearching …")
        self.hits.focus()
        self.start("search", partial(self._search, event.value))

    def _search(self, text: str, job: Job) -> None:
        from wrapper.review.search import search  # noqa: PLC0415 (loads pyte: not before somebody searches)

        left = MOST_HITS
        for number, row in enumerate(self._rows):
            job.tell(self._tell, f"searching {number + 1} of {len(self._rows)} sessions …")
            try:
                records = self._desk.open(row.session).records
                for hit in search(job.watched(records()), text, ignore_case=text.islower()):
                    job.tell(self.hits.extend, [Found(row, hit)])
                    left -= 1
                    if not left:
                        job.tell(self._tell, f"the first {MOST_HITS:,} hits; there are more")
                        return
            except SafeAgentError as error:
                job.tell(self.hits.extend, [Found(row, None, error.what)])
        job.tell(self._ends)

    def _ends(self) -> None:
        count = sum(found.hit is not None for found in self.hits.items)
        self._tell(f"{count:,} hit{'' if count == 1 else 's'}")
        self.hits.say(f"\nnothing of what is recorded holds “{printable(self._text)}”")

    def _tell(self, text: str) -> None:
        self.query_one("#note", Static).update(Content(text))

    def _said(self, found: Found, width: int) -> Line:
        name = (said(f"{clipped(found.row.short, 32)}  ", "dim"),) if len(self._rows) > 1 else ()
        if found.hit is None:
            return (*name, said(found.problem, "bad"))
        hit = found.hit
        head = (f"{clock(hit.at - found.row.began):>7}  ", "dim"), said(f"{clipped(hit.where, 13)}  ", "accent")
        room = width - sum(len(text) for text, _ in (*name, *head))
        return (*name, *head, *_marked(hit, room))

    @on(Rows.Chosen, "#hits")
    def _chosen(self) -> None:
        found = self.hits.current
        if found is None or found.hit is None:
            return
        same = sorted({one.hit.sequence for one in self.hits.items if one.hit and one.row is found.row})
        if len(self._rows) == 1:
            self.app.pop_screen()
        self._go(found.row, found.hit.sequence, tuple(same))

    def action_back(self) -> None:
        """Leave the search."""
        self.app.pop_screen()

    def action_type(self) -> None:
        """Change the words."""
        self.query_one(Input).focus()

    def action_list(self) -> None:
        """Go from the words to the hits."""
        self.hits.focus()


def _marked(hit: "Hit", room: int) -> tuple[Piece, ...]:
    """Mark what was found, and leave out so much before it that it is seen."""
    most = room // 3
    cut = len(hit.before) > most and len(hit.line) > room
    before = f"…{hit.before[1 - most :]}" if cut else hit.before
    return said(before), said(hit.match, "mark"), said(hit.after[:room])

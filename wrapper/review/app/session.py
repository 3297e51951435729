"""One session: its timeline, and the text of the moment under the cursor."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Footer, Static

from wrapper.audit.reader import Session, State
from wrapper.errors import SafeAgentError
from wrapper.review.app.commands import Commands
from wrapper.review.app.desk import Desk, Records
from wrapper.review.app.dialogs import Kinds
from wrapper.review.app.hits import Hits
from wrapper.review.app.momentwords import OF_THE_LOG, full, ill, told, unsealed
from wrapper.review.app.page import Page
from wrapper.review.app.painted import Line, said
from wrapper.review.app.reading import PAGE, Entry, Pass, Terminal, whole
from wrapper.review.app.rows import Rows
from wrapper.review.app.sessionwords import Listed
from wrapper.review.app.working import Job
from wrapper.review.render import printable
from wrapper.review.story import Moment

_PAUSE: Final = 0.1  # seconds of reading after which what was read is listed
_REST: Final = 0.15  # seconds that the cursor must rest before the terminal at its moment is drawn


class SessionScreen(Commands):
    """Reads the session in a thread, a page of PAGE moments at a time.

    `counted` is told how many values were masked once that is known. `goal` is the record to begin at, `hits` are those
    that a search found.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back"),
        Binding("f", "kinds", "kinds"),
        Binding("F", "all_kinds", show=False),
        Binding("s", "screen", "term"),
        Binding("z", "zoom", show=False),
        Binding("tab,shift+tab", "other", show=False, priority=True),
        Binding("J", "step(1)", show=False),
        Binding("K", "step(-1)", show=False),
        Binding("n", "hit(1)", show=False),
        Binding("N", "hit(-1)", show=False),
        Binding("right_square_bracket", "leaf(1)", show=False),
        Binding("left_square_bracket", "leaf(-1)", show=False),
    ]

    def __init__(
        self,
        desk: Desk,
        row: Listed,
        *,
        counted: Callable[[int], object],
        goal: int | None = None,
        hits: Sequence[int] = (),
    ) -> None:
        super().__init__(desk)
        self._row = row
        self._counted = counted
        self._goal = goal
        self._hits = tuple(hits)
        self._records: Records | None = None
        self._pass: Pass | None = None
        self._entries: list[Entry] = []
        self._first = 0
        self._more = False
        self._masked = 0
        self._last = ""
        self._unrecorded = ""
        self._done = False
        self._hidden: frozenset[str] = frozenset()
        self._terminal = False
        self._screens = Terminal()

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(id="title")
        with Container(id="panes"):
            yield Rows(partial(_told, self._row.began), id="timeline", empty="\nreading …")
            yield Page(id="text")
        yield Static(id="note")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to read."""
        self._entitle(self.chosen.state.value)
        self.timeline.focus()
        self.action_reload()

    @property
    def timeline(self) -> Rows[Entry]:
        """The list of moments."""
        return self.query_one("#timeline", Rows)

    @property
    def text(self) -> Page:
        """What the moment under the cursor holds."""
        return self.query_one("#text", Page)

    @property
    def chosen(self) -> Session:
        """The session that this is."""
        return self._row.session

    @property
    def moment(self) -> int:
        """The record of the moment under the cursor."""
        entry = self.timeline.current
        return max(entry.moment.sequence, 0) if entry else 0

    # reading

    def action_reload(self) -> None:
        """Read from the beginning."""
        if self._entries and self._goal is None:
            self._goal = self.moment
        self._done, self._last = False, ""
        self._begin(0)

    def action_leaf(self, by: int) -> None:
        """Go to the next page, or to the one before, for which all before it is read again."""
        if by > 0 and self._more:
            self._begin(self._first + PAGE, self._pass)
        elif by < 0 and self._first:
            self._begin(self._first - PAGE)

    def _begin(self, first: int, going_on: Pass | None = None) -> None:
        self._first, self._entries, self._more, self._pass = first, [], False, going_on
        self._list()
        self._tell()
        self.start("read", partial(self._read, going_on))

    def _read(self, going_on: Pass | None, job: Job) -> None:
        try:
            if self._records is None:
                opened = self.desk.open(self.chosen)
                self._unrecorded, self._records = opened.unrecorded, opened.records
            through = going_on or Pass(self._records(), self._first)
            for batch in _batches(through.page(job.check)):
                job.tell(self._add, batch)
            goes_on = through.goes_on()
        except SafeAgentError as error:
            job.tell(self._ends, ill(error, self._last_at()))
            return
        job.tell(self._counted_until, through.masked)
        if goes_on:
            job.tell(self._goes_on, through)
        else:
            job.tell(self._ends, unsealed(self._last_at()) if self.chosen.state is State.OPEN else None)

    def _last_at(self) -> float:
        return self._entries[-1].moment.at if self._entries else self._row.began

    def _add(self, batch: list[Entry]) -> None:
        self._entries += batch
        self.timeline.extend(entry for entry in batch if entry.moment.kind not in self._hidden)
        self._tell()
        if self._goal is not None and batch[-1].moment.sequence >= self._goal:
            self._reach(self._goal)

    def _counted_until(self, masked: int) -> None:
        self._masked = masked

    def _goes_on(self, through: Pass) -> None:
        self._pass, self._more = through, True
        if self._goal is not None:
            self.action_leaf(1)
        else:
            self._tell()

    def _ends(self, last: Moment | None) -> None:
        self._done = True
        if last is not None:
            self._entitle(last.kind)
            self._last = last.title
            self._add([Entry(OF_THE_LOG, last)])
        else:
            self._counted(self._masked)
        self.timeline.say(
            "\nnothing is recorded here" if not self._entries else "\nall kinds that are here are hidden: F"
        )
        if self._goal is not None:
            self._reach(self._goal)
        self._tell()

    def _entitle(self, state: str) -> None:
        self.query_one("#title", Static).update(Content(printable(f"{self._row.name}  {state}")))

    def _tell(self) -> None:
        self.note("  ".join(filter(None, self._state())))

    def _state(self) -> Iterator[str]:
        shown, here = len(self.timeline.items), len(self._entries)
        yield self._last
        if self._first or self._more:
            yield f"moments {self._first + 1:,} to {self._first + here:,}" + (", ] goes on" if self._more else "")
        else:
            yield f"{here:,} moment{'' if here == 1 else 's'}"
        if shown != here:
            yield f"{shown:,} shown (f)"
        if self._done:
            yield f"{self._masked:,} masked"
            if self._unrecorded:
                yield f"this reading is not recorded: {self._unrecorded}"
            if self.chosen.state is State.RUNNING:
                yield "still running: r reads on"
        elif not self._more:
            yield "reading …"
        if self._hits:
            yield f"{len(self._hits):,} hit{'' if len(self._hits) == 1 else 's'} (n N)"

    # going to a moment

    def _reach(self, sequence: int) -> None:
        """Put the cursor on the moment that holds a record."""
        self._goal = None
        if self._hidden:
            self.action_all_kinds()
        found = [row for row, entry in enumerate(self._entries) if 0 <= entry.moment.sequence <= sequence]
        if found:
            best = self._entries[found[-1]].moment.sequence
            self.timeline.go(next(row for row in found if self._entries[row].moment.sequence == best))

    def jump(self, row: Listed, sequence: int, hits: tuple[int, ...]) -> None:
        """Go to a record, of this page or of another."""
        del row
        self._hits = hits
        if self._entries and self._entries[0].moment.sequence <= sequence <= self._entries[-1].moment.sequence:
            self._reach(sequence)
        elif self._more and self._entries and sequence > self._entries[-1].moment.sequence:
            self._goal = sequence
            self.action_leaf(1)
        elif self._first:
            self._goal = sequence
            self.action_reload()
        elif self._done:
            self._reach(sequence)
        else:
            self._goal = sequence
        self._tell()

    def action_hit(self, by: int) -> None:
        """Go to the next hit of the search, or to the one before."""
        here = self.moment
        ahead = [hit for hit in self._hits if (hit > here if by > 0 else hit < here)]
        if ahead:
            self.jump(self._row, ahead[0] if by > 0 else ahead[-1], self._hits)
        elif self._hits:
            self.note("no hit after this one" if by > 0 else "no hit before this one")

    def action_step(self, by: int) -> None:
        """Go to the next moment, or to the one before."""
        self.timeline.action_move(by)

    def action_search(self) -> None:
        """Search this session."""
        self.app.push_screen(Hits(self.desk, (self._row,), self.jump))

    # which moments are shown

    def action_kinds(self) -> None:
        """Ask which kinds are shown."""
        counts = Counter(entry.moment.kind for entry in self._entries)
        self.app.push_screen(Kinds(sorted(counts.items()), self._hidden), self._hide)

    def action_all_kinds(self) -> None:
        """Show all kinds."""
        self._hide(frozenset())

    def _hide(self, hidden: object) -> None:
        if isinstance(hidden, frozenset) and hidden != self._hidden:
            self._hidden = hidden
            self._list()
            self._tell()

    def _list(self) -> None:
        here = self.timeline.current
        shown = [entry for entry in self._entries if entry.moment.kind not in self._hidden]
        at = next((row for row, entry in enumerate(shown) if here and entry.number >= here.number), len(shown) - 1)
        self.timeline.replace(shown, at)

    # the text

    @on(Rows.Moved, "#timeline")
    def _moved(self) -> None:
        entry = self.timeline.current
        self.stop("look")
        if entry is None:
            self.text.show(())
        elif self._terminal and entry.moment.sequence != OF_THE_LOG:
            self.start("look", partial(self._look_at_screen, entry))
        else:
            self._show(entry.moment, "reading the rest of it …" if entry.cut else "")
            if entry.cut:
                self.start("look", partial(self._look_at_all, entry))

    def _show(self, moment: Moment, below: str = "") -> None:
        lines = list(full(moment, self._row.began))
        self.text.show([*lines, ((below, "dim"),)] if below else lines)

    def _look_at_all(self, entry: Entry, job: Job) -> None:
        assert self._records is not None  # noqa: S101 (what is listed was read)
        try:
            moment = whole(job.watched(self._records()), entry.number)
        except SafeAgentError as error:
            moment = ill(error, entry.moment.at)
        if moment is not None:
            job.tell(self._show, moment)

    def _look_at_screen(self, entry: Entry, job: Job) -> None:
        assert self._records is not None  # noqa: S101 (what is listed was read)
        time.sleep(_REST)
        job.tell(self.text.show, [(("drawing the terminal …", "dim"),)])
        try:
            lines = self._screens.at(job.watched(self._records()), entry.moment.sequence)
        except SafeAgentError as error:
            job.tell(self._show, ill(error, entry.moment.at))
        else:
            job.tell(self._draw, entry.moment, lines)

    def _draw(self, moment: Moment, lines: tuple[str, ...]) -> None:
        head = (("terminal", "accent"), (f"  at record {moment.sequence}; s shows the text again", "dim"))
        drawn: list[Line] = [(said(line),) for line in lines] or [(("nothing had been shown yet", "dim"),)]
        self.text.show([head, *drawn], fold=False)

    def action_screen(self) -> None:
        """Show the terminal at the moment under the cursor, or its text again."""
        self._terminal = not self._terminal
        self._moved()

    # where the keys go

    @on(Rows.Chosen, "#timeline")
    def action_zoom(self) -> None:
        """Show the text over the whole screen, or beside the timeline again."""
        zoomed = not self.has_class("-zoomed")
        self.set_class(zoomed, "-zoomed")
        (self.text if zoomed else self.timeline).focus()

    def action_other(self) -> None:
        """Go from the timeline to the text, or back."""
        if not self.has_class("-zoomed"):
            (self.text if self.timeline.has_focus else self.timeline).focus()

    def action_back(self) -> None:
        """Leave the text, then the session."""
        if self.has_class("-zoomed"):
            self.action_zoom()
        else:
            self.app.pop_screen()


def _told(began: float, entry: Entry, width: int) -> Line:
    return told(entry, began, width)


def _batches(items: Iterator[Entry]) -> Iterator[list[Entry]]:
    """Yield what was read whenever _PAUSE has gone by, so that the list grows while it is read."""
    batch: list[Entry] = []
    broken: SafeAgentError | None = None
    until = time.monotonic() + _PAUSE
    try:
        for item in items:
            batch.append(item)
            if time.monotonic() >= until:
                yield batch
                batch, until = [], time.monotonic() + _PAUSE
    except SafeAgentError as error:  # what was good before comes first
        broken = error
    if batch:
        yield batch
    if broken is not None:
        raise broken

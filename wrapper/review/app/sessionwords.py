"""How a session is said, in a row and in full; pure."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len

from wrapper.audit.events import SessionEnd, SessionStart
from wrapper.audit.reader import Outline, Session, State
from wrapper.review.app.painted import Line, clipped, said
from wrapper.review.render import printable
from wrapper.review.sizes import size
from wrapper.review.times import moment, span

_UNCOUNTED: Final = "uncounted"  # what was masked stands in the log, which is read when somebody opens it
_WIDE: Final = 100  # columns from which the list has the logs' sizes, too
_STATES: Final = {State.SEALED: "good", State.RUNNING: "accent", State.OPEN: "warn", State.DAMAGED: "bad"}
_MEANING: Final = {
    State.SEALED: "ended as it should; `v` proves it",
    State.RUNNING: "goes on; `r` reads what came since",
    State.OPEN: "its recorder was killed, or its end was cut off",
    State.DAMAGED: "its log cannot be read",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A session as it is listed; `outline` is None while it is not known, `masked` while nobody has counted."""

    session: Session
    outline: Outline | None = None
    problem: str = ""
    masked: int | None = None

    @property
    def start(self) -> SessionStart | None:
        """How it began, where that is known."""
        return self.outline.start if self.outline else None

    @property
    def end(self) -> SessionEnd | None:
        """How it ended, where that is known."""
        return self.outline.end if self.outline else None

    @property
    def began(self) -> float:
        """When, in seconds since the epoch; 0 where it is not known."""
        return self.start.at if self.start else self.session.created

    @property
    def lasted(self) -> float | None:
        """How long, in seconds."""
        return max(0.0, self.end.at - self.began) if self.end else None

    @property
    def name(self) -> str:
        """Say which one it is, in few words."""
        if self.start is None:
            return self.session.id
        return f"{self.start.agent} in {self.start.workspace}, {moment(self.began)[:16]}"

    @property
    def short(self) -> str:
        """Say which one it is, in fewer words."""
        if self.start is None:
            return self.session.id
        return f"{moment(self.began)[5:16]} {self.start.agent} {posixpath.basename(self.start.workspace)}"


def heads(width: int) -> Line:
    """Name the columns of `listed`."""
    texts = _cells(("STATE", "BEGAN, UTC", "AGENT", "WORKSPACE"), ("LASTED", "EXIT", "MASKED", "SIZE"), width)
    return (("  ", "dim"), *((f"{text}  ", "dim") for text in texts))


def listed(row: Listed, width: int) -> Line:
    """Say a session in a row of `width` cells."""
    where = row.start.workspace if row.start else row.problem or row.session.problem or row.session.id
    words = (row.session.state.value, moment(row.began)[:16], row.start.agent if row.start else "-", where)
    figures = (
        span(row.lasted),
        "-" if row.end is None else str(row.end.exit_code),
        _UNCOUNTED if row.masked is None else str(row.masked),
        size(row.session.size),
    )
    failed = row.end is not None and row.end.exit_code != 0
    place = "bad" if row.problem or row.session.problem else "plain" if row.start else "dim"
    counted = "warn" if row.masked else "dim"
    tones = (_STATES[row.session.state], "plain", "strong", place, "dim", "bad" if failed else "dim", counted, "dim")
    texts = _cells(words, figures, width)
    return tuple((f"{text}  ", tone) for text, tone in zip(texts, tones, strict=False))


def _cells(words: tuple[str, str, str, str], figures: tuple[str, str, str, str], width: int) -> list[str]:
    state, began, agent, where = map(printable, words)
    right = [f"{text:>{room}}" for text, room in zip(figures, (9, 4, 9, 9), strict=True)][: 4 if width >= _WIDE else 3]
    fixed = [f"{state:<7}", f"{began:<16}", clipped(agent, 6)]
    room = width - sum(cell_len(text) + 2 for text in (*fixed, *right)) - 2
    return [*fixed, clipped(where, max(room, 4), left=where.startswith("/")), *right]


def about(row: Listed, closed: str) -> Iterator[Line]:
    """Say what is known of a session before its log is read; `closed` says why nothing can be."""
    session = row.session
    meaning = f": {_MEANING[session.state]}"
    yield (said(session.id, "strong"), ("  ", "plain"), (session.state.value, _STATES[session.state]), (meaning, "dim"))
    for problem in filter(None, (session.problem, row.problem)):
        yield (said(problem, "bad"),)
    if row.start is not None:
        yield from _begun(row.start)
    elif closed:
        yield ((closed, "warn"),)
    ended = f", exit code {row.end.exit_code}" if row.end else ""
    figures = f", lasted {span(row.lasted)}{ended}, {size(session.size)}"
    yield (("began ", "dim"), (moment(row.began), "plain"), (figures, "plain"))
    if row.end is not None and row.end.reason:
        yield (("ended because ", "dim"), said(row.end.reason, "warn"))
    if row.masked is not None:
        yield (("masked ", "dim"), (str(row.masked), "warn"), (" values, each counted where it was found", "dim"))
    elif not closed:
        yield (("masked values are not counted yet: that is done when the session is opened", "dim"),)


def _begun(start: SessionStart) -> Iterator[Line]:
    yield (said(" ".join(start.argv) or start.agent),)
    yield (("in ", "dim"), said(start.workspace))
    versions = f"  {start.agent} {start.agent_version}, safe-agent {start.version}, policy {start.policy[:16]}"
    yield (("by ", "dim"), said(f"{start.user}@{start.host}"), said(versions, "dim"))
    if start.degraded:
        yield (("without ", "dim"), said(", ".join(start.degraded), "warn"))

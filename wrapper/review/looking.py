"""Goes once through the logs of the sessions in question, and says of each what left in it and what is not known.

Rules of this file:
1. All sessions of this machine are in question that may have sent something in the time asked about: any of them may
   have had a copy of a file, wherever its workspace lay.
2. A session is *complete* if its log is sealed, proven, as the ledger saw it, and was read here to its end. What keeps
   one from it is said in words. So is what a session sent where nobody looked (`carried`).
3. What the ledger knows and is gone is in question, too. Without a ledger, nothing that was cut or deleted would be
   noticed: then no session is complete.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from wrapper.audit import reader, verdicts
from wrapper.audit.bookkeeping import LEDGER
from wrapper.audit.entries import Beat, Closed, Entry, Opened, Recovered, Rotated
from wrapper.audit.events import Connection, Request, Response, Sent
from wrapper.audit.ledger import read
from wrapper.audit.reader import Session
from wrapper.audit.seal import Opener
from wrapper.audit.verdicts import Told
from wrapper.errors import AuditError
from wrapper.review.carried import Carried, Read
from wrapper.review.left import Leaving, Left
from wrapper.review.parts import Parts
from wrapper.review.runs import Known
from wrapper.review.sought import Sought

_SEALED: Final = reader.State.SEALED.value
_NO_KEY: Final = "no private key here opens it"


class Window(NamedTuple):
    """What left from `since` on and before `until`, in seconds since the epoch."""

    since: float = -math.inf
    until: float = math.inf

    def has(self, at: float) -> bool:
        """Say whether a moment lies within."""
        return self.since <= at < self.until


@dataclass(slots=True)
class Seen:
    """What came of one session: `missing` says in words what is not known of it, nothing where it is complete."""

    session: str
    state: str
    workspace: str = ""
    agent: str = ""
    began: float = 0.0
    requests: int = 0
    leavings: tuple[Leaving, ...] = ()
    reads: Mapping[int, Read] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Books:
    """What the ledger says: of each session, and from when until when it did; `fault` is why it does not count.

    The end of what has not ended is not known. A clock may have been set back in between.
    """

    told: Mapping[str, Told] | None
    times: Mapping[str, tuple[float, float]]
    fault: str = ""


def books(state: Path) -> Books:
    """Read the ledger of this machine."""
    folder = state / LEDGER
    if not folder.is_dir():
        return Books(None, {}, "this machine has no ledger: a log that was cut, replaced or deleted is not noticed")
    try:
        view = read(folder)
    except AuditError as error:
        return Books(None, {}, f"the ledger cannot be relied on: {error.what}")
    fault = f"the ledger lacks {view.missing} frames that it had once: it was cut" if view.missing else ""
    return Books(verdicts.by_session(view.entries), _times(view.entries), fault)


def _times(entries: Iterable[tuple[int, Entry]]) -> dict[str, tuple[float, float]]:
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    ended = set[str]()
    for _, entry in entries:
        if isinstance(entry, Opened | Beat | Rotated | Closed | Recovered) and entry.session:
            first[entry.session] = min(entry.at, first.get(entry.session, math.inf))
            last[entry.session] = max(entry.at, last.get(entry.session, -math.inf))
            if isinstance(entry, Closed | Recovered):
                ended.add(entry.session)
    return {session: (at, last[session] if session in ended else math.inf) for session, at in first.items()}


def in_question(sessions: Sequence[Session], ledger: Books, window: Window) -> list[Session]:
    """Choose the sessions that may have sent something in the window."""
    return [one for one in sessions if _is_in_question(one.id, one.created, ledger, window)]


def _is_in_question(session: str, created: float, ledger: Books, window: Window) -> bool:
    first, last = ledger.times.get(session, (created, math.inf))
    return min(first, created) < window.until and last >= window.since


def gone(sessions: Sequence[Session], ledger: Books, window: Window) -> Iterator[Seen]:
    """Yield those that the ledger knows and that are not there."""
    for verdict in verdicts.gone(ledger.told or {}, sessions):
        if _is_in_question(verdict.session, math.inf, ledger, window):
            yield Seen(verdict.session, verdict.verdict, missing=[verdict.reason])


class Looking:
    """Looks through sessions for what is sought; the index of all contents is made once."""

    def __init__(self, sought: Sought, ledger: Books, opener: Opener | None, window: Window) -> None:
        self._sought = sought
        self._known = Known(sought.contents)
        self._wanted = {path: number for number, file in enumerate(sought.files) for path in file.paths}
        self._ledger = ledger
        self._opener = opener
        self._window = window

    def through(self, session: Session) -> Seen:
        """Prove one session and search it."""
        verdict = verdicts.judge(session, None, self._ledger.told)
        seen = Seen(session.id, verdict.verdict, began=session.created)
        if verdict.verdict != _SEALED:
            seen.missing.append(_words(verdict.verdict, verdict.reason, self._told(session.id)))
        elif verdict.reason:
            seen.missing.append(verdict.reason)
        if self._opener is None:
            seen.missing.append(_NO_KEY)
            return seen
        is_sound = not seen.missing
        try:
            self._search(session, seen, self._opener)
        except AuditError as error:
            told = self._told(session.id)
            if is_sound or told is None or not told.shredded:
                seen.missing.append(f"not looked through to its end: {error.what}")
        return seen

    def _told(self, session: str) -> Told | None:
        return (self._ledger.told or {}).get(session)

    def _search(self, session: Session, seen: Seen, opener: Opener) -> None:
        left, carried = Left(session.id, self._sought.contents, self._known), Carried(self._wanted)
        parts = Parts()
        try:
            for sequence, event in reader.read_records(session.directory, opener):
                match event:
                    case Response():
                        left.answered(event)
                    case Connection() if event.at >= self._window.since:
                        carried.feed(event)  # told when it ended: what it sent may have left long before
                    case Sent() if self._window.has(event.at):
                        _feed(left, carried, parts.feed(sequence, event))
                    case Request() if self._window.has(event.at):
                        left.feed(sequence, event)
                    case _ if self._window.has(event.at) or carried.start is None:
                        carried.feed(event)
        finally:
            _feed(left, carried, parts.rest())
            seen.requests, seen.leavings, seen.reads = left.requests, left.leavings(), carried.reads
            seen.missing += carried.unseen()
            if carried.start is not None:
                seen.workspace, seen.agent = carried.start.workspace, carried.start.agent


def _feed(left: Left, carried: Carried, requests: Iterable[tuple[int, Sent]]) -> None:
    for sequence, event in requests:
        left.feed(sequence, event)
        carried.feed(event)


def _words(verdict: str, reason: str, told: Told | None) -> str:
    if verdict == reader.State.RUNNING.value:
        return "it runs: its log is not sealed yet"
    if verdict == reader.State.OPEN.value:
        crash = ", and the ledger says so" if told is not None and told.recovered is not None else ""
        return f"its log is not sealed: its recorder was killed{crash}"
    return f"{verdict}: {reason}" if reason else verdict

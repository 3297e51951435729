"""What of a session's story is kept in memory, and how the rest of it is found again; pure.

A session may be larger than memory. A page of its story is kept at a time, and of that page long texts only as far as
they fit; what was left out is read again, from the beginning, when somebody wants to see it.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wrapper.audit.events import Redacted
from wrapper.audit.reader import Record
from wrapper.review.story import Moment, story

if TYPE_CHECKING:
    from wrapper.review.screen import Screen

PAGE: Final = 50_000  # moments that are listed at once
LONG: Final = 16 << 10  # characters: what is longer is read again when it is looked at
ROOM: Final = 32 << 20  # characters of texts that a page keeps
_TITLE: Final = 500  # characters
_MOST_PATHS: Final = 50
_APART: Final = 1 << 20  # bytes of output between two screens that are kept
_MOST_KEPT: Final = 32  # of them; each is up to some hundred KiB


@dataclass(frozen=True, slots=True)
class Entry:
    """Moment `number` of a session's story (from 0); where `cut`, its texts are not all here."""

    number: int
    moment: Moment
    cut: bool = False


def entries(records: Iterator[Record]) -> Iterator[Entry]:
    """Yield a session's story in a form that can be kept."""
    room = ROOM
    for number, moment in enumerate(story(records)):
        if number % PAGE == 0:
            room = ROOM
        length = sum(map(len, moment.lines))
        fits = length <= min(LONG, room)
        room -= length if fits else 0
        short = moment if fits and len(moment.title) <= _TITLE else _short(moment, fits=fits)
        yield Entry(number, short, cut=short is not moment)


def _short(moment: Moment, *, fits: bool) -> Moment:
    title = moment.title if len(moment.title) <= _TITLE else f"{moment.title[:_TITLE]}…"
    return replace(moment, title=title, lines=moment.lines if fits else (), paths=moment.paths[:_MOST_PATHS])


class Pass:
    """One pass through a session, a page at a time from moment `first` on; `masked` counts values until here."""

    def __init__(self, records: Iterator[Record], first: int) -> None:
        self.masked = 0
        self._check: Callable[[], object] = lambda: None
        self._entries: Iterator[Entry] = itertools.islice(entries(self._tallied(records)), first, None)

    def page(self, check: Callable[[], object]) -> Iterator[Entry]:
        """Yield the next PAGE moments; `check` is called before each record and may raise."""
        self._check = check
        yield from itertools.islice(self._entries, PAGE)

    def goes_on(self) -> bool:
        """Say whether there is another page."""
        for entry in self._entries:
            self._entries = itertools.chain((entry,), self._entries)
            return True
        return False

    def _tallied(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            self._check()
            if isinstance(record.event, Redacted):
                self.masked += record.event.count
            yield record


def whole(records: Iterator[Record], number: int) -> Moment | None:
    """Return moment `number` with all of its texts."""
    return next(itertools.islice(story(records), number, None), None)


class Terminal:
    """Draws what stood on the terminal; some of what was drawn is kept, so that the next moment is nearer."""

    def __init__(self) -> None:
        self._kept: dict[int, Screen] = {}  # by the record after which they stood so

    def at(self, records: Iterator[Record], sequence: int) -> tuple[str, ...]:
        """Return the lines when record `sequence` was written, read from the beginning; none before the first."""
        from wrapper.review.replay import steps  # noqa: PLC0415 (loads pyte: not before somebody looks at a screen)
        from wrapper.review.screen import Screen  # noqa: PLC0415

        nearest = max((one for one in tuple(self._kept) if one <= sequence), default=-1)
        screen = self._kept[nearest].copy() if nearest >= 0 else Screen()
        fed, shown = 0, nearest >= 0
        for step in steps(itertools.takewhile(lambda one: one.sequence <= sequence, records)):
            if step.sequence <= nearest:
                continue
            if step.columns:
                screen.resize(step.columns, step.rows)
                continue
            screen.feed(step.data)
            fed, shown = fed + len(step.data), True
            if fed > _APART:
                self._keep(step.sequence, screen)
                fed = 0
        return tuple(screen.lines()) if shown else ()

    def _keep(self, sequence: int, screen: "Screen") -> None:
        if len(self._kept) >= _MOST_KEPT:
            for one in sorted(self._kept)[::2]:
                del self._kept[one]
        self._kept[sequence] = screen.copy()

"""Gathers what a page shows of a session, within bounds: the recording, the rows of the timeline, what was masked."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from wrapper.audit.events import AnyEvent, Connection, FileChange, Refused, Request, Sent, SessionEnd, SessionStart
from wrapper.audit.reader import Record
from wrapper.errors import AuditError
from wrapper.review.export.cast import Casting, Entry
from wrapper.review.export.chart import Masked
from wrapper.review.export.clock import sound
from wrapper.review.export.pace import Pace
from wrapper.review.export.rows import Row, row
from wrapper.review.story import Moment, story

_ASIDE: Final = "(aside)"  # begins the title of what a client asked by itself, for a name or a summary


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a session gets into a page: a browser has to lay it out."""

    recording: int = 16 << 20  # characters of terminal output
    moments: int = 20_000
    text: int = 24 << 20  # characters of the timeline
    idle: float = 2.0  # seconds; longer pauses are shortened in the player, the timeline has the real times


class Gathering:
    """Reads a session once; then its attributes are what the page shows. `problem` says why the reading broke off."""

    def __init__(self, records: Iterable[Record], limits: Limits) -> None:
        self.recording = Recording(limits)
        self.rows: list[Row] = []
        self.left_out = 0
        self.masked = Masked()
        self.kinds: Counter[str] = Counter()
        self.prompts = 0
        self.requests = 0
        self.files: set[str] = set()
        self.denied = 0
        self.start: SessionStart | None = None
        self.end: SessionEnd | None = None
        self.times: tuple[float, float] | None = None
        self.used = ""
        self.problem: AuditError | None = None
        self._limits = limits
        self._text = 0
        try:
            for moment in story(self._through(records)):
                self._add(moment)
        except AuditError as error:  # what was good before is shown, and the page says so
            self.problem = error

    def _through(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            self._count(record.event)
            self.recording.feed(record)
            yield record

    def _count(self, event: AnyEvent) -> None:
        at = sound(event.at)
        first, last = self.times or (at, at)
        self.times = (first, max(last, at))
        self.masked.feed(event)
        match event:
            case SessionStart():
                self.start = event
            case SessionEnd():
                self.end = event
            case Request() | Sent(offset=0):
                self.requests += 1
            case FileChange(action="created" | "modified" | "deleted" | "moved"):
                self.files.discard(event.path)  # what was written beside a file and moved over it is no file of its own
                self.files.add(event.target or event.path)
            case Refused() | Connection(allowed=False):
                self.denied += 1
            case _:
                pass

    def _add(self, moment: Moment) -> None:
        self.kinds[moment.kind] += 1
        self.prompts += moment.kind == "prompt" and not moment.title.startswith(_ASIDE)
        if moment.kind == "end" and moment.lines:
            self.used = moment.lines[0]
        if len(self.rows) >= self._limits.moments or self._text >= self._limits.text:
            self.left_out += 1
            return
        made = row(moment, len(self.rows))
        self._text += made.size
        self.rows.append(made)


class Recording:
    """The entries of a recording up to a size; then its markers and its length only. `cut` says when that began."""

    def __init__(self, limits: Limits) -> None:
        self.entries: list[Entry] = []
        self.cut: float | None = None
        self._casting = Casting(limits.idle)
        self._most = limits.recording
        self._size = 0
        self._shown = 0.0

    @property
    def pace(self) -> Pace:
        """Where in the recording something is."""
        return self._casting.pace

    @property
    def poster(self) -> float:
        """The second of the recording that is shown at first: its last prompt's or call's, else its first output's."""
        shown, first, last = 0.0, None, None
        for passed, code, _ in self.entries:
            shown += float(str(passed))
            first = shown if first is None and code == "o" else first
            last = shown if code == "m" else last
        return last or first or 0.0

    def document(self) -> list[object]:
        """Return header and entries, as the player takes them."""
        return [self._casting.header(), *self.entries]

    def feed(self, record: Record) -> None:
        """Take the next record."""
        for passed, code, data in self._casting.feed(record):
            self._shown += float(str(passed))
            self._size += len(str(data))
            if self._size > self._most and self.cut is None:
                self.cut = record.event.at
                self._put("o", "\x1b[0m\x1b[2J\x1b[H[the recording is cut here]\r\n")
            if self.cut is None or code in ("m", "x"):
                self._put(str(code), data)

    def _put(self, code: str, data: object) -> None:
        self.entries.append([round(self._shown, 3), code, data])
        self._shown = 0.0

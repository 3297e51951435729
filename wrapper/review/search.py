"""Finds a text in a session: on its screen, in what was sent and answered, in names of files, in what was typed; pure.

Rules of this file:
- What counts on the screen is what stood there, however it was drawn: a line is looked at before anything of it that
  changed is drawn over, erased or scrolled away, and at the end of each record.
- A line that the terminal wrapped is one line. Programs that wrap by themselves begin a new one, perhaps behind a
  border: what two lines hold together is looked at, too.
- Each hit comes once: not again while it stands, nor when the same line is painted anew, nor when a client sends a
  conversation again.
- Memory does not grow with the log; what was found is remembered by hashes, the latest of them.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.errors import AuditError
from wrapper.review import wire
from wrapper.review.cells import Line
from wrapper.review.controls import Control, Controls
from wrapper.review.screen import Screen
from wrapper.review.texts import Earlier, texts

_AROUND: Final = 200  # characters of a line that are shown on either side of a match
_MOST_FOUND: Final = 1 << 17  # hits that are remembered
_MOST_ROWS: Final = 8  # lines looked at together on either side of the one that changed
_FEW_CELLS: Final = 40  # of a text that one line holds at least, where a program wraps by itself
_MOST_HELD: Final = 1 << 20  # characters of a line of plain output that does not end
_BORDERS: Final = " \N{NO-BREAK SPACE}\t│┃║|▌▐▏▎"
_SEAMS: Final = ("", " ")


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where the text stands: `line` has it between `before` and `after`, which are parts of the line.

    `where` is `screen`, `stdout`, `stderr`, `typed`, `request #3 messages[0].content`, `sent #4`, or names another
    kind of event.
    """

    session: str
    sequence: int
    at: float
    where: str
    line: str
    before: str
    after: str

    @property
    def match(self) -> str:
        """What was found."""
        return self.line[len(self.before) : len(self.line) - len(self.after)]


def pattern(text: str, *, ignore_case: bool = False, expression: bool = False) -> re.Pattern[str]:
    """Return what finds `text`; a blank in it stands for any one, as no-break spaces look the same.

    Raises AuditError where it is empty, or an expression that cannot be read.
    """
    if not text:
        raise AuditError("there is nothing to search for")
    source = text if expression else re.escape(text).replace(r"\ ", r"[ \u00a0]")
    try:
        return re.compile(source, re.IGNORECASE if ignore_case else 0)
    except (re.error, RecursionError, OverflowError) as error:
        raise AuditError(f"`{text}` is not a regular expression: {error}") from error


def search(
    records: Iterable[Record], text: str, *, session: str = "", ignore_case: bool = False, expression: bool = False
) -> Iterator[Hit]:
    """Yield each place of `records` where `text` stands, in order; raises as `pattern` and the reading do."""
    wanted = pattern(text, ignore_case=ignore_case, expression=expression)
    rows = min(_MOST_ROWS, 2 if expression else 1 + len(text) // _FEW_CELLS)
    searching = _Searching(session, wanted, rows)
    for record in records:
        yield from searching.feed(record)
    yield from searching.finish()


class _Searching:
    def __init__(self, session: str, wanted: re.Pattern[str], rows: int) -> None:
        self._session = session
        self._wanted = wanted
        self._rows = rows
        self._found: dict[int, None] = {}
        self._glance: Glance | None = None
        self._size = (0, 0)
        self._plain: dict[str, _Lines] = {}
        self._record: Record | None = None
        self._earlier: Earlier = {}  # what came before was searched: a hit in it would be no new one

    def feed(self, record: Record) -> Iterator[Hit]:
        self._record = record
        for where, line, match in self._matches(record.event):
            hit = self._hit(record, where, line, match)
            if hit is not None:
                yield hit

    def finish(self) -> Iterator[Hit]:
        """Yield what stands in lines that were never ended."""
        for stream, lines in self._plain.items():
            for line in lines.finish():
                match = self._wanted.search(line)
                hit = self._hit(self._record, stream, line, match) if match and self._record else None
                if hit is not None:
                    yield hit

    def _matches(self, event: events.AnyEvent) -> Iterator[tuple[str, str, re.Match[str]]]:
        match event:
            case events.Resize():
                self._size = (event.columns, event.rows)
                if self._glance is not None:
                    yield from (("screen", *found) for found in self._glance.resize(*self._size))
            case events.Output(stream="tty"):
                if self._glance is None:
                    self._glance = Glance(self._wanted, *self._size, rows=self._rows)
                yield from (("screen", *found) for found in self._glance.feed(event.data))
            case events.Output():
                lines = self._plain.setdefault(event.stream, _Lines())
                for line in lines.feed(event.data):
                    yield from ((event.stream, line, found) for found in self._wanted.finditer(line))
            case events.Request() | events.Response():
                yield from self._body(event, "request" if isinstance(event, events.Request) else "response")
            case events.Sent():
                yield from self._body(wire.as_request(event), "sent")
            case _:
                for where, text in _named(event):
                    yield from ((where, text, found) for found in self._wanted.finditer(text))

    def _body(self, event: events.Request | events.Response, kind: str) -> Iterator[tuple[str, str, re.Match[str]]]:
        address = [("url", event.url)] if isinstance(event, events.Request) else []
        heads = [(f"header {name}", value) for name, value in event.headers.items()]
        for where, text in (*address, *heads, *texts(event.body, self._earlier)):
            for found in self._wanted.finditer(text):
                yield f"{kind} #{event.number} {where}".rstrip(), text, found

    def _hit(self, record: Record, where: str, text: str, match: re.Match[str]) -> Hit | None:
        start = text.rfind("\n", 0, match.start()) + 1
        end = text.find("\n", match.end())
        end = len(text) if end < 0 else end
        kind = "body" if where.startswith(("request", "response", "sent")) else where
        key = hash((kind, " ".join(text[start:end].split())))
        if key in self._found:
            return None
        self._found[key] = None
        if len(self._found) > _MOST_FOUND:
            del self._found[next(iter(self._found))]
        before = text[max(start, match.start() - _AROUND) : match.start()]
        after = text[match.end() : min(end, match.end() + _AROUND)].rstrip()
        line = f"{before}{match[0]}{after}"
        return Hit(self._session, record.sequence, record.event.at, where, line, before, after)


class Glance:
    """The screen, looked at for a text wherever it changes."""

    def __init__(self, wanted: re.Pattern[str], columns: int = 0, rows_of_screen: int = 0, *, rows: int = 2) -> None:
        self.screen = Screen(columns, rows_of_screen, self._pass)
        self._wanted = wanted
        self._rows = rows
        self._passing: list[tuple[Line, str, re.Match[str]]] = []

    def feed(self, data: bytes) -> list[tuple[str, re.Match[str]]]:
        """Draw the next piece; return what came to stand on the screen and was not there before: line and match."""
        self.screen.feed(data)
        return self._taken()

    def resize(self, columns: int, rows: int) -> list[tuple[str, re.Match[str]]]:
        """Take another size; returns as `feed` does."""
        self.screen.resize(columns, rows)
        return self._taken()

    def _taken(self) -> list[tuple[str, re.Match[str]]]:
        lines = [self.screen.line(y) for y in range(self.screen.rows)]
        here = {id(line): line for line in lines}
        passing, self._passing = self._passing, []
        found = []
        for line, text, match in passing:
            if id(line) in here and line.changed and match[0] in line.text():
                continue  # what is drawn piece by piece is shown as it stands in the end
            line.seen |= {(match.start(), match[0])}
            found.append((text, match))
        for y, line in enumerate(lines):
            if line.changed:
                found += self._settled(y, line)
        return found

    def _pass(self, y: int) -> None:
        """Look at line `y`, which is about to change or to go."""
        line = self.screen.line(y)
        line.changed = False
        if line.text().strip():
            self._passing += (
                (line, text, match) for text, match in self._standing(y) if (match.start(), match[0]) not in line.seen
            )

    def _settled(self, y: int, line: Line) -> Iterator[tuple[str, re.Match[str]]]:
        line.changed = False
        if not line.text().strip():
            return
        before, places = line.seen, set()
        for text, match in self._standing(y):
            place = (match.start(), match[0])
            places.add(place)
            if place not in before:
                yield text, match
        line.seen = frozenset(places)

    def _standing(self, y: int) -> Iterator[tuple[str, re.Match[str]]]:
        text, start, end = self._wrapped(y)
        for match in self._wanted.finditer(text):
            if match.start() < end and match.end() > start:
                yield text, match
                return
        near = [line for line in (self._near(at) for at in range(y - self._rows, y + self._rows + 1)) if line]
        for seam in _SEAMS if len(near) > 1 else ():
            joined = seam.join(near)
            for match in self._wanted.finditer(joined):
                if not any(match[0] in line for line in near):
                    yield joined, match
                    return

    def _wrapped(self, y: int) -> tuple[str, int, int]:
        """Return the line that the terminal wrapped, and from where to where line `y` stands in it."""
        first = last = y
        while first > max(0, y - _MOST_ROWS) and self.screen.line(first - 1).goes_on:
            first -= 1
        while last < min(self.screen.rows - 1, y + _MOST_ROWS) and self.screen.line(last).goes_on:
            last += 1
        parts = [self.screen.line(at).text() for at in range(first, last + 1)]
        start = sum(map(len, parts[: y - first]))
        return "".join(parts), start, start + len(parts[y - first])

    def _near(self, y: int) -> str:
        return self.screen.line(y).text().strip(_BORDERS) if 0 <= y < self.screen.rows else ""


class _Lines:
    """Output that was for no terminal, by lines."""

    def __init__(self) -> None:
        self._controls = Controls()
        self._held: list[str] = []
        self._length = 0

    def feed(self, data: bytes) -> Iterator[str]:
        for token in self._controls.feed(data):
            if isinstance(token, Control):
                if token.name in ("\n", "\r"):
                    yield from self.finish()
            else:
                self._held.append(token)
                self._length += len(token)
                if self._length > _MOST_HELD:
                    yield from self.finish()

    def finish(self) -> Iterator[str]:
        """Yield the line that is held."""
        held, self._held, self._length = "".join(self._held), [], 0
        if held:
            yield held


def _named(event: events.AnyEvent) -> Iterator[tuple[str, str]]:  # noqa: C901 (one case per kind of event)
    """Yield the texts of what is neither output nor a body."""
    match event:
        case events.SessionStart():
            yield "command", " ".join(event.argv)
            yield "workspace", event.workspace
        case events.Typed():
            controls = Controls().feed(event.data)
            yield "typed", "".join(token if isinstance(token, str) else " " for token in controls)
        case events.FileChange():
            yield "file", event.path
            if event.target:
                yield "file", event.target
        case events.FilesRead():
            for path, _, _ in event.files:
                yield "read", path
        case events.Redacted():
            yield "redacted", f"{event.placeholder} in {event.place} {event.where}"
        case events.Refused():
            yield "refused", f"{event.url}: {event.reason}"
        case events.Judged():
            yield "judged", f"{event.rule}: {event.reason}"
        case events.Connection():
            yield "network", f"{event.host}:{event.port}"
        case events.Warned():
            yield "warning", event.text
        case events.SessionEnd():
            yield "end", event.reason

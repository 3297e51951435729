"""A session as a recording that asciinema plays: asciicast, version 3 (docs.asciinema.org/manual/asciicast/v3).

What the agent wrote is for a terminal, and a recording is played on one: only what paints gets into it. The prompts and
the calls of tools are its markers.
"""

import json
import math
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from wrapper.audit.events import Output, Resize, SessionEnd, SessionStart, Typed
from wrapper.audit.reader import Record
from wrapper.review import edits
from wrapper.review.export.clock import sound
from wrapper.review.export.pace import Pace
from wrapper.review.painting import Painting
from wrapper.review.render import printable
from wrapper.review.turns import Call, Prompt, Turn, Turns

Entry = list[object]
"""One event of a recording: seconds since the one before, code, data."""

_MOST_CELLS: Final = 1000  # columns or rows; a player makes room for each cell of a terminal
_MOST_LABEL: Final = 100  # characters of a marker
_PLAIN: Final = (80, 24)  # a session without a terminal


class Casting:
    """Makes a recording of records; pauses are no longer than `idle` seconds. `pace` tells times in it.

    `header()` is known once the recording has begun: with the first event that `feed` returns.
    """

    def __init__(self, idle: float = math.inf) -> None:
        self.pace = Pace(0.0, idle)
        self._idle = idle
        self._begun = False
        self._header: dict[str, object] = {"version": 3}
        self._size = _PLAIN
        self._waiting: list[Entry] = []
        self._turns = Turns()
        self._pens = {stream: _Pen(plain=stream != "tty") for stream in ("tty", "stdout", "stderr")}

    def header(self) -> dict[str, object]:
        """Return the first line of the recording."""
        columns, rows = self._size
        return {**self._header, "term": {"cols": columns, "rows": rows}}

    def feed(self, record: Record) -> list[Entry]:
        """Return what the record adds; nothing before the terminal's size is known."""
        event = record.event
        if isinstance(event, SessionStart):
            self.pace = Pace(event.at, self._idle)
            self._header |= _about(event)
        self._waiting += self._markers(record)
        match event:
            case Resize():
                self._resize(event)
            case Output():
                self._add(event.at, "o", self._pens[event.stream if event.stream in self._pens else "tty"], event.data)
            case Typed():
                self._waiting.append([self.pace.step(event.at), "i", event.data.decode(errors="replace")])
            case SessionEnd():
                self._begun = True
                self._waiting.append([self.pace.step(event.at), "x", str(event.exit_code)])
        return self.rest() if self._begun else []

    def rest(self) -> list[Entry]:
        """Return what waits for the terminal's size, which a session without output never says."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def _resize(self, event: Resize) -> None:
        size = (_bounded(event.columns), _bounded(event.rows))
        if self._begun:
            self._waiting.append([self.pace.step(event.at), "r", f"{size[0]}x{size[1]}"])
        else:
            self._size = size

    def _add(self, at: float, code: str, pen: "_Pen", data: bytes) -> None:
        text = pen.text(data)
        self._begun = True
        if text:
            self._waiting.append([self.pace.step(at), code, text])

    def _markers(self, record: Record) -> Iterator[Entry]:
        for turn in self._turns.feed(record):
            label = _label(turn)
            if label:
                yield [self.pace.step(turn.at), "m", label]


class _Pen:
    """Makes text of what a program wrote: without what does not paint."""

    def __init__(self, *, plain: bool) -> None:
        self._painting = Painting()
        self._plain = plain

    def text(self, data: bytes) -> str:
        text = self._painting.feed(data).decode()
        # without a terminal nothing has put the return before the line feed
        return text.replace("\n", "\r\n") if self._plain else text


def export(records: Iterable[Record], out: BinaryIO) -> None:
    """Write the recording, line by line. Raises as the reading of `records` does."""
    casting = Casting()
    begun = False
    for record in records:
        for entry in casting.feed(record):
            if not begun:
                out.write(_line(casting.header()))
                begun = True
            out.write(_line(entry))
    if not begun:
        out.write(_line(casting.header()))
    for entry in casting.rest():
        out.write(_line(entry))


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"  # ASCII: nothing in it can act on a terminal


def _about(event: SessionStart) -> dict[str, object]:
    command = printable(" ".join(event.argv))
    title = printable(f"{event.agent} in {event.workspace}")
    return {"timestamp": int(sound(event.at)), "command": command, "title": title}


def _label(turn: Turn) -> str:
    match turn:
        case Prompt(aside=False):
            text = f"prompt: {turn.text}"
        case Call():
            text = _called(turn)
        case _:
            return ""
    line = printable(" ".join(text.split()))
    return f"{line[:_MOST_LABEL]}…" if len(line) > _MOST_LABEL else line


def _called(call: Call) -> str:
    changed = edits.edits(call.input)
    if not changed and (ran := edits.command(call.input)):
        return f"$ {ran}"
    path = changed[0].path if changed else edits.path_of(call.input)
    return f"{call.tool}: {path}" if path else call.tool


def _bounded(count: int) -> int:
    return min(max(count, 1), _MOST_CELLS)

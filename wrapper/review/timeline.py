"""Turns the events of a session into the rows that a person reads; pure.

A row's texts are raw: they may hold anything that the agent or a server sent. `render` makes them safe to print.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from wrapper.audit.events import (
    Answered,
    AnyEvent,
    Connection,
    Event,
    FileChange,
    FilesRead,
    Judged,
    Output,
    Redacted,
    Refused,
    Request,
    Resize,
    Response,
    Sent,
    SessionEnd,
    SessionStart,
    Typed,
    Warned,
)
from wrapper.errors import AuditError
from wrapper.review import wire
from wrapper.review.sizes import size

# escape sequences of a terminal: CSI, then OSC and the other strings up to their end, then the two-byte ones (ECMA-48)
# a string ends at a line's end here, so that one without an end hides nothing
_ESCAPES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]")
# clients that draw move right over blanks (CUF), and to a column (CHA), in place of writing spaces
_MOVED: Final = re.compile(r"\x1b\[([0-9]{0,9})([CG])")
_WIDEST_GAP: Final = 8  # spaces that stand for a movement to the right: what is said counts, not where
_MOST_LINES: Final = 12  # of terminal output shown per row; `--json` has all
_MOST_JOINED: Final = 1 << 16  # bytes of output joined into one row; each join copies
_MOST_READ: Final = 10_000  # files of reads joined into one row
_FEW: Final = 3  # files that a row of reads names; more are counted


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the timeline: when (seconds since the epoch), what kind, what happened, and lines below it."""

    at: float
    kind: str
    text: str
    details: tuple[str, ...] = ()


def timeline(events: Iterable[AnyEvent]) -> Iterator[Row]:
    """Yield the rows of `events`; output that follows output, and equal redactions, become one row."""
    held: AnyEvent | None = None
    try:
        for event in events:
            joined = None if held is None else _join(held, event)
            if joined is None and held is not None:
                yield row(held)
            held = joined or event
    except AuditError:  # the log is bad from here on: what was good before is shown
        if held is not None:
            yield row(held)
        raise
    if held is not None:
        yield row(held)


def row(event: Event) -> Row:  # noqa: C901, PLR0911, PLR0912 (one case per kind of event, nothing else)
    """Return the row of one event."""
    kind = str(event.__struct_config__.tag)
    match event:
        case SessionStart():
            return Row(event.at, kind, _command(event), _start_details(event))
        case Output():
            lines = text_lines(event.data)
            return Row(event.at, kind, f"{event.stream} {size(len(event.data))}", _shortened(lines))
        case Typed():
            return Row(event.at, kind, size(len(event.data)), _shortened(text_lines(event.data)))
        case Resize():
            return Row(event.at, kind, f"{event.columns} columns, {event.rows} rows")
        case Redacted():
            return Row(event.at, kind, wire.redaction(event))
        case Request():
            return Row(event.at, kind, wire.request(event), wire.glimpse(event))
        case Response():
            return Row(event.at, kind, wire.response(event))
        case Refused():
            return Row(event.at, kind, f"#{event.number} {event.method} {event.url}: {event.reason}")
        case Judged():
            return Row(event.at, kind, wire.judgement(event), (f"“{event.reason}”",) if event.reason else ())
        case Connection():
            verdict = "allowed" if event.allowed else "denied"
            moved = f"  sent {size(event.sent)}, received {size(event.received)}" if event.allowed else ""
            rule = f"  ({event.rule})" if event.rule else ""
            return Row(event.at, kind, f"{verdict} {event.host}:{event.port}{rule}{moved}")
        case Sent():
            return Row(event.at, kind, wire.sent(event), _shortened(wire.readable(event.body)))
        case Answered():
            return Row(event.at, kind, wire.answered(event))
        case FileChange():
            target = f" → {event.target}" if event.target else ""
            return Row(event.at, kind, f"{event.action} {event.path}{target}{_author(event)}")
        case FilesRead():
            return Row(event.at, kind, _read(event))
        case Warned():
            return Row(event.at, kind, event.text)
        case SessionEnd():
            reason = f": {event.reason}" if event.reason else ""
            return Row(event.at, kind, f"exit code {event.exit_code}{reason}")
        case _:
            return Row(event.at, kind, "")


def text_lines(data: bytes) -> list[str]:
    """Return the readable lines of terminal output, without escape sequences, blank lines and what was overwritten."""
    text = _ESCAPES.sub("", _MOVED.sub(_gap, data.decode(errors="replace")))
    lines = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))
    return [line for line in lines if line]


def _gap(moved: re.Match[str]) -> str:
    count = int(moved[1] or 1)
    if moved[2] == "C":
        return " " * min(count, _WIDEST_GAP)
    return " " if count > 1 else "\r"  # the first column: what stood in the line is written over


def _join(held: AnyEvent, event: AnyEvent) -> AnyEvent | None:
    if isinstance(held, Output) and isinstance(event, Output):
        if held.stream == event.stream and len(held.data) < _MOST_JOINED:
            return msgspec.structs.replace(held, data=held.data + event.data)
    elif isinstance(held, Redacted) and isinstance(event, Redacted):
        same = (held.placeholder, held.place, held.where, held.action) == (
            event.placeholder,
            event.place,
            event.where,
            event.action,
        )
        return msgspec.structs.replace(held, count=held.count + event.count) if same else None
    elif isinstance(held, FilesRead) and isinstance(event, FilesRead) and len(held.files) < _MOST_READ:
        files = {path: (path, first, count) for path, first, count in (*held.files, *event.files)}
        return msgspec.structs.replace(held, files=tuple(files.values()))
    return None


def _command(event: SessionStart) -> str:
    return " ".join(event.argv) if event.argv else event.agent


def _author(event: FileChange) -> str:
    """Say who made the change, and of a process inside how much it wrote."""
    if not event.by:
        return ""
    process = f" ({event.process})" if event.process else ""
    written = sum(length for _, length in event.ranges)
    places = f" in {len(event.ranges)} places" if len(event.ranges) > 1 else ""
    return f"  by the {event.by}{process}" + (f", {size(written)}{places}" if event.ranges else "")


def _read(event: FilesRead) -> str:
    names = [path for path, _, _ in event.files]
    what = ", ".join(names) if len(names) <= _FEW else f"{len(names)} files"
    return f"{what}  {size(sum(count for _, _, count in event.files))}"


def each_read(events: Iterable[AnyEvent]) -> Iterator[Row]:
    """Yield a row for each file when it was first read, with what was read of it in the end."""
    files: dict[str, tuple[float, int]] = {}
    broken: AuditError | None = None
    try:
        for event in events:
            if isinstance(event, FilesRead):
                files |= {path: (first, count) for path, first, count in event.files}
    except AuditError as error:  # the log is bad from here on: what was good before is shown
        broken = error
    for path, (first, count) in sorted(files.items(), key=lambda item: item[1]):
        yield Row(first, "read", f"{path}  {size(count)}")
    if broken is not None:
        raise broken


def _start_details(event: SessionStart) -> tuple[str, ...]:
    agent = f"{event.agent} {event.agent_version}".strip()
    degraded = (f"without: {', '.join(event.degraded)}",) if event.degraded else ()
    return (
        f"{agent} in {event.workspace}",
        f"by {event.user}@{event.host}, safe-agent {event.version}, policy {event.policy[:16]}",
        *((f"files: {event.view}",) if event.view else ()),
        *degraded,
    )


def _shortened(lines: list[str]) -> tuple[str, ...]:
    if len(lines) <= _MOST_LINES:
        return tuple(lines)
    half = _MOST_LINES // 2
    return (*lines[:half], f"… {len(lines) - 2 * half} more lines", *lines[-half:])


def since(start: float, entry: Row) -> Row:
    """Return the row with its time counted from `start`."""
    return replace(entry, at=entry.at - start)

"""Tells a session as what a person would say happened in it, moment by moment, in the order of the log; pure.

What was said comes out of requests and answers (`turns`), what was done to files out of the view's own records: so also
what a shell command changed is there. A moment's texts are raw: they may hold anything that the agent or a server sent.
`render` makes them safe to print.

Rules of this file:
1. Every record that tells of something is in a moment: what is joined is counted, what is cut says how much is missing.
2. A file written beside another and moved over it (how editors save) is one change of that other.
3. Memory does not grow with the log: kept are what stands in one moment, and ids of calls, the latest of them.
"""

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.errors import AuditError
from wrapper.review import edits, wire
from wrapper.review.bounded import put
from wrapper.review.cost import Cost, Prices, said
from wrapper.review.saving import saved
from wrapper.review.sizes import size
from wrapper.review.timeline import Row, row, text_lines
from wrapper.review.turns import Answer, Call, Prompt, Result, Turn, Turns, Usage

KINDS: Final = (
    "start", "prompt", "answer", "call", "result", "change", "read", "redacted", "judged", "network", "refused",
    "output", "typed", "warning", "usage", "end",
)  # fmt: skip
"""The kinds of moments."""

_MOST_LINES: Final = 2_000  # of one moment; a result can have millions
_MOST_LENGTH: Final = 4_000  # characters of one line; minified files are a line
_MOST_JOINED: Final = 1_000  # records that become one moment
_MOST_OUTPUT: Final = 1 << 20  # bytes of terminal output that become one moment
_MOST_CALLS: Final = 1 << 14
_FEW: Final = 3  # files that a title names; more are counted
_BROKEN: Final = 400  # RFC 9110 section 15: statuses of failures begin here


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened: when (seconds since the epoch), its kind, a title, lines below it, files it is about.

    `sequence` is that of its (first) record, which several moments can share. `lines` of a call or a change may be a
    unified diff. `refers` is the sequence of the moment that this one belongs to: a result's or a change's call.
    """

    sequence: int
    at: float
    kind: str
    title: str
    lines: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    refers: int = 0


class Story:
    """Takes a session's records one by one. A moment comes once no later record can belong to it, or with `rest`."""

    def __init__(self, prices: Prices | None = None) -> None:
        self._telling = _Telling(prices or Prices())
        self._held: list[Record] = []
        self._last: Record | None = None
        self._size = 0  # bytes of terminal output that are held

    def feed(self, record: Record) -> Iterator[Moment]:
        """Yield the moments that are complete before `record`, which is held."""
        if self._held and (self._size > _MOST_OUTPUT or not _joins(self._held, record)):
            yield from self.rest()
        self._held.append(record)
        self._last = record
        self._size += len(record.event.data) if isinstance(record.event, events.Output) else 0

    def rest(self) -> Iterator[Moment]:
        """Yield the moments of what is held, and hold nothing; more may be fed."""
        held, self._held, self._size = self._held, [], 0
        if held:
            yield from map(_in_lines, self._telling.tell(held))

    def total(self) -> Iterator[Moment]:
        """Yield what all answers cost until now, where no end of the session has told it."""
        total = tuple(self._telling.total())
        if total and self._last and not isinstance(self._last.event, events.SessionEnd):
            sequence, event = self._last
            yield Moment(sequence, event.at, "usage", f"until here {total[0]}", total[1:])


def story(records: Iterable[Record], prices: Prices | None = None) -> Iterator[Moment]:
    """Yield the moments of a session. Where reading `records` raises, what was good before is told first."""
    told = Story(prices)
    broken: AuditError | None = None
    try:
        for record in records:
            yield from told.feed(record)
    except AuditError as error:  # the log is bad from here on
        broken = error
    yield from told.rest()
    yield from told.total()
    if broken is not None:
        raise broken


def _joins(held: Sequence[Record], record: Record) -> bool:
    """Say whether a record belongs to those before it."""
    last, event = held[-1].event, record.event
    if type(last) is not type(event) or len(held) >= _MOST_JOINED:
        return False
    match last, event:
        case events.Output(), events.Output():
            return last.stream == event.stream
        case events.Redacted(), events.Redacted():
            return (last.place, last.action) == (event.place, event.action) and _about(last) == _about(event)
        case events.Sent(), events.Sent():
            return last.number == event.number
        case events.Connection(), events.Connection():
            return (last.host, last.port, last.allowed) == (event.host, event.port, event.allowed)
        case _:
            return isinstance(event, events.FileChange | events.FilesRead | events.Typed)


def _about(event: events.Redacted) -> str:
    """Return the request or file in which something was redacted; the environment is one."""
    return "" if event.place == "environment" else event.where.partition("@")[0]


class _Telling:
    """Tells records that belong together; remembers what later ones refer to."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._turns = Turns()
        self._workspace = ""
        self._calls: dict[str, tuple[int, str]] = {}  # sequence and title by id
        self._changing: dict[str, int] = {}  # the call that is to change a file, until the model answers its result
        self._cost = Cost()

    def tell(self, held: list[Record]) -> Iterator[Moment]:
        """Yield the moments of records that `_joins` put together."""
        sequence, event = held[0]
        match event:
            case events.FileChange():
                yield from self._changes(held)
            case events.FilesRead():
                yield self._read(held)
            case events.Redacted():
                yield self._redacted(held)
            case events.Output() | events.Typed():
                yield _shown(held)
            case events.Connection():
                yield _connection(held)
            case events.Sent():
                yield _sent(held)
            case events.Answered():
                yield Moment(sequence, event.at, "network", f"answer {wire.answered(event)}")
            case events.Request():
                yield self._request(held[0], event)
                yield from map(self._turn, self._turns.feed(held[0]))
            case events.Response():
                self._changing.clear()
                yield from map(self._turn, self._turns.feed(held[0]))
                yield from _failed(sequence, event)
            case _:
                yield from self._single(sequence, event)

    def _single(self, sequence: int, event: events.AnyEvent) -> Iterator[Moment]:
        one = row(event)
        match event:
            case events.SessionStart():
                self._workspace = event.workspace
                title = f"{event.agent} {event.agent_version}".strip() + f" in {event.workspace}"
                yield Moment(sequence, event.at, "start", title, (f"$ {one.text}", *one.details[1:]))
            case events.Judged():
                yield _as(sequence, "judged", one)
            case events.Refused():
                yield _as(sequence, "refused", one)
            case events.Warned():
                yield _as(sequence, "warning", one)
            case events.SessionEnd():
                yield Moment(sequence, event.at, "end", one.text, tuple(self.total()))
            case events.Resize():
                return  # nothing that a person would tell; `play` follows it

    def total(self) -> Iterator[str]:
        """Yield what all answers cost until now."""
        if self._cost.answers:
            yield f"{_counted(self._cost.answers, 'answer')}: {said(self._cost)}"
        if self._cost.dollars and self._prices.dated:
            yield f"an estimate by the list prices of {self._prices.dated}"
        if self._cost.unpriced:
            yield f"no price is known of: {', '.join(self._cost.unpriced)}"

    def _request(self, record: Record, event: events.Request) -> Moment:
        return Moment(record.sequence, event.at, "network", f"sent {wire.request(event)}")

    def _turn(self, turn: Turn) -> Moment:
        match turn:
            case Prompt() | Answer():
                title, *lines = turn.text.strip("\n").split("\n")
                aside = "(aside) " if turn.aside else ""
                kind = "prompt" if isinstance(turn, Prompt) else "answer"
                return Moment(turn.sequence, turn.at, kind, aside + _cut(title), _bounded(lines))
            case Call():
                return self._call(turn)
            case Result():
                return self._result(turn)
            case Usage():
                self._cost = self._cost.plus(turn, self._prices)
                title = f"#{turn.request} {turn.model or 'model unknown'}: {said(Cost().plus(turn, self._prices))}"
                return Moment(turn.sequence, turn.at, "usage", title)

    def _call(self, call: Call) -> Moment:
        changed = edits.edits(call.input)
        paths = tuple(dict.fromkeys(self._path(one) for edit in changed for one in (edit.path, edit.target) if one))
        paths = paths or tuple(self._path(one) for one in (edits.path_of(call.input),) if one)
        title, lines = self._called(call, changed, paths)
        for path in paths if changed else ():
            put(self._changing, path, call.sequence, _MOST_CALLS)
        put(self._calls, call.id, (call.sequence, title), _MOST_CALLS)
        return Moment(call.sequence, call.at, "call", _cut(title), _bounded(lines), paths)

    def _called(self, call: Call, changed: Sequence[edits.Edit], paths: Sequence[str]) -> tuple[str, list[str]]:
        """Return the title and the lines of a call: all that is in its input, in some form."""
        beside = edits.beside(call.input)
        more = beside.split("\n") if beside else []
        if ran := edits.command(call.input):
            first, *rest = ran.strip("\n").split("\n")
            return f"$ {first}" + (f"  → {_named(paths)}" if paths else ""), rest + more
        if changed:
            lines = [line for edit in changed for line in self._edited(edit, alone=len(changed) == 1)]
            action = changed[0].action if len(changed) == 1 else "modified"
            return f"{call.tool}: {_named(paths)}" + ("" if action == "modified" else f" ({action})"), lines + more
        if paths:
            return f"{call.tool}: {paths[0]}", more
        return f"{call.tool}: {more[0] if more else ''}".rstrip(), more[1:]

    def _edited(self, edit: edits.Edit, *, alone: bool) -> Iterator[str]:
        if not alone or edit.target:
            target = f" → {self._path(edit.target)}" if edit.target else ""
            yield f"{edit.action} {self._path(edit.path)}{target}"
        yield from edit.lines

    def _result(self, result: Result) -> Moment:
        sequence, title = self._calls.get(result.id, (0, ""))
        lines = result.text.strip("\n").split("\n") if result.text.strip() else []
        state = "failed" if result.is_error else "done"
        of = f" of {title}" if title else ""
        told = f"{state}, {_counted(len(lines), 'line')}{of}"
        return Moment(result.sequence, result.at, "result", _cut(told, 200), _bounded(lines), (), sequence)

    def _changes(self, held: list[Record]) -> Iterator[Moment]:
        for one in saved(held):
            event = one.event
            paths = tuple(path for path in (event.path, event.target) if path)
            times = f"  ({one.times} times)" if one.times > 1 else ""
            refers = next((self._changing[path] for path in reversed(paths) if path in self._changing), 0)
            lines = tuple(event.diff.split("\n")) if event.diff else ()
            yield Moment(one.sequence, event.at, "change", row(event).text + times, _bounded(lines), paths, refers)

    def _read(self, held: list[Record]) -> Moment:
        files: dict[str, int] = {}
        for _, event in held:
            if isinstance(event, events.FilesRead):
                files |= {path: count for path, _, count in event.files}
        lines = [f"{path}  {size(count)}" for path, count in files.items()] if len(files) > _FEW else []
        title = f"{_named(list(files))}  {size(sum(files.values()))}"
        return Moment(held[0].sequence, held[0].event.at, "read", title, _bounded(lines), tuple(files))

    def _redacted(self, held: list[Record]) -> Moment:
        told: dict[str, int] = {}
        paths: dict[str, None] = {}
        for _, event in held:
            if isinstance(event, events.Redacted):
                line = wire.redaction(msgspec.structs.replace(event, count=1))
                told[line] = told.get(line, 0) + event.count
                paths |= {event.where: None} if event.place == "file" else {}
        lines = [line if count == 1 else f"{line} ({count} times)" for line, count in told.items()]
        where = tuple(paths)
        if len(lines) == 1:
            return Moment(held[0].sequence, held[0].event.at, "redacted", lines[0], (), where)
        first = held[0].event
        place = f" in {first.place} {_about(first)}".rstrip() if isinstance(first, events.Redacted) else ""
        title = f"{_counted(sum(told.values()), 'value')}{place}"
        return Moment(held[0].sequence, first.at, "redacted", title, _bounded(lines), where)

    def _path(self, path: str) -> str:
        """Return a path as the view's records have it: relative to the workspace where it is in it."""
        plain = posixpath.normpath(path)
        inside = self._workspace and plain.startswith(self._workspace.rstrip("/") + "/")
        return posixpath.relpath(plain, self._workspace) if inside else plain


def _in_lines(moment: Moment) -> Moment:
    """Return the moment with a title and lines that are one line each."""
    if not any("\n" in line for line in (moment.title, *moment.lines)):
        return moment
    title, *lines = (part for line in (moment.title, *moment.lines) for part in line.split("\n"))
    return replace(moment, title=title, lines=tuple(lines))


def _shown(held: list[Record]) -> Moment:
    """Return the moment of terminal output or of keys."""
    sequence, event = held[0]
    data = b"".join(one.data for _, one in held if isinstance(one, events.Output | events.Typed))
    stream = f"{event.stream} " if isinstance(event, events.Output) else ""
    kind = "output" if isinstance(event, events.Output) else "typed"
    return Moment(sequence, event.at, kind, f"{stream}{size(len(data))}", _bounded(text_lines(data)))


def _connection(held: list[Record]) -> Moment:
    sequence, event = held[0]
    times = f"  ({len(held)} times)" if len(held) > 1 else ""
    if isinstance(event, events.Connection):
        parts = [one for _, one in held if isinstance(one, events.Connection)]
        sent, received = sum(one.sent for one in parts), sum(one.received for one in parts)
        event = msgspec.structs.replace(event, sent=sent, received=received)
    return Moment(sequence, event.at, "network", row(event).text + times)


def _sent(held: list[Record]) -> Moment:
    """Return the moment of a request to another host; one that was sent while it came has several records."""
    first, last = held[0].event, held[-1].event
    assert isinstance(first, events.Sent) and isinstance(last, events.Sent)  # noqa: S101, PT018  (who calls has looked)
    whole = msgspec.structs.replace(first, size=last.offset + last.size - first.offset, ended=last.ended)
    lines = [line for _, one in held if isinstance(one, events.Sent) for line in wire.readable(one.body)]
    return Moment(held[0].sequence, first.at, "network", f"sent {wire.sent(whole)}", _bounded(lines))


def _failed(sequence: int, event: events.Response) -> Iterator[Moment]:
    """Yield a moment for an answer that is none."""
    if not event.complete or (event.status >= _BROKEN):
        lines = text_lines(event.body) if event.status >= _BROKEN else []
        yield Moment(sequence, event.at, "network", f"answer {wire.response(event)}", _bounded(lines))


def _as(sequence: int, kind: str, one: Row) -> Moment:
    return Moment(sequence, one.at, kind, one.text, one.details)


def _named(paths: Sequence[str]) -> str:
    return ", ".join(paths) if len(paths) <= _FEW else f"{len(paths)} files"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _cut(line: str, most: int = _MOST_LENGTH) -> str:
    return line if len(line) <= most else f"{line[:most]}… {len(line) - most:,} more characters"


def _bounded(lines: Sequence[str]) -> tuple[str, ...]:
    more = len(lines) - _MOST_LINES
    kept = tuple(_cut(line) for line in lines[:_MOST_LINES])
    return (*kept, f"… {_counted(more, 'more line')}") if more > 0 else kept

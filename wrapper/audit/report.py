"""What a session came to, in numbers: for who runs it and cannot read its log, such as a build job; pure.

It is counted in the recorder, the one process through which every event goes. It holds kinds, rules, names of
variables, paths, hosts and counts, never a value and never a placeholder. Names and paths come from the inside, too:
whoever prints them makes them harmless first.
"""

import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from wrapper.audit import events

MOST: Final = 500
"""The most rows of one list: the inside can name as many hosts and files as it likes. More are counted together."""

OTHERS: Final = "others"
"""What stands for hosts, servers and subjects that have no row of their own."""

_MOST_WAITING: Final = 4096
_CHANGES: Final = ("created", "modified", "deleted", "moved")

_Key = TypeVar("_Key", bound=Hashable)
_Row = TypeVar("_Row")


class Variable(msgspec.Struct, frozen=True):
    """A variable that is a placeholder inside."""

    name: str
    kinds: tuple[str, ...]


class File(msgspec.Struct, frozen=True):
    """A file that is not shown as it is; `mode` is `mask`, `deny` or `hide`."""

    path: str
    mode: str
    kinds: tuple[str, ...]


class Masked(msgspec.Struct, frozen=True):
    """What the inside sees placeholders of, or nothing."""

    environment: tuple[Variable, ...] = ()
    files: tuple[File, ...] = ()


class Redaction(msgspec.Struct, frozen=True):
    """Replacements of one kind at one place; `values` counts different values, `count` each time. See `Redacted`."""

    kind: str
    place: str
    action: str
    rule: str
    values: int
    count: int


class Sent(msgspec.Struct, frozen=True):
    """What went to one server; `bytes` are the bodies', as sent."""

    url: str
    count: int
    bytes: int


class Requests(msgspec.Struct, frozen=True):
    """All requests to providers; `refused` did not leave."""

    count: int
    bytes: int
    refused: int
    upstreams: tuple[Sent, ...]


class Connected(msgspec.Struct, frozen=True):
    """Connections to one host through the egress proxy, or refused by it."""

    host: str
    port: int
    allowed: bool
    rule: str
    count: int
    sent: int
    received: int


class Asked(msgspec.Struct, frozen=True):
    """Requests to one host at which TLS ends here; `sent` are their bodies' bytes, `received` their answers'."""

    host: str
    port: int
    count: int
    sent: int
    received: int


class Decided(msgspec.Struct, frozen=True):
    """Decisions of one rule. See `Judged`."""

    about: str
    rule: str
    action: str
    count: int


class Report(msgspec.Struct, frozen=True):
    """One session. `log` is its folder; times are seconds since the epoch.

    Lists end after `MOST` rows; what is counted further stands in rows for all others, named `OTHERS`.
    `requests` are those to providers, but that `refused` counts all; `hosts` are the other ones.
    `restored` are the files in which a placeholder became a value.
    """

    session: str
    agent: str
    agent_version: str
    profile: str
    view: str
    log: str
    started: float
    ended: float
    exit_code: int
    reason: str
    masked: Masked
    redactions: tuple[Redaction, ...]
    requests: Requests
    connections: tuple[Connected, ...]
    judged: tuple[Decided, ...]
    changes: Mapping[str, int]
    restored: tuple[str, ...]
    warnings: tuple[str, ...]
    degraded: tuple[str, ...]
    hosts: tuple[Asked, ...] = ()
    version: int = 1

    def to_json(self) -> bytes:
        """Give it as JSON with a line end."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


@dataclass
class _Replaced:
    placeholders: set[str] = field(default_factory=set)
    count: int = 0


@dataclass
class _Amounts:
    count: int = 0
    sent: int = 0
    received: int = 0


class Tally:
    """Counts one session's events as they pass; `log` is the folder of its log."""

    def __init__(self, log: str) -> None:
        self._log = log
        self._start: events.SessionStart | None = None
        self._end: events.SessionEnd | None = None
        self._plan: Mapping[str, Any] = {}
        self._covered: dict[str, None] = {}
        self._restored: dict[str, None] = {}
        self._replaced: dict[tuple[str, str, str, str], _Replaced] = {}
        self._sent: dict[str, _Amounts] = {}
        self._refused = 0
        self._connected: dict[tuple[str, int, bool, str], _Amounts] = {}
        self._asked: dict[tuple[str, int], _Amounts] = {}
        self._waiting: dict[int, _Amounts] = {}  # requests to hosts that have no answer yet
        self._judged: dict[tuple[str, str, str], _Amounts] = {}
        self._changes = dict.fromkeys(_CHANGES, 0)
        self._warnings: dict[str, None] = {}

    def add(self, record: bytes) -> None:  # noqa: C901 (one case per kind of event, nothing else)
        """Count one encoded event. Raises AuditError where it is none."""
        match events.decode(record):
            case events.SessionStart() as start:
                self._start, self._plan = start, json.loads(start.plan)
            case events.SessionEnd() as end:
                self._end = end
            case events.Redacted() as replaced:
                self._add_replaced(replaced)
            case events.Request() as request:
                self._add_sent(request)
            case events.Refused():
                self._refused += 1
            case events.Sent() | events.Answered() as exchanged:
                self._add_asked(exchanged)
            case events.Connection() as connection:
                self._add_connection(connection)
            case events.Judged(about=about, rule=rule, action=action):
                _of(self._judged, (about, rule, action), (OTHERS, "", action), _Amounts).count += 1
            case events.FileChange() as change:
                self._add_change(change)
            case events.Warned(text=text) if len(self._warnings) < MOST:
                self._warnings[text] = None

    def report(self) -> Report | None:
        """Say what was counted; None where no session began."""
        start, end = self._start, self._end
        if start is None:
            return None
        return Report(
            session=start.session,
            agent=start.agent,
            agent_version=start.agent_version,
            profile=self._plan.get("profile", ""),
            view=start.view,
            log=self._log,
            started=start.at,
            ended=end.at if end else start.at,
            exit_code=end.exit_code if end else 125,
            reason=end.reason if end else "the session ended without a word",
            masked=Masked(tuple(self._variables()), tuple(self._files())),
            redactions=tuple(
                Redaction(*key, values=len(one.placeholders), count=one.count) for key, one in self._replaced.items()
            ),
            requests=self._requests(),
            connections=tuple(
                Connected(*key, count=one.count, sent=one.sent, received=one.received)
                for key, one in self._connected.items()
            ),
            judged=tuple(Decided(*key, count=one.count) for key, one in self._judged.items()),
            changes=self._changes,
            restored=tuple(self._restored),
            warnings=tuple(self._warnings),
            degraded=start.degraded,
            hosts=tuple(
                Asked(*key, count=one.count, sent=one.sent, received=one.received) for key, one in self._asked.items()
            ),
        )

    def _add_replaced(self, event: events.Redacted) -> None:
        key = event.kind, event.place, event.action, event.rule
        one = _of(self._replaced, key, (event.kind, event.place, event.action, ""), _Replaced)
        one.count += event.count
        one.placeholders.add(event.placeholder)

    def _add_sent(self, event: events.Request) -> None:
        parts = urlsplit(event.url)
        amounts = _of(self._sent, f"{parts.scheme}://{parts.netloc}" if parts.netloc else event.url, OTHERS, _Amounts)
        amounts.count += 1
        amounts.sent += len(event.body) + (event.prefix + event.suffix if event.base else 0)

    def _add_connection(self, event: events.Connection) -> None:
        key = event.host, event.port, event.allowed, event.rule
        amounts = _of(self._connected, key, (OTHERS, 0, event.allowed, ""), _Amounts)
        amounts.count += 1
        amounts.sent += event.sent
        amounts.received += event.received

    def _add_asked(self, event: events.Sent | events.Answered) -> None:
        if isinstance(event, events.Answered):
            self._waiting.pop(event.number, _Amounts()).received += event.size
            return
        amounts = _of(self._asked, (event.host, event.port), (OTHERS, 0), _Amounts)
        amounts.sent += event.size
        if not event.offset:
            amounts.count += 1
            self._waiting[event.number] = amounts
            if len(self._waiting) > _MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]

    def _add_change(self, event: events.FileChange) -> None:
        if event.action in self._changes:
            self._changes[event.action] += 1
        elif event.action == "masked" and len(self._covered) < MOST:
            self._covered[event.path] = None
        elif event.action == "restored" and len(self._restored) < MOST:
            self._restored[event.path] = None

    def _variables(self) -> list[Variable]:
        rows = self._plan.get("environment", ())
        masked = (row for row in rows if row["action"] == "mask" or (row["action"] == "set" and row["kinds"]))
        return [Variable(row["name"], tuple(row["kinds"])) for row in masked][:MOST]  # set: the client's own key

    def _files(self) -> list[File]:
        """Give the plan's files, and those masked later; paths are relative to the workspace where they lie in it."""
        home = f"{self._plan.get('workspace', '')}/"
        rows = {
            (path := row["path"].removeprefix(home)): File(path, row["mode"], tuple(row["kinds"]))
            for row in self._plan.get("covered", ())
        }
        later = {path: File(path, "mask", ()) for path in self._covered if path not in rows}
        return [*rows.values(), *later.values()][:MOST]

    def _requests(self) -> Requests:
        sent = tuple(Sent(url, one.count, one.sent) for url, one in self._sent.items())
        return Requests(sum(one.count for one in sent), sum(one.bytes for one in sent), self._refused, sent)


def _of(rows: dict[_Key, _Row], key: _Key, others: _Key, new: Callable[[], _Row]) -> _Row:
    """Give the row of `key`; that of `others`, few for any list, where there are too many.

    All are counted: the inside must not be able to fill a list before it does what is to be counted.
    """
    if key not in rows and len(rows) >= MOST:
        key = others
    row = rows.get(key)
    if row is None:
        row = rows[key] = new()
    return row

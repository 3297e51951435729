"""`safe-agent audit`: list, read and verify the logs of sessions."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import click
import msgspec

from wrapper.audit import events, reader
from wrapper.audit.format import NoKeyError, TamperedError, TruncatedError
from wrapper.audit.keys import Keys
from wrapper.audit.seal import Identity
from wrapper.errors import AuditError
from wrapper.messages import say
from wrapper.plan.places import Places
from wrapper.review import render
from wrapper.review.sizes import size
from wrapper.review.timeline import Row, each_read, since, timeline

OPEN = 10  # TRUNCATED is 11, TAMPERED 12, NOKEY 13: the errors carry them


@click.group(
    "audit",
    epilog="\b\nExit codes: 0 done; 2 wrong usage; 125 cannot be read; `verify` and `show` have more.",
    help="""List, read and verify the logs of sessions.

    \b
    Examples:
      safe-agent audit ls
      safe-agent audit show last
      safe-agent audit verify --all
    """,
)
def group() -> None:
    """Hold the verbs."""


@group.command(
    epilog="\b\nExit codes: 0 listed (also when there is none); 125 the state folder or a key cannot be read.",
    help="""List the sessions, oldest first, as they look; `verify` proves them.

    STATE is sealed (ended as it should), running, open (its recorder was killed) or damaged. What stands inside the
    encrypted log (agent, workspace, duration, exit code) needs the private key.

    \b
    Examples:
      safe-agent audit ls
      safe-agent audit ls --json | jq -r 'select(.state != "sealed").id'
    """,
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def ls(*, as_json: bool) -> None:
    """Print a line per session."""
    places = Places.from_environment()
    identity = _identity(places)
    rows = (_listed(session, identity) for session in reader.list_sessions(places.state))
    if as_json:
        for row in rows:
            click.echo(_json(row))
        return
    listed = list(rows)
    if identity is None and listed:
        say("the private key is not on this machine: only what stands outside the encrypted logs is shown")
    for line in _table(listed):
        click.echo(line)


@group.command(
    epilog="\b\nExit codes: 0 shown to its end; 10 open (its recorder was killed); 11 truncated; 12 tampered with;"
    "\n13 no key here opens it; 125 cannot be read. What was good is shown before.",
    help="""Show what happened in SESSION: its id, the beginning of it, or `last` (the default).

    The log is proven while it is read. Control characters in it are never printed as they are. With --json every
    event is a line: `frame`, `type`, `at` (seconds since the epoch, UTC) and the fields of its type; `encoding` says
    whether its bytes are text or base64. Files that were read are counted; `--only read` names each, once.

    Clients send the whole conversation with every request. The log holds each part of it once; --json prints the
    `body` of every request in full, so that a long session prints hundreds of megabytes. Its first `prefix` and last
    `suffix` bytes stood in an earlier request, too.

    \b
    Examples:
      safe-agent audit show
      safe-agent audit show last --only request --only redacted --only judged
      safe-agent audit show --only read
      safe-agent audit show --json | jq -r 'select(.type == "file" and .by == "agent").path'
      safe-agent audit show --only request --json | jq -r 'select(.number == 3).body | fromjson.messages[-1]'
    """,
)
@click.argument("session", default="last")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per event and line.")
@click.option("--only", multiple=True, type=click.Choice(events.tags()), help="Show this type only; may be repeated.")
@click.pass_context
def show(ctx: click.Context, session: str, *, as_json: bool, only: tuple[str, ...]) -> None:
    """Print the timeline."""
    places = Places.from_environment()
    found = reader.find_session(places.state, session)
    kept = _only(reader.read_records(found.directory, Keys(places.config).load_identity()), only)
    if as_json:
        for record in kept:
            click.echo(render.json_line(record.sequence, record.event))
    else:
        click.echo(f"session {found.id}, begun {_moment(found.created)}")
        seen = (record.event for record in kept)
        for row in each_read(seen) if only == ("read",) else timeline(seen):
            _echo_row(since(found.created, row))
    if found.state is reader.State.OPEN:
        say("the log is not sealed: its recorder was killed; what came last may be missing")
        ctx.exit(OPEN)


@group.command(
    epilog="\b\nExit codes: 0 sealed; 10 open: running, or its recorder was killed; 11 truncated; 12 tampered with;"
    "\n13 encrypted to other keys only (with --decrypt); 125 cannot be read. With --all: the highest of them.",
    help="""Prove that the log of SESSION is as it was written: its id, the beginning of it, or `last` (the default).

    Needs no key: order, completeness up to the last signature, and signatures are checked. Where the private key is
    on this machine and opens the log, each record is also decrypted. `docs/audit-format.md` says what is not proven:
    above all, a log cut off between two frames looks open, and a log replaced as a whole is not noticed.

    \b
    Examples:
      safe-agent audit verify
      safe-agent audit verify --all --json
    """,
)
@click.argument("session", default="last")
@click.option("--all", "every", is_flag=True, help="Verify all sessions.")
@click.option("--decrypt", is_flag=True, help="Fail where the content cannot be decrypted and checked, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per session and line.")
@click.pass_context
def verify(ctx: click.Context, session: str, *, every: bool, decrypt: bool, as_json: bool) -> None:
    """Print a verdict per session."""
    places = Places.from_environment()
    identity = Keys(places.config).load_identity() if decrypt else _identity(places)
    chosen = reader.list_sessions(places.state) if every else (reader.find_session(places.state, session),)
    code = 0
    for one in chosen:
        verdict = _verdict(one, identity, decrypt=decrypt)
        click.echo(_json(verdict) if as_json else _sentence(verdict))
        if verdict.hint and not as_json:
            click.echo(f"hint: {verdict.hint}", err=True)
        code = max(code, verdict.exit_code)
    ctx.exit(code)


class _Listed(msgspec.Struct, frozen=True):
    id: str
    state: str
    started: float | None
    size: int
    agent: str | None = None
    workspace: str | None = None
    duration: float | None = None
    exit_code: int | None = None
    problem: str = ""


class _Verdict(msgspec.Struct, frozen=True):
    session: str
    verdict: str
    exit_code: int
    reason: str = ""
    hint: str = ""
    frames: int | None = None
    records: int | None = None
    signed: int | None = None
    decrypted: bool = False


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cells: tuple[str, ...]

    def width(self) -> int:
        return max(len(self.title), *(len(cell) for cell in self.cells))


def _json(row: _Listed | _Verdict) -> str:
    return json.dumps(msgspec.to_builtins(row))  # ASCII only: nothing in it can act on a terminal


def _identity(places: Places) -> Identity | None:
    keys = Keys(places.config)
    return keys.load_identity() if keys.has_identity() else None


def _listed(session: reader.Session, identity: Identity | None) -> _Listed:
    row = _Listed(session.id, session.state.value, session.created or None, session.size, problem=session.problem)
    if identity is None or session.state is reader.State.DAMAGED:
        return row
    try:
        start, end = reader.outline(session.directory, identity)
    except AuditError as error:
        return msgspec.structs.replace(row, problem=error.what)
    if start is not None:
        row = msgspec.structs.replace(row, agent=start.agent, workspace=start.workspace, started=start.at)
    if end is not None:
        duration = max(0.0, end.at - (start.at if start else session.created))
        row = msgspec.structs.replace(row, duration=duration, exit_code=end.exit_code)
    return row


def _table(rows: list[_Listed]) -> Iterator[str]:
    columns = (
        _Column("ID", tuple(render.printable(row.id) for row in rows)),
        _Column("STARTED", tuple(_moment(row.started) for row in rows)),
        _Column("STATE", tuple(row.state for row in rows)),
        _Column("EXIT", tuple("-" if row.exit_code is None else str(row.exit_code) for row in rows)),
        _Column("DURATION", tuple(_span(row.duration) for row in rows)),
        _Column("SIZE", tuple(size(row.size) for row in rows)),
        _Column("AGENT", tuple(render.printable(row.agent or "-") for row in rows)),
        _Column("WORKSPACE", tuple(render.printable(row.workspace or row.problem or "-") for row in rows)),
    )
    if rows:
        yield "  ".join(f"{column.title:<{column.width()}}" for column in columns).rstrip()
    for number in range(len(rows)):
        yield "  ".join(f"{column.cells[number]:<{column.width()}}" for column in columns).rstrip()


def _only(records: Iterator[reader.Record], kinds: tuple[str, ...]) -> Iterable[reader.Record]:
    if not kinds:
        return records
    return (record for record in records if record.event.__struct_config__.tag in kinds)


def _echo_row(row: Row) -> None:
    for line in render.lines(row):
        click.echo(line)


def _verdict(session: reader.Session, identity: Identity | None, *, decrypt: bool) -> _Verdict:
    try:
        try:
            proven = reader.verify(session.directory, identity)
        except NoKeyError:
            if decrypt:
                raise
            proven = reader.verify(session.directory)
    except AuditError as error:
        return _Verdict(session.id, _name(error), error.exit_code, error.what, error.hint)
    sealed = proven.state is reader.State.SEALED
    loose = proven.frames - proven.signed
    reason = f"its last {loose} frames are not signed" if loose else ""
    hint = "its recorder was killed, or its end was cut off" if proven.state is reader.State.OPEN else ""
    return _Verdict(
        session=session.id,
        verdict=proven.state.value,
        exit_code=0 if sealed else OPEN,
        reason=reason,
        hint=hint,
        frames=proven.frames,
        records=proven.records,
        signed=proven.signed,
        decrypted=proven.decrypted,
    )


def _name(error: AuditError) -> str:
    match error:
        case TamperedError():
            return "tampered"
        case TruncatedError():
            return "truncated"
        case NoKeyError():
            return "nokey"
        case _:
            return "unreadable"


def _sentence(verdict: _Verdict) -> str:
    line = f"{render.printable(verdict.session)}  {verdict.verdict.upper()}"
    if verdict.frames is not None:
        content = "decrypted and checked" if verdict.decrypted else "not decrypted"
        line += f"  {verdict.records} records in {verdict.frames} frames, {content}"
    return f"{line}  {render.printable(verdict.reason)}".rstrip()


def _moment(at: float | None) -> str:
    if not at:
        return "-"
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m{rest:02d}s" if hours else f"{minutes}m{rest:02d}s" if minutes else f"{seconds:.1f}s"

"""`safe-agent audit ls`: the sessions, as they look."""

import json
import posixpath
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click
import msgspec

from wrapper.audit import reader
from wrapper.audit.seal import Opener
from wrapper.cli.auditing.opening import identity_here, record_reading
from wrapper.errors import AuditError
from wrapper.messages import report, say
from wrapper.plan.places import Places
from wrapper.review import render
from wrapper.review.sizes import size
from wrapper.review.times import moment, span, when


@click.command(
    epilog="\b\nExit codes: 0 listed (also when there is none); 2 wrong usage; 125 the state folder or a key cannot be "
    "read.",
    help="""List the sessions, oldest first, as they look; `verify` proves them.

    STATE is sealed (ended as it should), running, open (its recorder was killed) or damaged. What stands inside the
    encrypted log (agent, user, workspace, duration, exit code) needs the private key; sessions of which it is not known
    are left out where --agent, --user or --repo asks for it.

    \b
    Examples:
      safe-agent audit ls --since 2d
      safe-agent audit ls --agent claude --repo ~/work/shop --state open
      safe-agent audit ls --json | jq -r 'select(.state != "sealed").id'
    """,
)
@click.option("--since", metavar="WHEN", help="Begun since then: a date, a moment (ISO 8601), or `3h`, `2d`, `1w` ago.")
@click.option("--agent", help="Of this client.")
@click.option("--repo", metavar="PATH", help="In this workspace, or one below it; the name of its folder is enough.")
@click.option("--user", help="Of this user.")
@click.option("--state", type=click.Choice([state.value for state in reader.State]), help="In this state.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def command(
    *, since: str | None, agent: str | None, repo: str | None, user: str | None, state: str | None, as_json: bool
) -> None:
    """Print a line per session."""
    places = Places.from_environment()
    wanted = _Wanted(_since(since), agent, _folder(repo), user, state)
    found = reader.list_sessions(places.state)
    sessions = [session for session in found if wanted.outside(session)]
    identity = identity_here(places)
    if identity is None and sessions:
        say("the private key is not on this machine: only what stands outside the encrypted logs is shown")
    if identity is not None and sessions:
        record_reading(places, [""], "ls")
    rows = (row for session in sessions if wanted.inside(row := _listed(session, identity)))
    if as_json:
        for row in rows:
            click.echo(_json(row))
        return
    listed = list(rows)
    for line in _table(listed):
        click.echo(line)
    if not listed:
        _say_none(found, places)


def _say_none(found: Sequence[reader.Session], places: Places) -> None:
    if not found:
        report(reader.nothing_yet(places.state))
    else:
        say(f"none of {len(found)} session{'' if len(found) == 1 else 's'} is such a one")


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
    user: str | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What was asked for; None: anything."""

    since: float | None
    agent: str | None
    repo: str | None
    user: str | None
    state: str | None

    def outside(self, session: reader.Session) -> bool:
        """Judge by what needs no key."""
        recent = self.since is None or session.created >= self.since
        return recent and self.state in (None, session.state.value)

    def inside(self, row: _Listed) -> bool:
        """Judge by what the log says."""
        known = self.agent in (None, row.agent) and self.user in (None, row.user)
        return known and (self.repo is None or _is_in(row.workspace or "", self.repo))


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cells: tuple[str, ...]

    def width(self) -> int:
        return max(len(cell) for cell in (self.title, *self.cells))


def _since(text: str | None) -> float | None:
    try:
        return None if text is None else when(text, time.time())
    except (ValueError, OverflowError) as error:
        what = f"`{text}` is no time: write a date, `2026-01-31T08:00`, or `3h`, `2d`, `1w`"
        raise click.BadParameter(what, param_hint="--since") from error


def _folder(repo: str | None) -> str | None:
    """Return what `--repo` means: a path from here where it has a `/` or is `.`, else the name of a folder."""
    if repo is None or ("/" not in repo and repo != "."):
        return repo
    return posixpath.abspath(posixpath.expanduser(repo))


def _is_in(workspace: str, repo: str) -> bool:
    return f"{workspace}/".startswith(f"{repo.rstrip('/')}/") or posixpath.basename(workspace) == repo


def _json(row: _Listed) -> str:
    return json.dumps(msgspec.to_builtins(row))  # ASCII only: nothing in it can act on a terminal


def _listed(session: reader.Session, identity: Opener | None) -> _Listed:
    row = _Listed(session.id, session.state.value, session.created or None, session.size, problem=session.problem)
    if identity is None or session.state is reader.State.DAMAGED:
        return row
    try:
        start, end = reader.outline(session.directory, identity)
    except AuditError as error:
        return msgspec.structs.replace(row, problem=error.what)
    if start is not None:
        row = msgspec.structs.replace(
            row, agent=start.agent, workspace=start.workspace, user=start.user, started=start.at
        )
    if end is not None:
        duration = max(0.0, end.at - (start.at if start else session.created))
        row = msgspec.structs.replace(row, duration=duration, exit_code=end.exit_code)
    return row


def _table(rows: list[_Listed]) -> Iterator[str]:
    columns = (
        _Column("ID", tuple(render.printable(row.id) for row in rows)),
        _Column("STARTED", tuple(moment(row.started) for row in rows)),
        _Column("STATE", tuple(row.state for row in rows)),
        _Column("EXIT", tuple("-" if row.exit_code is None else str(row.exit_code) for row in rows)),
        _Column("DURATION", tuple(span(row.duration) for row in rows)),
        _Column("SIZE", tuple(size(row.size) for row in rows)),
        _Column("USER", tuple(render.printable(row.user or "-") for row in rows)),
        _Column("AGENT", tuple(render.printable(row.agent or "-") for row in rows)),
        _Column("WORKSPACE", tuple(render.printable(row.workspace or row.problem or "-") for row in rows)),
    )
    widths = [column.width() for column in columns]
    if rows:
        yield "  ".join(f"{column.title:<{width}}" for column, width in zip(columns, widths, strict=True)).rstrip()
    for number in range(len(rows)):
        cells = (f"{column.cells[number]:<{width}}" for column, width in zip(columns, widths, strict=True))
        yield "  ".join(cells).rstrip()

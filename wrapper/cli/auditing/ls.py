"""`safe-agent audit ls`: the sessions, as they look."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import click
import msgspec

from wrapper.audit import reader
from wrapper.audit.seal import Identity
from wrapper.cli.auditing.opening import identity_here
from wrapper.cli.auditing.times import moment, span
from wrapper.errors import AuditError
from wrapper.messages import say
from wrapper.plan.places import Places
from wrapper.review import render
from wrapper.review.sizes import size


@click.command(
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
def command(*, as_json: bool) -> None:
    """Print a line per session."""
    places = Places.from_environment()
    identity = identity_here(places)
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


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cells: tuple[str, ...]

    def width(self) -> int:
        return max(len(self.title), *(len(cell) for cell in self.cells))


def _json(row: _Listed) -> str:
    return json.dumps(msgspec.to_builtins(row))  # ASCII only: nothing in it can act on a terminal


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
        _Column("STARTED", tuple(moment(row.started) for row in rows)),
        _Column("STATE", tuple(row.state for row in rows)),
        _Column("EXIT", tuple("-" if row.exit_code is None else str(row.exit_code) for row in rows)),
        _Column("DURATION", tuple(span(row.duration) for row in rows)),
        _Column("SIZE", tuple(size(row.size) for row in rows)),
        _Column("AGENT", tuple(render.printable(row.agent or "-") for row in rows)),
        _Column("WORKSPACE", tuple(render.printable(row.workspace or row.problem or "-") for row in rows)),
    )
    if rows:
        yield "  ".join(f"{column.title:<{column.width()}}" for column in columns).rstrip()
    for number in range(len(rows)):
        yield "  ".join(f"{column.cells[number]:<{column.width()}}" for column in columns).rstrip()

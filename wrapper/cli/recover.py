"""`safe-agent recover`: list, compare and put back what sessions kept of files in which a placeholder was damaged."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from wrapper.audit import reader
from wrapper.audit.keys import Keys
from wrapper.errors import AuditError, SessionError, StateError
from wrapper.messages import say
from wrapper.plan.facts import NESTED
from wrapper.plan.places import Places
from wrapper.review.difference import differences
from wrapper.review.render import printable
from wrapper.review.sizes import size
from wrapper.review.times import moment
from wrapper.view import recovery
from wrapper.view.recovery import Entry, RecoveryStore
from wrapper.view.replacing import read_now, replace

_DECLINED = 1


@click.command(
    epilog="\b\nExit codes: 0 done (also when nothing is kept); 1 not put back, since you said no; 2 wrong usage;\n"
    "125 inside a session, or something cannot be read or written.",
    help="""List what sessions kept of files in which the agent damaged a placeholder, or put one of them back.

    Without NUMBER: what is kept, of all sessions (newest first) or of SESSION: its id, the beginning of it, or `last`.
    With NUMBER: what differs is said, without any value, and the file gets back its content of then if you say yes.

    \b
    Examples:
      safe-agent recover
      safe-agent recover last 1
      safe-agent recover last 1 --to restored.env
      safe-agent recover last 1 --stdout | diff - .env
    """,
)
@click.argument("session", required=False)
@click.argument("number", required=False, type=click.IntRange(min=1))
@click.option("--to", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it to FILE instead.")
@click.option("--stdout", "to_stdout", is_flag=True, help="Print it, with the real values.")
@click.option("--yes", is_flag=True, help="Do not ask before a file is replaced.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as one JSON object per line.")
@click.pass_context
def recover(
    ctx: click.Context,
    *,
    session: str | None,
    number: int | None,
    to: Path | None,
    to_stdout: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """List, or put back."""
    if number is None and (to or to_stdout or yes):
        raise click.UsageError("--to, --stdout and --yes need SESSION and NUMBER")
    if (number is not None and as_json) or (to and to_stdout):
        raise click.UsageError("give one of --to and --stdout; --json goes with the list")
    if os.environ.get(NESTED):
        raise SessionError("this shell is inside a safe-agent session", hint="ask outside of it")
    places = Places.from_environment()
    if number is None:
        _list(places, session, as_json=as_json)
        return
    found = reader.find_session(places.state, session or "")
    store = _store(found, Keys(places.config).masking_key())
    content = store.content(number)
    if to_stdout:
        click.echo(content, nl=False)
    elif to is not None:
        ctx.exit(_put(str(to.parent.resolve()), to.name, content, asks=not yes and to.exists()))
    else:
        entry = next(entry for entry in store.entries() if entry.number == number)
        say(f"kept {moment(entry.at)}: {entry.why}")
        root, path = _place(places, found, entry)
        ctx.exit(_put(root, path, content, asks=not yes))


@dataclass(frozen=True, slots=True)
class _Row:
    session: str
    entry: Entry

    def json(self) -> str:
        return json.dumps({"session": self.session, **asdict(self.entry)})  # ASCII only: nothing acts on a terminal

    def cells(self) -> tuple[str, ...]:
        one = self.entry
        return self.session, str(one.number), moment(one.at), size(one.size), one.path or "-", one.why


def _list(places: Places, session: str | None, *, as_json: bool) -> None:
    sessions = reader.list_sessions(places.state) if session is None else (reader.find_session(places.state, session),)
    rows = [_Row(one.id, entry) for one in reversed(sessions) for entry in _store(one, b"").entries()]
    if as_json:
        for row in rows:
            click.echo(row.json())
        return
    if not rows:
        say("nothing is kept")
    for line in _table([row.cells() for row in rows]):
        click.echo(line)


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    if not rows:
        return
    shown = (tuple(printable(cell) for cell in row) for row in rows)
    cells = [("SESSION", "NUMBER", "KEPT", "SIZE", "PATH", "WHY"), *shown]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _store(session: reader.Session, key: bytes) -> RecoveryStore:
    return RecoveryStore(session.directory / recovery.FOLDER, key)


def _place(places: Places, session: reader.Session, entry: Entry) -> tuple[str, str]:
    """Give the workspace, which the session's log names, and the path in it."""
    if entry.path.startswith("/"):
        return "/", entry.path.lstrip("/")
    hint = "give `--to FILE` or `--stdout`"
    try:
        start = reader.outline(session.directory, Keys(places.config).load_identity()).start
    except (AuditError, StateError) as error:
        raise StateError(f"cannot tell where `{entry.path}` lies: {error.what}", hint=hint) from error
    if start is None:
        raise StateError(f"cannot tell where `{entry.path}` lies: the log has no beginning", hint=hint)
    return start.workspace, entry.path


def _put(root: str, path: str, content: bytes, *, asks: bool) -> int:
    """Say what differs, ask, write; returns the exit code."""
    where = os.path.join(root, path)  # noqa: PTH118 (it is shown, and may be no text that Path takes)
    now = read_now(root, path)
    if now == content:
        say(f"`{where}` holds what was kept already")
        return 0
    if now is None:
        say(f"`{where}` is not there now; {len(content)} bytes are kept")
    else:
        for line in differences(path, now, content):
            say(f"`{where}`: {line}")
    if asks and not click.confirm(f"write {printable(where)}?", err=True):
        return _DECLINED
    replace(root, path, content)
    say(f"`{where}` holds what was kept")
    return 0

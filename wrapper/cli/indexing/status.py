"""`safe-agent provenance status`: what is indexed, and what is not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from wrapper.cli.indexing.opening import key_path, opened, say_faults
from wrapper.messages import say
from wrapper.plan.places import Places
from wrapper.provenance.index import Index, SessionState, workspace_ids
from wrapper.provenance.key import Key
from wrapper.review.sizes import size
from wrapper.review.times import moment

_UNKNOWN = "not indexed"
_NOTHING = "brought nothing"


@click.command(
    epilog="\b\nExit codes: 0 told; 2 wrong usage; 125 the key or the folder cannot be read.",
    help="""Say per workspace how many sessions are indexed, how much of them, and what is not whole.

    A workspace stands there by its keyed id, `here` is the current folder's. `whole`: the session began and ended, and
    all its sheets are there as the ledger says. `not indexed` are sessions that only the ledger knows: they ran without
    capture, or their index is lost; `brought nothing` those in which there was nothing to index. What is not whole is
    told on stderr, with what to do.

    \b
    Examples:
      safe-agent provenance status
      safe-agent provenance status --json | jq '.faults[]'
    """,
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, as_json: bool) -> None:
    """Print a line per workspace."""
    places = Places.from_environment()
    if not key_path(places).exists():
        say("nothing is indexed yet: the first session with something to index makes the key")
        if as_json:
            click.echo(msgspec.json.encode(_document(None, None)).decode())
        return
    index, key = opened(places)
    if as_json:
        click.echo(msgspec.json.encode(_document(index, key)).decode())
        return
    click.echo(f"key {key.id} (`{key_path(places)}`)")
    for line in _table(index, frozenset(workspace_ids(key, Path.cwd()))):
        click.echo(line)
    if index.claims:
        click.echo(f"and {index.claims} claims of others (`safe-agent provenance import`)")
    say_faults(index.faults)


def _table(index: Index, here: frozenset[str]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [("workspace", "", "sessions", "whole", "emissions", "lines", "size", "last")]
    for workspace, sessions in sorted(_by_workspace(index).items()):
        counts = (
            len(sessions),
            sum(one.is_whole for one in sessions),
            sum(one.emissions for one in sessions),
            sum(one.lines for one in sessions),
        )
        much, last = size(sum(one.size for one in sessions)), moment(max(one.last for one in sessions))
        mark = "here" if workspace in here else ""
        rows.append((workspace, mark, *(str(count) for count in counts), much, last))
    if len(rows) == 1:
        yield "no session is indexed"
        return
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        left = [row[at].ljust(widths[at]) for at in (0, 1)]
        right = [row[at].rjust(widths[at]) for at in range(2, len(row))]
        yield "  ".join((*left, *right)).rstrip()


def _by_workspace(index: Index) -> dict[str, list[SessionState]]:
    found: dict[str, list[SessionState]] = {}
    for known in index.sessions.values():
        name = known.workspace or (_NOTHING if known.is_whole else _UNKNOWN)
        found.setdefault(name, []).append(known)
    return found


def _row(known: SessionState) -> dict[str, Any]:
    return {name: value for name, value in known._asdict().items() if name != "commits"}


def _document(index: Index | None, key: Key | None) -> dict[str, Any]:
    sessions = {} if index is None else index.sessions
    return {
        "version": 1,
        "key": key.id if key else None,
        "sessions": [{"id": session, **_row(known)} for session, known in sorted(sessions.items())],
        "claims": index.claims if index else 0,
        "faults": [fault._asdict() for fault in (index.faults if index else ())],
    }

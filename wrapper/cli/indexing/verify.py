"""`safe-agent provenance verify`: prove that the index is as it was written."""

from pathlib import Path

import click
import msgspec

from wrapper.cli.indexing.opening import only_workspaces, opened, say_faults
from wrapper.plan.places import Places


@click.command(
    epilog="\b\nExit codes: 0 all of it is whole; 1 it has faults; 2 wrong usage; 125 the key cannot be read.",
    help="""Prove that all sheets are as they were written, that each session has all of its own, and that the ledger
    of this machine knows no more: what is cut, changed, put back, missing, or of another key is a fault.

    \b
    Examples:
      safe-agent provenance verify
      safe-agent provenance verify --workspace ~/project --json
    """,
)
@only_workspaces
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, *, folders: tuple[Path, ...], as_json: bool) -> None:
    """Print a sentence, and the faults."""
    index, key = opened(Places.from_environment(), folders)
    whole = sum(known.is_whole for known in index.sessions.values())
    if as_json:
        faults = [fault._asdict() for fault in index.faults]
        row = {"version": 1, "key": key.id, "sessions": len(index.sessions), "whole": whole, "faults": faults}
        click.echo(msgspec.json.encode(row).decode())
    else:
        count, lines = len(index.sessions), sum(known.lines for known in index.sessions.values())
        state = "whole" if not index.faults else f"{len(index.faults)} faults"
        click.echo(f"{state}: {whole} of {count} sessions are whole, {lines} lines under key {key.id}")
        say_faults(index.faults)
    ctx.exit(int(bool(index.faults)))

"""`safe-agent audit prune`: make old sessions unreadable."""

import json
import time
from pathlib import Path

import click

from wrapper.audit import reader, retention
from wrapper.audit.ledger import Ledger
from wrapper.cli.auditing.policies import policy_here
from wrapper.cli.options import policy_options
from wrapper.errors import AuditError
from wrapper.messages import report, say
from wrapper.plan.places import Places
from wrapper.policy.model import Layer
from wrapper.review import render
from wrapper.review.times import moment


@click.command(
    epilog="\b\nExit codes: 0 done (also when nothing is due); 2 wrong usage; 125 a session could not be pruned.",
    help="""Delete the keys of sessions that were begun more than DAYS ago: nobody can read them any more, for ever.

    Without --older the policy says it (`audit.keep_days`); sessions that run stay as they are. The logs themselves
    stay: they still verify, and the ledger says that they were pruned, when and why. Copies elsewhere (backups,
    snapshots, what an SSD has not erased yet) are not touched: docs/anchors.md.

    \b
    Examples:
      safe-agent audit prune --dry-run
      safe-agent audit prune --older 90
    """,
)
@click.option("--older", type=click.IntRange(1, 36_500), metavar="DAYS", help="Those begun more than DAYS ago.")
@click.option("--dry-run", is_flag=True, help="Say which sessions are due, and delete nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per session and line.")
@policy_options
@click.pass_context
def command(
    ctx: click.Context, *, older: int | None, dry_run: bool, as_json: bool, profile: str | None, policy: Path | None
) -> None:
    """Print a line per session that is due, and prune it."""
    places = Places.from_environment()
    days, reason = (older, f"older than {older} days") if older else _from_policy(places, profile, policy)
    found = reader.list_sessions(places.state)
    _say_unknown(found)
    ledger = Ledger(places.state / "ledger")
    chosen = retention.due(found, time.time(), days)
    if not chosen:
        say("nothing is due" if days else "nothing is due: sessions are kept for ever (`audit.keep_days = 0`)")
    code = 0
    for session in chosen:
        try:
            files = len(retention.key_files(session.directory)) if dry_run else retention.shred(session, ledger, reason)
        except AuditError as error:
            code = report(error)
            continue
        click.echo(_json(session, files, dry_run) if as_json else _line(session, files, dry_run=dry_run))
    ctx.exit(code)


def _from_policy(places: Places, profile: str | None, policy: Path | None) -> tuple[int, str]:
    effective = policy_here(places, profile, policy)
    layer = next((row.rule.layer for row in effective.settings() if row.key == "audit.keep_days"), Layer.BUNDLED)
    days = effective.audit_keep_days
    return days, f"kept for {days} days ({layer.value} policy)"


def _say_unknown(found: tuple[reader.Session, ...]) -> None:
    for session in found:
        if session.state is reader.State.DAMAGED and retention.key_files(session.directory):
            say(f"session {session.id} stays: its age is not known ({session.problem})")


def _line(session: reader.Session, files: int, *, dry_run: bool) -> str:
    done = "would be pruned" if dry_run else "pruned"
    count = f"{files} key file{'' if files == 1 else 's'}"
    return f"{render.printable(session.id)}  begun {moment(session.created)}  {done}: {count}"


def _json(session: reader.Session, files: int, dry_run: bool) -> str:  # noqa: FBT001 (said as a word of the output)
    return json.dumps({"id": session.id, "created": session.created, "files": files, "pruned": not dry_run})

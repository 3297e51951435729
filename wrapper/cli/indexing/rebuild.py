"""`safe-agent provenance rebuild`: make the index of sessions anew from their logs."""

from collections.abc import Sequence

import click

from wrapper.audit import reader
from wrapper.audit.keys import Keys
from wrapper.audit.reader import State
from wrapper.cli.auditing.opening import record_reading
from wrapper.cli.indexing.opening import doubts, key_path
from wrapper.errors import SafeAgentError
from wrapper.messages import report, say
from wrapper.plan.places import Places
from wrapper.provenance.index import Index
from wrapper.provenance.key import Key, load_or_make
from wrapper.provenance.rebuilding import lacking, rebuild


@click.command(
    epilog="\b\nExit codes: 0 done; 1 a session's index is still not whole; 2 wrong usage; 125 there is no such\n"
    "session, or the key of the logs is not here.",
    help="""Make the index of SESSION (an id, its beginning, or `last`) anew from its log, in place of what it was.

    Needs the key that reads the logs; the ledger says that they were read. What the log does not hold cannot be made
    again: a session whose keys were pruned, or whose recorder was killed, is told and stays as it is. So is one whose
    log is not the one that the ledger of this machine saw.

    \b
    Examples:
      safe-agent provenance rebuild last
      safe-agent provenance rebuild --missing
      safe-agent provenance rebuild --all
    """,
)
@click.argument("session", required=False)
@click.option("--all", "every", is_flag=True, help="All sessions that have a log here.")
@click.option("--missing", is_flag=True, help="All whose index is not whole.")
@click.pass_context
def command(ctx: click.Context, session: str | None, *, every: bool, missing: bool) -> None:
    """Print a line per session."""
    if sum((session is not None, every, missing)) != 1:
        raise click.UsageError("name one session, or --all, or --missing")
    places = Places.from_environment()
    identity = Keys(places.config).load_identity()
    key = load_or_make(key_path(places))
    chosen = _chosen(places, key, session, missing=missing)
    if not chosen:
        say("there is nothing to rebuild")
    doubt = doubts(places)
    record_reading(places, [one.id for one in chosen], "provenance rebuild")
    code = 0
    for one in chosen:
        try:
            records = reader.read_records(one.directory, identity)
            done = rebuild(one.id, records, one.state, places.state, key, doubt=doubt(one))
        except SafeAgentError as error:
            say(f"session {one.id} is not rebuilt")
            report(error)
            code = 1
            continue
        click.echo(f"{one.id}  {done.sheets} sheet{'' if done.sheets == 1 else 's'}")
        if done.gap:
            say(f"session {one.id} is not whole: {done.gap}")
            code = 1
    ctx.exit(code)


def _chosen(places: Places, key: Key, session: str | None, *, missing: bool) -> Sequence[reader.Session]:
    if session is not None:
        return (reader.find_session(places.state, session),)
    found = [one for one in reader.list_sessions(places.state) if one.state is not State.RUNNING]
    if not missing:
        return found
    wanted = lacking(Index.open(places.state, key))
    return [one for one in found if one.id in wanted]

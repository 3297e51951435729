"""`safe-agent audit redactions`: what was found and masked."""

import json
from collections.abc import Iterator, Sequence

import click

from wrapper.audit import events, reader
from wrapper.cli.auditing.opening import Opened, every, opened
from wrapper.errors import AuditError
from wrapper.messages import say
from wrapper.review.masked import Tally
from wrapper.review.render import printable

OPEN = 10


@click.command(
    epilog="\b\nExit codes: 0 shown; 10 open (its recorder was killed); 11 truncated; 12 tampered with; 13 no key here"
    "\nopens it; 125 cannot be read. What was good is counted before. With --all: the highest of them.",
    help="""Count what was found in SESSION: its id, the beginning of it, or `last` (the default).

    Grouped by kind: each value by its placeholder, never as it is; how often it was found, by which rule, where, and
    what became of it: replaced, monitored (it left as it is), blocked (the request was not sent), dropped. Files that
    were shown to the inside with placeholders come last.

    With --json every value at every place is a line: `session`, `kind`, `placeholder`, `action`, `rule`, `place`,
    `where`, `count`.

    \b
    Examples:
      safe-agent audit redactions
      safe-agent audit redactions --all --kind EMAIL
      safe-agent audit redactions --json | jq -r 'select(.action == "monitored").where'
    """,
)
@click.argument("session", default="last")
@click.option("--all", "all_sessions", is_flag=True, help="Count over all sessions.")
@click.option("--kind", "kinds", multiple=True, help="Count this kind only; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per value and place.")
@click.pass_context
def command(ctx: click.Context, session: str, *, all_sessions: bool, kinds: tuple[str, ...], as_json: bool) -> None:
    """Print the counts."""
    logs = every("redactions") if all_sessions else [opened(session, "redactions")]
    tally, code = Tally(), 0
    broken: AuditError | None = None
    for log in logs:
        own = Tally() if as_json else tally
        try:
            for event in _events(log):
                own.take(event)
        except AuditError as error:
            broken = error
            code = max(code, error.exit_code)
            if all_sessions:
                say(f"session {log.session.id}: {error.what}")
        if log.session.state is reader.State.OPEN:
            say(f"session {log.session.id} is not sealed: its recorder was killed; what came last may be missing")
            code = max(code, OPEN)
        for line in _json_lines(log.session.id, own, kinds) if as_json else ():
            click.echo(line)
    for line in () if as_json else tally.lines(kinds):
        click.echo(printable(line))
    if broken is not None and not all_sessions:
        raise broken
    ctx.exit(code)


def _events(log: Opened) -> Iterator[events.AnyEvent]:
    return (record.event for record in log.records())


def _json_lines(session: str, tally: Tally, kinds: Sequence[str]) -> Iterator[str]:
    for found, count in tally.counts.items():
        if not kinds or found.kind in kinds:
            yield json.dumps({"session": session, **found._asdict(), "count": count})  # ASCII only

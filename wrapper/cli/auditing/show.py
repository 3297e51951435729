"""`safe-agent audit show`: what happened in a session."""

from collections.abc import Iterable, Iterator

import click

from wrapper.audit import events, reader
from wrapper.cli.auditing.opening import opened
from wrapper.cli.auditing.times import moment
from wrapper.messages import say
from wrapper.review import render
from wrapper.review.timeline import Row, each_read, since, timeline

OPEN = 10


@click.command(
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
def command(ctx: click.Context, session: str, *, as_json: bool, only: tuple[str, ...]) -> None:
    """Print the timeline."""
    log = opened(session, "show")
    found = log.session
    kept = _only(log.records(), only)
    if as_json:
        for record in kept:
            click.echo(render.json_line(record.sequence, record.event))
    else:
        click.echo(f"session {found.id}, begun {moment(found.created)}")
        seen = (record.event for record in kept)
        for row in each_read(seen) if only == ("read",) else timeline(seen):
            _echo_row(since(found.created, row))
    if found.state is reader.State.OPEN:
        say("the log is not sealed: its recorder was killed; what came last may be missing")
        ctx.exit(OPEN)


def _only(records: Iterator[reader.Record], kinds: tuple[str, ...]) -> Iterable[reader.Record]:
    if not kinds:
        return records
    return (record for record in records if record.event.__struct_config__.tag in kinds)


def _echo_row(row: Row) -> None:
    for line in render.lines(row):
        click.echo(line)

"""`safe-agent audit follow`: what happens in a session, while it happens."""

import os
import shutil
import sys

import click

from wrapper.audit import reader
from wrapper.cli.auditing.opening import opened
from wrapper.cli.auditing.telling import json_line, styled
from wrapper.messages import say
from wrapper.review import cost
from wrapper.review.following import arriving
from wrapper.review.printed import Look, printed
from wrapper.review.story import KINDS, story
from wrapper.review.times import moment

OPEN = 10
_STOPPED = 130  # 128 and SIGINT


@click.command(
    epilog="\b\nExit codes: 0 followed to its end; 2 wrong usage; 10 its recorder was killed; 11 truncated;"
    "\n12 tampered with; 13 no key here opens it; 125 cannot be read; 130 stopped by Ctrl-C.",
    help="""Show what happened in SESSION, and what happens there until it ends.

    SESSION is its id, the beginning of it, or `last` (the default). The lines are those of `show`, a second after they
    happened; the log is proven while it is read. What a client paints on its terminal is left out unless it is asked
    for: it shows what the lines tell.

    \b
    Examples:
      safe-agent audit follow
      safe-agent audit follow --kind call --kind refused
      safe-agent audit follow --json | jq -r 'select(.kind == "network").title'
    """,
)
@click.argument("session", default="last")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Show moments of this kind; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per moment and line.")
@click.pass_context
def command(ctx: click.Context, session: str, *, kinds: tuple[str, ...], as_json: bool) -> None:
    """Print moments until the session ends."""
    log = opened(session, "follow")
    chosen = kinds or tuple(kind for kind in KINDS if kind != "output")
    look = Look(styled, width=shutil.get_terminal_size().columns if sys.stdout.isatty() else 0)
    coming = arriving(lambda pause: reader.tail(log.session.directory, log.identity, pause))
    if not as_json:
        click.echo(f"session {log.session.id}, begun {moment(log.session.created)}")
    try:
        for one in story(coming, cost.load(log.places.config / "prices.toml")):
            if one.kind in chosen:
                for line in [json_line(one)] if as_json else printed(one, log.session.created, look):
                    click.echo(line, color=False if os.environ.get("NO_COLOR") else None)
    except KeyboardInterrupt:
        ctx.exit(_STOPPED)
    if reader.find_session(log.places.state, str(log.session.directory)).state is reader.State.OPEN:
        say("its recorder was killed; what came last may be missing")
        ctx.exit(OPEN)

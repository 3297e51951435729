"""`safe-agent audit search`: where a text stands in what was recorded."""

import json
import os
from collections.abc import Iterator

import click

from wrapper.audit import reader
from wrapper.cli.auditing import opening
from wrapper.errors import AuditError
from wrapper.messages import report, say
from wrapper.review.render import printable
from wrapper.review.search import Hit, pattern, search
from wrapper.review.times import moment

NONE = 1
OPEN = 10


@click.command(
    epilog="\b\nExit codes: 0 found; 1 not found; 2 wrong usage; 10 not found, and a log is open (its recorder was"
    "\nkilled); 11 truncated; 12 tampered with; 13 no key here opens it; 125 cannot be read. With --all a log that\n"
    "cannot be read does not keep the others from being searched; the highest code counts.",
    help="""Find TEXT in SESSION: its id, the beginning of it, or `last` (the default); or in all of them.

    Searched are the screen as it stood, whatever colours it had and however it was drawn or wrapped; what was sent and
    answered, without JSON's escapes; names of files that were read or changed; what was typed; hosts, warnings. Each
    hit comes once, though clients send the whole conversation with every request.

    A line has the frame's number, its time, where it stood, and the line. `play --goto` jumps to what stood on the
    screen.

    \b
    Examples:
      safe-agent audit search 'rm -rf'
      safe-agent audit search -i password --all
      safe-agent audit search -E 'AKIA[A-Z0-9]{16}' --all --json | jq -r .where
    """,
)
@click.argument("text")
@click.argument("session", required=False)
@click.option("--all", "every", is_flag=True, help="Search all sessions, oldest first.")
@click.option("-i", "--ignore-case", is_flag=True, help="Take small and capital letters for the same.")
@click.option("-E", "--expression", is_flag=True, help="TEXT is a regular expression (Python's).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per hit and line.")
@click.pass_context
def command(
    ctx: click.Context,
    text: str,
    session: str | None,
    *,
    every: bool,
    ignore_case: bool,
    expression: bool,
    as_json: bool,
) -> None:
    """Print the hits."""
    if every and session is not None:
        raise click.UsageError("--all searches all sessions: name none")
    pattern(text, ignore_case=ignore_case, expression=expression)  # a wrong one is refused before anything is read
    logs = opening.every("search") if every else [opening.opened(session or "last", "search")]
    code, found = 0, False
    for log in logs:
        name = session if session and "/" in session else log.session.id  # what `play` finds it by
        try:
            hits = search(log.records(), text, session=name, ignore_case=ignore_case, expression=expression)
            found = _print(hits, as_json=as_json) or found
        except AuditError as error:
            if not every:
                raise
            say(f"session {name}:")
            code = max(code, report(error))
        if log.session.state is reader.State.OPEN and not found:
            code = max(code, OPEN)
    ctx.exit(code if code > OPEN else 0 if found else code or NONE)


def _print(hits: Iterator[Hit], *, as_json: bool) -> bool:
    """Print hits as they are found; whether there was one."""
    first: Hit | None = None
    shown: Hit | None = None
    for hit in hits:
        if as_json:
            click.echo(_json(hit))
        else:
            if first is None:
                click.echo(f"session {hit.session}")
            click.echo(_line(hit), color=False if os.environ.get("NO_COLOR") else None)
        first = first or hit
        shown = shown or (hit if hit.where == "screen" else None)
    if shown is not None and not as_json:
        say(f"see it: safe-agent audit play {shown.session} --goto {shown.sequence}")
    return first is not None


def _line(hit: Hit) -> str:
    parts = (printable(hit.before), click.style(printable(hit.match), fg="red", bold=True), printable(hit.after))
    where = click.style(printable(hit.where), fg="cyan")
    return f"{hit.sequence:>8}  {moment(hit.at)}  {where}  {''.join(parts).strip()}"


def _json(hit: Hit) -> str:
    start = len(hit.before)
    return json.dumps(  # ASCII only: nothing in it can act on a terminal
        {
            "session": hit.session,
            "frame": hit.sequence,
            "at": hit.at,
            "where": hit.where,
            "line": hit.line,
            "match": [start, start + len(hit.match)],
        }
    )

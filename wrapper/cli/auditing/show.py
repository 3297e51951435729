"""`safe-agent audit show`: what happened in a session."""

import itertools
import os
import shutil
import sys
from collections.abc import Iterable, Iterator

import click

from wrapper.audit import events, reader
from wrapper.cli.auditing.opening import opened
from wrapper.cli.auditing.telling import json_line, styled
from wrapper.errors import AuditError
from wrapper.messages import say
from wrapper.review import cost, render
from wrapper.review.choosing import Choice, expression
from wrapper.review.printed import Look, printed
from wrapper.review.story import KINDS, Moment, story
from wrapper.review.timeline import each_read, since, timeline
from wrapper.review.times import moment

OPEN = 10


@click.command(
    epilog="\b\nExit codes: 0 shown to its end; 2 wrong usage; 10 open (its recorder was killed); 11 truncated;"
    "\n12 tampered with; 13 no key here opens it; 125 cannot be read. What was good is shown before.",
    help="""Show what happened in SESSION: its id, the beginning of it, or `last` (the default).

    A line is a moment: its number in the log (which `play --goto` and `disclose` take), the time since the start, what
    kind it is, and what happened; below it prompts, answers, results, and the differences that tools were to make, as
    far as they are short. What was said comes from requests and answers, each said once. What became of files comes
    from the view, so also what shell commands did. The log is proven while it is read. Control characters in it are
    never printed as they are. What it cost is an estimate; prices of your own stand in `prices.toml` of the
    configuration folder.

    With --json every event of the log is a line: `frame`, `type`, `at` (seconds since the epoch, UTC) and the fields of
    its type; `encoding` says whether its bytes are text or base64. Clients send the whole conversation with every
    request; --json prints the `body` of every request in full, so that a long session prints hundreds of megabytes. Its
    first `prefix` and last `suffix` bytes stood in an earlier request, too. With --json and one of --kind, --grep and
    --path, every moment is a line: `frame`, `at`, `kind`, `title`, `lines`, `paths`, `refers`.

    \b
    Examples:
      safe-agent audit show
      safe-agent audit show --kind prompt --kind answer --full
      safe-agent audit show --kind call --kind change --path src/tax.py
      safe-agent audit show --grep '(?i)rm -rf|curl'
      safe-agent audit show --only read
      safe-agent audit show --json | jq -r 'select(.type == "file" and .by == "agent").path'
    """,
)
@click.argument("session", default="last")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Show moments of this kind; repeatable.")
@click.option("--grep", metavar="EXPRESSION", help="Show moments with a line that matches, and the lines around it.")
@click.option("--path", default="", metavar="PATH", help="Show moments about this file, or files in this folder.")
@click.option("--full", is_flag=True, help="Show all lines of each moment, not cut to the terminal's width.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per event and line.")
@click.option("--only", multiple=True, type=click.Choice(events.tags()), help="Show events of this type; repeatable.")
@click.pass_context
def command(  # noqa: PLR0913 (one for each option)
    ctx: click.Context,
    session: str,
    *,
    kinds: tuple[str, ...],
    grep: str | None,
    path: str,
    full: bool,
    as_json: bool,
    only: tuple[str, ...],
) -> None:
    """Print the story, or the events."""
    if only and (kinds or grep or path):
        raise click.UsageError("--only chooses events of the log; --kind, --grep and --path choose moments")
    choice = Choice(frozenset(kinds), None if grep is None else expression(grep), path)
    log = opened(session, "show")
    begun = log.session.created
    if only or (as_json and choice == Choice()):
        lines = _events(log.records(), only, begun, as_json=as_json)
    else:
        moments = choice.of(story(log.records(), cost.load(log.places.config / "prices.toml")))
        whole = full or grep is not None  # what was looked for must not be cut off
        width = shutil.get_terminal_size().columns if _on_terminal() and not whole else 0
        look = Look(styled, width, whole=whole)
        told = moments if "output" in kinds or grep is not None or full else _without_echoes(moments)
        lines = map(json_line, moments) if as_json else _told(told, begun, look)
    if not as_json:
        lines = itertools.chain([f"session {log.session.id}, begun {moment(begun)}"], lines)
    _print(lines)
    if log.session.state is reader.State.OPEN:
        say("the log is not sealed: its recorder was killed; what came last may be missing")
        ctx.exit(OPEN)


def _events(records: Iterator[reader.Record], only: tuple[str, ...], begun: float, *, as_json: bool) -> Iterator[str]:
    """Yield the lines of events, as they are in the log."""
    kept = (record for record in records if not only or record.event.__struct_config__.tag in only)
    if as_json:
        yield from (render.json_line(record.sequence, record.event) for record in kept)
        return
    seen = (record.event for record in kept)
    for row in each_read(seen) if only == ("read",) else timeline(seen):
        yield from render.lines(since(begun, row))


def _told(moments: Iterable[Moment], begun: float, look: Look) -> Iterator[str]:
    for one in moments:
        yield from printed(one, begun, look)


def _without_echoes(moments: Iterable[Moment]) -> Iterator[Moment]:
    """Leave out what the screen showed once the model has answered: it shows what the story tells."""
    answered = False
    for one in moments:
        answered = answered or one.kind == "answer"
        yield Moment(one.sequence, one.at, one.kind, one.title) if answered and one.kind == "output" else one


def _on_terminal() -> bool:
    return sys.stdout.isatty()


def _print(lines: Iterator[str]) -> None:
    """Print the lines; through a pager where they are more than the terminal has rows. Raises what `lines` raises."""
    color = False if os.environ.get("NO_COLOR") else None
    if not _on_terminal():
        for line in lines:
            click.echo(line, color=color)
        return
    broken: list[AuditError] = []
    whole = _until(lines, broken)
    first = list(itertools.islice(whole, shutil.get_terminal_size().lines - 1))
    rest = next(whole, None)
    if rest is None:
        for line in first:
            click.echo(line, color=color)
    else:
        shown = itertools.chain(first, [rest], whole)
        click.echo_via_pager((f"{line if color is None else click.unstyle(line)}\n" for line in shown), color)
    if broken:
        raise broken[0]


def _until(lines: Iterator[str], broken: list[AuditError]) -> Iterator[str]:
    """Yield lines until they cannot be read on: a pager that is left alone would wait for ever."""
    try:
        yield from lines
    except AuditError as error:
        broken.append(error)

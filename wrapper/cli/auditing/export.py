"""`safe-agent audit export`: a session for other programs, or as a page."""

import contextlib
import itertools
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import click

from wrapper.audit import reader
from wrapper.cli.auditing.opening import opened
from wrapper.errors import StateError
from wrapper.messages import say
from wrapper.review.export.formats import FORMATS, write

OPEN = 10
_PRIVATE: Final = 0o600  # it holds what the log keeps encrypted


@click.command(
    epilog="\b\nExit codes: 0 exported to its end; 2 wrong usage; 10 open (its recorder was killed); 11 truncated;"
    "\n12 tampered with; 13 no key here opens it; 125 cannot be read or written. What was good is exported before.",
    help="""Write SESSION (its id, the beginning of it, or `last`, the default) in a format that others read.

    \b
      cast   a recording that asciinema plays (asciicast v3); prompts and tool calls are its markers
      jsonl  every event with all that is in it, as `audit show --json`
      ocsf   security events for a SIEM (Open Cybersecurity Schema Framework 1.8.0), one a line
      otlp   logs and a trace for OpenTelemetry (OTLP/JSON), one message a line, without what was said and shown
      html   one page that needs no network: player, timeline, what was masked when, search

    The log is proven while it is read. An export is plain text, and nothing proves it later: keep the log. It holds
    placeholders, no value that was masked. The same log gives the same bytes. A page shows 16 MiB of terminal output
    and 20,000 moments at most and says where it ends; the other formats have no limit.

    \b
    Examples:
      safe-agent audit export --format html --out session.html
      safe-agent audit export last --format cast --out session.cast && asciinema play session.cast
      safe-agent audit export --format ocsf | jq 'select(.class_uid == 4001 and .action_id == 2).dst_endpoint'
    """,
)
@click.argument("session", default="last")
@click.option("--format", "form", required=True, type=click.Choice(FORMATS), help="Which of the five.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write here instead of to standard output; a new file is readable by you only.",
)
@click.pass_context
def command(ctx: click.Context, session: str, form: str, out: Path | None) -> None:
    """Write the export."""
    if form == "html" and out is None and sys.stdout.isatty():
        raise click.UsageError("a page is nothing for a terminal: say `--out FILE`")
    log = opened(session, "export")
    records = _begun(log.records())
    with _opened(out) as stream:
        write(form, records, stream, state=log.session.state.value)
    if log.session.state is reader.State.OPEN:
        say("the log is not sealed: its recorder was killed; what came last may be missing")
        ctx.exit(OPEN)


def _begun(records: Iterator[reader.Record]) -> Iterable[reader.Record]:
    """Read the first record: what cannot be read at all shall not empty a file that is there."""
    return itertools.chain(list(itertools.islice(records, 1)), records)


@contextlib.contextmanager
def _opened(out: Path | None) -> Iterator[BinaryIO]:
    """Open the file. Raises StateError where it cannot be written to its end."""
    if out is None:
        yield sys.stdout.buffer
        return
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE), "wb") as stream:
            yield stream
    except OSError as error:
        raise StateError(f"cannot write `{out}`: {error.strerror}", hint="what stands there is not whole") from error

"""`safe-agent left`: whether any part of a file left, when, to whom, and whether that can be known."""

import contextlib
import json
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from wrapper.audit import reader
from wrapper.cli.auditing.opening import identity_here, record_reading
from wrapper.errors import StateError
from wrapper.messages import say
from wrapper.plan.places import Places
from wrapper.review.times import when

if TYPE_CHECKING:  # loads numpy: 100 ms that `--help` does not have
    from wrapper.review.answering import Outcome
    from wrapper.review.looking import Window
    from wrapper.review.sought import Sought

SOMETHING: Final = 1
UNKNOWN: Final = 3
_PRIVATE: Final = 0o600


@click.command(
    epilog="\b\nExit codes: 0 nothing left; 1 something left; 3 unknown: nothing was found, but not all is known;"
    "\n2 wrong usage; 125 a file, or git, cannot be read.",
    help="""Say whether any part of PATH left: which lines of which version, when, to whom, under which account.

    PATH is a file or a folder. Looked for are the working copy, the index, and every content that it had in any commit
    of its git repository, a single file's former names too. `REV:PATH` is one revision, written as for git:
    `HEAD~3:src/a.py`, `v1.2:./a.py`, `:a.py` for the index. `--all` is every file of the workspace that git does not
    ignore.

    Looked through are the requests (URL, headers, body) and WebSocket messages of all sessions of this machine,
    wherever they ran: any may have had a copy. What is reported stands there byte for byte: as it is, with line
    numbers, in a patch, escaped up to four times, in base64, as hexadecimal or percent-encoded. A masked secret counts
    as not left; the text around it does.

    \b
    The answer is one of three:
      left       with the requests that hold it
      not left   all sessions are sealed, proven, as the ledger saw them, and could be read to their end here
      unknown    nothing was found, and what is missing is said: a session that runs, crashed or was cut; keys that were
                 deleted or are elsewhere; no ledger; tunnels into which nobody looked; bodies to other hosts past the
                 first MiB; contents that cannot be searched for, such as those under 32 bytes

    Never found: text that was rewritten, summed up, compressed or encrypted, and what other programs sent without
    safe-agent.

    \b
    Examples:
      safe-agent left src/pricing.py
      safe-agent left HEAD~1:.env --session last
      safe-agent left --all --since 30d
      safe-agent left src --report left.html
      safe-agent left --json src/pricing.py | jq -r '.files[].leavings[] | "\\(.session) #\\(.request) \\(.provider)"'
    """,
)
@click.argument("paths", nargs=-1, metavar="[PATH | REV:PATH]...")
@click.option("--all", "everything", is_flag=True, help="Look for every file of the workspace.")
@click.option("--rev", "revision", default="", metavar="REV", help="Look for the contents at this revision only.")
@click.option("--since", default="", metavar="WHEN", help="From then on: a date, `12h` or `7d` ago, or a commit.")
@click.option("--until", default="", metavar="WHEN", help="Before then, written in the same way.")
@click.option(
    "--session", "sessions", multiple=True, help="Ask about this session only: id, its beginning, `last`, or a path."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page for a browser, too; a new file is readable by you only.",
)
@click.pass_context
def command(  # noqa: PLR0913 (one for each option)
    ctx: click.Context,
    paths: tuple[str, ...],
    *,
    everything: bool,
    revision: str,
    since: str,
    until: str,
    sessions: tuple[str, ...],
    as_json: bool,
    report: Path | None,
) -> None:
    """Search the logs for the files."""
    if bool(paths) == everything:
        raise click.UsageError("--all takes no PATH" if everything else "name files or folders, or say --all")
    from wrapper.review.leftwords import document, page  # noqa: PLC0415 (loads numpy)
    from wrapper.review.sought import sought  # noqa: PLC0415 (as above)

    here = Path.cwd()
    window = _window(since, until, here)
    files = sought(paths, here, revision=revision, everything=everything)
    outcome = _looked(files, window, sessions)
    if report is not None:
        _write(report, outcome)
    if as_json:
        click.echo(json.dumps(document(outcome)))
    else:
        for line in page(outcome):
            click.echo(line)
        say("not found are runs of under 32 bytes, and text that was rewritten, compressed or encrypted")
    ctx.exit({"left": SOMETHING, "unknown": UNKNOWN}.get(outcome.answer, 0))


def _window(since: str, until: str, here: Path) -> "Window":
    from wrapper.review.looking import Window  # noqa: PLC0415 (loads numpy)

    window = Window(_moment(since, here, -math.inf), _moment(until, here, math.inf))
    if window.since >= window.until:
        raise click.UsageError("--since is not before --until")
    return window


def _moment(text: str, here: Path, otherwise: float) -> float:
    if not text:
        return otherwise
    with contextlib.suppress(ValueError):
        return when(text, time.time())
    from wrapper.review.sought import since  # noqa: PLC0415 (loads numpy)

    return since(text, here)


def _looked(files: "Sought", window: "Window", named: tuple[str, ...]) -> "Outcome":
    from wrapper.review.answering import answered  # noqa: PLC0415 (loads numpy)
    from wrapper.review.looking import Looking, books, gone, in_question  # noqa: PLC0415 (as above)

    places = Places.from_environment()
    ledger = books(places.state)
    there = reader.list_sessions(places.state)
    chosen = in_question(there, ledger, window)
    if named:
        chosen = list({found.id: found for found in (reader.find_session(places.state, one) for one in named)}.values())
    opener = identity_here(places)
    if opener is not None:
        record_reading(places, [one.id for one in chosen], "left")
    looking = Looking(files, ledger, opener, window)
    seen = [looking.through(one) for one in chosen]
    lost = [] if named else list(gone(there, ledger, window))
    return answered(files, [*seen, *lost], ledger.fault, window)


def _write(path: Path, outcome: "Outcome") -> None:
    """Write the page. Raises StateError where it cannot be written to its end."""
    from wrapper.review.export.leftreport import report  # noqa: PLC0415 (loads numpy)

    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE), "wb") as stream:
            stream.writelines(part.encode() for part in report(outcome, made=time.time()))
    except OSError as error:
        raise StateError(f"cannot write `{path}`: {error.strerror}", hint="what stands there is not whole") from error

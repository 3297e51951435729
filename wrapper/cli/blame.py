"""`safe-agent blame`: whose each line of a file is."""

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wrapper.cli.options import policy_options
from wrapper.errors import AuditError, ProvenanceError, WorkspaceError
from wrapper.knowing import workspace_here
from wrapper.messages import say, wants_colours
from wrapper.plan.chosen import load_chosen
from wrapper.plan.gitinfo import git_layout
from wrapper.plan.places import Places

if TYPE_CHECKING:  # loads numpy: 100 ms that `--help` does not have
    from wrapper.provenance.attribution import LineOrigin
    from wrapper.provenance.blaming import Blamed, Blaming
    from wrapper.provenance.judgements import Said

_AGENT_LINES = 1
_MOST_FAULTS = 5  # that are named
_LARGEST = 4 << 20  # bytes of a file that is counted as one among many
_Range = tuple[int, int]


@click.command(
    epilog="\b\nExit codes: 0 told; 1 with --exit-code, if a line is an agent's; 125 when safe-agent refuses or fails;"
    "\n2 wrong usage.",
    help="""Say of each line of FILE whose it is: an agent's, an agent's that somebody edited, a person's, or unknown.

    Content decides: lines are compared with the index of what agents wrote in captured sessions (of all workspaces of
    this user). So moves, copies, renames, rebases and squashed or rewritten histories change nothing. FILE is the
    working copy; `REV:FILE` (from the top of the repository, as in git; or `REV:./FILE`, or --rev) a revision,
    `:FILE` what is staged.

    \b
    agent         written so by an agent
    agent-edited  an agent's that was edited, renamed or reformatted since
    human         committed before the first session, or written outside
                  while one watched
    unknown       no session watched, or the index is not whole

    Beside the state: `+` a person approved the line, `!` rejected it (`safe-agent review`); the session, and in wide
    terminals model and day. -v adds why, and how much of a line is the agent's; --prompts the words that led to it,
    out of the log (recorded in the ledger as a reading; needs the key that reads logs). --stat counts, for files and
    folders. --json has all; --porcelain is git's format with headers `safe-agent-state`, `-session`, `-model`, ….

    \b
    Examples:
      safe-agent blame src/tax.py
      safe-agent blame -L 10,20 -v v1.2:src/tax.py
      safe-agent blame --stat src
      safe-agent blame --json src/tax.py | jq '.lines[] | select(.state == "unknown").line'
    """,
)
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="[REV:]FILE...")
@click.option("--rev", "revision", metavar="REV", help="The revision to look at; `:` is what is staged.")
@click.option("-L", "ranges", multiple=True, metavar="FROM,TO", help="Only these lines (from 1); repeatable.")
@click.option("--session", metavar="ID", help="Only lines of this session: its id, or the beginning of it.")
@click.option("--stat", is_flag=True, help="Count lines for each file; folders stand for the files that git tracks.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with a stable schema; a list for several files.")
@click.option("--porcelain", is_flag=True, help="Print the format of `git blame --porcelain`.")
@click.option("-v", "--verbose", is_flag=True, help="Say why, and how much of each line is the agent's.")
@click.option("--prompts", is_flag=True, help="Print the words of the user's that led to lines, out of the logs.")
@click.option("--exit-code", "judging", is_flag=True, help="Exit with 1 if any line is an agent's.")
@policy_options
@click.pass_context
def blame(  # noqa: PLR0913 (click hands over an option each)
    ctx: click.Context,
    *,
    files: tuple[str, ...],
    revision: str | None,
    ranges: tuple[str, ...],
    session: str | None,
    stat: bool,
    as_json: bool,
    porcelain: bool,
    verbose: bool,
    prompts: bool,
    judging: bool,
    policy: Path | None,
    profile: str | None,
) -> None:
    """Attribute, and print."""
    if as_json + porcelain + stat > 1 and not (as_json and stat):
        raise click.UsageError("give one of --json, --porcelain and --stat (or --json with --stat)")
    here = git_layout(Path.cwd())
    wanted = [_named(file, revision, here.toplevel if here else Path.cwd()) for file in files]
    stat = stat or any(path.is_dir() and of is None for path, of in wanted)
    if len(wanted) > 1 and not (stat or as_json):
        raise click.UsageError("name one file, or ask for --stat or --json")
    if stat and (ranges or porcelain or prompts):
        raise click.UsageError("--stat counts whole files: leave out -L, --porcelain and --prompts")
    chosen_ranges = [_range(text) for text in ranges]
    places = Places.from_environment()
    root = workspace_here(places) or wanted[0][0].resolve().parent
    chosen = load_chosen(profile, policy, environ=os.environ, workspace=root, places=places)
    from wrapper.provenance.blaming import Blaming  # noqa: PLC0415 (loads numpy)

    blaming = Blaming.open(places, root, chosen)
    if stat:
        blamed = list(_counted(blaming, wanted))
        _print_stat(blamed, as_json=as_json)
        origins = [origin for _, found in blamed for origin in found]
    else:
        told = [blaming.blamed(path, of) for path, of in wanted]
        lines = [_lines(one, chosen_ranges, session) for one in told]
        origins = [one.origins[line] for one, kept in zip(told, lines, strict=True) for line in kept]
        asked = _prompts(told, lines, places) if prompts else {}
        said = [_judged(one, blaming, places) for one in told]
        if as_json:
            _print_json(told, lines, said, asked)
        elif porcelain:
            _print_porcelain(told[0], lines[0], said[0])
        else:
            _print_lines(told[0], lines[0], said[0], asked, verbose=verbose)
    _tell_faults(blaming)
    ctx.exit(_AGENT_LINES if judging and any(origin.state.value.startswith("agent") for origin in origins) else 0)


def _named(file: str, revision: str | None, top: Path) -> tuple[Path, str | None]:
    """Cut `REV:FILE`, unless there is a file of that name; the path is one from the top, as in gitrevisions(7)."""
    before, colon, after = file.partition(":")
    if revision is not None or not colon or not after or os.path.lexists(file):
        return Path(file), revision
    return Path(after) if after.startswith(("./", "../")) else top / after, before or ":"


def _range(text: str) -> _Range:
    """Read what `-L` takes: `10,20`, `10,+5`, `10,`, `,20`, `10`; from 0, the end not included, 0 for the last line."""
    found = re.fullmatch(r"(?P<first>[0-9]{0,9})(?P<comma>,)?(?P<plus>\+)?(?P<last>[0-9]{0,9})", text)
    start = int(found["first"] or 1) if found else 0
    last = int(found["last"] or 0) if found and found["comma"] else start
    end = start + last - 1 if found and found["plus"] else last
    is_backwards = bool(found and found["comma"] and found["last"] and end < start)
    if found is None or start < 1 or (found["last"] and not found["comma"]) or is_backwards:
        raise click.UsageError(f"-L takes `FROM,TO` or `FROM,+COUNT`, lines counted from 1, not `{text}`")
    return start - 1, end


def _lines(blamed: "Blamed", ranges: Sequence[_Range], session: str | None) -> list[int]:
    count = len(blamed.origins)
    for start, _ in ranges:
        if start >= count:
            raise WorkspaceError(f"`{blamed.path}` has {count} lines, and no line {start + 1}")
    kept = (
        sorted({line for start, end in ranges for line in range(start, min(end or count, count))})
        if ranges
        else range(count)
    )
    return [line for line in kept if session is None or _is_of(blamed, line, session)]


def _is_of(blamed: "Blamed", line: int, session: str) -> bool:
    emission = blamed.emissions.get(blamed.origins[line].emission)
    return emission is not None and emission.session.startswith(session)


def _judged(blamed: "Blamed", blaming: "Blaming", places: Places) -> "Mapping[int, Said]":
    """Look up what people said of lines; nothing where the approvals cannot be read, which is told."""
    from wrapper.provenance.approvals import Approvals  # noqa: PLC0415 (cryptography)
    from wrapper.provenance.changes import Change  # noqa: PLC0415
    from wrapper.provenance.reviewing import words_on  # noqa: PLC0415 (numpy)

    try:
        approvals = Approvals.load(places.state, blaming.key)
    except (AuditError, ProvenanceError, OSError) as error:
        say(f"approvals cannot be told: {error}")
        return {}
    change = Change(blamed.path, blamed.revision or None, "", blamed.text, None)
    return words_on(change, blamed, approvals.judgements, blaming.key.coder())


def _prompts(told: "Sequence[Blamed]", lines: Sequence[Sequence[int]], places: Places) -> dict[tuple[str, int], str]:
    """Read the words that led to lines out of the logs; says of which sessions that is not possible."""
    from wrapper.cli.prompts import Prompts  # noqa: PLC0415 (the audit log's readers)

    each = [(one, line) for one, kept in zip(told, lines, strict=True) for line in kept]
    used = [one.emissions.get(one.origins[line].emission) for one, line in each]
    wanted = {(one.session, one.prompt): one for one in used if one is not None and one.prompt}
    prompts, found = Prompts.of(places, "blame"), {}
    if wanted and prompts.identity is None:
        say("no prompts: the key that reads logs is not here")
    failed: set[str] = set()
    for (session, sequence), emission in wanted.items():
        if session not in failed:
            try:
                found[session, sequence] = prompts.text(emission)
            except AuditError as error:
                failed.add(session)
                say(f"no prompts of session {session}: {error.what}")
    return {place: text for place, text in found.items() if text}


def _counted(
    blaming: "Blaming", wanted: Iterable[tuple[Path, str | None]]
) -> "Iterable[tuple[str, Sequence[LineOrigin]]]":
    """Yield name and origins of each file that is text; of folders all that git tracks."""
    from wrapper.scan.progress import Progress  # noqa: PLC0415

    progress = Progress(sys.stderr, is_shown=sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb")
    for path, revision in wanted:
        files = list(_within(path)) if revision is None and path.is_dir() else [path]
        progress.begin("attributing files", len(files))
        for file in files:
            progress.step()
            try:
                if len(files) > 1 and not _is_text(file):
                    continue
                yield os.path.relpath(file), blaming.blamed(file, revision).origins
            except WorkspaceError as error:
                if len(files) == 1:
                    raise
                progress.clear()
                say(f"not counted: {error.what}")
        progress.clear()


def _within(folder: Path) -> Iterable[Path]:
    from wrapper.plan.gitinfo import tracked  # noqa: PLC0415

    folder = Path(os.path.realpath(folder))
    layout = git_layout(folder)
    if layout is None:
        return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    every = (layout.toplevel / name for name in sorted(tracked(layout)))
    return [path for path in every if path.is_relative_to(folder) and path.is_file() and not path.is_symlink()]


def _is_text(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return b"\0" not in stream.read(8000) and file.stat().st_size <= _LARGEST
    except OSError:
        return True  # said when it is read


def _print_stat(files: Sequence[tuple[str, Sequence["LineOrigin"]]], *, as_json: bool) -> None:
    from wrapper.provenance import blameprint  # noqa: PLC0415 (numpy)

    if as_json:
        rows = [
            {"file": name, "lines": len(origins), "share": round(blameprint.share(origins), 4)}
            | {"counts": blameprint.counts(origins)}
            for name, origins in files
        ]
        click.echo(json.dumps({"version": blameprint.VERSION, "files": rows}))
        return
    for row in blameprint.stat_rows(files, _width()):
        click.echo(row)


def _print_json(
    told: "Sequence[Blamed]",
    lines: Sequence[Sequence[int]],
    said: "Sequence[Mapping[int, Said]]",
    asked: Mapping[tuple[str, int], str],
) -> None:
    from wrapper.provenance.blameprint import document  # noqa: PLC0415 (numpy)

    documents = [document(*one, asked) for one in zip(told, lines, said, strict=True)]
    click.echo(json.dumps(documents[0] if len(documents) == 1 else documents))


def _print_porcelain(told: "Blamed", lines: Sequence[int], said: "Mapping[int, Said]") -> None:
    from wrapper.provenance.porcelain import porcelain  # noqa: PLC0415 (numpy)

    for piece in porcelain(told, lines, said, time.time()):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _print_lines(
    told: "Blamed",
    lines: Sequence[int],
    said: "Mapping[int, Said]",
    asked: Mapping[tuple[str, int], str],
    *,
    verbose: bool,
) -> None:
    from wrapper.provenance.blameprint import rows, summary  # noqa: PLC0415 (numpy)

    colours = wants_colours(sys.stdout, os.environ)
    for row in rows(told, lines, said, width=_width(), colours=colours, verbose=verbose, prompts=asked):
        click.echo(row, color=colours)
    say(f"{told.path}: {summary([told.origins[line] for line in lines])}")


def _width() -> int | None:
    """Columns of the terminal; None where output goes elsewhere: then nothing is cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _tell_faults(blaming: "Blaming") -> None:
    for fault in blaming.faults[:_MOST_FAULTS]:
        of = f"session {fault.session}: " if fault.session else ""
        say(f"the index is not whole: {of}{fault.why}" + (f" ({fault.hint})" if fault.hint else ""))
    if len(blaming.faults) > _MOST_FAULTS:
        more = len(blaming.faults) - _MOST_FAULTS
        say(f"the index is not whole: {more} more faults (`safe-agent provenance verify` names them)")

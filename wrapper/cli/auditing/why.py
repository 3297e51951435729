"""`safe-agent audit why`: which session wrote a line, and who asked for it."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wrapper.cli.auditing.opening import every
from wrapper.errors import AuditError, WorkspaceError
from wrapper.messages import say
from wrapper.review.render import printable
from wrapper.review.times import moment

if TYPE_CHECKING:
    from wrapper.review.blame import Stage
    from wrapper.review.why import Change, Line, Origin, Search

_NOT_FOUND = 1
_MOST_PROMPT = 400  # characters of what was asked; `--json` has all


@click.command(
    epilog="\b\nExit codes: 0 found; 1 not found; 2 wrong usage; 125 the file or all of the logs cannot be read.",
    help="""Say which session wrote line LINE of FILE: the agent's call, what the user had asked for, and when.

    Searched are the calls of all sessions: edits, whole files, patches and commands whose text holds the line as it is
    now, and, in a git repository, as it was in earlier commits. What a program wrote (a formatter, `sed`) stands in no
    call: it is found by the file's hashes, where both contents, the one before and the one after, are in git or in the
    working copy. So is what was changed on the host, by the user's editor. A masked value in the log stands for any. A
    line that many files have, such as a closing bracket, is found only with a neighbour of its own.

    Moved text is found where it was written, not where it was moved. A log that was deleted or cannot be opened here
    is not searched; such sessions are named.

    \b
    Examples:
      safe-agent audit why src/pricing.py:42
      safe-agent audit why --json src/pricing.py:42 | jq -r '.stages[0].origin.prompt'
    """,
)
@click.argument("place", metavar="FILE:LINE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, place: str, *, as_json: bool) -> None:
    """Search the logs for who wrote the line."""
    file, number = _place(place)
    from wrapper.review.blame import line_of, stages  # noqa: PLC0415 (starts git)
    from wrapper.review.why import line  # noqa: PLC0415

    content = line_of(file, number)
    lines = content.split("\n")
    if not lines[number - 1].strip():
        raise WorkspaceError(f"line {number} of `{file}` is empty", hint="name a line with text")
    known = stages(file, content, number)
    first, *earlier = known
    wanted = [line(lines, number), *(line([*lines, stage.text], len(lines) + 1) for stage in earlier)]
    found = _searched(file, first.text, wanted)
    if as_json:
        click.echo(json.dumps(_document(file, number, known, found)))
    else:
        for said in _page(file, number, known, found):
            click.echo(said)
        for session, why in found.unread:
            say(f"not searched to its end: session {printable(session)}: {printable(why)}")
    if found.unread and not found.sessions:
        raise AuditError("no log could be searched", hint="read the logs where `audit.key` is")
    ctx.exit(0 if found.origins[0] or found.change else _NOT_FOUND)


def _place(place: str) -> tuple[Path, int]:
    name, _, number = place.rpartition(":")
    if not name or not (number.isascii() and number.isdigit() and int(number)):
        raise click.UsageError("name a file and a line: FILE:LINE, the first line is 1")
    return Path(os.path.abspath(name)), int(number)  # noqa: PTH100 (a link is the file that was named)


@dataclass(slots=True)
class _Found:
    """For each stage of the line the call that wrote it; where no call did, the change that did.

    `during` is the call that ran when it was made, `last` the last change of the file in any session.
    """

    origins: list["Origin | None"]
    change: "Change | None" = None
    during: "Origin | None" = None
    last: "Change | None" = None
    sessions: int = 0
    calls: int = 0
    unread: list[tuple[str, str]] = field(default_factory=list)


def _searched(file: Path, text: str, wanted: Sequence["Line"]) -> _Found:
    from wrapper.review.why import Search  # noqa: PLC0415

    found, contents = _Found([None] * len(wanted)), _contents(file, text)
    for log in every("why"):
        search, records = Search(str(file), wanted), 0
        try:
            for record in log.records():
                records += 1
                search.feed(record)
        except AuditError as error:
            found.unread.append((log.session.id, error.what))
        found.sessions += records > 0
        found.calls += search.calls
        _add(found, search, contents)
    return found


def _add(found: _Found, search: "Search", contents: Mapping[str, bool]) -> None:
    """Add what one session has; sessions come oldest first, and the last call that wrote the line counts."""
    found.origins = [search.origin(number) or known for number, known in enumerate(found.origins)]
    for change in search.changes:
        found.last = change
        brought = contents.get(change.after) and contents.get(change.before) is False
        if found.change is None and change.after and brought:
            found.change, found.during = change, search.during(change)


def _contents(file: Path, text: str) -> Mapping[str, bool]:
    """Return the hashes of all known contents of the file, and whether each has the line; no file has it not."""
    from wrapper.review.revisions import versions  # noqa: PLC0415 (loads numpy)
    from wrapper.review.why import digest  # noqa: PLC0415

    wanted = text.encode(errors="surrogateescape")
    return {"": False} | {digest(one.data): wanted in one.data.split(b"\n") for one in versions(file)}


def _page(file: Path, number: int, known: Sequence["Stage"], found: _Found) -> Iterator[str]:
    for which, (stage, origin) in enumerate(zip(known, found.origins, strict=True)):
        yield f"{'before that: ' if which else f'{printable(str(file))}:{number}: '}{printable(stage.text)}"
        if stage.commit:
            by = f"{stage.commit.author} at {moment(stage.commit.at)}"
            yield f"  committed in {stage.commit.id[:12]} by {printable(by)}: {printable(stage.commit.subject)}"
        if origin is not None:
            yield from _told(origin, "written by")
        elif which:
            yield "  no call in the logs has this text"
        else:
            yield from _unwritten(found)
    yield f"{_count(found.calls, 'call')} of {_count(found.sessions, 'session')} searched"


def _unwritten(found: _Found) -> Iterator[str]:
    """Say of a line that is in no call what the changes of its file tell."""
    if found.change is None:
        yield "  no call in the logs has this text for this file"
        if found.last is None:
            yield "  nor does any session know a file of this path: if the project lay elsewhere then,"
            yield "  `safe-agent audit search TEXT --all` finds the call, and `safe-agent blame` whose the line is"
        else:
            yield f"  the last change in the logs: {_changed(found.last)}, in session {printable(found.last.session)}"
        return
    yield f"  no call has this text; it was in the file after it was {_changed(found.change)}"
    yield f"  in session {printable(found.change.session)}"
    if found.change.by != "host" and found.during is not None:
        yield from _told(found.during, "the call before that:")


def _told(origin: "Origin", how: str) -> Iterator[str]:
    yield f"  {how} {printable(origin.agent)}'s {printable(origin.tool)} at {moment(origin.at)}"
    yield f"  session {printable(origin.session)}, frame {origin.sequence}"
    if origin.change is not None and how == "written by":
        yield f"  the file was then {_changed(origin.change)}"
    if origin.prompt:
        asked = " ".join(origin.prompt.split())
        shown = f"{asked[:_MOST_PROMPT]}…" if len(asked) > _MOST_PROMPT else asked
        yield f"  asked for by {printable(origin.user)} (frame {origin.prompt_sequence}): “{printable(shown)}”"


def _changed(change: "Change") -> str:
    by = {"host": " by the host (the user's editor, or what else ran outside)", "agent": " by the agent"}
    process = f" ({printable(change.process)})" if change.process else ""
    return f"{change.action}{by.get(change.by, '')}{process} at {moment(change.at)}, frame {change.sequence}"


def _document(file: Path, number: int, known: Sequence["Stage"], found: _Found) -> dict[str, object]:
    return {
        "file": str(file),
        "line": number,
        "stages": [
            {
                "text": stage.text,
                "commit": stage.commit._asdict() if stage.commit else None,
                "origin": asdict(origin) if origin else None,
            }
            for stage, origin in zip(known, found.origins, strict=True)
        ],
        "change": asdict(found.change) if found.change else None,
        "during": asdict(found.during) if found.during else None,
        "last_change": asdict(found.last) if found.last else None,
        "searched": {"sessions": found.sessions, "calls": found.calls},
        "not_searched": [{"session": session, "reason": why} for session, why in found.unread],
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

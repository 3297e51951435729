"""`safe-agent audit left`: whether any part of a file left, when, and to whom."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wrapper.audit.events import Request, Sent
from wrapper.cli.auditing.opening import Opened, every, opened
from wrapper.errors import AuditError
from wrapper.messages import say
from wrapper.review.render import printable
from wrapper.review.times import moment

if TYPE_CHECKING:  # loads numpy: 100 ms that `--help` does not have
    from wrapper.review.left import Leaving, Part, Version

SOMETHING = 1
_MOST_SPANS = 12  # lines said of one request; `--json` has all


@click.command(
    epilog="\b\nExit codes: 0 nothing left; 1 something left; 125 the file, git or all of the logs cannot be read.",
    help="""Say whether any part of FILE left: when, to whom, which lines of which version.

    Looked for are the working copy, the index, and every content that the file had in any commit of its git repository,
    under its former names too. Looked through are the requests (URL, headers, body) and WebSocket messages of all
    sessions, or of SESSION: its id, the beginning of it, or `last`. What is reported stands there byte for byte: as it
    is, with line numbers, in a patch, escaped up to four times, in base64, as hexadecimal or percent-encoded. A secret
    that was masked on its way counts as not left; the text around it does.

    Not found: runs of under 32 bytes, text that was rewritten, summed up, compressed or encrypted, and what left in
    sessions whose logs were deleted or cannot be opened here (they are named). What another file has as well is
    reported, too: the same bytes left, from wherever they came. Programs that the agent ran may have sent data through
    the egress proxy, into which nobody looks: `audit show --only connection` has what was allowed.

    \b
    Examples:
      safe-agent audit left src/pricing.py
      safe-agent audit left .env last
      safe-agent audit left --rev v1.2 src/pricing.py
      safe-agent audit left --json src/pricing.py | jq -r '.leavings[] | "\\(.session) #\\(.request) \\(.url)"'
    """,
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("session", required=False)
@click.option("--all", "all_sessions", is_flag=True, help="Look through all sessions: what it does without SESSION.")
@click.option("--rev", "revision", default="", help="Look for the content at this revision only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(
    ctx: click.Context, file: Path, session: str | None, *, all_sessions: bool, revision: str, as_json: bool
) -> None:
    """Search the logs for the file."""
    if session is not None and all_sessions:
        raise click.UsageError("name a session, or --all, not both")
    from wrapper.review.revisions import versions  # noqa: PLC0415 (loads numpy)

    contents = versions(file, revision)
    seen = _searched(contents, (opened(session, "left"),) if session else every("left"))
    if as_json:
        click.echo(json.dumps(_document(file, contents, seen)))
    else:
        for line in _page(file, contents, seen):
            click.echo(line)
        _caveats(contents, seen)
    if seen.unread and not seen.sessions:
        raise AuditError("no log could be looked through", hint="read the logs where `audit.key` is")
    ctx.exit(SOMETHING if seen.leavings else 0)


@dataclass(slots=True)
class _Seen:
    """What was looked through, what was found, and which sessions could not be read (to their end), and why."""

    leavings: list["Leaving"] = field(default_factory=list)
    sessions: int = 0
    requests: int = 0
    unread: list[tuple[str, str]] = field(default_factory=list)


def _searched(contents: Sequence["Version"], logs: Sequence[Opened]) -> _Seen:
    from wrapper.review.left import Left  # noqa: PLC0415 (loads numpy)
    from wrapper.review.runs import Known  # noqa: PLC0415 (loads numpy)

    known, seen = Known([content.data for content in contents]), _Seen()
    for log in logs:
        left, records = Left(log.session.id, contents, known), 0
        try:
            for record in log.records():
                records += 1
                if isinstance(record.event, Request | Sent):
                    left.feed(record.sequence, record.event)
        except AuditError as error:
            seen.unread.append((log.session.id, error.what))
        seen.sessions += records > 0
        seen.requests += left.requests
        seen.leavings += left.leavings()
    return seen


def _page(file: Path, contents: Sequence["Version"], seen: _Seen) -> Iterator[str]:
    name = printable(str(file))
    looked = f"{_count(seen.requests, 'request')} of {_count(seen.sessions, 'session')} looked through"
    if not seen.leavings:
        yield f"{name}: nothing left in {_count(len(contents), 'version')} of it; {looked}"
        return
    yield f"{name}: it left; {looked}"
    for session in dict.fromkeys(leaving.session for leaving in seen.leavings):
        yield f"session {printable(session)}"
        for leaving in seen.leavings:
            if leaving.session == session:
                yield from _told(leaving, contents)
    yield "in all"
    for number, size in _totals(seen.leavings):
        yield f"  {_share(contents[number], size)}"


def _told(leaving: "Leaving", contents: Sequence["Version"]) -> Iterator[str]:
    routed = f" (routed to {leaving.upstream})" if leaving.upstream else ""
    model = f", model {leaving.model}" if leaving.model else ""
    where = printable(f"{leaving.url}{routed}{model}")
    yield f"  {moment(leaving.at)}  frame {leaving.sequence}, request #{leaving.number} to {where}"
    part = leaving.part
    written = f", {'; '.join(part.forms)}" if part.forms else ""
    yield f"      {_share(contents[part.version], part.bytes)}{written}"
    for span in part.spans[:_MOST_SPANS]:
        lines = f"line {span.first}" if span.first == span.last else f"lines {span.first}-{span.last}"
        masked = f", {span.masked} of them masked" if span.masked else ""
        yield f"      {lines} (bytes {span.offset}-{span.offset + span.length}{masked})"
    if len(part.spans) > _MOST_SPANS:
        yield f"      … {len(part.spans) - _MOST_SPANS} more places; --json has all"
    if leaving.times > 1:
        yield f"      in {leaving.times} requests, the last one #{leaving.until}"


def _share(version: "Version", size: int) -> str:
    whole = len(version.data)
    share = "all" if size == whole else f"{size:,} of {whole:,} bytes ({max(size / whole, 0.001):.1%})"
    return printable(f"{share} of {version.name}" + ("" if version.name.startswith("the ") else f", {version.path}"))


def _totals(leavings: Sequence["Leaving"]) -> list[tuple[int, int]]:
    from wrapper.review.left import covered  # noqa: PLC0415 (loads numpy)

    parts: dict[int, list[Part]] = {}
    for leaving in leavings:
        parts.setdefault(leaving.part.version, []).append(leaving.part)
    return [(version, covered(parts[version])) for version in sorted(parts)]


def _caveats(contents: Sequence["Version"], seen: _Seen) -> None:
    from wrapper.review.runs import SHORTEST  # noqa: PLC0415 (loads numpy)

    for session, why in seen.unread:
        say(f"not looked through to its end: session {printable(session)}: {printable(why)}")
    short = sum(len(content.data) < SHORTEST for content in contents)
    if short:
        say(f"too short to be looked for: {_count(short, 'version')} of the file, under {SHORTEST} bytes")
    say(f"not found are runs of under {SHORTEST} bytes, and text that was rewritten, compressed or encrypted")


def _document(file: Path, contents: Sequence["Version"], seen: _Seen) -> dict[str, object]:
    return {
        "file": str(file),
        "left": bool(seen.leavings),
        "versions": [{"name": content.name, "path": content.path, "bytes": len(content.data)} for content in contents],
        "leavings": [_leaving(leaving, contents) for leaving in seen.leavings],
        "in_all": [
            {"version": contents[number].name, "bytes": size, "of": len(contents[number].data)}
            for number, size in _totals(seen.leavings)
        ],
        "looked_through": {"sessions": seen.sessions, "requests": seen.requests},
        "not_looked_through": [{"session": session, "reason": why} for session, why in seen.unread],
    }


def _leaving(leaving: "Leaving", contents: Sequence["Version"]) -> dict[str, object]:
    version = contents[leaving.part.version]
    return {
        "session": leaving.session,
        "frame": leaving.sequence,
        "at": leaving.at,
        "request": leaving.number,
        "url": leaving.url,
        "upstream": leaving.upstream,
        "model": leaving.model,
        "version": version.name,
        "path": version.path,
        "bytes": leaving.part.bytes,
        "of": len(version.data),
        "forms": list(leaving.part.forms),
        "places": [
            {
                "offset": span.offset,
                "length": span.length,
                "first_line": span.first,
                "last_line": span.last,
                "masked": span.masked,
            }
            for span in leaving.part.spans
        ],
        "requests": leaving.times,
        "last_request": leaving.until,
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

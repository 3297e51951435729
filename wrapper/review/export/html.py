"""A session as one page that needs no network and no server: player, timeline, what was masked when, search.

Rules of this file:
- What stands in the log was written by an agent and by servers. It gets into the page as text only: escaped between
  tags, or as JSON without `<`, `>` and `&` in a script element that holds data. The page's policy (CSP) lets run only
  what we put there, by its hash, and lets nothing be fetched; a test has the browser try.
- The page is held in memory until it is written, so it is bounded: see `Limits`. It says itself what it left out.
- The same log gives the same bytes.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import BinaryIO, Final

from wrapper.audit.reader import Record
from wrapper.review.export.clock import clock
from wrapper.review.export.gathering import Gathering, Limits
from wrapper.review.export.rows import safe
from wrapper.review.sizes import size
from wrapper.review.story import KINDS
from wrapper.review.times import moment, span
from wrapper.version import VERSION

_QUIET: Final = frozenset({"output", "usage"})  # kinds that are not shown at first
_FOLDER: Final = "wrapper.review.export"
_KEYS: Final = (("/", "search"), ("j k", "down and up"), ("Enter", "show in the player"), ("p", "play and pause"))


def export(records: Iterable[Record], out: BinaryIO, *, state: str = "", limits: Limits | None = None) -> None:
    """Write the page; `state` says how the log ends (`sealed`, …).

    Where reading `records` raises AuditError, the page has what was good before, says so, and the error is raised.
    """
    limits = limits or Limits()
    gathered = Gathering(records, limits)
    out.writelines(piece.encode() for piece in _page(gathered, state, limits))
    if gathered.problem is not None:
        raise gathered.problem


def _page(gathered: Gathering, state: str, limits: Limits) -> Iterator[str]:
    style = part("vendor/asciinema-player.css") + part("page/page.css")
    scripts = (part("vendor/asciinema-player.min.js"), part("page/page.js"))
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, scripts)}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="referrer" content="no-referrer">\n'
    yield f'<meta name="generator" content="safe-agent {VERSION}">\n<title>{_title(gathered)}</title>\n'
    yield f'<style>{style}</style>\n</head>\n<body>\n<a class="skip" href="#timeline">To the timeline</a>\n'
    yield from _head(gathered, state, limits)
    yield '<main>\n<div class="left">\n'
    yield from _terminal(gathered, limits)
    yield from _chart(gathered)
    yield "</div>\n"
    yield from _timeline(gathered)
    yield "</main>\n<footer>"
    yield " · ".join(f"<kbd>{key}</kbd> {what}" for key, what in _KEYS)
    yield f" — made by safe-agent {VERSION}. No value that was masked is in this page.</footer>\n"
    yield f'<script type="application/json" id="recording">{_data(gathered.recording.document())}</script>\n'
    yield "".join(f"<script>{script}</script>\n" for script in scripts)
    yield "</body>\n</html>\n"


def part(name: str) -> str:
    """Read a piece of the pages that lies beside this module."""
    return resources.files(_FOLDER).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, scripts: tuple[str, ...]) -> str:
    """Return the page's policy: nothing is fetched, nothing runs but what we wrote. The player is WebAssembly."""
    run = " ".join(source_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {run} 'wasm-unsafe-eval'; style-src {source_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def source_hash(text: str) -> str:
    """Name a script or a style for the page's policy (CSP 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(document: object) -> str:
    """Return JSON that ends no script element and begins no comment: without the three letters that could."""
    text = json.dumps(document, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _title(gathered: Gathering) -> str:
    start = gathered.start
    return safe(f"{start.agent} · {start.session}") if start else "A session without its beginning"


def _head(gathered: Gathering, state: str, limits: Limits) -> Iterator[str]:
    start, end = gathered.start, gathered.end
    name = (
        safe(f"{start.agent} {start.agent_version}".strip() + f" in {start.workspace}") if start else _title(gathered)
    )
    yield f'<header>\n<div class="top"><div><h1>{name}</h1>\n'
    if start:
        who = safe(f"{start.user}@{start.host}")
        yield f'<p class="sub">{moment(start.at)} · {who} · {_ending(gathered)}</p>'
    yield '</div><button type="button" class="plain" id="theme" aria-label="Switch between light and dark">◐</button>'
    yield "</div>\n"
    yield from (f'<p class="banner" role="alert">{text}</p>\n' for text in _notes(gathered, state, limits))
    yield from _tiles(gathered)
    if start:
        facts = {
            "Session": start.session,
            "Command": " ".join(start.argv),
            "Log": f"{state}; proven while it was read" if state else "proven while it was read",
            "Used": gathered.used,
            "Files shown by": start.view,
            "Policy": start.policy,
            "Without": ", ".join(start.degraded),
            "Recorded by": f"safe-agent {start.version}",
            "Ended": end.reason if end else "",
        }
        yield '<details class="facts"><summary>About this session</summary><dl>'
        yield from (f"<dt>{key}</dt><dd>{safe(value)}</dd>" for key, value in facts.items() if value)
        yield "</dl></details>\n"
    yield "</header>\n"


def _ending(gathered: Gathering) -> str:
    first, last = gathered.times or (0.0, 0.0)
    lasted = f"took {span(last - first)}"
    return f"{lasted} · exit code {gathered.end.exit_code}" if gathered.end else f"{lasted} · no end is recorded"


def _notes(gathered: Gathering, state: str, limits: Limits) -> Iterator[str]:
    if gathered.problem is not None:
        yield f"The log is not good from here on, and this page ends there: {safe(gathered.problem.what)}"
    elif state in ("open", "running"):
        yield "The log was not sealed when this page was made: what came last may be missing."
    if gathered.start is not None and gathered.start.degraded:
        yield f"The session ran without: {safe(', '.join(gathered.start.degraded))}"
    if gathered.recording.cut is not None and gathered.times is not None:
        at = clock(gathered.recording.cut - gathered.times[0])
        yield (
            f"The terminal is shown up to {at}, its first {size(limits.recording)}; "
            "<code>safe-agent audit export --format cast</code> has all of it."
        )
    if gathered.left_out:
        yield f"{gathered.left_out:,} later moments are not in this page; <code>safe-agent audit show</code> has them."


def _tiles(gathered: Gathering) -> Iterator[str]:
    masked, kinds = gathered.masked, gathered.kinds
    shown = [
        (gathered.prompts, "prompt", "prompts", ""),
        (kinds["call"], "tool call", "tool calls", ""),
        (len(gathered.files), "file changed", "files changed", ""),
        (gathered.requests, "request", "requests", ""),
        (masked.total - masked.left, "time a value was masked", "times a value was masked", ""),
        (masked.left, "noted, not masked", "noted, not masked", "alarm"),
        (gathered.denied, "network refusal", "network refusals", ""),
    ]
    yield '<ul class="tiles">'
    for number, one, more, kind in shown:
        if number or kind != "alarm":
            yield f'<li class="{kind}"><b>{number:,}</b><span>{one if number == 1 else more}</span></li>'
    yield "</ul>\n"


def _terminal(gathered: Gathering, limits: Limits) -> Iterator[str]:
    yield '<section class="card terminal" aria-labelledby="h-terminal"><h2 id="h-terminal">Terminal</h2>\n'
    shown = any(code == "o" for _, code, _ in gathered.recording.entries)
    if shown:
        yield f'<div id="player" data-poster="{gathered.recording.poster:.3f}"></div>\n'
        yield f'<p class="hint">Pauses are shortened to {limits.idle:g} seconds. '
        yield "A row of the timeline shows its moment here.</p>"
        yield '<noscript><p class="hint">The player and the search need JavaScript; all else does not.</p></noscript>'
    else:
        yield '<p class="none">Nothing was written to a terminal.</p>'
    yield "</section>\n"


def _chart(gathered: Gathering) -> Iterator[str]:
    yield '<section class="card" aria-labelledby="h-masked"><h2 id="h-masked">What was masked, and when</h2>\n'
    first, last = gathered.times or (0.0, 0.0)
    drawn = list(gathered.masked.html(first, last, gathered.recording.pace))
    yield from drawn or ['<p class="none">Nothing was masked in this session.</p>']
    yield "</section>\n"


def _timeline(gathered: Gathering) -> Iterator[str]:
    start = gathered.times[0] if gathered.times else 0.0
    total = len(gathered.rows)
    yield '<section class="card" id="timeline" aria-labelledby="h-timeline">\n<div class="tools">'
    yield '<h2 id="h-timeline">Timeline</h2>\n<div class="search">'
    yield '<label class="sr" for="search">Search the timeline</label><input id="search" type="search" '
    yield 'placeholder="Search prompts, commands, results, files" autocomplete="off" spellcheck="false">'
    yield f'<output class="count" id="count" for="search">{total}</output></div>\n'
    yield '<fieldset class="kinds"><legend class="sr">Kinds of moments that are shown</legend>'
    for kind in KINDS:
        if gathered.kinds[kind]:
            checked = "" if kind in _QUIET else " checked"
            box = f'<input type="checkbox" value="{kind}"{checked} autocomplete="off">'
            yield f"<label>{box}{kind} <i>{gathered.kinds[kind]:,}</i></label>"
    yield '<button type="button" class="plain" id="all">all</button></fieldset></div>\n<ol class="rows">\n'
    pace = gathered.recording.pace
    yield from (row.html(start, pace.place(row.at)) for row in gathered.rows)
    yield '</ol>\n<p class="none" id="none" hidden>No moment is like that.</p>\n</section>\n'

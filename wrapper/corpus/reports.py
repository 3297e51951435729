"""A result in words: lines of text, and a page that needs no network, no server and no script; pure.

File names and ids were written by whoever made the corpus: they get into the page as escaped text only.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from wrapper.corpus.policy import Stage
from wrapper.messages import printable
from wrapper.version import VERSION

if TYPE_CHECKING:
    from wrapper.corpus.verdicts import Summary

TEXT: Final = "report.txt"
PAGE: Final = "report.html"
MOST: Final = 50  # sources and sessions that are named
_SHOWN: Final = 10  # on a terminal
_SAID: Final = {
    "refused": "documents were found that the policy refuses",
    "undecided": "nothing that is refused was found, but not all could be judged",
    "quarantined": "nothing that is refused was found; a person should look at what was put aside",
    "accepted": "nothing was found; the policy accepts what could not be judged",
    "clean": "nothing was found",
}
_STAGES: Final = {
    Stage.BLOB: "a whole content that an agent's session left",
    Stage.NORMALISED: "the same but for blanks",
    Stage.SPANS: "pieces of what agents wrote",
    Stage.BINARY: "binary, nothing found",
    Stage.UNREADABLE: "could not be read",
    Stage.CLEAN: "nothing found",
}
_ORDER: Final = tuple(_STAGES)


def sentence(summary: "Summary") -> str:
    """Sum it up."""
    counts = ((summary.refused, "refused"), (summary.quarantined, "quarantined"), (summary.accepted, "accepted"))
    told = ", ".join(f"{number:,} {word}" for number, word in counts if number or word == "accepted")
    return f"{summary.verdict}: {_SAID[summary.verdict]}; {_count(summary.documents, 'document')}: {told}"


def lines(summary: "Summary", most: int = _SHOWN) -> Iterator[str]:
    """Give the report as lines."""
    yield sentence(summary)
    for stage in _ORDER:
        if summary.stages.get(stage):
            yield f"  {summary.stages[stage]:>12,}  {stage}: {_STAGES[stage]}"
    yield from _index(summary)
    yield from _table("not accepted", _first(summary)[:most])
    yield from _table("sources with most of it", _sources(summary)[:most])
    yield from _table("sessions it came from", _sessions(summary)[:most])
    yield f"manifest root {summary.root}"


def _index(summary: "Summary") -> Iterator[str]:
    index = summary.index
    yield f"index: {_count(index.emissions, 'emission')}, {_count(index.lines, 'line')}, key {index.key}"
    for session, why in index.faults[:_SHOWN]:
        yield f"  not known: {printable(f'session {session}: ' if session else '')}{printable(why)}"
    if len(index.faults) > _SHOWN:
        yield f"  not known: {len(index.faults) - _SHOWN:,} more (`{PAGE}` and `summary.json` list them)"


def _table(title: str, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield f"{title}:"
    for name, what in rows:
        yield f"  {printable(name)}: {what}"


def _first(summary: "Summary") -> list[tuple[str, str]]:
    return [
        (f"{one['source']}:{one['row']} ({one['id']})", f"{one['decision']}: {one['because']}") for one in summary.first
    ]


def _sources(summary: "Summary") -> list[tuple[str, str]]:
    return [
        (one["source"], f"{one['refused']:,} refused, {one['quarantined']:,} quarantined of {one['documents']:,}")
        for one in summary.sources
        if one["refused"] or one["quarantined"]
    ]


def _sessions(summary: "Summary") -> list[tuple[str, str]]:
    return [
        (one["session"], f"in {_count(one['documents'], 'document')}, {one['refused']:,} of them refused")
        for one in summary.sessions
    ]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def page(summary: "Summary") -> Iterator[str]:
    """Give the page."""
    from wrapper.review.export.html import part, source_hash  # noqa: PLC0415 (for the page only)
    from wrapper.review.export.rows import safe  # noqa: PLC0415 (as above)

    style = part("page/page.css") + part("page/report.css")
    policy = f"default-src 'none'; style-src {source_hash(style)}; base-uri 'none'; form-action 'none'"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="referrer" content="no-referrer">\n'
    yield f'<meta name="generator" content="safe-agent {VERSION}">\n<title>Corpus: {summary.verdict}</title>\n'
    yield f"<style>{style}</style>\n</head>\n<body>\n<header>\n<h1>Corpus: {summary.verdict}</h1>\n"
    yield f'<p class="sub">{safe(summary.made)}</p>\n'
    kind = {"clean": "banner good", "refused": "banner"}.get(summary.verdict, "banner unknown")
    yield f'<p class="{kind}"><strong>{summary.verdict}</strong>: {_SAID[summary.verdict]}</p>\n'
    tiles = (
        (summary.documents, "documents"), (summary.refused, "refused"), (summary.quarantined, "quarantined"),
        (summary.accepted, "accepted"), (len(summary.index.faults), "faults of the index"),
    )  # fmt: skip
    cells = (f"<li><b>{number:,}</b><span>{word}</span></li>" for number, word in tiles)
    yield f'<ul class="tiles">{"".join(cells)}</ul>\n</header>\n<main class="report">\n'
    told = [f"{summary.stages[stage]:,}: {_STAGES[stage]}" for stage in _ORDER if summary.stages.get(stage)]
    faults = [f"session {session}: {why}" if session else why for session, why in summary.index.faults]
    for title, items in (
        ("What was found", told),
        ("What the index does not know", faults),
        ("Not accepted, the first of them", [f"{name}: {what}" for name, what in _first(summary)]),
        ("Sources", [f"{name}: {what}" for name, what in _sources(summary)]),
        ("Sessions", [f"{name}: {what}" for name, what in _sessions(summary)]),
        ("By what it was judged", _proof(summary)),
    ):
        if items:
            listed = "".join(f"<li>{safe(item)}</li>\n" for item in items)
            yield f'<section class="card"><h2>{title}</h2>\n<ul class="plainly">\n{listed}</ul></section>\n'
    yield f"</main>\n<footer>Made by safe-agent {VERSION}. What it proves, and what not: docs/corpus.md.</footer>\n"
    yield "</body>\n</html>\n"


def _proof(summary: "Summary") -> list[str]:
    index = summary.index
    return [
        f"manifest root: {summary.root}",
        f"index: SHA-256 {index.sha256}, {index.emissions:,} emissions, {index.lines:,} lines, key {index.key}",
        f"policy: SHA-256 {summary.policy_sha256}",
    ]

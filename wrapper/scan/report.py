"""A scan's result as lines of text, as JSON, and as a sentence; pure.

The schema of the JSON, version 1: `root`; `findings`, each with `path` (relative to `root`; `path_base64` beside it
where the name is no UTF-8), `line`, `column`, `end_line`, `end_column`, `kind`, `confidence` (`certain` or `likely`),
`rule`, `placeholder`, and `commit` where history was scanned; `unreadable`, each with `path` and `why`; `counts`.
"""

import base64
import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from typing import Any, Final

from redactors.finding import Confidence
from wrapper.messages import printable
from wrapper.scan.hits import Hit, Result

_RED, _YELLOW, _BOLD, _DIM, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[2m", "\x1b[0m"
_COLOUR: Final = {Confidence.CERTAIN: _RED, Confidence.LIKELY: _YELLOW}
_COMMIT_DIGITS: Final = 12


def lines(result: Result, shown: Callable[[str], str], *, colours: bool) -> Iterator[str]:
    """Give a line per finding: `path:line:column: KIND confidence rule placeholder`.

    `shown` turns a path relative to the root into what the user reads; a finding of history has `COMMIT:` before it.
    """
    for hit in result.hits:
        commit = f"{hit.commit[:_COMMIT_DIGITS]}:" if hit.commit else ""
        path = hit.path if hit.commit else shown(hit.path)
        place = printable(f"{commit}{path}:{hit.place.line}:{hit.place.column}:")
        kind, confidence, rule = hit.kind, name_of(hit.confidence), printable(hit.rule)
        if colours:
            place, kind = f"{_BOLD}{place}{_PLAIN}", f"{_COLOUR[hit.confidence]}{kind}{_PLAIN}"
            rule = f"{_DIM}{rule}{_PLAIN}"
        yield f"{place} {kind} {confidence} {rule} {hit.placeholder}"


def document(result: Result) -> str:
    """Give all of it as one line of ASCII JSON."""
    return json.dumps(
        {
            "version": 1,
            "root": text(str(result.root)),
            "findings": [_finding(hit) for hit in result.hits],
            "unreadable": [{**_path(path), "why": why} for path, why in result.unreadable],
            "counts": dataclasses.asdict(result.counts),
        }
    )


def sentence(result: Result) -> str:
    """Sum it up for people."""
    counts, found = result.counts, len(result.hits)
    places = len({(hit.path, hit.commit) for hit in result.hits})
    what = f"{_count(found, 'finding')} in {_count(places, 'file')}" if found else "no secrets found"
    more = [
        f"{number:,} {which}"
        for number, which in (
            (counts.cached, "unchanged since the last scan"),
            (counts.binary, "binary"),
            (len(result.unreadable), "not readable"),
        )
        if number
    ]
    rest = f" ({', '.join(more)})" if more else ""
    accepted = f"; {_count(counts.accepted, 'finding')} accepted by the baseline" if counts.accepted else ""
    return f"{what}; {_count(counts.files, 'file')} scanned{rest}{accepted}"


def name_of(confidence: Confidence) -> str:
    """Give the word for how sure a finding is."""
    return confidence.name.lower()


def text(path: str) -> str:
    """Give a name as JSON can hold it, bytes that are no UTF-8 replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _path(path: str) -> dict[str, str]:
    shown = {"path": text(path)}
    if os.fsencode(path) != shown["path"].encode():
        shown["path_base64"] = base64.b64encode(os.fsencode(path)).decode()
    return shown


def _finding(hit: Hit) -> dict[str, Any]:
    return {
        **_path(hit.path),
        **dataclasses.asdict(hit.place),
        "kind": hit.kind,
        "confidence": name_of(hit.confidence),
        "rule": hit.rule,
        "placeholder": hit.placeholder,
        **({"commit": hit.commit} if hit.commit else {}),
    }

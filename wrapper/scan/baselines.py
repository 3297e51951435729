"""Baselines of detect-secrets: what of a scan is known already, and a new one made of it.

Rules of this file:
- A baseline that is named (`--baseline`) accepts all that it lists, as detect-secrets' own hook does; the one that
  lies at the root counts for what someone audited as no secret, as in a session.
- A baseline that is written keeps what is in it: audits, entries of other tools, entries of files that were not
  scanned. Of our own entries, those of scanned files that are gone are taken out.
- The form is that of detect-secrets 1.x: `results` maps paths to entries, whose `hashed_secret` is the SHA-1 of the
  value. Whoever has the file can try guesses against that hash: a short password does not stay secret in it.
- detect-secrets reads the file, but knows only what its own plugins find: its `audit` stumbles over our kinds, so they
  are audited by hand (`"is_secret": false`).
"""

import datetime as dt
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from redactors.baseline import Baseline
from wrapper.errors import PolicyError
from wrapper.scan.content import Located
from wrapper.scan.hits import Hit

OURS: Final = "safe-agent"
"""How the `type` of our entries begins."""

_VERSION: Final = "1.5.0"  # of the format
_HEADER: Final = re.compile(rb"BEGIN [A-Z ]{0,24}PRIVATE KEY")  # what detect-secrets takes for the value of a key block


def accepts(baseline: Baseline, path: str, found: Located) -> bool:
    """Tell whether `baseline` has this finding in the file `path`, by our value or by that of detect-secrets."""
    if baseline.allows(path, found.finding.value):
        return True
    headers = _HEADER.findall(found.before) if found.finding.kind == "PRIVATE-KEY" else ()
    return any(baseline.allows(path, header) for header in headers)


def hashed(value: bytes) -> str:
    """Give the hash that stands for a value, in hex."""
    return hashlib.sha1(value, usedforsecurity=False).hexdigest()  # the format's own choice


def updated(old: bytes | None, hits: Iterable[Hit], scanned: Collection[str], now: str) -> bytes:
    """Give the text of a baseline that lists `hits`, made from `old`; `now` is the time in ISO 8601.

    Raises ValueError if `old` is no baseline.
    """
    empty: dict[str, Any] = {"version": _VERSION, "plugins_used": [], "filters_used": [], "results": {}}
    document = empty if old is None else _parsed(old)
    results = {path: list(entries) for path, entries in _results(document).items()}
    found: dict[str, dict[str, Hit]] = {}
    for hit in hits:
        found.setdefault(_text(hit.path), {}).setdefault(hit.hashed, hit)
    looked_at = {_text(path) for path in scanned}
    for path in {*results, *found}:
        kept = [entry for entry in results.get(path, []) if _stays(entry, path, looked_at, found.get(path, {}))]
        known = {entry["hashed_secret"] for entry in kept}
        kept += [_entry(path, hit) for mark, hit in found.get(path, {}).items() if mark not in known]
        results[path] = sorted(kept, key=lambda entry: (entry.get("line_number", 0), entry["hashed_secret"]))
    document["results"] = {path: results[path] for path in sorted(results) if results[path]}
    document["generated_at"] = now
    return json.dumps(document, indent=2).encode() + b"\n"


def write(file: Path, hits: Iterable[Hit], scanned: Collection[str]) -> None:
    """Write the baseline at `file` anew, in one step. Raises PolicyError where that fails, or it is no baseline."""
    try:
        old = file.read_bytes() if file.exists() else None
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        content = updated(old, hits, scanned, now)
        draft = file.with_name(f".{file.name}.{os.getpid()}.new")
        draft.write_bytes(content)
        draft.replace(file)
    except ValueError as error:
        raise PolicyError(f"`{file}` is no baseline of detect-secrets: {error}", hint="name another file") from error
    except OSError as error:
        raise PolicyError(f"cannot write the baseline `{file}`: {error.strerror}") from error


def _stays(entry: Mapping[str, Any], path: str, scanned: Collection[str], found: Mapping[str, Hit]) -> bool:
    is_ours = str(entry.get("type", "")).startswith(OURS)
    return not is_ours or path not in scanned or entry["hashed_secret"] in found


def _entry(path: str, hit: Hit) -> dict[str, Any]:
    return {
        "type": f"{OURS} {hit.kind}",
        "filename": path,
        "hashed_secret": hit.hashed,
        "is_verified": False,
        "line_number": hit.place.line,
    }


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
        _results(document)
    except (RecursionError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    else:
        assert isinstance(document, dict)  # noqa: S101 (`_results` has looked)
        return document


def _results(document: Any) -> Mapping[str, list[Mapping[str, Any]]]:
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, dict) or not all(
        isinstance(entries, list) and all(isinstance(one, dict) and "hashed_secret" in one for one in entries)
        for entries in results.values()
    ):
        raise ValueError("it has no `results` of detect-secrets 1.x")
    return results


def _text(path: str) -> str:
    """Give a path as JSON can hold it."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

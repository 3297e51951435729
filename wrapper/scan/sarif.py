"""A scan's result as SARIF 2.1.0 (OASIS, sarif-v2.1.0), for code hosts and editors; pure.

A certain finding is an `error`, a likely one a `warning`. Columns count code points. The fingerprint of a finding is
made of its rule, its path and how many of the rule stand before it in the file: it holds from one machine to the next
and over changes elsewhere, and nothing of the text is in it.
"""

import hashlib
import json
import os
from collections import Counter
from typing import Any, Final
from urllib.parse import quote

from redactors.finding import Confidence
from wrapper.scan.hits import Hit, Result
from wrapper.scan.report import name_of, text
from wrapper.version import VERSION

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT: Final = "SRCROOT"
_LEVELS: Final = {Confidence.CERTAIN: "error", Confidence.LIKELY: "warning"}
_FINGERPRINT: Final = "safeAgent/v1"


def document(result: Result) -> str:
    """Give the log as one line of ASCII JSON."""
    kinds = {hit.rule: hit.kind for hit in result.hits}
    rules = sorted(kinds)
    places = {rule: place for place, rule in enumerate(rules)}
    seen: Counter[tuple[str, str, str]] = Counter()
    results = []
    for hit in result.hits:
        results.append(_result(hit, places[hit.rule], seen[hit.rule, hit.path, hit.commit]))
        seen[hit.rule, hit.path, hit.commit] += 1
    run = {
        "tool": {
            "driver": {
                "name": "safe-agent",
                "version": VERSION,
                "rules": [{"id": rule, "shortDescription": {"text": kinds[rule]}} for rule in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"uri": f"file://{_uri(str(result.root)).rstrip('/')}/"}},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _notifications(result)}],
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _result(hit: Hit, rule: int, number: int) -> dict[str, Any]:
    found = {
        "ruleId": hit.rule,
        "ruleIndex": rule,
        "level": _LEVELS[hit.confidence],
        "message": {"text": f"{hit.kind} ({name_of(hit.confidence)}): {hit.placeholder}"},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(hit.path), "region": _region(hit)}}],
        "partialFingerprints": {_FINGERPRINT: _fingerprint(hit, number)},
    }
    return found | ({"properties": {"commit": hit.commit}} if hit.commit else {})


def _region(hit: Hit) -> dict[str, int]:
    place = hit.place
    return {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }


def _notifications(result: Result) -> list[dict[str, Any]]:
    return [
        {
            "level": "warning",
            "message": {"text": f"not read: {text(path)}: {why}"},
            "locations": [{"physicalLocation": {"artifactLocation": _artifact(path)}}],
        }
        for path, why in result.unreadable
    ]


def _artifact(path: str) -> dict[str, str]:
    return {"uri": _uri(path), "uriBaseId": _ROOT}


def _uri(path: str) -> str:
    """Write a path as a URI reference: bytes that are no UTF-8 are escaped like any other (RFC 3986, 2.5)."""
    return quote(os.fsencode(path), safe="/")


def _fingerprint(hit: Hit, number: int) -> str:
    parts = (hit.rule, hit.kind, hit.path, hit.commit, str(number))
    return hashlib.sha256(b"\0".join(map(os.fsencode, parts))).hexdigest()[:32]

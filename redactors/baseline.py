"""What people already said is no secret: detect-secrets baselines, and remarks beside the line.

Only files and scans honour these. The wire does not: whoever can write a line could switch off its protection.
"""

import hashlib
import json
import re
from dataclasses import dataclass

_HERE = re.compile(rb"(?i)pragma:?[ \t]*(?:allow|white)list[ \t-]+secret|gitleaks:[ \t]*allow")
_NEXT = re.compile(rb"(?i)pragma:?[ \t]*(?:allow|white)list[ \t-]+nextline[ \t-]+secret")


@dataclass(frozen=True, slots=True)
class Baseline:
    """The audited false positives of a `.secrets.baseline`: pairs of path and SHA-1 of the value, in hex."""

    harmless: frozenset[tuple[str, str]] = frozenset()

    def allows(self, path: str, value: bytes) -> bool:
        """Tell whether someone audited `value` in the file `path` (relative, `/` between parts) as no secret."""
        digest = hashlib.sha1(value, usedforsecurity=False).hexdigest()  # the baseline's own choice of hash
        return (_normal(path), digest) in self.harmless


def parse_baseline(data: bytes, *, audited_only: bool = True) -> Baseline:
    """Read a `.secrets.baseline` (detect-secrets 1.x: `results` maps paths to lists with `hashed_secret`, `is_secret`).

    An entry that nobody audited allows nothing, unless not `audited_only`. `ValueError` if this is no baseline.
    """
    try:
        results = json.loads(data)["results"]
        return Baseline(
            frozenset(
                (_normal(path), str(entry["hashed_secret"]))
                for path, entries in results.items()
                for entry in entries
                if not audited_only or entry.get("is_secret") is False
            )
        )
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a baseline of detect-secrets: {error!r}") from error


def has_pragma(data: bytes, start: int, end: int) -> bool:
    """Tell whether a remark on the lines of a span, or a `nextline` remark right above them, allows it."""
    first = data.rfind(b"\n", 0, start) + 1
    last = data.find(b"\n", end)
    if _HERE.search(data, first, last if last >= 0 else len(data)):
        return True
    above = data.rfind(b"\n", 0, max(first - 1, 0)) + 1
    return bool(first and _NEXT.search(data, above, first))


def _normal(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./")

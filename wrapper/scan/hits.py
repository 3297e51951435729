"""What a scan found, ready to be printed: places, kinds and placeholders, never a value. Pure.

Lines and columns count from 1; columns count characters (code points), `end_column` is the one behind the last. Of a
text that is no UTF-8, every byte that could not continue a character counts as one.
"""

from dataclasses import dataclass, field
from pathlib import Path

from redactors.finding import Confidence


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a text a secret stands."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Hit:
    """One secret in one file. `path` is relative to the scan's root, with `/`, undecodable bytes as PEP 383 has them.

    `commit` is the first one that has the content (only where history was scanned). `hashed` is the SHA-1 of the value
    as baselines of detect-secrets have it, in hex; it belongs into those alone.
    """

    path: str
    place: Place
    kind: str
    confidence: Confidence
    rule: str
    placeholder: str
    commit: str = ""
    hashed: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there was; in history and in the index, files are blobs.

    Of `files`, `scanned` were read, `cached` are as a former scan saw them, `binary` are no text. `accepted` findings
    are in the baseline.
    """

    files: int = 0
    scanned: int = 0
    cached: int = 0
    binary: int = 0
    accepted: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """All of one scan: `hits` in the order of path and place; `unreadable` are paths, each with the reason."""

    root: Path
    hits: tuple[Hit, ...]
    unreadable: tuple[tuple[str, str], ...]
    counts: Counts

"""One Hyperscan database over all rules: which rule may match, and where.

Block mode, no start of match (SOM costs a factor of ten), no prefilter: the database only says "rule i, up to here";
the engine fixes the span on a small window. A scratch space serves one scan at a time, so each thread has its own.
"""

import threading
from collections.abc import Sequence

import hyperscan

from redactors.rules.model import Rule


class HyperscanScanner:
    """Candidates by a compiled block database."""

    def __init__(self, database: hyperscan.Database) -> None:
        self._database = database
        self._local = threading.local()

    def scan(self, data: bytes) -> list[tuple[int, int]]:
        """Give every candidate in `data`."""
        hits: list[tuple[int, int]] = []

        def note(rule: int, _start: int, end: int, _flags: int, _context: object) -> None:
            hits.append((rule, end))

        self._database.scan(data, note, scratch=_scratch(self._local, self._database))
        return hits


class SpanScanner:
    """Spans by Hyperscan alone, for rules that are not ours: no expression of theirs can backtrack.

    Start of match costs a factor of ten, but only for these few rules. A match is the whole expression; of matches
    that overlap, the leftmost and longest stays.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._database = _compile([rule.regex.encode() for rule in rules], rules, hyperscan.HS_FLAG_SOM_LEFTMOST)
        self._local = threading.local()

    def spans(self, data: bytes) -> list[tuple[int, int, int]]:
        """Give rule index, start and end of every match."""
        longest: dict[tuple[int, int], int] = {}

        def note(rule: int, start: int, end: int, _flags: int, _context: object) -> None:
            longest[rule, start] = max(end, longest.get((rule, start), 0))

        self._database.scan(data, note, scratch=_scratch(self._local, self._database))
        found: list[tuple[int, int, int]] = []
        for (rule, start), end in sorted(longest.items()):
            if start < end and not (found and found[-1][0] == rule and start < found[-1][2]):
                found.append((rule, start, end))
        return found


def compile_rules(rules: Sequence[Rule]) -> hyperscan.Database:
    """Compile the triggers of `rules`; the index of a rule is its id in the database.

    `ValueError` names the rule that Hyperscan cannot compile (look-around, back-references) and says why.
    """
    return _compile([rule.hyperscan_pattern().encode("ascii") for rule in rules], rules, 0)


def load_database(dumped: bytes) -> hyperscan.Database:
    """Read a database that `dump_database` wrote; `ValueError` if it is damaged or of another version."""
    try:
        return hyperscan.loadb(dumped, hyperscan.HS_MODE_BLOCK)
    except hyperscan.HyperscanError as error:
        raise ValueError(f"not a database of this Hyperscan: {error}") from error


def dump_database(database: hyperscan.Database) -> bytes:
    """Serialise a database."""
    return hyperscan.dumpb(database)


def library_version() -> str:
    """Version of the binding, which pins that of the library: a database of another one is useless."""
    return str(vars(hyperscan)["__version__"])  # the stubs do not know it; `importlib.metadata` costs 40 ms


def _compile(expressions: Sequence[bytes], rules: Sequence[Rule], flags: int) -> hyperscan.Database:
    try:
        return _database(expressions, flags)
    except hyperscan.HyperscanError:
        for expression, rule in zip(expressions, rules, strict=True):
            try:
                _database([expression], flags)
            except hyperscan.HyperscanError as error:
                raise ValueError(f"rule `{rule.id}`: {error}") from error
        raise


def _database(expressions: Sequence[bytes], flags: int) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=list(expressions), ids=list(range(len(expressions))), flags=[flags] * len(expressions))
    return database


def _scratch(local: threading.local, database: hyperscan.Database) -> hyperscan.Scratch:
    scratch: hyperscan.Scratch | None = getattr(local, "scratch", None)
    if scratch is None:
        scratch = local.scratch = hyperscan.Scratch(database)
    return scratch

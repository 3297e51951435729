"""One Hyperscan database over all rules: which rule may match, and where.

Block mode, no start of match (SOM costs a factor of ten), no prefilter: the database only says "rule i, up to here";
the engine fixes the span near it. A scratch space serves one scan at a time, so each thread has its own.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

import hyperscan

from redactors.patterns import probe
from redactors.rules.model import Rule

BLOCK = 1024 * 1024
"""Bytes searched at once: what is noted meanwhile is bounded, however many candidates hostile data makes."""
OVERLAP = 4_096
"""Bytes searched again before each block; longer than what any trigger matches."""


class HyperscanScanner:
    """Candidates by a compiled block database."""

    def __init__(self, database: hyperscan.Database) -> None:
        self._database = database
        self._local = threading.local()

    def scan(self, data: bytes) -> Iterable[tuple[int, int]]:
        """Give every candidate in `data`: rule and end, in order of the end within a block; some come twice."""
        return self._scan_block(data) if len(data) <= BLOCK else self._in_blocks(data)

    def probe(self) -> Callable[[bytes], bool]:
        """Give a function for one thread that tells whether there is any candidate in data of a block at most."""
        return probe(self._database)

    def _in_blocks(self, data: bytes) -> Iterator[tuple[int, int]]:
        for start in range(0, len(data), BLOCK):
            first = max(0, start - OVERLAP)
            for rule, end in self._scan_block(data[first : start + BLOCK]):
                yield rule, first + end

    def _scan_block(self, block: bytes) -> list[tuple[int, int]]:
        hits: list[tuple[int, int]] = []
        # By place: the binding takes longer to read keywords than to search a line.
        self._database.scan(block, _note, 0, hits, _scratch(self._local, self._database))
        return hits


def compile_rules(rules: Sequence[Rule]) -> hyperscan.Database:
    """Compile the triggers of `rules`; the index of a rule is its id in the database.

    `ValueError` names the rule that Hyperscan cannot compile (look-around, back-references) and says why.
    """
    expressions = [rule.hyperscan_pattern().encode("ascii") for rule in rules]
    try:
        return _database(expressions)
    except hyperscan.HyperscanError:
        for expression, rule in zip(expressions, rules, strict=True):
            try:
                _database([expression])
            except hyperscan.HyperscanError as error:
                raise ValueError(f"rule `{rule.id}`: {error}") from error
        raise


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


def _note(rule: int, _start: int, end: int, _flags: int, hits: object) -> None:
    hits.append((rule, end))  # type: ignore[attr-defined]  # the list given as context


def _database(expressions: Sequence[bytes]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=list(expressions), ids=list(range(len(expressions))), flags=[0] * len(expressions))
    return database


def _scratch(local: threading.local, database: hyperscan.Database) -> hyperscan.Scratch:
    scratch: hyperscan.Scratch | None = getattr(local, "scratch", None)
    if scratch is None:
        scratch = local.scratch = hyperscan.Scratch(database)
    return scratch

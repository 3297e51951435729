"""One Hyperscan database over all rules: which rule may match, and where.

Block mode, no start of match (SOM costs a factor of ten), no prefilter: the database only says "rule i, up to here";
the engine fixes the span near it. A scratch space serves one scan at a time, so each thread has its own.

A second one, for streams only, tells what `redactors.glance` says: it has the openings of the triggers too. Those cost
a search of all data a twentieth.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

import hyperscan

from redactors.glance import BEGINS, REACH, Glance
from redactors.rules.model import Rule
from redactors.rules.openings import openings

BLOCK = 1024 * 1024
"""Bytes searched at once: what is noted meanwhile is bounded, however many candidates hostile data makes."""
OVERLAP = 4_096
"""Bytes searched again before each block; longer than what any trigger matches."""
_NOTHING = Glance.NOTHING  # looking up a member of an enumeration takes a twentieth of a search
# What a database for glances has besides triggers: their beginnings at the data's end.
_TRIGGER, _OPENING = 0, 1


class HyperscanScanner:
    """Candidates by a compiled block database."""

    def __init__(self, database: hyperscan.Database) -> None:
        self._database = database
        self._local = threading.local()

    def scan(self, data: bytes) -> Iterable[tuple[int, int]]:
        """Give every candidate in `data`: rule and end, in order of the end within a block; some come twice."""
        return self._scan_block(data) if len(data) <= BLOCK else self._in_blocks(data)

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


class GlancingScanner(HyperscanScanner):
    """One that streams ask too; `glances` gives the database of `compile_glances`, when the first stream begins."""

    def __init__(self, database: hyperscan.Database, glances: Callable[[], hyperscan.Database]) -> None:
        super().__init__(database)
        self._glances = cache(glances)

    def probe(self) -> Callable[[bytes], Glance]:
        """Give a function for one thread that glances at data of a block at most; see `redactors.glance`.

        It has a scratch space of its own. Where a line or two are searched at a time, what stands around the search in
        `scan` costs as much as the search.
        """
        database = self._glances()
        scratch = hyperscan.Scratch(database)
        scan = database.scan
        hits: list[int] = []

        def glance(data: bytes) -> Glance:
            scan(data, _note_id, 0, hits, scratch)
            if not hits:
                return _NOTHING
            told = Glance.OPENS if _TRIGGER not in hits else Glance.MAY_FIND
            hits.clear()
            return told

        return glance


def compile_rules(rules: Sequence[Rule]) -> hyperscan.Database:
    """Compile the triggers of `rules`; the index of a rule is its id in the database.

    `ValueError` names the rule that Hyperscan cannot compile (look-around, back-references) and says why.
    """
    expressions = [rule.hyperscan_pattern() for rule in rules]
    try:
        return _database(expressions, range(len(expressions)))
    except hyperscan.HyperscanError:
        for expression, rule in zip(expressions, rules, strict=True):
            try:
                _database([expression], [0])
            except hyperscan.HyperscanError as error:
                raise ValueError(f"rule `{rule.id}`: {error}") from error
        raise


def compile_glances(rules: Sequence[Rule]) -> hyperscan.Database:
    """Compile what a glance is made with, of `rules` that `compile_rules` can compile."""
    triggers = [rule.hyperscan_pattern() for rule in rules]
    begun = [some for some in (openings(one, longer=REACH) for one in triggers) if some]
    told = [*triggers, BEGINS.decode("ascii")]
    expressions = [*told, *(rf"(?:{'|'.join(some)})\z" for some in begun)]
    return _database(expressions, [_TRIGGER] * len(told) + [_OPENING] * len(begun))


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


def _note_id(number: int, _start: int, _end: int, _flags: int, hits: object) -> None:
    hits.append(number)  # type: ignore[attr-defined]  # as above


def _database(expressions: Sequence[str], ids: Sequence[int]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    texts = [expression.encode("ascii") for expression in expressions]
    database.compile(expressions=texts, ids=list(ids), flags=[0] * len(texts))
    return database


def _scratch(local: threading.local, database: hyperscan.Database) -> hyperscan.Scratch:
    scratch: hyperscan.Scratch | None = getattr(local, "scratch", None)
    if scratch is None:
        scratch = local.scratch = hyperscan.Scratch(database)
    return scratch

"""A set of literals or regular expressions behind hyperscan; the one place that calls it for known values.

hyperscan reports the end of each hit only (its start-of-match flag costs tenfold), and its handler must be a function:
a lambda as handler has crashed.
"""

import threading
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import hyperscan


class Scan(NamedTuple):
    """Hits as (number of the expression, end), in order of ends. `complete`: there were no more than wanted."""

    hits: list[tuple[int, int]]
    complete: bool


class Patterns:
    """Compiled at the first scan (about 13 µs for a literal), may then be scanned from any thread.

    `literal`: the expressions stand for themselves. `once`: each is reported at its first hit only.
    """

    def __init__(self, expressions: "Iterable[bytes]", *, literal: bool = False, once: bool = False) -> None:
        self.expressions = list(expressions)
        self._literal, self._once = literal, once
        self._scanning = threading.Lock()  # a database has one scratch space
        self._database: hyperscan.Database | None = None

    def __len__(self) -> int:
        return len(self.expressions)

    def scan(self, data: bytes | memoryview) -> list[tuple[int, int]]:
        """Give each hit as (number of its expression, end), in order of ends."""
        hits: list[tuple[int, int]] = []
        if self.expressions:
            with self._scanning:
                # By place, see `redactors.scanner`; the stubs do not know that any buffer will do.
                (self._database or self._compiled()).scan(data, _note, 0, hits)  # type: ignore[type-var]
        return hits

    def scan_some(self, data: bytes | memoryview, most: int) -> Scan:
        """Give the first `most` hits: a call back into Python costs as much as scanning 300 bytes."""
        hits: list[tuple[int, int]] = []
        with self._scanning:
            database = self._database or self._compiled()
            try:
                database.scan(data, _note_some, 0, (hits, most))  # type: ignore[type-var]
            except _terminated():
                return Scan(hits, complete=False)
        return Scan(hits, complete=True)

    def probe(self) -> "Callable[[bytes], bool]":
        """Give a function for one thread that tells whether `scan` would give anything; see `probe`."""
        if not self.expressions:
            return _nothing
        with self._scanning:
            return probe(self._compiled())

    @property
    def is_compiled(self) -> bool:
        """Whether the next scan need not compile."""
        return self._database is not None

    @property
    def identity(self) -> bytes:
        """What the compiled form depends on, besides the version of the library."""
        return b"\0".join((b"%d%d" % (self._literal, self._once), *self.expressions))

    def dump(self) -> bytes:
        """Serialise the compiled form."""
        import hyperscan  # noqa: PLC0415  (see `_compiled`)

        with self._scanning:
            return hyperscan.dumpb(self._compiled())

    def take(self, dumped: bytes) -> None:
        """Use what `dump` gave instead of compiling; `ValueError` if it is damaged or of another version."""
        import hyperscan  # noqa: PLC0415  (see `_compiled`)

        try:
            database = hyperscan.loadb(dumped, hyperscan.HS_MODE_BLOCK)
            database.scratch = hyperscan.Scratch(database)
        except hyperscan.HyperscanError as error:
            raise ValueError(f"not a database of this Hyperscan: {error}") from error
        with self._scanning:
            self._database = database

    def _compiled(self) -> "hyperscan.Database":
        if self._database is None:
            import hyperscan  # noqa: PLC0415  (11 ms: only a process that searches pays)

            database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
            size = len(self.expressions)
            flags = hyperscan.HS_FLAG_SINGLEMATCH if self._once else 0
            database.compile(
                expressions=self.expressions, ids=list(range(size)), elements=size, flags=flags, literal=self._literal
            )
            self._database = database
        return self._database


def expression(literal: bytes) -> bytes:
    """Give the regular expression that a literal is, for patterns of both kinds; compiles a tenth slower."""
    return b"".join([b"\\x%02x" % byte for byte in literal])


@cache
def shared(*expressions: bytes, once: bool = False) -> Patterns:
    """Give the same patterns each time for expressions that never change: compiled once, whoever scans with them."""
    return Patterns(expressions, once=once)


def probe(database: "hyperscan.Database") -> "Callable[[bytes], bool]":
    """Give a function that tells whether anything in `database` matches.

    It has a scratch space of its own, so it asks for no lock, and is for one thread. Where a line or two are searched
    at a time, what stands around the search in `scan` costs as much as the search.
    """
    import hyperscan  # noqa: PLC0415  (see `_compiled`)

    scratch = hyperscan.Scratch(database)
    scan = database.scan
    hits: list[tuple[int, int]] = []

    def matches(data: bytes) -> bool:
        scan(data, _note, 0, hits, scratch)
        if not hits:
            return False
        hits.clear()
        return True

    return matches


def _nothing(_data: bytes) -> bool:
    return False


def _terminated() -> type[Exception]:
    """Give what a handler's `True` raises; asked for only when something was raised."""
    import hyperscan  # noqa: PLC0415  (see `_compiled`)

    return hyperscan.ScanTerminated


def _note(number: int, _start: int, end: int, _flags: int, hits: object) -> None:
    hits.append((number, end))  # type: ignore[attr-defined]  # the list given as context


def _note_some(number: int, _start: int, end: int, _flags: int, context: object) -> bool:
    hits, most = context  # type: ignore[misc]  # the pair given as context
    hits.append((number, end))  # type: ignore[has-type]
    return len(hits) >= most  # type: ignore[has-type, no-any-return]

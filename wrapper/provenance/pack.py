"""All sheets of an index as sorted columns, in memory or memory-mapped.

A pack holds what the sheets hold, numbered through: emissions from 0, lines in the order of their emissions. Codes of
lines that say something, of their shapes, of fingerprints and of whole contents are sorted, to be looked up. Before
all of them stands a filter that says of nearly every foreign fingerprint that it is not there.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from wrapper.buckets import Rows
from wrapper.errors import ProvenanceError
from wrapper.provenance import presence
from wrapper.provenance.columns import Column, Columns, SortedCodes, Writer, opened
from wrapper.provenance.key import Key
from wrapper.provenance.model import LINE, PRINT, Codes, Emission, Fault, Flag, Sheet

WHAT: Final = "pack"
TOGETHER: Final = 64
"""Emissions that are sealed as one."""
AT: Final = np.dtype([("emission", "<u4"), ("place", "<u4")])
ROW: Final = np.dtype("<u4")
TABLES: Final = ("line", "line shape", "shape", "word", "blob")
FAULTS: Final = "faults"
_TOLD: Final = 1 << 12  # emissions of a sheet that `sheets` gives
_ASIDE: Final = 1 << 18  # rows copied at once

Sealed = npt.NDArray[np.uint8]


class Table(NamedTuple):
    """Sorted codes, and what each stands for: rows of `Pack.lines_of`, or an emission and a place in it."""

    codes: SortedCodes
    of: Column

    def find(self, codes: Codes, most: int) -> tuple[Rows, npt.NDArray[Any]]:
        """Give pairs: index of a code that is there, and what it stands for; of each the first `most`."""
        which, rows = self.codes.find(codes, most)
        return which, self.of.take(rows)


class Pack:
    """What matching looks up. Numbers of emissions count from 0; `lines`: how many. Made by `of` or `open`."""

    def __init__(self, columns: Columns, emissions: "Sequence[Emission] | _SealedEmissions") -> None:
        self._columns = columns
        self._emissions = emissions
        self._lines = columns.columns["lines"]
        self._starts = columns.columns["starts"]
        self.emissions = len(self._starts) - 1
        self.rows = len(self._lines)
        self._present: Codes | None = None
        self.line, self.line_shape, self.shape, self.word, self.blob = (
            Table(columns.codes[name], columns.columns[f"{name} of"]) for name in TABLES
        )

    @classmethod
    def of(cls, sheets: Iterable[Sheet], faults: Sequence[Fault] = ()) -> "Pack":
        """Make one in memory. `faults`: of the index; they go with the pack."""
        emissions: list[Emission] = []
        lines, starts, found = [np.zeros(0, LINE)], [0], {name: _nothing(name) for name in TABLES}
        for sheet in sheets:
            part = numbered(sheet, len(emissions), starts[-1])
            emissions += sheet.emissions
            lines.append(part.lines)
            starts += part.ends.tolist()
            for name, (codes, of) in part.tables.items():
                found[name][0].append(codes)
                found[name][1].append(of)
        columns = {"lines": Column(np.concatenate(lines)), "starts": Column(np.array(starts, np.uint64))}
        columns[FAULTS] = Column(spelled(faults))
        sorted_codes = {}
        for name, (codes_of_all, of_all) in found.items():
            codes, of = in_order(np.concatenate(codes_of_all), np.concatenate(of_all))
            sorted_codes[name], columns[f"{name} of"] = SortedCodes(Column(codes)), Column(of)
        return cls(Columns(columns, sorted_codes, {}), emissions)

    @classmethod
    def build(cls, sheets: Iterable[Sheet], path: Path, key: Key, faults: Sequence[Fault] = ()) -> None:
        """Write one of any size in flat memory (`wrapper.provenance.building`); atomic, durable."""
        from wrapper.provenance.building import build  # noqa: PLC0415  (which needs what stands here)

        build(sheets, path, key, faults)

    @classmethod
    def open(cls, path: Path, key: Key) -> "Pack":
        """Map one into memory, in milliseconds.

        Raises ProvenanceError where it is missing, cut, of another key or version. Its parts are verified when they are
        first used: any use may raise it for damage.
        """
        columns = opened(path, WHAT, key)
        columns.columns["starts"].whole()
        return cls(columns, _SealedEmissions(columns, key))

    def save(self, path: Path, key: Key) -> None:
        """Write it; atomic, durable."""
        with Writer(path, WHAT, key) as writer:
            for name in ("lines", "starts", FAULTS):
                self._copy(writer, name)
            for name in TABLES:
                writer.add(name, np.uint64, _parts(self._columns.codes[name].whole()), is_sorted=True)
                self._copy(writer, f"{name} of")
            writer.add("present", np.uint64, [self.present()])
            sealing = Sealing(key)
            sealed = [part for number in range(self.emissions) for part in sealing.add(self.emission(number))]
            writer.add("sealed", np.uint8, [*sealed, *sealing.end()])
            writer.add("sealed ends", np.uint64, [np.array(sealing.ends, np.uint64)])

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What the index that it was made of lacked."""
        return tuple(msgspec.msgpack.decode(self._columns.columns[FAULTS].whole().tobytes(), type=list[Fault]))

    def sheets(self) -> Iterator[Sheet]:
        """Give what it holds as sheets again, to join packs in one of all; who read which files is not among it."""
        found = {name: _by_emission(getattr(self, name)) for name in ("shape", "word", "blob")}
        for number, first in enumerate(range(0, self.emissions, _TOLD)):
            last = min(first + _TOLD, self.emissions)
            start, end = int(self._starts.run(first, first + 1)[0]), int(self._starts.run(last, last + 1)[0])
            lines = self._lines.run(start, end).copy()
            lines["emission"] -= np.uint32(first)
            shapes, words, blobs = (_between(rows, first, last) for rows in found.values())
            emissions = [self.emission(one) for one in range(first, last)]
            yield Sheet("", number, emissions, lines, shapes, words, blobs, [])

    def verify(self) -> None:
        """Verify all of it now (a second for each GB). Raises ProvenanceError."""
        for column in self._columns.columns.values():
            column.whole()
        for codes in self._columns.codes.values():
            codes.whole()

    def present(self) -> Codes:
        """Give the filter of all fingerprints, of both kinds (`presence`)."""
        if self._present is None:
            kept = self._columns.columns.get("present")
            self._present = self._made() if kept is None else kept.whole()
        return self._present

    def _made(self) -> Codes:
        words = np.zeros(presence.words_for(len(self.shape.codes) + len(self.word.codes)), np.uint64)
        for table in (self.shape, self.word):
            presence.note(words, table.codes.whole())
        return words

    def emission(self, number: int) -> Emission:
        """Unseal one emission. Raises ProvenanceError where it is damaged; IndexError where there is none."""
        if not 0 <= number < self.emissions:
            raise IndexError(f"there is no emission {number}")
        return self._emissions[number]

    def lines(self, emission: int) -> npt.NDArray[np.void]:
        """Give the LINE rows of one emission in their order (`emission` is the pack's number)."""
        start, end = self._starts.run(emission, emission + 2).tolist()
        return self._lines.run(start, end)

    def lines_of(self, rows: Rows) -> npt.NDArray[np.void]:
        """Give LINE rows by the numbers that the tables of lines hold."""
        return self._lines.take(rows)

    def _copy(self, writer: Writer, name: str) -> None:
        data = self._columns.columns[name].whole()
        writer.add(name, data.dtype, _parts(data))


def spelled(faults: Sequence[Fault]) -> Sealed:
    """Give faults as bytes."""
    return np.frombuffer(msgspec.msgpack.encode(list(faults)), np.uint8)


def _by_emission(table: Table) -> npt.NDArray[np.void]:
    """Give a table's rows in the order of emissions and places."""
    of = table.of.whole()
    rows = np.zeros(of.size, PRINT)
    rows["code"], rows["emission"], rows["place"] = table.codes.whole(), of["emission"], of["place"]
    return rows[np.lexsort((rows["place"], rows["emission"]))]


def _between(rows: npt.NDArray[np.void], first: int, last: int) -> npt.NDArray[np.void]:
    start, end = np.searchsorted(rows["emission"], (first, last))
    cut = rows[start:end].copy()
    cut["emission"] -= np.uint32(first)
    return cut


class Part(NamedTuple):
    """One sheet's share of a pack. ends: where each emission's lines end. tables: codes and what each stands for."""

    lines: npt.NDArray[np.void]
    ends: Rows
    tables: dict[str, tuple[Codes, npt.NDArray[Any]]]


def numbered(sheet: Sheet, emissions: int, lines: int) -> Part:
    """Give a sheet's rows, numbered on from so many emissions and lines. Raises ProvenanceError for rows of none."""
    count = len(sheet.emissions)
    for rows in (sheet.lines, sheet.shapes, sheet.words, sheet.blobs):
        if rows.size and int(rows["emission"].max()) >= count:
            raise ProvenanceError(f"a sheet of session `{sheet.session}` holds rows of no emission")
    own = sheet.lines[np.argsort(sheet.lines["emission"], kind="stable")].astype(LINE)
    ends = lines + np.searchsorted(own["emission"], np.arange(count), "right")
    own["emission"] += np.uint32(emissions)
    telling = np.flatnonzero(own["flags"] & Flag.TRIVIAL == 0)
    row = (telling + lines).astype(ROW)
    tables: dict[str, tuple[Codes, npt.NDArray[Any]]] = {
        "line": (own["code"][telling], row),
        "line shape": (own["shape"][telling], row),
    }
    for name, prints in (("shape", sheet.shapes), ("word", sheet.words), ("blob", sheet.blobs)):
        of = np.zeros(prints.size, AT)
        of["emission"], of["place"] = prints["emission"] + np.uint32(emissions), prints["place"]
        tables[name] = (prints["code"].astype(np.uint64), of)
    return Part(own, ends, tables)


def in_order(codes: Codes, of: npt.NDArray[Any]) -> tuple[Codes, npt.NDArray[Any]]:
    """Sort by code; equal ones stay in the order of emissions."""
    order = np.argsort(codes, kind="stable")
    return codes[order], of[order]


class Sealing:
    """Seals emissions, `TOGETHER` at once. `ends`: where each sealed block ends, once all are given."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._waiting: list[Emission] = []
        self.ends: list[int] = []

    def add(self, emission: Emission) -> Iterator[Sealed]:
        """Take one; give a block if it is full."""
        self._waiting.append(emission)
        if len(self._waiting) == TOGETHER:
            yield from self.end()

    def end(self) -> Iterator[Sealed]:
        """Give what is left as a block."""
        if self._waiting:
            sealed = self._key.seal(msgspec.msgpack.encode(self._waiting), _place(len(self.ends)))
            self.ends.append((self.ends[-1] if self.ends else 0) + len(sealed))
            self._waiting = []
            yield np.frombuffer(sealed, np.uint8)


class _SealedEmissions:
    """Unseals on demand; keeps the block that was last opened, as spans of one session stand together."""

    def __init__(self, columns: Columns, key: Key) -> None:
        self._sealed, self._ends = columns.columns["sealed"], columns.columns["sealed ends"]
        self._key = key
        self._open: tuple[int, list[Emission]] = (-1, [])

    def __getitem__(self, number: int) -> Emission:
        block, place = divmod(number, TOGETHER)
        if self._open[0] != block:
            self._open = (block, self._unsealed(block))
        return self._open[1][place]

    def _unsealed(self, block: int) -> list[Emission]:
        ends = [0] if block == 0 else self._ends.run(block - 1, block).tolist()
        data = self._sealed.run(int(ends[0]), int(self._ends.run(block, block + 1)[0]))
        return msgspec.msgpack.decode(self._key.unseal(data.tobytes(), _place(block)), type=list[Emission])


def _place(block: int) -> bytes:
    return b"emissions of a pack %d" % block


def _nothing(name: str) -> tuple[list[Codes], list[npt.NDArray[Any]]]:
    return [np.zeros(0, np.uint64)], [np.zeros(0, ROW if name.startswith("line") else AT)]


def _parts(data: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    for start in range(0, data.size, _ASIDE):
        yield data[start : start + _ASIDE]

"""A pack of any size, written in flat memory: sheets come one by one, what must be sorted is sorted outside of memory.

Codes are pseudorandom, so they lie evenly: rows are put aside in sorted runs, and a share of all runs (the codes
between two bounds) is as large as another; share by share is joined, sorted and written. What is held in memory: a run
(2 million rows), a share of the same size, and the filter of fingerprints (2 to 4 bytes for each).
"""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from wrapper.errors import ProvenanceError
from wrapper.provenance import presence
from wrapper.provenance.columns import Writer
from wrapper.provenance.key import Key
from wrapper.provenance.model import LINE, Codes, Fault, Sheet
from wrapper.provenance.pack import AT, FAULTS, ROW, TABLES, WHAT, Sealing, numbered, spelled

_RUN: Final = 1 << 21  # rows
_AT_ONCE: Final = 1 << 18  # rows
_SHARES: Final = 256
_SHARE_SHIFT: Final = np.uint64(56)
_FINGERPRINTS: Final = ("shape", "word")


def build(sheets: Iterable[Sheet], path: Path, key: Key, faults: Sequence[Fault] = ()) -> None:
    """Write a pack; atomic, durable. Raises ProvenanceError for a sheet that does not hold together."""
    try:
        with tempfile.TemporaryDirectory(prefix=".pack-", dir=path.parent) as aside, Writer(path, WHAT, key) as writer:
            _build(sheets, writer, key, Path(aside), faults)
    except OSError as error:
        raise ProvenanceError(f"cannot write `{path}`: {error.strerror}") from error


def _build(sheets: Iterable[Sheet], writer: Writer, key: Key, aside: Path, faults: Sequence[Fault]) -> None:
    sealing = Sealing(key)
    ends = [0]
    with contextlib.ExitStack() as files:
        sealed = files.enter_context((aside / "sealed").open("w+b"))
        tables = {name: _Table(files, aside, ROW if name.startswith("line") else AT) for name in TABLES}
        writer.add("lines", LINE, _lines(sheets, tables, ends, sealing, sealed))
        _write(sealing.end(), sealed)
        writer.add("starts", np.uint64, [np.array(ends, np.uint64)])
        present = np.zeros(presence.words_for(sum(tables[name].many for name in _FINGERPRINTS)), np.uint64)
        for name, table in tables.items():
            codes = table.codes() if name not in _FINGERPRINTS else _noted(table.codes(), present)
            writer.add(name, np.uint64, codes, is_sorted=True)
            writer.add(f"{name} of", table.kind, table.of())
        writer.add("present", np.uint64, [present])
        writer.add("sealed", np.uint8, _read(sealed, np.dtype(np.uint8)))
    writer.add("sealed ends", np.uint64, [np.array(sealing.ends, np.uint64)])
    writer.add(FAULTS, np.uint8, [spelled(faults)])


class _Table:
    """Codes and what each stands for, put aside in sorted runs."""

    def __init__(self, files: contextlib.ExitStack, folder: Path, kind: np.dtype[Any]) -> None:
        self.kind = kind
        self._count = 0  # put aside
        self._rows = np.dtype([("code", "<u8"), ("of", kind)])
        self._runs = files.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 (the stack closes it)
        self._of = files.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 (the stack closes it)
        self._edges: list[npt.NDArray[np.int64]] = []  # of each run, where each share begins, and where the last ends
        self._waiting: list[npt.NDArray[np.void]] = []
        self._waits = 0

    @property
    def many(self) -> int:
        """How many there are by now."""
        return self._count + self._waits

    def add(self, codes: Codes, of: npt.NDArray[Any]) -> None:
        """Take some."""
        rows = np.empty(codes.size, self._rows)
        rows["code"], rows["of"] = codes, of
        self._waiting.append(rows)
        self._waits += rows.size
        if self._waits >= _RUN:
            self._put()

    def codes(self) -> Iterator[Codes]:
        """Give all codes in order; after that `of` gives what they stand for."""
        self._put()
        for first, last in self._shares():
            rows = np.concatenate([self._run(edges[first], edges[last]) for edges in self._edges])
            rows = rows[np.argsort(rows["code"], kind="stable")]
            self._of.write(np.ascontiguousarray(rows["of"]).tobytes())
            yield np.ascontiguousarray(rows["code"])

    def of(self) -> Iterator[npt.NDArray[Any]]:
        """Give what the codes stand for, in the order of `codes`."""
        return _read(self._of, self.kind)

    def _put(self) -> None:
        rows = np.concatenate((np.zeros(0, self._rows), *self._waiting))
        rows = rows[np.argsort(rows["code"], kind="stable")]
        self._runs.write(rows.tobytes())
        inner = np.searchsorted(rows["code"], np.arange(1, _SHARES, dtype=np.uint64) << _SHARE_SHIFT)
        self._edges.append(self._count + np.concatenate(([0], inner, [rows.size])))
        self._count += rows.size
        self._waiting, self._waits = [], 0

    def _shares(self) -> Iterator[tuple[int, int]]:
        """Put neighbouring shares together, up to the size of a run."""
        sizes = np.sum([np.diff(edges) for edges in self._edges], axis=0).tolist()
        first = held = 0
        for share, size in enumerate(sizes):
            if held and held + size > _RUN:
                yield first, share
                first, held = share, 0
            held += size
        yield first, _SHARES

    def _run(self, start: int, end: int) -> npt.NDArray[np.void]:
        self._runs.seek(int(start) * self._rows.itemsize)
        return np.frombuffer(self._runs.read(int(end - start) * self._rows.itemsize), self._rows)


def _lines(
    sheets: Iterable[Sheet], tables: dict[str, _Table], ends: list[int], sealing: Sealing, sealed: IO[bytes]
) -> Iterator[npt.NDArray[np.void]]:
    """Give the lines of all sheets; on the way put aside what else they hold."""
    for sheet in sheets:
        part = numbered(sheet, len(ends) - 1, ends[-1])
        ends += part.ends.tolist()
        for name, (codes, of) in part.tables.items():
            tables[name].add(codes, of)
        _write((block for emission in sheet.emissions for block in sealing.add(emission)), sealed)
        yield part.lines


def _noted(parts: Iterable[Codes], present: Codes) -> Iterator[Codes]:
    for codes in parts:
        presence.note(present, codes)
        yield codes


def _write(parts: Iterable[npt.NDArray[np.uint8]], file: IO[bytes]) -> None:
    for part in parts:
        file.write(part.tobytes())


def _read(file: IO[bytes], kind: np.dtype[Any]) -> Iterator[npt.NDArray[Any]]:
    file.seek(0)
    while data := file.read(_AT_ONCE * kind.itemsize):
        yield np.frombuffer(data, kind)

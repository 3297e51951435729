"""Gathers what was captured into sheets; pure but for numpy."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from wrapper.provenance.capture import Captured
from wrapper.provenance.model import LINE, PRINT, Codes, Emission, Prints, Read, Sheet

ENOUGH: Final = 8 << 20
"""Bytes of rows after which a sheet is to be written, so that memory stays flat."""

_SEALED: Final = 200  # bytes of an emission, about


class Gathering:
    """The sheets of one session, one after the other. `size` is about how many bytes the next one has by now."""

    def __init__(self, session: str) -> None:
        self._session = session
        self._number = 1
        self._begin()

    def _begin(self) -> None:
        self._emissions: list[Emission] = []
        self._prints: list[Prints] = []
        self._blobs: list[Codes] = []
        self._reads: dict[str, Read] = {}
        self.size = 0

    @property
    def sheets(self) -> int:
        """How many were given."""
        return self._number - 1

    def add(self, captured: Captured) -> None:
        """Take in what one record brought. A file that is read on has one row in a sheet."""
        for emission, prints, blobs in captured.emissions:
            self._emissions.append(emission)
            self._prints.append(prints)
            self._blobs.append(blobs)
            self.size += _SEALED + prints.lines.nbytes + prints.shapes.nbytes + prints.words.nbytes
        for read in captured.reads:
            self._reads[read.path] = read
            self.size += _SEALED

    def take(self) -> Sheet:
        """Give the next sheet and begin another."""
        lines = _joined([prints.lines for prints in self._prints], LINE)
        shapes = _joined([prints.shapes for prints in self._prints], PRINT)
        words = _joined([prints.words for prints in self._prints], PRINT)
        blobs = _joined([_rows(codes) for codes in self._blobs], PRINT)
        reads = tuple(self._reads.values())
        sheet = Sheet(self._session, self._number, tuple(self._emissions), lines, shapes, words, blobs, reads)
        self._number += 1
        self._begin()
        return sheet


def _rows(codes: Codes) -> npt.NDArray[np.void]:
    rows = np.zeros(codes.size, PRINT)
    rows["code"] = codes
    return rows


def _joined(tables: Sequence[npt.NDArray[np.void]], kind: "np.dtype[np.void]") -> npt.NDArray[np.void]:
    """Put tables behind each other; each is of the emission with its number."""
    joined = np.concatenate(tables) if tables else np.empty(0, kind)
    joined["emission"] = np.repeat(np.arange(len(tables), dtype=np.uint32), [len(table) for table in tables])
    return joined

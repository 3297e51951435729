"""Text older than any agent: what stands in it is no evidence, whoever writes it again."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from wrapper.provenance import presence, reading
from wrapper.provenance.columns import Column, SortedCodes, Writer, opened
from wrapper.provenance.key import Key
from wrapper.provenance.keyed import Domain, Keyed
from wrapper.provenance.linecodes import read_lines
from wrapper.provenance.model import Codes
from wrapper.provenance.pack import Pack

_WHAT: Final = "baseline"
_CODES: Final = "codes"
_MANY: Final = 1 << 22  # codes gathered before they are sorted and made unique: 32 MB


class Baseline:
    """Keyed codes of pre-agent text: of lines and of all fingerprints that an index might keep, sorted."""

    def __init__(self, codes: SortedCodes) -> None:
        self._codes = codes

    def __len__(self) -> int:
        """How many codes."""
        return len(self._codes)

    @classmethod
    def of(cls, texts: Iterable[bytes], keyed: Keyed, *, within: Pack | None = None) -> "Baseline":
        """Make one in memory: some four bytes for each byte of text, less what repeats.

        `within`: keep only codes that this pack has. That takes next to no memory, whatever the amount of text, and is
        good for this pack only.
        """
        known, waiting, many = np.zeros(0, np.uint64), list[Codes](), 0
        for text in texts:
            waiting.append(_codes_of(text, keyed, within))
            many += waiting[-1].size
            if many > _MANY:
                known, waiting, many = np.unique(np.concatenate((known, *waiting))), [], 0
        return cls(SortedCodes(Column(np.unique(np.concatenate((known, *waiting))))))

    @classmethod
    def open(cls, path: Path, key: Key) -> "Baseline":
        """Map one into memory. Raises ProvenanceError where it is missing, cut, of another key; any use, for damage."""
        return cls(opened(path, _WHAT, key).codes[_CODES])

    def save(self, path: Path, key: Key) -> None:
        """Write it; atomic, durable."""
        with Writer(path, _WHAT, key) as writer:
            writer.add(_CODES, np.uint64, [self._codes.whole()], is_sorted=True)

    def contains(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """Say of each code (of lines, shapes or words: they never meet) whether it is pre-agent text's."""
        return self._codes.contains(codes)


def _codes_of(text: bytes, keyed: Keyed, within: Pack | None) -> Codes:
    """Give all codes that an index could hold of a text, whichever it keeps of each window; or those of this pack."""
    block = reading.read((text,))
    lines = keyed.codes(read_lines(text).hashes, Domain.LINE)
    parts = [lines if within is None else lines[within.line.codes.contains(lines)]]
    for grams, table in (
        (reading.shapes(block, keyed), None if within is None else within.shape),
        (reading.words(block, keyed), None if within is None else within.word),
    ):
        codes = grams.codes
        if within is not None and table is not None:
            codes = codes[presence.seems_in(within.present(), codes)]
            codes = codes[table.codes.contains(codes)]
        parts.append(codes)
    return np.unique(np.concatenate(parts))

"""Which lines were seen before: sets of plain line codes in bounded memory; pure but for numpy."""

from typing import Final

import numpy as np
import numpy.typing as npt

from redactors.tokens import tokenise
from wrapper.provenance.model import Codes

Flags = npt.NDArray[np.bool_]

MOST: Final = 1 << 22
"""Lines that a session remembers of each sort: 32 MiB. A session that reads more is a rare one, and is told of."""

_CLASS: Final = 3  # of a token's hash; 0 is a mark (`redactors.tokens`)
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)


class Seen:
    """A set of codes, 8 bytes for each: sorted runs, each at least twice as long as the next."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._runs: list[Codes] = []
        self.size = 0
        self.is_full = False

    def add(self, codes: Codes) -> None:
        """Take codes in; once there is no more room, none is taken any more and `is_full` says so."""
        new = np.unique(codes)
        new = new[~self.has(new)]
        if self.size + new.size > self._most:
            self.is_full = True
            return
        self.size += new.size
        while self._runs and self._runs[-1].size < 2 * new.size:
            new = np.sort(np.concatenate((self._runs.pop(), new)))
        if new.size:
            self._runs.append(new)

    def has(self, codes: Codes) -> Flags:
        """Say of each code whether it is in the set."""
        found = np.zeros(codes.size, np.bool_)
        for run in self._runs:
            at = np.minimum(np.searchsorted(run, codes), run.size - 1)
            found |= run[at] == codes
        return found


def following(echo: Flags, trivial: Flags) -> Flags:
    """Let trivial lines be echoes where the line before them that is none is one, or the next where there is none."""
    telling = np.flatnonzero(~trivial)
    if not telling.size:
        return echo
    nearest = telling[np.maximum(np.searchsorted(telling, np.arange(echo.size), side="right") - 1, 0)]
    return echo[nearest]


def laid_out(gone: bytes, come: bytes) -> Flags:
    """Say of each line that came whether it only lays out anew what went: its words stood there, in the same order.

    So a formatter makes no line its own. Signs between words do not count: it sets commas and brackets.
    """
    had, has = _words(gone), _words(come)
    is_new = ~np.isin(has[0], had[0])
    follows = has[1][1:] == has[1][:-1]
    is_new[1:] |= follows & ~np.isin(_pairs(has[0]), _pairs(had[0]))
    laid = np.ones(come.count(b"\n") + 1, np.bool_)
    laid[has[1][is_new]] = False
    return laid


def _words(text: bytes) -> tuple[Codes, npt.NDArray[np.int64]]:
    """Give the words of a text, as hashes, and the line of each."""
    tokens = tokenise(text)
    spoken = (tokens.exact & _CLASS) != 0
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    return tokens.exact[spoken].astype(np.uint64), np.searchsorted(ends, tokens.starts[spoken]).astype(np.int64)


def _pairs(words: Codes) -> Codes:
    pairs: Codes = words[:-1] * _ODD + words[1:]
    return pairs

"""Which fingerprints of a text are kept: of each window of neighbours one, by what it holds of its own.

Winnowing (Schleimer, Wilkerson, Aiken, "Winnowing", SIGMOD 2003), by worth in place of chance: a fingerprint that
consists of idioms would be found everywhere, so the one is kept that holds most else (`redactors.idioms`).
"""

import numpy as np

from redactors.tokens import Codes, Flags, Places, Small


def worth(own: Codes, size: int) -> Places:
    """Count in every `size` hashes those that are own (not 0), and not the same as one shortly before."""
    return sums(fresh(own, 2 * size - 1) & (own != 0), size)


def fresh(hashes: Codes, reach: int) -> Flags:
    """Tell which hashes are none of the `reach` before them."""
    first = np.ones(hashes.size, np.bool_)
    for far in range(1, reach + 1):
        first[far:] &= hashes[far:] != hashes[:-far]
    return first


def sums(each: Small | Flags, size: int) -> Places:
    """Add up every `size` neighbours; row i is of those from i on."""
    total = np.concatenate(([0], np.cumsum(each, dtype=np.int64)))
    return total[size:] - total[:-size] if total.size > size else total[:0]


def winnowed(ranks: Codes, worths: Places, window: int, least: int) -> Places:
    """Give the rows that are kept: of every `window` neighbours the one worth most, of equals the one of lowest rank.

    None is worth less than `least`. `ranks`: hashes of the fingerprints, or 32 bits of them.
    """
    if not ranks.size:
        return np.zeros(0, np.int64)
    order = (worths.astype(np.int64) << 32) - ranks
    window = min(window, order.size)
    best = np.lib.stride_tricks.sliding_window_view(order, window).argmax(axis=1) + np.arange(order.size - window + 1)
    rows = best[np.append(True, best[1:] != best[:-1])]  # sorted, as windows are
    kept: Places = rows[worths[rows] >= least]
    return kept

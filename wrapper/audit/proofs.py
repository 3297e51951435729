"""Proofs over a Merkle tree: that a leaf is in it, and that a later tree only added to an earlier one.

Made as RFC 6962 defines them (sections 2.1.1 and 2.1.2), checked by the algorithms of RFC 9162 (sections 2.1.3.2 and
2.1.4.2), which need no more than the proof. Leaves and roots are SHA-256 hashes of 32 bytes; a leaf is a hash already
(`format.leaf_hash`). A check says False of whatever is not exactly the proof, also of one that is longer than needed.
"""

import hashlib
from collections.abc import Sequence


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(size: int) -> int:
    """Return the largest power of two below `size`, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the hash of the tree over `leaves`; that of no leaves is the hash of nothing."""
    if not leaves:
        return hashlib.sha256().digest()
    level = list(leaves)
    while len(level) > 1:
        paired = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]  # an odd one moves up as it is
    return level[0]


def inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the path from leaf `index` (from 0) to the root, lowest first. Raises ValueError for no such leaf."""
    if not 0 <= index < len(leaves):
        raise ValueError(f"no leaf {index} in a tree of {len(leaves)}")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion(leaves[:split], index), root(leaves[split:])]
    return [*inclusion(leaves[split:], index - split), root(leaves[:split])]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected: bytes) -> bool:
    """Say whether `path` shows `leaf` as number `index` (from 0) of the tree of `size` with the root `expected`."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for step in path:
        if not last:
            return False
        if place & 1 or place == last:
            found = _node(step, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = _node(found, step)
        place, last = place >> 1, last >> 1
    return not last and found == expected


def consistency(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the tree over `leaves` begins with its first `old_size`; empty where that is trivial.

    Raises ValueError where there are fewer leaves than that.
    """
    if not 0 <= old_size <= len(leaves):
        raise ValueError(f"no tree of {old_size} in a tree of {len(leaves)}")
    return _subproof(leaves, old_size, known=True) if old_size else []


def _subproof(leaves: Sequence[bytes], old_size: int, *, known: bool) -> list[bytes]:
    """Do as SUBPROOF in RFC 6962; `known` says that the checker has the root of these leaves already."""
    if old_size == len(leaves):
        return [] if known else [root(leaves)]
    split = _split(len(leaves))
    if old_size <= split:
        return [*_subproof(leaves[:split], old_size, known=known), root(leaves[split:])]
    return [*_subproof(leaves[split:], old_size - split, known=False), root(leaves[:split])]


def check_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Say whether `path` shows that the tree `new_root` of `new_size` leaves only added to `old_root` of `old_size`."""
    if not 0 <= old_size <= new_size:
        return False
    if not old_size:
        return not path and old_root == root(()) and (new_size > 0 or new_root == old_root)
    if old_size == new_size:
        return not path and old_root == new_root
    steps = list(path)
    if not old_size & (old_size - 1):
        steps.insert(0, old_root)  # a whole tree is a node of the new one, so the proof leaves it out
    return bool(steps) and _walk_up(steps, old_size - 1, new_size - 1) == (old_root, new_root)


def _walk_up(steps: Sequence[bytes], place: int, last: int) -> tuple[bytes, bytes] | None:
    """Return the roots of the old and the new tree that `steps` lead to; None where there are too many or too few."""
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if not last:
            return None
        if place & 1 or place == last:
            old, new = _node(step, old), _node(step, new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new = _node(new, step)
        place, last = place >> 1, last >> 1
    return None if last else (old, new)

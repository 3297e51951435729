"""Proofs against RFC 6962 as it is written, the roots and paths published with its reference, and another program's."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.audit import proofs

_SUMDB = json.loads((Path(__file__).parents[1] / "vectors" / "ledger-v1" / "sumdb.json").read_text())

# Eight leaves, their roots and paths, as the tests of RFC 6962's reference implementation have them
_INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",  # pragma: allowlist secret
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",  # pragma: allowlist secret
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",  # pragma: allowlist secret
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",  # pragma: allowlist secret
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",  # pragma: allowlist secret
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",  # pragma: allowlist secret
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",  # pragma: allowlist secret
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",  # pragma: allowlist secret
]
_INCLUSION = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",  # pragma: allowlist secret
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",  # pragma: allowlist secret
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",  # pragma: allowlist secret
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",  # pragma: allowlist secret
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",  # pragma: allowlist secret
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",  # pragma: allowlist secret
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],  # pragma: allowlist secret
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",  # pragma: allowlist secret
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",  # pragma: allowlist secret
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",  # pragma: allowlist secret
    ],
}
_CONSISTENCY = {
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",  # pragma: allowlist secret
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",  # pragma: allowlist secret
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",  # pragma: allowlist secret
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",  # pragma: allowlist secret
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",  # pragma: allowlist secret
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",  # pragma: allowlist secret
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",  # pragma: allowlist secret
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",  # pragma: allowlist secret
    ],
}


def _leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def _tree(count: int) -> list[bytes]:
    return [_leaf(str(number).encode()) for number in range(count)]


def _defined_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _defined_root(leaves[:split]) + _defined_root(leaves[split:])).digest()


def _hexes(path: list[bytes]) -> list[str]:
    return [step.hex() for step in path]


_PUBLISHED = [_leaf(bytes.fromhex(text)) for text in _INPUTS]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_published_with_the_reference(size: int) -> None:
    assert proofs.root(_PUBLISHED[:size]).hex() == _ROOTS[size - 1]


@pytest.mark.parametrize("place", _INCLUSION)
def test_the_paths_are_those_published_with_the_reference(place: tuple[int, int]) -> None:
    index, size = place
    assert _hexes(proofs.inclusion(_PUBLISHED[:size], index)) == _INCLUSION[place]
    path = [bytes.fromhex(step) for step in _INCLUSION[place]]
    assert proofs.check_inclusion(_PUBLISHED[index], index, size, path, bytes.fromhex(_ROOTS[size - 1]))


@pytest.mark.parametrize("sizes", _CONSISTENCY)
def test_the_consistency_proofs_are_those_published_with_the_reference(sizes: tuple[int, int]) -> None:
    old, new = sizes
    assert _hexes(proofs.consistency(_PUBLISHED[:new], old)) == _CONSISTENCY[sizes]
    path = [bytes.fromhex(step) for step in _CONSISTENCY[sizes]]
    roots = bytes.fromhex(_ROOTS[old - 1]), bytes.fromhex(_ROOTS[new - 1])
    assert proofs.check_consistency(old, roots[0], new, roots[1], path)


@pytest.mark.parametrize("tree", _SUMDB["trees"], ids=lambda tree: str(tree["size"]))
def test_another_program_makes_the_same_proofs(tree: dict[str, Any]) -> None:
    leaves = [bytes.fromhex(leaf) for leaf in _SUMDB["leaves"][: tree["size"]]]
    assert proofs.root(leaves).hex() == tree["root"]
    assert [_hexes(proofs.inclusion(leaves, index)) for index in range(len(leaves))] == tree["inclusion"]
    sizes = range(1, len(leaves) + 1)
    assert [_hexes(proofs.consistency(leaves, old)) for old in sizes] == tree["consistency"]


@given(st.integers(0, 200))
def test_the_root_is_that_of_the_definition(count: int) -> None:
    assert proofs.root(_tree(count)) == _defined_root(_tree(count))


@given(st.integers(1, 200), st.data())
def test_every_leaf_can_be_proven(count: int, data: st.DataObject) -> None:
    leaves = _tree(count)
    index = data.draw(st.integers(0, count - 1))
    path = proofs.inclusion(leaves, index)
    assert proofs.check_inclusion(leaves[index], index, count, path, proofs.root(leaves))
    assert len(path) <= (count - 1).bit_length()


@given(st.integers(0, 200), st.data())
def test_every_earlier_tree_can_be_proven(count: int, data: st.DataObject) -> None:
    leaves = _tree(count)
    old = data.draw(st.integers(0, count))
    path = proofs.consistency(leaves, old)
    assert proofs.check_consistency(old, proofs.root(leaves[:old]), count, proofs.root(leaves), path)


def _mutations(path: list[bytes], data: st.DataObject) -> list[bytes]:
    """Change one thing of a proof."""
    kind = data.draw(st.sampled_from(["flip", "drop", "add", "swap", "repeat"]))
    at = data.draw(st.integers(0, max(0, len(path) - 1)))
    if kind == "add" or not path:
        return [*path[:at], data.draw(st.binary(min_size=32, max_size=32)), *path[at:]]
    if kind == "flip":
        bit = data.draw(st.integers(0, 255))
        changed = bytearray(path[at])
        changed[bit // 8] ^= 1 << bit % 8
        return [*path[:at], bytes(changed), *path[at + 1 :]]
    if kind == "drop":
        return path[:at] + path[at + 1 :]
    if kind == "repeat":
        return [*path[: at + 1], *path[at:]]
    return [*path[:at][::-1], *path[at:][::-1]]


@given(st.integers(1, 100), st.data())
def test_a_changed_inclusion_proof_never_holds(count: int, data: st.DataObject) -> None:
    leaves = _tree(count)
    index = data.draw(st.integers(0, count - 1))
    path = proofs.inclusion(leaves, index)
    changed = _mutations(path, data)
    if changed != path:
        assert not proofs.check_inclusion(leaves[index], index, count, changed, proofs.root(leaves))


@given(st.integers(1, 100), st.data())
def test_an_inclusion_proof_holds_for_its_own_place_only(count: int, data: st.DataObject) -> None:
    leaves = _tree(count)
    index, other = data.draw(st.integers(0, count - 1)), data.draw(st.integers(-1, count + 1))
    path = proofs.inclusion(leaves, index)
    assert proofs.check_inclusion(leaves[index], other, count, path, proofs.root(leaves)) == (other == index)
    assert not proofs.check_inclusion(_leaf(b"foreign"), index, count, path, proofs.root(leaves))
    assert not proofs.check_inclusion(leaves[index], index, count, path, _leaf(b"foreign"))


@given(st.integers(1, 100), st.data())
def test_a_changed_consistency_proof_never_holds(count: int, data: st.DataObject) -> None:
    leaves = _tree(count)
    old = data.draw(st.integers(1, count))
    path = proofs.consistency(leaves, old)
    changed = _mutations(path, data)
    if changed != path:
        assert not proofs.check_consistency(old, proofs.root(leaves[:old]), count, proofs.root(leaves), changed)


@given(st.integers(1, 60), st.data())
def test_a_tree_that_was_rewritten_is_not_consistent(count: int, data: st.DataObject) -> None:
    leaves = _tree(count)
    old, at = data.draw(st.integers(1, count)), data.draw(st.integers(0, count - 1))
    rewritten = [*leaves[:at], _leaf(b"other"), *leaves[at + 1 :]]
    path = proofs.consistency(rewritten, old)
    holds = proofs.check_consistency(old, proofs.root(leaves[:old]), count, proofs.root(rewritten), path)
    assert holds == (at >= old)


@given(
    st.integers(-2, 40),
    st.integers(-2, 40),
    st.lists(st.binary(min_size=32, max_size=32), max_size=8),
    st.binary(min_size=32, max_size=32),
)
def test_invented_proofs_never_hold_and_never_fail_otherwise(
    old: int, new: int, path: list[bytes], invented: bytes
) -> None:
    root = proofs.root(_tree(max(0, new)))
    assert not proofs.check_inclusion(invented, old, new, path, root)
    assert not proofs.check_consistency(old, invented, new, root, path)


def test_what_is_not_in_the_tree_cannot_be_proven() -> None:
    with pytest.raises(ValueError, match="no leaf 3 in a tree of 3"):
        proofs.inclusion(_tree(3), 3)
    with pytest.raises(ValueError, match="no tree of 4 in a tree of 3"):
        proofs.consistency(_tree(3), 4)

"""How much of what agents wrote is found again, and how much that they did not write is taken for it.

Agents are given functions of one half of Python's library as if they had written them; documents are modules of the
other half, some with such a function in them. Nothing here knows how text is matched.
"""

import hashlib
import random
import sysconfig
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pytest

from tests.provenance.disguises import disguised, modules, pieces
from wrapper.provenance.baselines import Baseline
from wrapper.provenance.key import Key
from wrapper.provenance.matching import Matcher
from wrapper.provenance.model import Emission, Kind, Sheet
from wrapper.provenance.pack import Pack
from wrapper.provenance.prints import printed

_KEY: Final = Key(bytes(range(32)))
_AGENTS, _EARLIER, _UNSEEN = range(3)


class Library(NamedTuple):
    """Modules by the side that they are on, and the pieces that agents wrote."""

    sides: tuple[list[str], list[str], list[str]]
    written: list[str]


@pytest.fixture(scope="module")
def library() -> Library:
    sides: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name, text in modules(Path(sysconfig.get_path("stdlib"))):
        package = name.split("/", maxsplit=1)[0]
        sides[hashlib.sha256(package.encode()).digest()[0] % 3].append(text)
    written = sorted({piece for text in sides[_AGENTS] for piece in pieces(text, 20)})
    chance = random.Random(9)  # noqa: S311 (a sample)
    return Library(sides, chance.sample(written, 200))


@pytest.fixture(scope="module")
def pack(library: Library) -> Pack:
    keyed = _KEY.coder()
    parts = [printed(piece.encode(), keyed) for piece in library.written]
    emissions = [Emission(kind=Kind.INPUT, session="s-1", at=1e9, model="m") for _ in parts]
    lines, shapes, words = (
        np.concatenate([_of(column, at) for at, column in enumerate(columns)])
        for columns in (
            [one.lines for one in parts],
            [one.shapes for one in parts],
            [one.words for one in parts],
        )
    )
    return Pack.of([Sheet("s-1", 1, emissions, lines, shapes, words, blobs=shapes[:0], reads=())])


def _of(
    rows: "np.ndarray[tuple[int], np.dtype[np.void]]", emission: int
) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    rows = rows.copy()
    rows["emission"] = emission
    return rows


def recall(matcher: Matcher, library: Library, pieces_as: list[str]) -> float:
    """Give the share of pieces of which at least a quarter of the bytes is found within a stranger's module."""
    hosts = library.sides[_UNSEEN]
    documents, places = [], []
    for number, piece in enumerate(pieces_as):
        before, after = hosts[number % len(hosts)][:4000], hosts[(number + 1) % len(hosts)][:4000]
        documents.append(f"{before}\n{piece}\n{after}".encode())
        start = len(before.encode()) + 1
        places.append((start, start + len(piece.encode())))
    found = 0
    for spans, (start, end) in zip(matcher.spans(documents), places, strict=True):
        covered = sum(max(0, min(end, one.end) - max(start, one.start)) for one in spans)
        found += covered * 4 >= end - start
    return found / len(places)


def test_every_untouched_piece_of_twenty_lines_is_found_in_a_strangers_module(library: Library, pack: Pack) -> None:
    assert recall(Matcher(pack, _KEY.coder()), library, library.written) == 1.0


def test_pieces_of_twenty_lines_are_found_with_other_names_in_another_layout(library: Library, pack: Pack) -> None:
    changed = [disguised(piece) for piece in library.written]
    kept = sum(len({*one.split()} & {*other.split()}) for one, other in zip(library.written, changed, strict=True))
    assert kept < 0.6 * sum(len({*one.split()}) for one in library.written)  # they are others indeed
    assert recall(Matcher(pack, _KEY.coder()), library, changed) >= 0.99


def test_few_documents_from_before_are_taken_for_an_agents(library: Library, pack: Pack) -> None:
    keyed = _KEY.coder()
    baseline = Baseline.of((text.encode() for text in library.sides[_EARLIER]), keyed)
    unseen = [text.encode() for text in library.sides[_UNSEEN]]
    flagged = sum(1 for spans in Matcher(pack, keyed, baseline=baseline).spans(unseen) if spans)
    assert flagged <= 0.02 * len(unseen)


def test_a_baseline_takes_away_what_it_holds_and_nothing_else(library: Library, pack: Pack) -> None:
    keyed = _KEY.coder()
    known, other = library.written[:20], library.written[20:40]
    baseline = Baseline.of((piece.encode() for piece in known), keyed)
    matcher = Matcher(pack, keyed, baseline=baseline)
    assert not any(matcher.spans([piece.encode() for piece in known]))
    assert all(matcher.spans([piece.encode() for piece in other]))

"""What much code does surprises nobody, and what nobody has seen is worth most."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redactors.surprisal import LEVELS, ORDERS, UNIT, UNKNOWN, Surprisal, contexts, familiar
from redactors.tokens import shape, tokenise

MOST = int(LEVELS[UNKNOWN])
EVERYBODYS = {
    "c": b"for (int i = 0; i < n; i++) { total += values[i]; }",
    "go": b"if err != nil {\n\t\treturn nil, err\n\t}\n\tdefer file.Close()\n",
    "python": b"    def __init__(self, name, value):\n        self.name = name\n        self.value = value\n",
    "rust": b"impl fmt::Display for Colour {\n    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {\n",
}
OWN = b"""
    for depth, (left, *rest) in zip(counts[:-turn], split(rows ^ mask, by=3)):
        if left % 7 == rest[depth & 1] or not walk(~depth, rest, *left[2::turn]):
            yield depth >> 2, {left: [turn - each for each in rest if each]}
"""


@pytest.fixture(scope="module")
def bundled() -> Surprisal:
    return Surprisal.bundled()


def bits(surprisal: Surprisal, text: bytes) -> float:
    """Give the mean of all tokens."""
    tokens = tokenise(text)
    return float(surprisal.of(tokens, shape(tokens)).mean()) / UNIT


@pytest.mark.parametrize("language", EVERYBODYS)
def test_what_everybody_writes_surprises_little(bundled: Surprisal, language: str) -> None:
    assert bits(bundled, EVERYBODYS[language]) < 1.8


def test_what_nobody_else_wrote_surprises_much(bundled: Surprisal) -> None:
    assert bits(bundled, OWN) > 2.5


def test_names_do_not_matter(bundled: Surprisal) -> None:
    tokens = tokenise(EVERYBODYS["go"])
    renamed = tokenise(EVERYBODYS["go"].replace(b"err", b"failure").replace(b"file", b"lease"))
    assert bundled.of(tokens, shape(tokens)).tolist() == bundled.of(renamed, shape(renamed)).tolist()


def test_a_number_is_a_number(bundled: Surprisal) -> None:
    some, others = (tokenise(text) for text in (b"x = f(1, 2) + 0x1f", b"x = f(70, 81) + 9"))
    assert bundled.of(some, shape(some)).tolist() == bundled.of(others, shape(others)).tolist()


def test_who_knows_nothing_is_surprised_by_all() -> None:
    tokens = tokenise(b"if x: y(z)")
    assert Surprisal.empty().of(tokens, shape(tokens)).tolist() == [MOST] * tokens.exact.size
    assert Surprisal.empty().of(tokens.rows(0, 0), shape(tokens.rows(0, 0))).size == 0


@given(st.lists(st.integers(0, 5), max_size=30))
def test_contexts_are_the_tokens_before(codes: list[int]) -> None:
    seen: dict[int, tuple[int, ...]] = {}
    for order, hashes in contexts(np.array(codes, np.uint32)):
        assert hashes.size == len(codes) - order + 1
        for row, code in enumerate(hashes.tolist()):
            assert seen.setdefault(code, tuple(codes[row : row + order])) == tuple(codes[row : row + order])


@settings(max_examples=8, deadline=None)  # each packs 4 MB
@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, UNKNOWN)), max_size=50))
def test_what_was_learned_is_never_worth_more_also_after_packing(learned: list[tuple[int, int]]) -> None:
    surprisal = Surprisal.empty()
    hashes = np.array([code for code, _ in learned], np.uint64)
    levels = np.array([level for _, level in learned], np.uint8)
    surprisal.learn(hashes, levels)
    again = Surprisal.unpack(surprisal.pack())
    assert np.array_equal(again.slots, surprisal.slots)
    assert (again.level(hashes) <= levels).all()


def test_a_token_is_worth_what_its_most_certain_context_says() -> None:
    tokens = tokenise(EVERYBODYS["c"])
    codes = familiar(tokens, shape(tokens))
    plain = Surprisal.empty().of(tokens, shape(tokens))
    last = dict(contexts(codes))
    for order in ORDERS:
        surprisal = Surprisal.empty()
        surprisal.learn(last[order][:1], np.array([3], np.uint8))
        changed = np.flatnonzero(surprisal.of(tokens, shape(tokens)) != plain)
        assert order - 1 in changed

"""What much code does surprises nobody, and what nobody has seen is worth most."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redactors.surprisal import (
    LEVELS,
    MOST,
    NAME_ORDERS,
    NAMELESS_ORDERS,
    ORDERS,
    UNIT,
    UNKNOWN,
    Contexts,
    Surprisal,
    contexts,
    familiar,
    learn,
    level,
    name_contexts,
    nameless_contexts,
)
from redactors.tokens import Codes, outline, shape, tokenise

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


@pytest.mark.parametrize(("asked", "orders"), [(contexts, ORDERS), (nameless_contexts, NAMELESS_ORDERS)])
@given(words=st.lists(st.integers(0, 5), max_size=30))
def test_contexts_of_a_token_are_those_before_it(
    asked: Callable[[Codes], Iterator[Contexts]], orders: tuple[int, ...], words: list[int]
) -> None:
    seen: dict[int, tuple[int, ...]] = {}
    for order, (rows, hashes, before) in zip(orders, asked(np.array(words, np.uint32)), strict=False):
        assert rows.tolist() == list(range(order - 1, len(words)))
        for row, code, less in zip(rows.tolist(), hashes.tolist(), before.tolist(), strict=True):
            read = tuple(words[row - order + 1 : row + 1])
            assert seen.setdefault(code, read) == read
            assert seen.setdefault(less, read[:-1]) == read[:-1]


@given(st.lists(st.sampled_from(["alpha", "beta", "gamma", "(", ",", "7"]), max_size=40))
def test_contexts_of_a_name_are_the_tokens_before_it_and_what_the_names_before_it_repeat(words: list[str]) -> None:
    tokens = tokenise(" ".join(words).encode())
    codes, shaped = outline(tokens), shape(tokens)
    names = np.flatnonzero(tokens.names).tolist()
    seen: dict[int, tuple[object, ...]] = {}
    for (order, back), (rows, hashes, before) in zip(NAME_ORDERS, name_contexts(codes, shaped), strict=True):
        assert rows.tolist() == [row for at, row in enumerate(names) if at >= back and row >= order]
        for row, code, less in zip(rows.tolist(), hashes.tolist(), before.tolist(), strict=True):
            at = names.index(row)
            repeats = tuple(shaped.digest[names[at - back : at + 1]].tolist())
            read = (tuple(codes[row - order : row].tolist()), repeats)
            assert seen.setdefault(code, read) == read
            assert seen.setdefault(less, (read[0], repeats[:-1])) == (read[0], repeats[:-1])
    tokens_alone = {code for each in nameless_contexts(codes) for code in each.hashes.tolist()}
    assert not tokens_alone & set(seen)


@settings(max_examples=8, deadline=None)  # each packs 12 MB
@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, UNKNOWN)), max_size=50))
def test_what_was_learned_is_never_worth_more_also_after_packing(learned: list[tuple[int, int]]) -> None:
    surprisal = Surprisal.empty()
    hashes = np.array([code for code, _ in learned], np.uint64)
    levels = np.array([level for _, level in learned], np.uint8)
    for slots in surprisal:
        learn(slots, hashes, levels)
    again = Surprisal.unpack(surprisal.pack())
    for slots, before in zip(again, surprisal, strict=True):
        assert np.array_equal(slots, before)
        assert (level(slots, hashes) <= levels).all()


def test_a_token_is_worth_what_its_most_certain_context_says() -> None:
    tokens = tokenise(b"for (;;) { if (1) return; }")
    shaped = shape(tokens)
    for together in (False, True):
        asked = contexts(familiar(tokens, shaped)) if together else nameless_contexts(outline(tokens))
        for rows, hashes, _ in asked:
            surprisal = Surprisal.empty()
            for certain in (5, 3, 4):
                learn(surprisal.together if together else surprisal.apart, hashes[:1], np.array([certain], np.uint8))
                assert int(surprisal.of(tokens, shaped)[rows[0]]) == LEVELS[5 if certain == 5 else 3]


def test_a_name_is_worth_also_which_one_it_is() -> None:
    tokens = tokenise(b"x = f(a, b, a, b, a, b)")
    codes, shaped = outline(tokens), shape(tokens)
    surprisal = Surprisal.empty()
    for _, hashes, _ in nameless_contexts(codes):
        learn(surprisal.apart, hashes, np.full(hashes.size, 2, np.uint8))
    unknown = surprisal.of(tokens, shaped)
    assert set(unknown[tokens.names].tolist()) == {MOST}
    assert set(unknown[~tokens.names].tolist()) == {int(LEVELS[2])}
    for _, hashes, _ in name_contexts(codes, shaped):
        learn(surprisal.apart, hashes, np.full(hashes.size, 4, np.uint8))
    assert int(surprisal.of(tokens, shaped)[tokens.names][-1]) == LEVELS[2] + LEVELS[4]


def test_names_of_everybody_are_known_and_those_of_one_are_rare(bundled: Surprisal) -> None:
    tokens = tokenise(b"self.append(len(value), settleLedgerOf(depotParcels), name)")
    rare = [
        bytes(b"self.append(len(value), settleLedgerOf(depotParcels), name)"[a:b])
        for a, b in zip(tokens.starts[bundled.rare(tokens)], tokens.ends[bundled.rare(tokens)], strict=True)
    ]
    assert rare == [b"settleLedgerOf", b"depotParcels"]

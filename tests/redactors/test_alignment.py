"""Runs agree as far as one is the other with its names changed, and what they prove is what other code does not have."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from redactors.alignment import MEMORY, consistent, evidence, links, repeated
from redactors.tokens import Tokens, tokenise

_WORDS = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta", "(", ",", "7", "if"]), max_size=40)


def read(words: list[str]) -> Tokens:
    return tokenise(" ".join(words).encode())


def is_renamed(one: Tokens, other: Tokens) -> bool:
    """Say it the plain way: there is a renaming, and one back."""
    pairs = set(zip(one.exact[one.names].tolist(), other.exact[other.names].tolist(), strict=True))
    return len({mine for mine, _ in pairs}) == len({theirs for _, theirs in pairs}) == len(pairs)


@given(_WORDS, st.randoms(use_true_random=False))
def test_stretches_are_all_that_a_renaming_explains_and_no_more(words: list[str], chance: object) -> None:
    names = ["alpha", "beta", "gamma", "delta"]
    other = [chance.choice(names) if word in names and chance.random() < 0.3 else word for word in words]  # type: ignore[attr-defined]
    one, two = read(words), read(other)
    size = one.exact.size
    stretches = consistent(links(one), links(two))
    for start in range(size):
        for end in range(start + 1, size + 1):
            within = any(first <= start and end <= last for first, last in stretches)
            assert within == is_renamed(one.rows(start, end), two.rows(start, end))
    assert stretches == sorted(stretches)
    assert all(not (a <= c and d <= b) for a, b in stretches for c, d in stretches if (a, b) != (c, d))


@given(st.lists(st.sampled_from(["alpha", "beta", ",", "(", "7"]), max_size=700))
def test_a_link_leads_to_the_last_use_of_the_name(words: list[str]) -> None:
    tokens = read(words)
    last: dict[int, int] = {}
    for row, (code, is_name, link) in enumerate(zip(tokens.exact, tokens.names, links(tokens), strict=True)):
        back = row - last.get(int(code), row) if is_name else 0
        assert link == (back if back <= MEMORY else 0)
        last[int(code)] = row


def test_names_further_back_than_a_link_leads_may_differ() -> None:
    one = read(["alpha", *["("] * MEMORY, "alpha"])
    two = read(["alpha", *["("] * MEMORY, "beta"])
    assert consistent(links(one), links(two)) == [(0, MEMORY + 2)]
    near, other = one.rows(1, MEMORY + 2), two.rows(1, MEMORY + 2)
    assert consistent(links(near), links(other)) == [(0, MEMORY + 1)]


def test_nothing_has_no_stretches() -> None:
    nothing = np.zeros(0, np.uint8)
    assert consistent(nothing, nothing) == []
    assert evidence(nothing, np.zeros(0, np.bool_), 1, 0) == 0


def test_a_row_of_a_table_repeats_the_one_before_whatever_its_names_and_numbers() -> None:
    tokens = tokenise(b"add(alpha, 1); add(beta, 27); add(gamma, 300);")
    assert repeated(tokens).tolist() == [False] * 9 + [True] * (tokens.exact.size - 9)


@given(st.lists(st.tuples(st.integers(0, 190), st.booleans()), max_size=60), st.integers(1, 40), st.integers(0, 9))
def test_evidence_is_the_best_sum_over_any_part_that_is_long_enough(
    rows: list[tuple[int, bool]], shortest: int, drift: int
) -> None:
    each = [(worth // 10 if known else worth) - drift for worth, known in rows]
    parts = [sum(each[a:b]) for a in range(len(each)) for b in range(a + shortest, len(each) + 1)]
    worth = np.array([worth for worth, _ in rows], np.uint8)
    known = np.array([known for _, known in rows], np.bool_)
    assert evidence(worth, known, shortest, drift) == max(parts, default=0)

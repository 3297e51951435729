"""What everybody writes is known as such, and nothing else is."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from redactors.idioms import Idioms, neighbours
from redactors.tokens import Codes, tokenise

RUST = b"""impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
"""
GO = b"""	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.input)
			if err != nil {
				t.Fatal(err)
			}
"""
OWN = b"""
    for depth, (left, *rest) in zip(counts[:-turn], split(rows ^ mask, by=3)):
        if left % 7 == rest[depth & 1] or not walk(~depth, rest, *left[2::turn]):
            yield depth >> 2, {left: [turn - each for each in rest if each]}
"""


def share(own: Codes) -> float:
    return float(np.count_nonzero(own)) / own.size


def test_idioms_of_languages_are_known() -> None:
    idioms = Idioms.bundled()
    for code in (RUST, GO):
        assert share(idioms.own_outlines(tokenise(code))) < 0.3
        assert share(idioms.own_wordings(tokenise(code))) < 0.5


def test_code_that_nobody_else_wrote_is_no_idiom() -> None:
    idioms = Idioms.bundled()
    assert share(idioms.own_outlines(tokenise(OWN))) > 0.7
    assert share(idioms.own_wordings(tokenise(OWN))) > 0.8


@given(st.lists(st.integers(0, 2**32 - 1), max_size=50), st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_sets_are_the_same_after_packing(outlines: list[int], wordings: list[int]) -> None:
    idioms = Idioms.of(np.array(outlines, np.uint32), np.array(wordings, np.uint32))
    again = Idioms.unpack(idioms.pack())
    assert again.outlines.tolist() == idioms.outlines.tolist()
    assert again.wordings.tolist() == idioms.wordings.tolist()


def test_what_a_set_was_made_of_is_in_it_and_the_rest_is_own() -> None:
    codes = tokenise(RUST).exact
    hashes = neighbours(codes, 5)
    idioms = Idioms.of(hashes[:0], hashes[:10])
    own = idioms.own_wordings(tokenise(RUST))
    assert share(own[10:]) > 0.9
    assert share(idioms.own_outlines(tokenise(RUST))) == 1


@given(st.lists(st.integers(0, 2**32 - 1), max_size=20), st.integers(1, 12))
def test_there_is_a_hash_for_each_row_that_has_enough_neighbours(codes: list[int], size: int) -> None:
    assert neighbours(np.array(codes, np.uint32), size).size == max(len(codes) - size + 1, 0)

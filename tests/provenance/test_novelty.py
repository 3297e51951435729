"""What is remembered as seen, and what of a tool's input is new text: for any input."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wrapper.provenance.inputs import pieces, undiffed
from wrapper.provenance.novelty import Seen, following

_codes = st.lists(st.integers(0, 40), max_size=30)
_lines = st.text(st.characters(exclude_characters="\n\r`~@", exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=8)
_json = st.recursive(
    st.none() | st.integers() | st.text(max_size=30), lambda one: st.lists(one, max_size=3), max_leaves=6
)


@given(st.lists(_codes, max_size=12), _codes)
def test_what_was_added_is_known_and_nothing_else(added: list[list[int]], asked: list[int]) -> None:
    seen, expected = Seen(), set[int]()
    for codes in added:
        seen.add(np.array(codes, np.uint64))
        expected |= set(codes)
    assert seen.has(np.array(asked, np.uint64)).tolist() == [code in expected for code in asked]
    assert (seen.size, seen.is_full) == (len(expected), False)


@given(st.lists(_codes, max_size=8))
def test_it_never_holds_more_than_it_may_and_says_when_it_is_full(added: list[list[int]]) -> None:
    seen = Seen(10)
    for codes in added:
        seen.add(np.array(codes, np.uint64))
    assert seen.size <= 10
    assert seen.is_full == (seen.size < len({code for codes in added for code in codes}))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12))
def test_lines_that_say_something_stay_as_they_are_and_the_others_are_as_one_beside_them(
    rows: list[tuple[bool, bool]],
) -> None:
    echo = np.array([one for one, _ in rows], np.bool_)
    dull = np.array([other for _, other in rows], np.bool_)
    after = following(echo, dull)
    assert after[~dull].tolist() == echo[~dull].tolist()
    expected: list[bool] = []
    for at, (own, is_dull) in enumerate(rows):
        before = [one for one, other in rows[:at] if not other]
        behind = [one for one, other in rows[at:] if not other]
        expected.append(own if not is_dull else (before or [*behind, own])[-1 if before else 0])
    assert after.tolist() == expected


@given(st.lists(st.tuples(st.sampled_from("+- "), _lines), max_size=10), _lines, _lines)
def test_of_a_hunk_what_it_puts_in_is_left_however_it_looks(
    hunk: list[tuple[str, str]], before: str, after: str
) -> None:
    old = sum(sign != "+" for sign, _ in hunk)
    new = sum(sign != "-" for sign, _ in hunk)
    head = f"@@ -1,{old} +1,{new} @@"
    text = "\n".join((before, head, *(sign + one for sign, one in hunk), after))
    assert undiffed(text).split("\n") == [before, *(one for sign, one in hunk if sign != "-"), after]


@given(st.text(max_size=60))
def test_a_text_without_a_diff_stays_as_it_is(text: str) -> None:
    if "@@ -" not in text and "```" not in text and "~~~" not in text:
        assert undiffed(text) == text


@given(
    st.text(max_size=80)
    | st.dictionaries(
        st.sampled_from(["file_path", "old_string", "new_string", "content", "edits", "command", "description", "x"]),
        _json,
        max_size=5,
    )
)
def test_no_input_makes_it_raise(given_: dict[str, object] | str) -> None:
    for piece in pieces(given_):
        assert isinstance(piece.text, str)
        assert isinstance(piece.path, str)

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from wrapper.review.app.painted import clipped, folded, said

_TEXTS = st.text(st.characters(codec="utf-8"), max_size=300).map(lambda text: said(text)[0])


@given(_TEXTS, st.integers(0, 60), st.booleans())
def test_a_clipped_text_fills_its_cells_exactly(text: str, width: int, left: bool) -> None:  # noqa: FBT001 (drawn)
    assert cell_len(clipped(text, max(width, 1), left=left)) == max(width, 1)


@given(st.lists(_TEXTS, max_size=5), st.integers(2, 40))
def test_a_folded_line_loses_nothing_and_is_never_too_wide(texts: list[str], width: int) -> None:
    line = tuple((text, f"tone {number}") for number, text in enumerate(texts))
    rows = list(folded(line, width))
    assert all(sum(cell_len(text) for text, _ in row) <= width for row in rows)
    pieces: dict[str, str] = {}
    for row in rows:
        for text, tone in row:
            pieces[tone] = pieces.get(tone, "") + text
    assert {tone: text for tone, text in pieces.items() if text} == {tone: text for text, tone in line if text}


@given(st.text(max_size=200))
def test_what_anybody_wrote_holds_nothing_that_a_terminal_acts_on(text: str) -> None:
    assert said(text)[0].isprintable()


def test_a_line_breaks_at_a_blank_where_one_is_near_the_end() -> None:
    rows = ["".join(text for text, _ in row) for row in folded((("one two three four five", "plain"),), 10)]
    assert rows == ["one two ", "three four", " five"]


def test_a_text_that_is_too_long_says_so_at_its_end_or_at_its_beginning() -> None:
    assert (clipped("abcdef", 4), clipped("abcdef", 4, left=True), clipped("ab", 4)) == ("abc…", "…def", "ab  ")


def test_of_a_line_without_an_end_it_is_said_how_much_is_missing() -> None:
    rows = list(folded((("x" * 5_000, "plain"),), 80))
    assert rows[-1] == (("… 1000 more characters in this line", "dim"),)
    assert len(rows) == 51

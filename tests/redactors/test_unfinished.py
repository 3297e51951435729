"""Where a value may have begun: never later than it has."""

import random

from hypothesis import given
from hypothesis import strategies as st

from redactors.unfinished import STEP, Beginnings, number

FORMS = st.lists(st.text("ab1", min_size=1, max_size=12).map(str.encode), max_size=5)
TEXTS = st.text("ab1", max_size=20).map(str.encode)


def begun(forms: list[bytes], text: bytes) -> int:
    """Find where the first form begins, with four bytes at least, that the end of `text` cuts: by trying all."""
    starts = (
        at for at in range(len(text) - 3) if any(form.startswith(text[at:]) and form != text[at:] for form in forms)
    )
    return min(starts, default=len(text))


@given(FORMS, TEXTS)
def test_a_form_that_the_end_cuts_is_found_where_it_begins(forms: list[bytes], text: bytes) -> None:
    assert Beginnings(forms, ()).earliest(text) == begun(forms, text)


@given(FORMS, TEXTS)
def test_of_a_part_every_stretch_counts(parts: list[bytes], text: bytes) -> None:
    earliest = Beginnings(parts, parts).earliest(text)
    stretches = (at for at in range(len(text) - 3) if any(text[at:] in part[:-1] for part in parts))
    assert earliest <= min(stretches, default=len(text))


@given(FORMS)
def test_the_table_knows_all_that_stands_within_a_form(forms: list[bytes]) -> None:
    inside = Beginnings(forms, ()).inside
    steps = (form[at : at + STEP] for form in forms for at in range(len(form) - STEP))
    assert all(inside[number(step) % len(inside)] for step in steps)


def test_the_table_takes_few_others_for_what_stands_within_a_form() -> None:
    chance = random.Random(7)  # noqa: S311  (noise)
    inside = Beginnings([chance.randbytes(60) for _ in range(100)], ()).inside
    others = [chance.randbytes(STEP) for _ in range(10_000)]
    assert sum(inside[number(other) % len(inside)] for other in others) < len(others) // 20


@given(FORMS)
def test_the_short_ones_are_the_first_three_bytes_of_each(forms: list[bytes]) -> None:
    assert Beginnings(forms, ()).short == {form[:size] for form in forms for size in (1, 2, 3)}

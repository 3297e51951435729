"""An expression that is compiled late says what one says that was compiled early."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.ondemand import OnDemand

SOURCE = rb"(?i)a+(b|c)$"


@given(st.text("aAbBcC ", max_size=8))
def test_its_answers_are_those_of_the_pattern(text: str) -> None:
    late, early, data = OnDemand(SOURCE), re.compile(SOURCE), text.encode()
    for ask, told in ((late.search(data), early.search(data)), (late.match(data), early.match(data))):
        assert (ask and ask.span()) == (told and told.span())


def test_nothing_is_compiled_before_the_first_question() -> None:
    broken = OnDemand(b"(")
    with pytest.raises(re.error):
        broken.search(b"x")

"""Near-misses in an answer are collected however its texts are cut."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import KnownValues, Origin, Vault
from tests.gateway.wire import MASKING_KEY, events
from wrapper.gateway import anthropic
from wrapper.gateway.incoming import Inward, InwardDocument, InwardStream
from wrapper.gateway.nearly import NearMisses

VAULT = Vault(MASKING_KEY)
RIGHT = VAULT.issue("GITHUB-TOKEN", b"a value", Origin.OUTSIDE)
WRONG = RIGHT[:-1] + ("0" if RIGHT[-1] != "0" else "1")


@given(st.lists(st.integers(0, 60), max_size=6))
@pytest.mark.parametrize("wrong", [WRONG, RIGHT.lower(), RIGHT[:-2]])
def test_a_near_miss_is_told_once_however_the_text_is_cut(wrong: str, cuts: list[int]) -> None:
    text = f"use {wrong}, not {RIGHT}.".encode()
    near = NearMisses(VAULT)
    parts = near.text()
    borders = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    for start, end in pairwise(borders):
        parts.part(text[start:end])
    parts.end()
    assert [one.split("`")[1] for one in near.found] == [wrong]


@given(st.lists(st.integers(0, 60), max_size=6))
def test_an_issued_placeholder_is_never_told(cuts: list[int]) -> None:
    text = f"use {RIGHT} and {RIGHT}".encode()
    near = NearMisses(VAULT)
    parts = near.text()
    borders = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    for start, end in pairwise(borders):
        parts.part(text[start:end])
    parts.end()
    assert near.found == {}


def test_a_text_that_ends_is_not_joined_to_the_next() -> None:
    near = NearMisses(VAULT)
    parts = near.text()
    parts.part(RIGHT[:-2].encode())
    parts.end()
    parts.part(b"more")
    parts.end()
    assert len(near.found) == 1


def test_texts_that_come_at_the_same_time_are_not_joined() -> None:
    near = NearMisses(VAULT)
    first, second = near.text(), near.text()
    first.part(WRONG[:5].encode())
    second.part(b"x ")
    first.part(WRONG[5:].encode())
    second.end()
    first.end()
    assert [one.split("`")[1] for one in near.found] == [WRONG]


def test_a_model_that_repeats_itself_is_not_quoted_in_full() -> None:
    near = NearMisses(VAULT)
    for number in range(100):
        near.whole(f"MASKED-X{number}-{RIGHT[-8:]}".encode())
    assert len(near.found) == 20


def delta(text: str) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def inward() -> Inward:
    return Inward(VAULT, KnownValues(VAULT), ())


@given(st.integers(1, 25))
def test_a_stream_is_looked_at_over_the_borders_of_its_deltas(cut: int) -> None:
    here = inward()
    stream = InwardStream(here, anthropic.DIALECT, 2**20)
    stream.feed(b"".join(events(delta(WRONG[:cut]), delta(WRONG[cut:]), {"type": "content_block_stop", "index": 0})))
    stream.end()
    assert [one.split("`")[1] for one in here.near.found] == [WRONG]


def test_a_stream_that_breaks_off_tells_what_it_had() -> None:
    here = inward()
    stream = InwardStream(here, anthropic.DIALECT, 2**20)
    stream.feed(events(delta(f"see {RIGHT.lower()}"))[0])
    stream.end()
    assert len(here.near.found) == 1


def test_a_whole_answer_is_looked_at() -> None:
    here = inward()
    document = json.dumps({"content": [{"type": "text", "text": f"{WRONG} {RIGHT}"}]}).encode()
    assert InwardDocument(here, anthropic.DIALECT).whole(document) == document
    assert len(here.near.found) == 1

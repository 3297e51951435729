"""A document goes on from an earlier one: nothing that is new goes unseen, and what is the same is passed over."""

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redactors.jsonbytes import fit
from redactors.nesting import is_json, is_json_lines, opened
from redactors.pieces import Memory
from redactors.remembered import _Course
from tests.redactors.test_pieces import (
    GITHUB,
    PROSE,
    SECRETS,
    WORDS,
    Counting,
    Marking,
    claude,
    codex,
    covered,
    rules,
    whole,
)

SHAPES = (claude, codex)
TURNS = 60
# Bytes that change what the bytes around them are: structure, quotation marks, escapes, halves of secrets.
SPLICED = st.sampled_from((
    b"", b'"', b"\\", b'\\"', b'"}', b'","x":"', b'"},{"type":"text","text":"', b"]", b"}", b"]}", b",", b"[{", b'{"a":1}',
    b"\\u0067hp_", b"0", b" ", b"\n", *(json.dumps(secret)[1:-1].encode() for secret in SECRETS),
    *(secret.encode() for secret in SECRETS[:3]),
))  # fmt: skip
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40) | st.integers(0, 3_000), SPLICED), max_size=3)


def written(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def spliced(body: bytes, edits: Sequence[tuple[float, int, bytes]]) -> bytes:
    for place, gone, new in edits:
        at = int(place * len(body))
        body = body[:at] + new + body[at + gone :]
    return body


def check(memory: Memory, body: bytes) -> None:
    """Hold what is found against a search of the whole."""
    found = memory.find(body)
    is_document = is_json(body)
    assert found.is_json == (is_document or is_json_lines(body))
    plain = whole().engine.find(body)
    fitted, quotes = fit(body, plain) if found.is_json else (plain, frozenset[int]())
    assert covered(fitted) <= covered(found.findings)
    assert quotes <= found.quotes
    assert all(one.end <= other.start for one, other in pairwise(found.findings))
    if is_document:
        assert is_json(whole().engine.replace(body, found.findings, quotes=found.quotes).data)


def check_courses(memory: Memory) -> None:
    """Hold what is remembered of documents against what their pieces say."""
    for course, _ in memory._pieces._earlier._held:
        if not course.is_searched:
            continue
        assert b"".join(link.piece.text for link in course.links) == course.data
        assert [course.start(place + 1) for place in range(len(course.links))] == course.ends
        assert [link.piece.is_last for link in course.links] == [end == len(course.data) for end in course.ends]
        for place, link in enumerate(course.links):
            assert opened(course.open(place), link.piece.nesting) == course.open(place + 1)
            for half in (memory._pieces._young, memory._pieces._old):
                assert half.links.get((course.state(place), link.piece)) in {link, None}
            assert (place in course.telling) == bool(link.findings or link.piece.findings)
        assert course.telling == sorted(set(course.telling))


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=120)
@given(
    texts=st.lists(st.sampled_from(SECRETS + ("", PROSE)), min_size=1, max_size=6),
    sizes=st.lists(st.integers(0, 60), min_size=6, max_size=6),
    turns=st.lists(st.tuples(st.booleans(), EDITS), min_size=1, max_size=5),
)
def test_bytes_that_change_anywhere_hide_nothing_and_pass_off_nothing_as_a_document(
    shape: Any, texts: list[str], sizes: list[int], turns: list[tuple[bool, list[tuple[float, int, bytes]]]]
) -> None:
    said = [f"{PROSE * size}{text} {PROSE}" for text, size in zip(texts, sizes, strict=False)]
    memory = Memory(whole().engine)
    body = first = written(shape(said))
    check(memory, body)
    for goes_on, edits in turns:
        body = spliced(body if goes_on else first, edits)
        check(memory, body)
        check_courses(memory)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "new",
    [
        b"]",
        b"}",
        b"}]",
        b',"a":[',
        b',{"a":1',
        b',{"a":1}',
        b',"a":{"b":1',
        b',"a":{"b":[1',
        b',"a":{"b":1}',
        b'},{"a":1',
        b'],"a":["b"',
        b']},{"a":["b"',
        b']},{"a":[{"b":"c"}',
        b'}]},{"b":[{"c":"d"',
        b']}]},{"a":[{"b":[{"c":"d"}',
        b'}]}]},{"a":[{"b":[{"c":"d"',
        b"1",
        b' "a"',
    ],
)
def test_structure_that_changes_between_what_is_the_same_is_judged_as_in_the_whole(shape: Any, new: bytes) -> None:
    memory = Memory(Counting(rules()))
    body = written(shape([f"{at} {PROSE * 25}" for at in range(5)]))
    ends = [at.end() for at in re.finditer(rb'"[\]}]*(?=[\]},])', body)]
    judged = set()
    for at in ends[:40] + ends[-40:]:
        memory.find(body)
        changed = body[:at] + new + body[at:]
        assert memory.find(changed).is_json == is_json(changed)
        judged.add(is_json(changed))
        assert memory.find(body).is_json
        check_courses(memory)
    assert False in judged


def test_what_was_found_at_a_border_stays_found_when_the_conversation_goes_on() -> None:
    memory = Memory(Marking())
    texts = [PROSE * 30, PROSE * 40 + "LEFT", "RIGHT" + PROSE * 40]
    for turn in range(8):
        body = written(codex([*texts, *[f"{at} " + PROSE * 40 for at in range(turn)]]))
        [found] = memory.find(body).findings
        assert body[found.start : found.end] == b"LEFT"


@pytest.mark.parametrize("secret", [GITHUB, WORDS, SECRETS[4], SECRETS[5]])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_secret_that_the_earlier_document_broke_off_is_found_once_it_is_whole(shape: Any, secret: str) -> None:
    """Promise 1: what is new may be the last byte of a secret, or one in its middle."""
    for kept in range(1, len(secret)):
        for part in (secret[:kept], secret[kept:], secret[: kept - 1] + secret[kept:]):
            memory = Memory(whole().engine)
            texts = [PROSE * 40, f"it is {part}", PROSE * 40]
            check(memory, written(shape(texts)))
            texts[1] = f"it is {secret}"
            check(memory, written(shape(texts)))


def test_a_value_that_one_member_begins_and_a_new_one_ends_is_found_at_their_border() -> None:
    """Promise 1: the pieces on both sides of a border were clean each for itself."""
    for before, behind in (("ask", ":"), ("secret_access_key", ":"), ("a", "b")):
        memory = Memory(whole().engine)
        items: list[Any] = [{"text": PROSE * 40}, {"text": PROSE * 40}, {"text": PROSE * 40}]
        check(memory, written({"messages": items}))
        items[1] = {"text": PROSE * 40, before: SECRETS[7] + behind}
        check(memory, written({"messages": items}))
        items.insert(1, {"text": before + ":"})
        check(memory, written({"messages": items}))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_next_turn_looks_at_few_pieces_however_many_there_are(shape: Any) -> None:
    engine = Counting(whole().engine)
    memory = Memory(engine)
    texts = [f"{at} " + PROSE * 50 for at in range(TURNS)]
    for turn in range(TURNS - 10, TURNS):
        engine.searched = 0
        memory.find(written(shape(texts[:turn])))
    assert engine.searched < 25_000
    [(course, _)] = memory._pieces._earlier._held
    assert len(course.ends) > TURNS
    assert len(memory._pieces.path(written(shape(texts))).steps) < 10


def test_conversations_by_turns_and_an_edit_far_before_the_end_stay_cheap() -> None:
    engine = Counting(whole().engine)
    memory = Memory(engine)
    talks = [[f"{which} {at} " + PROSE * 50 for at in range(TURNS)] for which in range(4)]
    for turn in range(TURNS - 8, TURNS):
        for talk in talks:
            engine.searched = 0
            check_length = len(memory.find(written(claude(talk[:turn]))).findings)
            assert check_length == 0
    assert engine.searched < 25_000
    assert len(memory._pieces._earlier._held) == len(talks)
    talks[0][5] = "cleared"
    talks[0][30] = "cleared"
    engine.searched = 0
    memory.find(written(claude(talks[0])))
    assert engine.searched < 60_000
    check_courses(memory)


def test_what_comes_from_a_fork_goes_on_without_disturbing_the_trunk() -> None:
    memory = Memory(whole().engine)
    trunk = [f"{at} {SECRETS[at % 6]} " + PROSE * 20 for at in range(20)]
    fork = [*trunk[:12], *(f"fork {at} {SECRETS[at % 5]} " + PROSE * 20 for at in range(8))]
    for turn in range(12, 20):
        for talk in (trunk, fork):
            check(memory, written(codex(talk[:turn])))
            check_courses(memory)


def test_while_one_thread_goes_along_a_document_another_one_finds_the_same() -> None:
    memory = Memory(whole().engine)
    texts = [f"{at} {SECRETS[at % 6]} " + PROSE * 20 for at in range(12)]
    memory.find(written(codex(texts[:10])))
    alone = Memory(whole().engine)
    alone.find(written(codex(texts[:10])))
    with memory._pieces._going:
        assert memory.find(written(codex(texts))) == alone.find(written(codex(texts)))


def test_a_document_whose_search_failed_is_none_to_go_on_from() -> None:
    class Failing(Counting):
        fails = False

        def find(self, data: bytes) -> Any:
            if self.fails:
                raise MemoryError
            return super().find(data)

    engine = Failing(whole().engine)
    memory = Memory(engine)
    texts = [f"{at} " + PROSE * 20 for at in range(12)]
    check(memory, written(codex(texts[:10])))
    texts[5] = f"now {GITHUB} " + PROSE * 20
    engine.fails = True
    with pytest.raises(MemoryError):
        memory.find(written(codex(texts)))
    engine.fails = False
    for _ in range(3):
        check(memory, written(codex(texts)))


def test_what_is_held_of_documents_stays_within_its_bound() -> None:
    memory = Memory(whole().engine, most=400_000)
    for turn in range(40):
        memory.find(written(codex([f"{turn} {at} {PROSE * 30}" for at in range(8)])))
        pieces = memory._pieces
        assert pieces._earlier.size <= 200_000
        assert pieces._earlier.size + pieces._young.size + pieces._old.size < 450_000
        held = {
            link.piece for course, _ in pieces._earlier._held if isinstance(course, _Course) for link in course.links
        }
        assert (
            sum(len(piece.text) for piece in held) + sum(len(course.data) for course, _ in pieces._earlier._held)
            <= 200_000
        )

import os
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.intercept.desk import SECRET, TOKEN, Desk, chunked
from wrapper.gateway.intercept.finding import BLOCKED, MONITORED, REPLACED, Looked, Weighing, look_at_found
from wrapper.gateway.intercept.stretches import Stretches
from wrapper.gateway.unfold import Unfolding

DESK = Desk()
ENGINE = DESK.judge._engine
FILLER = b"a line of a log that says little\n" * 30_000  # about 1 MB


def weighing(found: str) -> Weighing:
    return Weighing(ENGINE, lambda _: "redact", found)


def passed(data: bytes, sizes: list[int], found: str = "redact") -> Iterator[Looked]:
    stretches = Stretches(weighing(found))
    for piece in chunked(data, sizes):
        stretches.take(piece)
        while stretches.due:
            yield stretches.next()
    yield from stretches.flush()


def left(data: bytes, sizes: list[int], found: str = "redact") -> bytes:
    return b"".join(looked.leaving for looked in passed(data, sizes, found))


@given(
    st.lists(st.sampled_from([SECRET, TOKEN, b"\n", b'"password": "hunter2"\n', FILLER[:200_000], FILLER]), max_size=5),
    st.lists(st.integers(1, 300_000), max_size=12),
)
@settings(max_examples=25, deadline=None)
def test_the_verdict_is_the_same_however_a_body_is_cut(parts: list[bytes], sizes: list[int]) -> None:
    data = b" ".join(parts)
    assert list(passed(data, sizes)) == list(passed(data, [len(data)]))


@given(st.integers(0, 700_000), st.sampled_from([SECRET, TOKEN]))
@settings(max_examples=40, deadline=None)
def test_a_value_is_found_wherever_it_stands_and_nothing_else_changes(place: int, value: bytes) -> None:
    data = FILLER[:place] + b"\n" + value + b"\n" + FILLER[place:]
    gone = left(data, [65_536] * 20)
    assert value not in gone
    assert gone == look_at_found(data, b"", Unfolding(ENGINE).find(data), weighing("redact")).leaving
    assert len(gone) > len(FILLER)


def test_a_value_that_is_only_recorded_leaves_and_is_not_in_what_the_log_keeps() -> None:
    data = FILLER[:400_000] + b"\n" + SECRET + b"\n" + FILLER
    looked = list(passed(data, [10_000] * 200, "record"))
    assert b"".join(one.leaving for one in looked) == data
    assert SECRET not in b"".join(one.logged for one in looked)
    notes = [note for one in looked for note in one.notes]
    assert [(note.action, note.where) for note in notes] == [(MONITORED, "@400001")]


def test_bytes_that_are_no_text_pass_as_they_are() -> None:
    data = os.urandom(700_000)
    assert left(data, [50_000] * 20, "record") == data


def test_the_rest_of_a_value_of_which_a_part_had_to_be_sent_is_stopped() -> None:
    stretches = Stretches(weighing("stop"))
    stretches.take(b"x " + TOKEN[:20])
    first = list(stretches.flush())
    stretches.take(TOKEN[20:] + b" y")
    rest = list(stretches.flush())
    assert not [note for one in first for note in one.notes if note.action == BLOCKED]
    assert [note.kind for one in rest for note in one.notes if note.action == BLOCKED] == ["GITHUB-TOKEN"]


def test_what_a_stretch_ends_in_is_judged_with_what_comes_behind_it() -> None:
    stretches = Stretches(weighing("redact"))
    stretches.take(FILLER[: 256 * 1024 - 10] + b" " + TOKEN + b" ")
    assert not stretches.due
    stretches.take(FILLER)
    looked = stretches.next()
    assert [note.action for note in looked.notes] == [REPLACED]
    assert TOKEN[:10] not in looked.leaving


def test_a_pause_lets_out_whole_lines_only_and_the_end_all() -> None:
    stretches = Stretches(weighing("stop"))
    stretches.take(b"one\ntwo\npass: " + SECRET[:-1])
    assert stretches.pause().leaving == b"one\ntwo\n"
    assert stretches.settled == 0
    stretches.take(SECRET[-1:])
    assert [note.action for note in next(stretches.flush()).notes] == [BLOCKED]


def test_a_pause_lets_out_all_of_what_has_no_lines() -> None:
    stretches = Stretches(weighing("stop"))
    stretches.take(b"\0\0\0\0\5hello")
    assert stretches.pause().leaving == b"\0\0\0\0\5hello"

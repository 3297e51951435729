import hashlib
import itertools
import json
import statistics
import time
from collections.abc import Iterable, Iterator
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.earlier import shared_end, shared_start
from tests.audit.recording import asked
from wrapper.audit import deltas, events
from wrapper.audit.deltas import Bodies, Delta, Deltas
from wrapper.errors import AuditError


def _written(bodies: Iterable[bytes]) -> list[events.Request]:
    writer = Deltas()
    return [asked(number, writer.shorten(number, body)) for number, body in enumerate(bodies, 1)]


def _noise(size: int, seed: object) -> bytes:
    return hashlib.shake_128(str(seed).encode()).digest(size)


_EDIT = st.tuples(
    st.sampled_from(["new", "again", "grow", "edit", "cut", "flip", "short"]),
    st.integers(0, 30),  # which of the bodies before, counted from the last
    st.integers(0, 8000),
    st.integers(0, 8000),
)


def _bodies(edits: Iterable[tuple[str, int, int, int]]) -> Iterator[bytes]:
    """Make bodies of one another, as clients do and as nobody does."""
    made = [b""]
    for turn, (how, back, place, length) in enumerate(edits):
        body, fresh = made[-1 - back % len(made)], _noise(length, turn)
        here = place % (len(body) + 1)
        match how:
            case "new":
                body = fresh
            case "grow":
                body += fresh
            case "edit":
                body = body[:here] + fresh + body[here:]
            case "cut":
                body = body[:here] + body[here + length :]
            case "flip":
                body = body[:here] + bytes(byte ^ 1 for byte in body[here : here + 1]) + body[here + 1 :]
            case "short":
                body = body[: length % 100]
        made.append(body)
        yield body


@given(st.lists(_EDIT, max_size=60), st.sampled_from([64 << 20, 40_000, 9_000]), st.sampled_from([256, 4]))
def test_whatever_bodies_come_each_is_given_back_exactly(
    edits: list[tuple[str, int, int, int]], most_bytes: int, most_links: int
) -> None:
    bodies = list(_bodies(edits))
    with mock.patch.multiple(deltas, _MOST_BYTES=most_bytes, _MOST_LINKS=most_links):
        reader = Bodies()
        assert [reader.whole(event) for event in _written(bodies)] == bodies


def _common(one: Iterable[int], other: Iterable[int]) -> int:
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_what_two_bodies_share_is_counted_as_byte_by_byte(one: bytes, other: bytes) -> None:
    start = _common(one, other)
    assert shared_start(one, other) == start
    most = min(len(one), len(other)) - start
    assert shared_end(one, other, most) == min(most, _common(one[::-1], other[::-1]))


@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(1, 60))
def test_no_base_is_passed_over_that_shares_more_than_was_asked_for(one: bytes, other: bytes, least: int) -> None:
    start = shared_start(one, other)
    shared = start + shared_end(one, other, min(len(one), len(other)) - start)
    if shared > least:
        assert deltas._may_share(one, other, least)


def conversation(turns: int, each: int, seed: str = "") -> Iterator[bytes]:
    """Give the bodies of a conversation as Claude Code sends them: a marker moves, system and tools come last."""
    messages: list[dict[str, object]] = []
    last = {"system": [{"type": "text", "text": "s" * 20_000}], "tools": [{"name": "t" * 40_000}], "stream": True}
    for turn in range(turns):
        part = {"type": "text", "text": _noise(each // 2, f"{seed} {turn}").hex()}
        marked = {"role": "user", "content": [part | {"cache_control": {"type": "ephemeral"}}]}
        yield json.dumps({"model": "m", "messages": [*messages, marked], **last}, separators=(",", ":")).encode()
        messages += [{"role": "user", "content": [part]}, {"role": "assistant", "content": f"done {turn}"}]


def test_a_growing_conversation_costs_little_more_than_its_last_body() -> None:
    bodies = list(conversation(100, 10_000))
    written = sum(len(event.body) for event in _written(bodies))
    assert written < 1.05 * len(bodies[-1])
    assert sum(map(len, bodies)) > 40 * written


def test_conversations_that_alternate_build_each_on_its_own() -> None:
    many = [conversation(20, 5_000, seed=str(seed)) for seed in range(8)]
    bodies = list(itertools.chain.from_iterable(zip(*many, strict=True)))
    written = sum(len(event.body) for event in _written(bodies))
    assert written < 1.1 * sum(map(len, bodies[-8:]))


def test_the_body_that_shares_most_is_built_on_and_not_merely_the_last() -> None:
    one, other = _noise(50_000, 1), _noise(50_000, 2)
    *_, last = _written([one, other, one[:49_000] + other[49_000:]])
    assert (last.base, last.prefix, last.suffix, last.body) == (1, 49_000, 0, other[49_000:])


def test_what_has_little_in_common_is_written_whole() -> None:
    head = b'{"model":"m","messages":['
    assert [event.base for event in _written([head + _noise(9_000, 1), head + _noise(9_000, 2)])] == [0, 0]
    assert [event.base for event in _written([b"x" * 900] * 3)] == [0, 0, 0]


def test_a_long_chain_is_broken_by_a_whole_body() -> None:
    body, bodies = _noise(5_000, 0), []
    for turn in range(600):
        body += b"%d" % turn
        bodies.append(body)
    events_ = _written(bodies)
    whole = [event.number for event in events_ if event.base == 0]
    assert whole == [1, 257, 513]
    assert all(event.base == event.number - 1 for event in events_ if event.base)


def test_the_end_of_a_chain_costs_one_whole_body_also_where_much_is_new_in_each() -> None:
    """Claude Code's auto mode sends a growing list behind system and tools: no body takes its base's place."""
    messages, checks, bodies = _noise(9_000, "first"), b"", []
    for turn in range(600):
        messages, checks = messages + _noise(40, turn), checks + _noise(20, -turn - 1)
        bodies.append(messages + b"s" * 3_000 + checks + b"end")
    written = _written(bodies)
    assert [event.number for event in written if event.base == 0] == [1, 257, 513]
    assert all(event.base == event.number - 1 for event in written if event.base)
    whole = sum(len(bodies[number - 1]) for number in (1, 257, 513))
    assert sum(len(event.body) for event in written) < whole + sum(3_100 + 20 * turn for turn in range(600))


def test_one_lost_record_takes_its_own_bytes_and_the_chain_only_up_to_the_next_whole_body() -> None:
    parts = [f"<what turn {turn} said> ".encode() * 200 for turn in range(300)]
    bodies = [b"".join(parts[: turn + 1]) for turn in range(300)]
    written = _written(bodies)
    lost = 10
    reader, read = Bodies(), {}
    for event in written[:lost] + written[lost + 1 :]:
        try:
            read[event.number] = reader.whole(event)
        except AuditError as error:
            assert f"request #{event.number} builds on #{event.base}" in error.what
            assert parts[event.number - 1] in event.body, "what was new in it stands in its own record"
    assert sorted(read) == [*range(1, 11), *range(257, 301)]
    assert all(read[number] == bodies[number - 1] for number in read)


def test_records_of_a_forged_log_cannot_take_more_of_a_base_than_there_is() -> None:
    reader = Bodies()
    reader.whole(asked(1, Delta(0, 0, 0, b"x" * 2_000)))
    for prefix, suffix in ((2_000, 1), (1_001, 1_000), (-1, 5), (5, -1), (2**62, 0), (2**62, -(2**62))):
        with pytest.raises(AuditError):
            reader.whole(asked(2, Delta(1, prefix, suffix, b"")))
    assert reader.whole(asked(3, Delta(1, 1_000, 1_000, b"y"))) == b"x" * 1_000 + b"y" + b"x" * 1_000


def test_a_reader_of_many_large_bodies_keeps_few() -> None:
    reader, body = Bodies(), bytes(10 << 20)
    for number in range(1, 21):
        reader.whole(asked(number, Delta(0, 0, 0, body[: -1 - number])))
    with pytest.raises(AuditError):
        reader.whole(asked(30, Delta(14, 1, 0, b"")))
    assert reader.whole(asked(31, Delta(15, 1, 0, b"y"))) == b"\0y"


def test_a_body_beyond_the_limit_is_written_and_built_on_by_none() -> None:
    with mock.patch.object(deltas, "_MOST_BYTES", 10_000):
        assert [event.base for event in _written([b"x" * 10_001, b"x" * 10_002])] == [0, 0]
        assert [event.base for event in _written([b"x" * 9_000, b"x" * 9_500])] == [0, 1]


def test_shortening_half_a_megabyte_takes_less_than_half_a_millisecond() -> None:
    bodies, writer, spent = list(conversation(30, 17_000)), Deltas(), []
    for number, body in enumerate(bodies, 1):
        begun = time.process_time()
        writer.shorten(number, body)
        spent.append(time.process_time() - begun)
    assert 500_000 < len(bodies[-1]) < 620_000
    assert statistics.median(spent[-10:]) < 0.0005


def test_as_many_like_bodies_as_are_remembered_cost_no_more() -> None:
    """All of them share nearly all with the next one and differ too early and too late for any to be certain."""
    like, writer, spent = _noise(560_000, 0), Deltas(), []
    for number in range(1, 40):
        body = like[:150_000] + _noise(60_000, number) + like[210_000:400_000] + _noise(9, -number) + like[400_009:]
        begun = time.process_time()
        writer.shorten(number, body)
        spent.append(time.process_time() - begun)
    assert statistics.median(spent[-20:]) < 0.002

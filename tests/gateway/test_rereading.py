"""What only reads what is new of a conversation gives the answer that reading all of it gives."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.test_requests import QUEUED, REMINDER, TOOL, spoken, text, user
from tests.redactors.test_pieces import edited
from tests.redactors.test_remembered import spliced
from wrapper.gateway import rereading
from wrapper.gateway.requests import Asked, Left, asked, asked_with
from wrapper.gateway.rereading import Reader

TARGETS = ("/v1/messages?beta=true", "/v1/responses", "/v1/messages/count_tokens", "/v1/messages/batches", "/x")
REFUSED = "To tell you how to proceed, the user said:\nuse `rg`"
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "The user sent a new message"}
# Items as they are written, among them such as no reader takes for one, and some that change how others are read.
ITEMS = st.sampled_from((
    *(
        json.dumps(one)
        for one in (
            spoken("user", text("tidy up")), spoken("user", text(REMINDER)), spoken("user", text(REMINDER), text("go on")),
            spoken("user", RESULT), spoken("user", {**RESULT, "content": REFUSED}), spoken("assistant", text("done")),
            {"role": "system", "content": QUEUED}, user("ask", "more"), {"role": "user", "content": "plain, [text]"},
            {"type": "compaction_trigger"}, {"type": "additional_tools", "tools": [TOOL]}, {"content": [[1], {"a": "b"}]},
            {"role": 7, "content": "odd"}, {"type": "function_call_output", "output": "x" * 90}, "said", "", 12, None, [],
            {}, ["a", ["b"]], True,
        )
    ),
    '{"role":"user","content":"\\ud800"}', '{"role":"user","content":"\\u0061,"}', '{ "role" : "user" , "content":"a" }',
    '{"role":"user","content":[{"type":"tool_result","content":"\udcff"}]}', '"\udcfe"', '{"a":1,"a":2}', "-1e5", "1.50",
))  # fmt: skip
NAMES = st.sampled_from(("messages", "input", "prompt", "Messages", "inputs", "mess\\u0061ges"))
MEMBERS = st.lists(
    st.sampled_from((
        '"model":"m"', '"model":"n"', '"Model":"o"', '"stream":true', '"tools":[{"model":"t"}]', '"tools":[]',
        '"messages":[]', '"messages":[{"role":"user","content":"again"}]', '"input":"again"', '"MESSAGES":"x"',
        '"prompt":"further"', '"requests":[{"model":"r","params":{"messages":["b"]}}]', '"system":[{"text":"messages"}]',
        '"response":{"model":"i","input":[{"role":"user","content":"within"}]}', '"session":{"input":"s"}',
        '"previous_response_id":"p"', '"a":"[,]}"', '"models":["m2"]',
    )),
    max_size=3,
)  # fmt: skip
SPLICED = st.sampled_from((
    b"", b"", b",", b"{},", b"[", b"]", b"}", b'"', b"\\", b" ", b"\xff", b"0", b'],"messages":[', b'"compaction_trigger"',
    b'{"role":"user","content":"new"},', b'],"model":"z","x":[', b'"additional_tools",',
))  # fmt: skip
SPLICES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3) | st.integers(0, 60), SPLICED), max_size=2)
CHANGE = st.tuples(st.sampled_from(("append", "replace", "remove", "insert", "cut")), st.integers(0, 9), ITEMS)
COMMA = st.sampled_from((",", ", ", " ,\n"))


@pytest.fixture(autouse=True)
def _however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rereading, "_WORTH", 1)


def written(before: Sequence[str], name: str, items: Sequence[str], behind: Sequence[str], comma: str) -> bytes:
    conversation = f'"{name}":[{comma.join(items)}]'
    return f"{{{comma.join((*before, conversation, *behind))}}}".encode("utf-8", "surrogateescape")


@settings(max_examples=400)
@given(
    items=st.lists(ITEMS, max_size=6),
    changes=st.lists(st.tuples(CHANGE, st.none() | MEMBERS, SPLICES), min_size=1, max_size=5),
    before=MEMBERS,
    name=NAMES,
    comma=COMMA,
    target=st.sampled_from(TARGETS),
    dialect=st.sampled_from(("anthropic", "openai", "other")),
)
def test_in_every_turn_the_answer_is_that_of_reading_all(
    items: list[str],
    changes: list[tuple[tuple[str, int, str], list[str] | None, list[tuple[float, int, bytes]]]],
    before: list[str],
    name: str,
    comma: str,
    target: str,
    dialect: str,
) -> None:
    reader = Reader()
    behind: list[str] = ['"stream":true']
    body = written(before, name, items, behind, comma)
    assert reader.asked(dialect, target, body) == asked(dialect, target, body)
    for change, members, splices in changes:
        items = edited(items, change)
        behind = behind if members is None else members
        for one in (written(before, name, items, behind, comma), spliced(body, splices)):
            assert reader.asked(dialect, target, one) == asked(dialect, target, one)
            body = one


def conversations(count: int, *more: dict[str, Any]) -> Iterator[bytes]:
    for turn in range(1, count):
        items = [
            one
            for at in range(turn)
            for one in (spoken("user", text(f"ask {at}")), spoken("assistant", text("x" * 900)), *more)
        ]
        yield json.dumps({"model": "m", "messages": items, "tools": [TOOL], "stream": True}).encode()


def test_the_next_turn_reads_what_is_new_however_much_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counting(target: str, rest: bytes, left: Left) -> Asked | None:
        read.append(len(rest))
        return asked_with(target, rest, left)

    monkeypatch.setattr(rereading, "asked_with", counting)
    reader = Reader()
    for turn, body in enumerate(conversations(60), 1):
        found = reader.asked("anthropic", "/v1/messages", body)
        assert found is not None
        assert (found.prompt, len(found.earlier)) == (f"ask {turn - 1}", turn - 1)
    assert len(read) == 59
    assert max(read) < 3_000


@pytest.mark.parametrize("mark", [{"type": "compaction_trigger"}, {"type": "additional_tools"}])
def test_an_item_that_says_what_the_request_is_for_says_so_when_it_was_read_before(mark: dict[str, Any]) -> None:
    reader = Reader()
    for turn in range(1, 6):
        items = [mark, *[user(f"ask {at}") for at in range(turn)]]
        body = json.dumps({"model": "m", "input": items}).encode()
        found = reader.asked("openai", "/v1/responses", body)
        assert found == asked("openai", "/v1/responses", body)
        assert found is not None
        assert (found.summary, found.repeats) == (mark["type"] == "compaction_trigger",) * 2


def test_what_stands_twice_in_a_later_turn_is_read_with_all_that_was_left_out() -> None:
    """Promise 1 of judging: two readers could read it differently, so all of its text is the prompt."""
    reader = Reader()
    for body in conversations(4):
        reader.asked("anthropic", "/v1/messages", body)
    for more in (b',"messages":["b"]}', b',"MESSAGES":["b"]}', b',"model":"z"}', b',"requests":[{"model":"r"}]}'):
        both = body[:-1] + more
        assert reader.asked("anthropic", "/v1/messages", both) == asked("anthropic", "/v1/messages", both)


def test_a_list_of_very_many_items_is_read_and_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wrapper.gateway.requests._MOST_ITEMS", 100)
    reader = Reader()
    for count, held in ((99, 1), (200, 0)):
        body = b'{"model":"m%d","messages":[' % count + b"1," * count + b"1]}"
        assert reader.asked("anthropic", "/v1/messages", body) == asked("anthropic", "/v1/messages", body)
        assert [read.data for read, _ in reader._earlier._held if read.data == body] == [body] * held


def test_what_is_held_stays_within_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rereading, "_MOST", 100_000)
    reader = Reader()
    for talk in range(20):
        for body in conversations(12, spoken("assistant", text(f"of {talk}"))):
            reader.asked("anthropic", "/v1/messages", body)
    assert 10_000 < reader._earlier.size <= 100_000
    assert sum(len(held.data) for held, _ in reader._earlier._held) <= 100_000

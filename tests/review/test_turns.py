import json
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.recording import ended, start_event
from tests.review.conversing import (
    answer,
    answers,
    asks,
    gives,
    in_events,
    in_lines,
    item_text,
    openai,
    record,
    request,
    response,
    says,
    streamed,
)
from wrapper.audit.reader import Record
from wrapper.review.turns import Answer, Call, Prompt, Result, Turn, Turns, Usage

CALL = ("t-1", "Bash", {"command": "ls"})


def told(records: Iterable[Record]) -> list[Turn]:
    turns = Turns()
    return [turn for one in records for turn in turns.feed(one)]


def short(records: Iterable[Record]) -> list[str]:
    """Give what was said as `kind text`; usage left out."""
    lines = []
    for turn in told(records):
        match turn:
            case Prompt() | Answer():
                lines.append(f"{type(turn).__name__.lower()} {turn.text}")
            case Call():
                lines.append(
                    f"call {turn.tool} {turn.input if isinstance(turn.input, str) else json.dumps(turn.input)}"
                )
            case Result():
                lines.append(f"{'failed' if turn.is_error else 'result'} {turn.text}")
            case Usage():
                pass
    return lines


CONVERSATION = [
    asks(1, "fix it"),
    answers(1, "I look.", CALL),
    asks(2, "fix it", says("I look.", CALL), gives("t-1", "a.py")),
    answers(2, "Done."),
    asks(3, "fix it", says("I look.", CALL), gives("t-1", "a.py"), says("Done."), "thanks"),
    answers(3, "Welcome."),
]


def test_each_thing_is_said_once_and_in_order() -> None:
    assert short(CONVERSATION) == [
        "prompt fix it",
        "answer I look.",
        'call Bash {"command": "ls"}',
        "result a.py",
        "answer Done.",
        "prompt thanks",
        "answer Welcome.",
    ]


def test_a_turn_names_its_record_its_time_and_its_request() -> None:
    turns = told(CONVERSATION[:2])
    assert [(turn.sequence, turn.at, turn.request) for turn in turns[:2]] == [
        (CONVERSATION[0].sequence, 2.0, 1),
        (CONVERSATION[1].sequence, 3.0, 1),
    ]


def test_a_request_that_is_sent_again_says_nothing_new() -> None:
    assert short(
        [*CONVERSATION, asks(4, "fix it", says("I look.", CALL), gives("t-1", "a.py"), says("Done."), "thanks")]
    ) == (short(CONVERSATION))


def test_the_same_prompt_twice_is_said_twice() -> None:
    assert short([asks(1, "go"), answers(1, "Yes."), asks(2, "go", says("Yes."), "go")]) == [
        "prompt go",
        "answer Yes.",
        "prompt go",
    ]


def test_a_conversation_that_begins_anew_with_the_same_prompt_is_said_again() -> None:
    first = [asks(1, "go"), answers(1, "Yes."), asks(2, "go", says("Yes."), "more")]
    assert short([*first, asks(3, "go")])[-1] == "prompt go"


def test_a_prompt_in_place_of_an_earlier_one_is_said() -> None:
    later = asks(3, "go", says("Yes."), "no, this")
    assert (
        short([asks(1, "go"), answers(1, "Yes."), asks(2, "go", says("Yes."), "that"), later])[-1] == "prompt no, this"
    )


def test_a_result_that_the_client_shortens_later_is_not_said_again() -> None:
    shortened = asks(3, "fix it", says("I look.", CALL), gives("t-1", "[cleared]"), says("Done."), "thanks")
    assert "[cleared]" not in " ".join(short([*CONVERSATION[:4], shortened]))


def test_an_id_that_is_called_again_has_a_result_again() -> None:
    again = [asks(4, "other"), answers(4, "", CALL), asks(5, "other", says("", CALL), gives("t-1", "a.py"))]
    assert short([*CONVERSATION, *again])[-3:] == ["prompt other", 'call Bash {"command": "ls"}', "result a.py"]


def test_what_an_earlier_session_said_is_told_from_the_request_that_carries_it() -> None:
    resumed = asks(1, "fix it", says("I look.", CALL), gives("t-1", "a.py"), says("Done."), "thanks")
    assert short([resumed]) == [
        "prompt fix it",
        "answer I look.",
        'call Bash {"command": "ls"}',
        "result a.py",
        "answer Done.",
        "prompt thanks",
    ]


@pytest.mark.parametrize(
    "wrapped",
    [
        "<system-reminder>\nnot me\n</system-reminder>",
        "# AGENTS.md instructions for /w\n\n<INSTRUCTIONS>\nnot me\n</INSTRUCTIONS>",
        "<environment_context><cwd>not me</cwd></environment_context>\n<user_instructions>not me</user_instructions>\n",
    ],
)
def test_what_clients_write_in_the_users_name_is_no_prompt(wrapped: str) -> None:
    blocks = [{"type": "text", "text": wrapped}, {"type": "text", "text": "do it"}]
    assert short([asks(1, {"role": "user", "content": blocks})]) == ["prompt do it"]
    assert short([request(1, {"input": [item_text("user", wrapped), item_text("user", "do it")]})]) == ["prompt do it"]


@pytest.mark.parametrize(
    "typed",
    ["<div>centre this</div>", "<b>x</b> is wrong", "<system-reminder>a</system-reminder> and this", "a <i-b>c</i-b>",
     "<command-name>/review</command-name><command-args>all of it</command-args>"],
)  # fmt: skip
def test_what_a_user_typed_with_tags_in_it_is_a_prompt(typed: str) -> None:
    assert short([asks(1, typed)]) == [f"prompt {typed}"]


def test_what_the_user_types_while_tools_run_is_a_prompt() -> None:
    note = (
        "The user sent a new message while you were working:\nstop\n\nIMPORTANT: After completing your current task, …"
    )
    assert short([asks(1, "go", {"role": "system", "content": note})]) == ["prompt go", "prompt stop"]


@pytest.mark.parametrize(
    "text",
    ["<a-b></a-b>" * 40_000 + "x", "<a-b>" * 40_000, " " * 200_000 + "x", "<a-b></a-b> " * 40_000 + "x"],
)
def test_no_text_takes_long_to_tell_from_what_clients_write(text: str) -> None:
    begin = time.process_time()
    told([asks(1, text)])
    assert time.process_time() - begin < 2


def test_a_request_without_tools_is_an_aside() -> None:
    title, plain = told([asks(1, "give a title", tools=False), asks(2, "go")])
    assert [turn.aside for turn in (title, plain) if isinstance(turn, Prompt)] == [True, False]


def test_thinking_and_system_prompts_are_not_told() -> None:
    whole = answer({"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]})
    assert short([asks(1, "go", system="be brief"), response(1, streamed(whole))]) == ["prompt go"]


WAYS = [lambda whole: json.dumps(whole).encode(), in_events, in_lines]
ITEMS: list[dict[str, Any]] = [
    item_text("assistant", "I look."),
    {"type": "function_call", "call_id": "c-1", "name": "exec_command", "arguments": '{"cmd": "ls"}'},
    {"type": "custom_tool_call", "call_id": "c-2", "name": "apply_patch", "input": "*** Begin Patch"},
]


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_of_openai_is_read_however_it_came(way: Any) -> None:
    items = [item | {"status": "completed"} for item in ITEMS]
    assert short([response(1, way(openai(items)))]) == [
        "answer I look.",
        'call exec_command {"cmd": "ls"}',
        "call apply_patch *** Begin Patch",
    ]


def test_later_messages_of_a_websocket_hold_only_what_is_new() -> None:
    first = {"type": "response.create", "model": "g", "tools": [{}], "input": [item_text("user", "go")]}
    output = {"type": "function_call_output", "call_id": "c-1", "output": "Process exited with code 1\nOutput:\nno"}
    later = {"type": "response.create", "previous_response_id": "resp_0001", "input": [output, item_text("user", "go")]}
    turns = told([request(1, first), response(1, in_lines(openai(ITEMS))), request(2, later)])
    assert [type(turn) for turn in turns] == [Prompt, Answer, Call, Call, Usage, Result, Prompt]
    failed = turns[5]
    assert isinstance(failed, Result)
    assert failed.is_error
    assert all(not turn.aside for turn in turns if isinstance(turn, Prompt))


def test_a_conversation_that_is_sent_whole_after_a_websocket_broke_says_nothing_twice() -> None:
    first = {"type": "response.create", "tools": [{}], "input": [item_text("user", "go")]}
    output = {"type": "function_call_output", "call_id": "c-1", "output": "a.py"}
    later = {"previous_response_id": "resp_0001", "input": [output, item_text("user", "more")]}
    whole = {"tools": [{}], "input": [item_text("user", "go"), *ITEMS, output, item_text("user", "more")]}
    records = [request(1, first), response(1, in_lines(openai(ITEMS))), request(2, later)]
    assert short([*records, request(3, whole)]) == short(records)


def test_a_result_in_blocks_is_joined_and_an_image_is_named() -> None:
    blocks = [{"type": "text", "text": "a\n"}, {"type": "text", "text": "b"}, {"type": "image", "source": {}}]
    assert short([asks(1, gives("t", blocks, is_error=True))]) == ["failed a\nb\n[image]"]


@pytest.mark.parametrize("kept", [0.5, 0.7, 0.9])
def test_an_answer_that_broke_off_is_told_as_far_as_it_came(kept: float) -> None:
    body = streamed(answer(says("I look around here.", CALL)))
    said = short([response(1, body[: int(len(body) * kept)], complete=False)])
    assert said
    assert all(line.startswith(("answer I look", "call Bash")) for line in said)


def test_the_tokens_of_an_answer_do_not_overlap() -> None:
    used = {
        "input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 300,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}, "output_tokens": 7,
    }  # fmt: skip
    (turn,) = told([response(1, json.dumps(answer({"role": "assistant", "content": []}, used)).encode())])
    assert isinstance(turn, Usage)
    assert (turn.input, turn.cache_read, turn.cache_write, turn.output, turn.cache_write_1h) == (1, 20, 300, 7, 200)
    usage = {
        "input_tokens": 100, "input_tokens_details": {"cached_tokens": 70, "cache_write_tokens": 20},
        "output_tokens": 9, "total_tokens": 109,
    }  # fmt: skip
    turn = told([response(1, in_events(openai([], usage=usage)))])[0]
    assert isinstance(turn, Usage)
    assert (turn.model, turn.input, turn.cache_read, turn.cache_write, turn.output) == ("g-1", 10, 70, 20, 9)


def test_the_model_of_an_answer_that_names_none_is_the_one_that_was_asked() -> None:
    body = json.dumps({"type": "message", "content": [], "usage": {"input_tokens": 1}}).encode()
    usage = told([asks(1, "go"), response(1, body)])[-1]
    assert isinstance(usage, Usage)
    assert usage.model == "m-1"


def test_other_records_say_nothing() -> None:
    assert told([record(start_event()), record(ended())]) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["type", "role", "content", "messages", "input", "text", "output", "id", "call_id", "name", "arguments", "tools",
     "message", "delta", "index", "usage", "response", "item", "tool_use_id", "model", "previous_response_id",
     "output_index", "content_block", "object", "edits", "action", "metadata", "input_tokens_details"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["user", "assistant", "text", "message", "tool_use", "tool_result", "function_call", "custom_tool_call_output",
     "response.completed", "response.output_item.done", "response.output_text.delta", "content_block_delta",
     "content_block_start", "message_start", "message_delta", "response", "input_text", "local_shell_call"]
)  # fmt: skip
SHAPED = st.recursive(
    WORDS | JSON,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)


@given(
    st.lists(SHAPED | st.binary(), max_size=4), st.lists(SHAPED, max_size=6), st.sampled_from(["whole", "sse", "lines"])
)
def test_no_body_makes_it_raise(asked: list[Any], came: list[Any], way: str) -> None:
    lines = [json.dumps(one).encode() for one in came]
    bodies = {
        "whole": b"".join(lines),
        "sse": b"".join(b"data: %b\n\n" % line for line in lines),
        "lines": b"\n".join(lines),
    }
    records = [request(number, body) for number, body in enumerate(asked)]
    for turn in told([*records, response(0, bodies[way]), *records]):
        assert isinstance(turn, Prompt | Answer | Call | Result | Usage)


@given(st.integers(0, 3000))
def test_however_an_answer_is_cut_it_says_a_beginning_of_what_it_would_have(end: int) -> None:
    body = streamed(answer(says("one two three four five", CALL)))
    whole = short([response(1, body)])
    cut = short([response(1, body[:end])])
    assert len(cut) <= len(whole)
    if cut:
        assert whole[0].startswith(cut[0])


def test_a_body_nested_too_deep_says_nothing() -> None:
    deep = b'{"messages":[{"role":"user","content":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}"
    assert told([request(1, deep), response(1, b'{"type":"message","content":' + b"[" * 100_000)]) == []


def test_what_is_remembered_does_not_grow_with_the_session() -> None:
    turns = Turns()
    for number in range(300):
        turns.feed(asks(number, f"prompt {number} " + "x" * 1000))
        turns.feed(response(number, json.dumps({"id": f"r-{number}", "object": "response", "output": []}).encode()))
    assert len(turns._conversations) <= 256
    assert len(turns._ids) <= 256

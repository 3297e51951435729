"""Denials in the provider's own shapes; what real clients make of them: tests/clients/test_denials.py."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway import anthropic, openai
from wrapper.gateway.denial import denial, denial_messages, wording
from wrapper.gateway.dialect import Dialect
from wrapper.gateway.requests import Asked
from wrapper.policy.model import Layer, Rule

SAID = "safe-agent: this request was not sent: \N{SNOWMAN}.\n\nWhat you can do: nothing."
ASKED = Asked("m-1", "write a benchmark", stream=True)
WHOLE = Asked("m-1", "write a benchmark", stream=False)
CLAUDE, CODEX = anthropic.DIALECT, openai.DIALECT
TEXTS = st.text() | st.just("a\r\n\ndata: {}\n\nevent: x\n\u2028\x85b")


def events(body: bytes) -> list[dict[str, Any]]:
    """Read server-sent events; each has one line of data, and an event's name is its type."""
    found = []
    for block in body.decode().split("\n\n")[:-1]:
        *name, data = block.split("\n")
        document = json.loads(data.removeprefix("data: ")) if data != "data: [DONE]" else {"type": "[DONE]"}
        assert not name or name == [f"event: {document['type']}"]
        found.append(document)
    assert body.endswith(b"\n\n")
    return found


@given(TEXTS, st.text())
def test_a_message_of_claude_says_it_and_ends_the_turn(text: str, model: str) -> None:
    answer = denial(CLAUDE, "/v1/messages?beta=true", Asked(model, "x", stream=True), text)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    start, opened, delta, closed, ending, stop = events(answer.body)
    assert (start["type"], stop["type"]) == ("message_start", "message_stop")
    assert start["message"]["model"] == model
    assert (opened["type"], closed["type"]) == ("content_block_start", "content_block_stop")
    assert delta["delta"] == {"type": "text_delta", "text": text}
    assert ending["delta"]["stop_reason"] == "end_turn"
    assert ending["usage"]["output_tokens"] == 0


def test_a_message_of_claude_can_be_whole() -> None:
    answer = denial(CLAUDE, "/v1/messages", WHOLE, SAID)
    message = json.loads(answer.body)
    assert answer.headers["Content-Type"] == "application/json"
    assert message["content"] == [{"type": "text", "text": SAID}]
    assert (message["role"], message["stop_reason"], message["type"]) == ("assistant", "end_turn", "message")


@given(TEXTS)
def test_a_response_of_codex_says_it_and_completes(text: str) -> None:
    answer = denial(CODEX, "/backend-api/codex/responses", ASKED, text)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    found = events(answer.body)
    assert [one["type"].removeprefix("response.") for one in found] == [
        "created", "output_item.added", "content_part.added", "output_text.delta", "output_text.done",
        "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    assert [one["sequence_number"] for one in found] == list(range(8))
    whole = found[-1]["response"]
    assert (whole["status"], whole["model"], whole["error"]) == ("completed", "m-1", None)
    assert whole["output"][0]["content"][0]["text"] == found[3]["delta"] == text
    assert whole["output"] == [found[6]["item"]]
    assert found[0]["response"] | {"status": "completed", "output": whole["output"], "usage": whole["usage"]} == whole


def test_a_response_can_be_whole() -> None:
    document = json.loads(denial(CODEX, "/v1/responses", WHOLE, SAID).body)
    assert document["output"][0]["content"][0]["text"] == SAID
    assert document["object"] == "response"


@pytest.mark.parametrize("dialect", [CLAUDE, CODEX])
def test_chat_completions_say_it_and_stop(dialect: Dialect) -> None:
    *chunks, end = events(denial(dialect, "/openai/v1/chat/completions", ASKED, SAID).body)
    assert "".join(one["choices"][0]["delta"].get("content", "") for one in chunks) == SAID
    assert [one["choices"][0]["finish_reason"] for one in chunks] == [None, "stop"]
    assert end == {"type": "[DONE]"}
    whole = json.loads(denial(dialect, "/chat/completions/", WHOLE, SAID).body)
    assert whole["choices"][0]["message"]["content"] == SAID
    assert whole["choices"][0]["finish_reason"] == "stop"


def test_old_completions_say_it_and_stop() -> None:
    document = json.loads(denial(CODEX, "/v1/completions", WHOLE, SAID).body)
    assert (document["choices"][0]["text"], document["choices"][0]["finish_reason"]) == (SAID, "stop")
    first, _ = events(denial(CODEX, "/v1/completions", ASKED, SAID).body)
    assert first["choices"][0]["text"] == SAID


@pytest.mark.parametrize(
    ("dialect", "target", "asked"),
    [
        (CLAUDE, "/v1/messages/count_tokens?beta=true", ASKED),
        (CLAUDE, "/v1/messages/batches", WHOLE),
        (CLAUDE, "/v1/files", None),
        (CLAUDE, "/v1/messages", None),
        (CLAUDE, "/v1/messages", Asked("m", "sum it up", stream=True, summary=True)),
        (CODEX, "/v1/responses/compact", ASKED),
        (CODEX, "/v1/responses", Asked("m", "sum it up", stream=True, summary=True)),
        (CODEX, "/v1/embeddings", WHOLE),
        (CODEX, "/v1/models", None),
    ],
)
def test_where_no_words_are_asked_for_it_is_an_error_that_is_final(
    dialect: Dialect, target: str, asked: Asked | None
) -> None:
    answer = denial(dialect, target, asked, SAID)
    assert answer.status == 400
    assert answer.headers["x-should-retry"] == "false"
    assert answer.body == dialect.error(400, SAID)


@given(TEXTS)
def test_websocket_messages_are_the_events_without_an_id_to_build_on(text: str) -> None:
    messages = [json.loads(one) for one in denial_messages(CODEX, ASKED, text)]
    streamed = events(denial(CODEX, "/v1/responses", ASKED, text).body)
    assert [one["type"] for one in messages] == [one["type"] for one in streamed]
    assert messages[-1]["response"]["id"] == ""
    assert messages[-1]["response"]["output"] == streamed[-1]["response"]["output"]


def test_a_websocket_message_that_asks_nothing_is_answered_by_an_error() -> None:
    for asked in (None, Asked("m", "", stream=True, summary=True)):
        [message] = denial_messages(CODEX, asked, SAID)
        document = json.loads(message)
        assert (document["type"], document["status"], document["error"]["message"]) == ("error", 400, SAID)


def test_two_denials_of_one_conversation_are_two_messages() -> None:
    later = Asked("m-1", "write a benchmark", stream=False, earlier=("write a benchmark",))
    for dialect, target in ((CLAUDE, "/v1/messages"), (CODEX, "/v1/responses"), (CODEX, "/v1/chat/completions")):
        first, again, second = (
            json.loads(denial(dialect, target, asked, SAID).body)["id"] for asked in (WHOLE, WHOLE, later)
        )
        assert first == again != second


def test_the_wording_names_who_what_why_where_and_what_to_do() -> None:
    rule = Rule("secret code name", "deny", Layer.ORGANISATION, "/etc/p.toml", 3)
    assert wording("it is late", "Sleep.", rule, "wait") == (
        "safe-agent: this request was not sent: it is late. Reason: Sleep. It says so in the organisation policy, "
        "/etc/p.toml:3.\n\nWhat you can do: wait."
    )
    assert wording("it is late", "", None, "wait") == (
        "safe-agent: this request was not sent: it is late.\n\nWhat you can do: wait."
    )

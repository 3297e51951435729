import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import Origin, Vault
from wrapper.gateway import anthropic, openai
from wrapper.gateway.dialect import Dialect
from wrapper.gateway.incoming import Inward
from wrapper.gateway.restore import StreamRestorer, held_back, restore_document
from wrapper.gateway.sse import EventParser, ServerSentEvent

VAULT = Vault(bytes(32))
INSIDE = VAULT.issue("PASSWORD", b'in"side\\\n\xc3\xa4', Origin.INSIDE)
PLAIN = VAULT.issue("TOKEN", b"plainvalue", Origin.INSIDE)
OUTSIDE = VAULT.issue("KEY", b"outsidevalue", Origin.OUTSIDE)
FRAGMENTS = st.sampled_from(
    [INSIDE, PLAIN, OUTSIDE, "MASKED-", "MASKED-X-00000000", "M", "A", "-", "x ", "\n", '"', "é", "😀", "MASKED", " "]
)
TEXTS = st.lists(FRAGMENTS, max_size=12).map("".join)


class NothingKnown:
    def find(self, data: bytes) -> list[Any]:
        assert isinstance(data, bytes)
        return []


FILL = Inward(VAULT, NothingKnown(), ()).fill


def sent(*documents: Mapping[str, Any]) -> list[ServerSentEvent]:
    return [ServerSentEvent(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode()) for one in documents]


def restored(dialect: Dialect, events: list[ServerSentEvent]) -> list[dict[str, Any]]:
    restorer = StreamRestorer(dialect, FILL)
    out = b"".join(restorer.event(event) for event in events) + restorer.end()
    return [json.loads(event.data) for event in EventParser().feed(out)]


def pieces(text: str, places: list[int]) -> list[str]:
    borders = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in itertools.pairwise(borders)]


def claude_text(text: str, index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}


def claude_input(text: str, index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": text}}


def claude_stop(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def codex_text(text: str, item: str = "i") -> dict[str, Any]:
    return {"type": "response.output_text.delta", "item_id": item, "content_index": 0, "delta": text}


def codex_arguments(text: str, item: str = "i") -> dict[str, Any]:
    return {"type": "response.function_call_arguments.delta", "item_id": item, "delta": text}


def codex_done(item: str = "i") -> dict[str, Any]:
    return {"type": "response.output_text.done", "item_id": item, "content_index": 0, "text": "t"}


CASES: list[tuple[Dialect, Callable[[str], dict[str, Any]], dict[str, Any], tuple[str, ...], bool]] = [
    (anthropic.DIALECT, claude_text, claude_stop(), ("delta", "text"), False),
    (anthropic.DIALECT, claude_input, claude_stop(), ("delta", "partial_json"), True),
    (openai.DIALECT, codex_text, codex_done(), ("delta",), False),
    (
        openai.DIALECT,
        codex_arguments,
        {"type": "response.function_call_arguments.done", "item_id": "i"},
        ("delta",),
        True,
    ),
]


def text_at(event: Mapping[str, Any], path: tuple[str, ...]) -> str:
    value: Any = event
    for name in path:
        value = value.get(name, "")
    return str(value)


@pytest.mark.parametrize("case", CASES)
@given(text=TEXTS, places=st.lists(st.integers(0, 500), max_size=20))
def test_the_deltas_joined_are_the_restored_text_however_it_was_cut(
    case: tuple[Dialect, Callable[[str], dict[str, Any]], dict[str, Any], tuple[str, ...], bool],
    text: str,
    places: list[int],
) -> None:
    dialect, delta, stop, path, nested = case
    out = restored(dialect, sent(*(delta(piece) for piece in pieces(text, places)), stop))
    joined = "".join(text_at(event, path) for event in out if str(event["type"]).endswith("delta"))
    assert joined == FILL(text, nested)
    assert out[-1] == stop


def test_a_value_in_tool_arguments_is_escaped_so_that_the_arguments_stay_json() -> None:
    text = json.dumps({"command": f"echo {INSIDE} {OUTSIDE}"})
    out = restored(anthropic.DIALECT, sent(*(claude_input(piece) for piece in text), claude_stop()))
    joined = "".join(event["delta"]["partial_json"] for event in out[:-1])
    assert json.loads(joined) == {"command": f'echo in"side\\\nä {OUTSIDE}'}


def test_what_is_held_back_comes_before_the_event_that_closes_the_text() -> None:
    out = restored(anthropic.DIALECT, sent(claude_text(f"see {PLAIN[:-1]}"), claude_text(PLAIN[-1]), claude_stop()))
    assert [event["type"] for event in out] == ["content_block_delta"] * 3 + ["content_block_stop"]
    assert [event["delta"]["text"] for event in out[:-1]] == ["see ", "", "plainvalue"]


def test_what_is_held_back_comes_out_when_the_stream_ends_without_closing() -> None:
    out = restored(openai.DIALECT, sent(codex_text("MASK")))
    assert [event["delta"] for event in out] == ["", "MASK"]


def test_texts_of_several_blocks_do_not_mix() -> None:
    first, second = PLAIN[:10], PLAIN[10:]
    out = restored(
        anthropic.DIALECT,
        sent(claude_text(first, 0), claude_text(first, 1), claude_text(second, 1), claude_text(second + ".", 0)),
    )
    by_block = {index: "".join(e["delta"]["text"] for e in out if e["index"] == index) for index in (0, 1)}
    assert by_block == {0: "plainvalue.", 1: "plainvalue"}


def test_a_ping_between_two_halves_of_a_placeholder_does_not_tear_it() -> None:
    out = restored(
        anthropic.DIALECT, sent(claude_text(PLAIN[:9]), {"type": "ping"}, claude_text(PLAIN[9:]), claude_stop())
    )
    assert "".join(event.get("delta", {}).get("text", "") for event in out) == "plainvalue"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": PLAIN}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": PLAIN}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": PLAIN}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "redacted_thinking", "data": PLAIN}},
    ],
)
def test_what_claude_thinks_is_not_touched(event: dict[str, Any]) -> None:
    [original] = sent(event)
    assert StreamRestorer(anthropic.DIALECT, FILL).event(original) == original.raw


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.reasoning_text.delta", "item_id": "r", "delta": PLAIN},
        {"type": "response.reasoning_summary_text.done", "item_id": "r", "text": PLAIN},
        {
            "type": "response.output_item.done",
            "item": {"type": "reasoning", "summary": [PLAIN], "encrypted_content": "x"},
        },
    ],
)
def test_what_codex_reasons_is_not_touched(event: dict[str, Any]) -> None:
    [original] = sent(event)
    assert StreamRestorer(openai.DIALECT, FILL).event(original) == original.raw


@pytest.mark.parametrize(
    ("event", "path", "expected"),
    [
        ({"type": "response.output_text.done", "item_id": "i", "text": PLAIN}, ("text",), "plainvalue"),
        (
            {"type": "response.function_call_arguments.done", "item_id": "i", "arguments": json.dumps({"c": INSIDE})},
            ("arguments",),
            json.dumps({"c": 'in"side\\\nä'}, ensure_ascii=False),
        ),
        (
            {"type": "response.output_item.done", "item": {"type": "custom_tool_call", "input": f"run({PLAIN})"}},
            ("item", "input"),
            "run(plainvalue)",
        ),
    ],
)
def test_the_whole_copies_at_the_end_of_an_item_are_restored(
    event: dict[str, Any], path: tuple[str, ...], expected: str
) -> None:
    [out] = restored(openai.DIALECT, sent(event))
    assert text_at(out, path) == expected


@given(st.lists(st.sampled_from(["text", "ping", ": note\n\n", "data: [DONE]\n\n", "data: {broken\n\n"]), max_size=9))
def test_a_stream_without_placeholders_passes_byte_for_byte(kinds: list[str]) -> None:
    named = {"text": sent(claude_text('  x "y" é'))[0].raw, "ping": b'data:{ "type" : "ping" }\r\n\r\n'}
    raw = b"".join(named.get(kind, kind.encode()) for kind in kinds)
    restorer = StreamRestorer(anthropic.DIALECT, FILL)
    assert b"".join(restorer.event(event) for event in EventParser().feed(raw)) + restorer.end() == raw


def test_a_document_is_restored_field_by_field() -> None:
    document = {
        "content": [
            {"type": "thinking", "thinking": PLAIN, "signature": PLAIN},
            {"type": "text", "text": f"{INSIDE}{OUTSIDE}"},
            {"type": "tool_use", "input": {"command": [PLAIN]}},
        ]
    }
    out = json.loads(restore_document(json.dumps(document).encode(), anthropic.DIALECT, FILL))
    assert out["content"][0] == document["content"][0]
    assert out["content"][1]["text"] == f'in"side\\\nä{OUTSIDE}'
    assert out["content"][2]["input"] == {"command": ["plainvalue"]}


def test_a_document_that_only_holds_values_of_the_outside_passes_byte_for_byte() -> None:
    data = b'{ "text" :  "' + OUTSIDE.encode() + b'" }'
    assert restore_document(data, anthropic.DIALECT, FILL) == data


def test_a_lone_surrogate_beside_a_placeholder_survives() -> None:
    [out] = restored(anthropic.DIALECT, sent(claude_text(f"\ud83d {PLAIN} ")))
    assert out["delta"]["text"] == "\ud83d plainvalue "


def test_a_value_that_is_no_text_stays_a_placeholder() -> None:
    vault = Vault(bytes(32))
    placeholder = vault.issue("BLOB", b"\xff\xfe binary", Origin.INSIDE)
    assert Inward(vault, NothingKnown(), ()).fill(placeholder, False) == placeholder


@given(TEXTS)
def test_what_is_not_held_back_can_no_longer_become_a_placeholder(text: str) -> None:
    border = held_back(text)
    for end in ("", "MASKED-K-00000000", "ASKED-TOKEN-00000000", "-00000000 "):
        assert FILL(text[:border], False) + FILL(text[border:] + end, False) == FILL(text + end, False)


def test_an_endless_run_is_not_held_back_for_ever() -> None:
    text = "MASKED-" + "A" * 10_000
    assert held_back(text) == len(text)

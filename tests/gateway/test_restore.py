"""Values of the inside come back however an answer is cut; values of the outside never do."""

import ast
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import KnownValues, Origin, Vault
from wrapper.gateway import anthropic, openai
from wrapper.gateway.dialect import Dialect
from wrapper.gateway.incoming import Inward
from wrapper.gateway.parts import Event, Message, StreamEditor, read
from wrapper.gateway.quoting import Quoting
from wrapper.gateway.restore import held_back, restore_document, restore_event
from wrapper.gateway.sse import EventParser, ServerSentEvent

ODD = 'in"side\\\nä`${'
VAULT = Vault(bytes(32))
INSIDE = VAULT.issue("PASSWORD", ODD.encode(), Origin.INSIDE)
PLAIN = VAULT.issue("TOKEN", b"plainvalue", Origin.INSIDE)
OUTSIDE = VAULT.issue("KEY", b"outsidevalue", Origin.OUTSIDE)
FOREIGN = "MASKED-X-00000000"
NEAR = [INSIDE.lower(), INSIDE[:-1], f"MASKED-KEY{PLAIN[-9:]}", OUTSIDE.replace("-", "_")]
PIECES = [INSIDE, PLAIN, OUTSIDE, FOREIGN, *NEAR, "MASKED-", "M", "A", "-", "x ", "\n", '"', "é", "😀", "MASKED", " "]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
CUTS = st.lists(st.integers(0, 500), max_size=20)


def inward(vault: Vault = VAULT) -> Inward:
    return Inward(vault, KnownValues(vault), ())


def editor(dialect: Dialect) -> StreamEditor:
    begin = inward().filling
    return StreamEditor(dialect, begin, lambda event, reading: restore_event(event, dialect, reading, begin))


def filled(text: str, quoting: Quoting = Quoting.TEXT) -> str:
    part = inward().filling(quoting)
    return part.feed(text) + part.end()


def by_hand(text: str) -> str:
    """What is meant, said without any of the code that is tested: two values, wherever their placeholders stand."""
    return text.replace(INSIDE, ODD).replace(PLAIN, "plainvalue")


def sent(*documents: Mapping[str, Any]) -> list[ServerSentEvent]:
    return [ServerSentEvent(f"event: {one.get('type', '')}\ndata: {json.dumps(one)}\n\n".encode()) for one in documents]


def restored(dialect: Dialect, events: list[ServerSentEvent]) -> list[dict[str, Any]]:
    restorer = editor(dialect)
    out = [one for event in events for one in restorer.event(read(event))] + restorer.end()
    raw = b"".join(one.frame.raw for one in out)
    return [json.loads(event.data) for event in EventParser().feed(raw) if event.data != b"[DONE]"]


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


def codex_input(text: str, item: str = "i") -> dict[str, Any]:
    return {"type": "response.custom_tool_call_input.delta", "item_id": item, "delta": text}


def codex_done(item: str = "i") -> dict[str, Any]:
    return {"type": "response.output_text.done", "item_id": item, "content_index": 0, "text": "t"}


def tool(name: str, item: str = "i") -> dict[str, Any]:
    inner = {"type": "custom_tool_call", "id": item, "call_id": "c", "name": name, "input": ""}
    return {"type": "response.output_item.added", "output_index": 0, "item": inner}


def chunk(delta: Mapping[str, Any], index: int = 0, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def chat_text(text: str) -> dict[str, Any]:
    return chunk({"content": text})


def chat_arguments(text: str) -> dict[str, Any]:
    return chunk({"tool_calls": [{"index": 0, "function": {"arguments": text}}]})


class Case(NamedTuple):
    """A kind of text in a stream: how it begins, comes and ends, where it stands in an event, and what it is."""

    dialect: Dialect
    first: list[dict[str, Any]]
    delta: Callable[[str], dict[str, Any]]
    stop: dict[str, Any]
    path: tuple[str | int, ...]
    quoting: Quoting


CASES = {
    "Claude's text": Case(
        anthropic.DIALECT, [], claude_text, claude_stop(), ("delta", "text"), Quoting.TEXT
    ),
    "Claude's tool input": Case(
        anthropic.DIALECT, [], claude_input, claude_stop(), ("delta", "partial_json"), Quoting.JSON
    ),
    "Codex's text": Case(openai.DIALECT, [], codex_text, codex_done(), ("delta",), Quoting.TEXT),
    "Codex's arguments": Case(
        openai.DIALECT, [], codex_arguments, {"type": "response.function_call_arguments.done", "item_id": "i"},
        ("delta",), Quoting.JSON,
    ),
    "Codex's JavaScript": Case(
        openai.DIALECT, [tool("exec")], codex_input, {"type": "response.custom_tool_call_input.done", "item_id": "i"},
        ("delta",), Quoting.JAVASCRIPT,
    ),
    "Codex's patch": Case(
        openai.DIALECT, [tool("apply_patch")], codex_input, {"type": "response.completed"}, ("delta",), Quoting.TEXT
    ),
    "a chat's text": Case(
        openai.DIALECT, [chunk({"role": "assistant"})], chat_text, chunk({}, finish="stop"),
        ("choices", 0, "delta", "content"), Quoting.TEXT,
    ),
    "a chat's arguments": Case(
        openai.DIALECT, [], chat_arguments, chunk({}, finish="tool_calls"),
        ("choices", 0, "delta", "tool_calls", 0, "function", "arguments"), Quoting.JSON,
    ),
}  # fmt: skip


def text_at(event: Any, path: tuple[str | int, ...]) -> str:
    for place in path:
        if isinstance(event, dict):
            event = event.get(str(place), "")
        elif isinstance(event, list) and isinstance(place, int) and place < len(event):
            event = event[place]
        else:
            return ""
    return str(event)


def streamed(case: Case, text: str, places: list[int]) -> str:
    out = restored(case.dialect, sent(*case.first, *(case.delta(piece) for piece in pieces(text, places)), case.stop))
    return "".join(text_at(event, case.path) for event in out)


@pytest.mark.parametrize("name", list(CASES))
@given(text=TEXTS, places=CUTS)
def test_the_deltas_joined_are_the_restored_text_however_it_was_cut(name: str, text: str, places: list[int]) -> None:
    assert streamed(CASES[name], text, places) == filled(text, CASES[name].quoting)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.quoting is Quoting.TEXT])
@given(text=TEXTS, places=CUTS)
def test_text_has_values_for_placeholders_and_is_else_as_it_was(name: str, text: str, places: list[int]) -> None:
    assert streamed(CASES[name], text, places) == by_hand(text)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.quoting is Quoting.JSON])
@given(text=TEXTS, places=CUTS, ascii_only=st.booleans())
def test_arguments_mean_what_they_did_with_values_for_placeholders(
    name: str,
    text: str,
    places: list[int],
    ascii_only: bool,  # noqa: FBT001
) -> None:
    arguments = json.dumps({"command": text, "more": [{"é": text}]}, ensure_ascii=ascii_only)
    meant = {"command": by_hand(text), "more": [{"é": by_hand(text)}]}
    assert json.loads(streamed(CASES[name], arguments, places)) == meant


@given(text=TEXTS, places=CUTS)
def test_arguments_that_are_json_in_json_mean_what_they_did(text: str, places: list[int]) -> None:
    arguments = json.dumps({"content": json.dumps({"a": text, "b": json.dumps([text])})})
    out = json.loads(streamed(CASES["Claude's tool input"], arguments, places))
    inner = json.loads(out["content"])
    assert inner["a"] == by_hand(text)
    assert json.loads(inner["b"]) == [by_hand(text)]


@given(text=TEXTS, places=CUTS, mark=st.sampled_from("'\""))
def test_javascript_means_what_it_did_with_values_for_placeholders(text: str, places: list[int], mark: str) -> None:
    literal = text.replace("\n", "\\n").replace('"', '\\"')
    out = streamed(CASES["Codex's JavaScript"], f"f({mark}{literal}{mark})", places)
    content = out[2:-1].replace("\\`", "`").replace("\\$", "$").replace("\\{", "{")  # what Python's literals lack
    assert ast.literal_eval(content) == by_hand(text)


@given(text=TEXTS.filter(lambda text: "\n" not in text), places=CUTS)
def test_a_patch_has_the_value_in_its_lines(text: str, places: list[int]) -> None:
    patch = f"*** Begin Patch\n*** Add File: a\n+{text}\n*** End Patch\n"
    lines = streamed(CASES["Codex's patch"], patch, places).split("\n")[2:-2]
    assert all(line.startswith("+") for line in lines)
    assert "\n".join(line[1:] for line in lines) == by_hand(text)


@pytest.mark.parametrize("name", list(CASES))
@given(text=TEXTS, places=CUTS)
def test_no_text_that_leaves_holds_what_came_from_the_outside(name: str, text: str, places: list[int]) -> None:
    out = streamed(CASES[name], text, places)
    assert "outsidevalue" not in out
    assert out.count(OUTSIDE) == text.count(OUTSIDE)


@given(text=TEXTS, places=CUTS)
def test_messages_are_restored_like_events(text: str, places: list[int]) -> None:
    case = CASES["Codex's JavaScript"]
    documents = [*case.first, *(case.delta(piece) for piece in pieces(text, places)), case.stop]
    restorer = editor(case.dialect)
    out = [one for document in documents for one in restorer.event(read(Message(json.dumps(document).encode())))]
    assert [json.loads(one.frame.raw) for one in out] == restored(case.dialect, sent(*documents))


def test_a_value_in_tool_arguments_is_escaped_so_that_the_arguments_stay_json() -> None:
    text = json.dumps({"command": f"echo {INSIDE} {OUTSIDE}"})
    out = restored(anthropic.DIALECT, sent(*(claude_input(piece) for piece in text), claude_stop()))
    joined = "".join(event["delta"]["partial_json"] for event in out[:-1])
    assert json.loads(joined) == {"command": f"echo {ODD} {OUTSIDE}"}


def test_what_is_held_back_comes_before_the_event_that_closes_the_text() -> None:
    out = restored(anthropic.DIALECT, sent(claude_text(f"see {PLAIN[:-1]}"), claude_text(PLAIN[-1]), claude_stop()))
    assert [event["type"] for event in out] == ["content_block_delta"] * 3 + ["content_block_stop"]
    assert [event["delta"]["text"] for event in out[:-1]] == ["see ", "", "plainvalue"]
    out = restored(anthropic.DIALECT, sent(claude_text("see MASKED"), claude_stop()))
    assert [event["delta"]["text"] for event in out[:-1]] == ["see ", "MASKED"]


def test_what_is_held_back_comes_out_when_the_stream_ends_without_closing() -> None:
    assert [event["delta"] for event in restored(openai.DIALECT, sent(codex_text("MASK")))] == ["", "MASK"]


def test_texts_of_several_blocks_do_not_mix() -> None:
    first, second = PLAIN[:10], PLAIN[10:]
    out = restored(
        anthropic.DIALECT,
        sent(claude_text(first, 0), claude_text(first, 1), claude_text(second, 1), claude_text(second + ".", 0)),
    )
    by_block = {index: "".join(e["delta"]["text"] for e in out if e["index"] == index) for index in (0, 1)}
    assert by_block == {0: "plainvalue.", 1: "plainvalue"}


def test_a_tool_is_told_by_its_own_item() -> None:
    odd = json.dumps(ODD, ensure_ascii=False)[1:-1].replace("`", "\\`").replace("$", "\\$")
    out = restored(
        openai.DIALECT,
        sent(tool("exec", "a"), tool("other", "b"), codex_input(f"'{INSIDE}'", "a"), codex_input(f"'{INSIDE}'", "b")),
    )
    assert [event["delta"] for event in out[2:]] == [f"'{odd}'", f"'{ODD}'"]


def test_a_ping_between_two_halves_of_a_placeholder_does_not_tear_it() -> None:
    out = restored(
        anthropic.DIALECT, sent(claude_text(PLAIN[:9]), {"type": "ping"}, claude_text(PLAIN[9:]), claude_stop())
    )
    assert "".join(event.get("delta", {}).get("text", "") for event in out) == "plainvalue"


def test_the_rest_of_a_chunk_has_no_second_id_or_name() -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "run", "arguments": '{"a":"MAS'}}
    out = restored(openai.DIALECT, sent(chunk({"role": "assistant", "content": "M", "tool_calls": [call]})))
    assert len(out) == 3
    for event in out[1:]:
        [choice] = event["choices"]
        assert (event["id"], choice["index"], choice["finish_reason"]) == ("chatcmpl-1", 0, None)
    assert out[1]["choices"][0]["delta"] == {"content": "M"}
    assert out[2]["choices"][0]["delta"] == {"tool_calls": [{"index": 0, "function": {"arguments": "MAS"}}]}


def test_the_last_part_of_a_chunk_that_finishes_is_whole() -> None:
    [out] = restored(openai.DIALECT, sent(chunk({"content": "see MASKED"}, finish="stop")))
    assert out == chunk({"content": "see MASKED"}, finish="stop")


def test_choices_and_calls_of_a_chunk_do_not_mix() -> None:
    def calls(*parts: str) -> dict[str, Any]:
        inner = [{"index": at, "function": {"arguments": part}} for at, part in enumerate(parts)]
        return {"id": "c", "choices": [{"index": at, "delta": {"tool_calls": inner}} for at in (1, 0)]}

    out = restored(openai.DIALECT, sent(calls(PLAIN[:9], PLAIN[:12]), calls(PLAIN[9:] + " ", PLAIN[12:] + " ")))
    got = [
        call["function"]["arguments"]
        for event in out
        for one in event["choices"]
        for call in one["delta"]["tool_calls"]
    ]
    assert got == [""] * 4 + ["plainvalue "] * 4


def test_what_is_held_back_of_a_chat_comes_before_its_end() -> None:
    restorer = editor(openai.DIALECT)
    out = [
        *restorer.event(read(sent(chat_text("MASK"))[0])),
        *restorer.event(read(ServerSentEvent(b"data: [DONE]\n\n"))),
    ]
    assert [one.frame.data for one in out][-1] == b"[DONE]"
    assert json.loads(out[1].frame.data)["choices"][0]["delta"]["content"] == "MASK"


def test_in_a_changed_event_all_bytes_but_the_text_stay() -> None:
    for text, escaped in ((f"é {PLAIN}.", f"\\u00e9 {PLAIN}."), (f"é {PLAIN}.", f"é {PLAIN}.")):
        line = f'data: {{ "type":"content_block_delta" , "x":1.50,"index":0, "delta":{{"type":"text_delta","text":"{escaped}" }}}}'
        event = ServerSentEvent(f": c\r\nid: 1\r\n{line}\r\n\r\n".encode())
        [out] = editor(anthropic.DIALECT).event(read(event))
        assert json.loads(out.frame.data)["delta"]["text"] == by_hand(text)
        assert out.frame.raw == event.raw.replace(escaped.encode(), by_hand(text).encode())


def test_an_event_whose_text_stands_in_it_twice_is_written_right() -> None:
    event = ServerSentEvent(
        f'data: {{"type":"content_block_delta","index":0,"o":{{"text":"{PLAIN}."}},'
        f'"delta":{{"type":"text_delta","text":"{PLAIN}."}}}}\n\n'.encode()
    )
    [out] = editor(anthropic.DIALECT).event(read(event))
    assert json.loads(out.frame.data)["delta"]["text"] == "plainvalue."
    assert json.loads(out.frame.data)["o"]["text"] == f"{PLAIN}."


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
    assert [one.frame.raw for one in editor(anthropic.DIALECT).event(read(original))] == [original.raw]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.reasoning_text.delta", "item_id": "r", "delta": PLAIN},
        {"type": "response.reasoning_summary_text.done", "item_id": "r", "text": PLAIN},
        {
            "type": "response.output_item.done",
            "item": {"type": "reasoning", "summary": [PLAIN], "encrypted_content": "x"},
        },
        chunk({"reasoning_content": PLAIN}),
    ],
)
def test_what_codex_reasons_is_not_touched(event: dict[str, Any]) -> None:
    [original] = sent(event)
    assert [one.frame.raw for one in editor(openai.DIALECT).event(read(original))] == [original.raw]


@pytest.mark.parametrize(
    ("event", "path", "expected"),
    [
        ({"type": "response.output_text.done", "item_id": "i", "text": PLAIN}, ("text",), "plainvalue"),
        (
            {"type": "response.function_call_arguments.done", "item_id": "i", "arguments": json.dumps({"c": INSIDE})},
            ("arguments",),
            json.dumps({"c": ODD}, ensure_ascii=False),
        ),
        (
            {"type": "response.output_item.done", "item": {"type": "custom_tool_call", "input": f"run({PLAIN})"}},
            ("item", "input"),
            "run(plainvalue)",
        ),
        (
            {
                "type": "response.output_item.done",
                "item": {"type": "custom_tool_call", "name": "exec", "input": INSIDE},
            },
            ("item", "input"),
            'in\\"side\\\\\\nä\\`\\${',
        ),
        (
            {"type": "response.custom_tool_call_input.done", "item_id": "i", "input": INSIDE},
            ("input",),
            'in\\"side\\\\\\nä\\`\\${',
        ),
    ],
)
def test_the_whole_copies_at_the_end_of_an_item_are_restored(
    event: dict[str, Any], path: tuple[str, ...], expected: str
) -> None:
    out = restored(openai.DIALECT, sent(tool("exec"), event))[-1]
    assert text_at(out, path) == expected


def test_a_citation_comes_whole_and_is_restored_between_the_parts_of_a_text() -> None:
    citation = {"type": "char_location", "cited_text": PLAIN, "document_title": OUTSIDE, "encrypted_index": PLAIN}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": citation}}
    out = restored(anthropic.DIALECT, sent(claude_text(PLAIN[:8]), delta, claude_text(PLAIN[8:] + "."), claude_stop()))
    assert out[1]["delta"]["citation"] == citation | {"cited_text": "plainvalue"}
    assert out[0]["delta"]["text"] + out[2]["delta"]["text"] == "plainvalue."


@given(st.lists(st.sampled_from(["text", "ping", ": note\n\n", "data: [DONE]\n\n", "data: {broken\n\n"]), max_size=9))
def test_a_stream_without_placeholders_passes_byte_for_byte(kinds: list[str]) -> None:
    named = {"text": sent(claude_text('  x "y" é'))[0].raw, "ping": b'data:{ "type" : "ping" }\r\n\r\n'}
    raw = b"".join(named.get(kind, kind.encode()) for kind in kinds)
    restorer = editor(anthropic.DIALECT)
    events: list[Event] = [one for event in EventParser().feed(raw) for one in restorer.event(read(event))]
    assert b"".join(one.frame.raw for one in events + restorer.end()) == raw


def document(data: bytes, dialect: Dialect = anthropic.DIALECT) -> bytes:
    return restore_document(data, dialect, inward().filling)


def test_a_document_is_restored_field_by_field() -> None:
    whole = {
        "content": [
            {"type": "thinking", "thinking": PLAIN, "signature": PLAIN},
            {"type": "text", "text": f"{INSIDE}{OUTSIDE}"},
            {"type": "tool_use", "input": {"command": [PLAIN], "arguments": INSIDE, "input": INSIDE}},
        ]
    }
    out = json.loads(document(json.dumps(whole).encode()))
    assert out["content"][0] == whole["content"][0]
    assert out["content"][1]["text"] == f"{ODD}{OUTSIDE}"
    assert out["content"][2]["input"] == {"command": ["plainvalue"], "arguments": ODD, "input": ODD}


def test_the_calls_of_a_chat_that_comes_whole_stay_json() -> None:
    call = {"type": "function", "function": {"name": "run", "arguments": json.dumps({"a": INSIDE})}}
    whole = {"choices": [{"message": {"content": PLAIN, "tool_calls": [call]}}]}
    message = json.loads(document(json.dumps(whole).encode(), openai.DIALECT))["choices"][0]["message"]
    assert message["content"] == "plainvalue"
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"a": ODD}


@given(st.lists(TEXTS, max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_json_in_lines_is_restored_line_by_line(texts: list[str], ending: str) -> None:
    lines = [json.dumps({"custom_id": str(at), "t": text}, separators=(",", ":")) for at, text in enumerate(texts)]
    out = document(("".join(line + ending for line in lines)).encode()).decode()
    assert out.count(ending) == len(texts)
    for line, restored_line, text in zip(lines, out.split(ending), texts, strict=False):
        assert json.loads(restored_line)["t"] == by_hand(text)
        assert restored_line == line or by_hand(text) != text


def test_what_is_no_json_raises() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        document(f"<p>{PLAIN}</p>".encode())


def test_a_document_that_only_holds_values_of_the_outside_passes_byte_for_byte() -> None:
    data = b'{ "text" :  "' + OUTSIDE.encode() + b'" }'
    assert document(data) == data


def test_a_lone_surrogate_beside_a_placeholder_survives() -> None:
    out = restored(anthropic.DIALECT, sent(claude_text(f"\ud83d {PLAIN} ")))[0]
    assert out["delta"]["text"] == "\ud83d plainvalue "


def test_a_value_that_is_no_text_stays_a_placeholder_and_others_do_not() -> None:
    vault = Vault(bytes(32))
    binary = vault.issue("BLOB", b"\xff\xfe binary", Origin.INSIDE)
    other = vault.issue("TOKEN", b"text", Origin.INSIDE)
    part = inward(vault).filling(Quoting.TEXT)
    assert part.feed(f"{binary} {other} ") + part.end() == f"{binary} text "


@given(TEXTS)
def test_what_is_not_held_back_can_no_longer_become_a_placeholder(text: str) -> None:
    border = held_back(text)
    for end in ("", "MASKED-K-00000000", "ASKED-TOKEN-00000000", "-00000000 "):
        assert by_hand(text[:border]) + by_hand(text[border:] + end) == by_hand(text + end)


@given(st.lists(st.integers(0, 60), max_size=8), st.sampled_from(["ghp_", "é ", "=", "gh", ""]))
def test_a_placeholder_behind_a_prefix_is_restored_without_doubling_it_however_it_was_cut(
    places: list[int], before: str
) -> None:
    vault = Vault(bytes(32))
    placeholder = vault.issue("TOKEN", b"ghp_real", Origin.INSIDE, "ghp_")
    part = inward(vault).filling(Quoting.TEXT)
    text = f"{before}{placeholder} {placeholder.removeprefix('ghp_')} end_"
    assert "".join(map(part.feed, pieces(text, places))) + part.end() == f"{before}ghp_real ghp_real end_"


def test_an_endless_run_is_not_held_back_for_ever() -> None:
    text = "MASKED-" + "A" * 10_000
    assert held_back(text) == len(text)


def told(parts: list[str], quoting: Quoting = Quoting.TEXT) -> list[tuple[bytes, bool]]:
    """Give what is said of values that go in, in order."""
    heard: list[tuple[bytes, bool]] = []
    one = Inward(VAULT, KnownValues(VAULT), (), restored=lambda value, joined: heard.append((value, joined)))
    part = one.filling(quoting)
    for text in parts:
        part.feed(text)
    part.end()
    return heard


@pytest.mark.parametrize(
    ("before", "behind", "joined"),
    [
        ("", "", False),
        ("the ", ", and", False),
        ("x/", "/y", False),
        ("x", "", True),
        ("_", "", True),
        ("é", "", True),
        ("", "s", True),
        ("", "9", True),
        ("", "\u0301", True),
        ("\\n", "", False),
        ("\\x", "", True),
        ("n", "", True),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_it_is_told_whether_a_value_goes_into_the_middle_of_a_word_however_the_text_is_cut(
    before: str,
    behind: str,
    joined: bool,  # noqa: FBT001
    size: int,
) -> None:
    text = f"{before}{PLAIN}{behind}"
    heard = told([text[at : at + size] for at in range(0, len(text), size)])
    assert {value for value, _ in heard} == {b"plainvalue"}
    assert heard[0][1] is (joined and bool(before))  # before it goes in
    assert any(flag for _, flag in heard) is joined


def test_two_values_side_by_side_are_both_in_a_word() -> None:
    heard = told([PLAIN, INSIDE])
    assert {value for value, flag in heard if flag} == {b"plainvalue", ODD.encode()}


def test_a_value_that_stays_a_placeholder_is_not_told_of() -> None:
    assert told(["*** Begin Patch\n*** Add File: ", INSIDE, "\n"]) == []


@pytest.mark.parametrize("name", ["thinking", "signature", "encrypted_content", "sign\\u0061ture"])
def test_a_tools_argument_may_be_named_like_a_field_of_the_providers_own(name: str) -> None:
    """What leads to a field says whose it is (`redactors.ownfields`): what comes back in an argument is searched."""
    text = f'{{"a":"{PLAIN}","{name}":"x {PLAIN}","b":{{"{name}":["{PLAIN}"]}}}}'
    arguments = json.loads(filled(text, Quoting.JSON))
    own = name.replace("\\u0061", "a")
    assert arguments == {"a": "plainvalue", own: "x plainvalue", "b": {own: ["plainvalue"]}}

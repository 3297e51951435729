"""Answers of the providers that say given texts, and what a client reads in them; texts by the place they stand in.

Places: `text`; `arguments`, a string within a tool's JSON; `patch`, a line of a freeform patch; `javascript`, within a
literal of code mode's source; `signed`, what the provider wrote for itself.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from tests.gateway.contract.bodies import written

Texts = Mapping[str, str]
_PIECE = 7  # characters of a delta: every placeholder is cut
_LITERAL = re.compile(r'echo (.*)"\}\)', re.DOTALL)
_PATCH = ("*** Begin Patch\n*** Update File: a.py\n@@\n-old\n+new ", "\n*** End Patch\n")
_SOURCE = ('await tools.exec_command({"cmd":"echo ', '"})')


class Answers(NamedTuple):
    """One way to answer: its media type, the places of its texts, how they are said (in parts), how they are read."""

    content_type: str
    places: tuple[str, ...]
    say: Callable[[Texts], list[bytes]]
    read: Callable[[bytes], Texts]


def pieces(text: str) -> Iterable[str]:
    return (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))


def _events(documents: Iterable[Mapping[str, Any]]) -> list[bytes]:
    return [b"event: %b\ndata: %b\n\n" % (one["type"].encode(), written(one)) for one in documents]


def _documents(body: bytes) -> list[Any]:
    lines = (line[6:] for line in body.decode().split("\n") if line.startswith("data: "))
    return [json.loads(line) for line in lines if line != "[DONE]"]


def _same(readings: Iterable[Texts]) -> Texts:
    """Where an answer says a text several times, all must agree."""
    first, *rest = readings
    for other in rest:
        assert other == first
    return first


# Anthropic.


def _blocks(texts: Texts) -> list[dict[str, Any]]:
    return [
        {"type": "thinking", "thinking": texts["signed"], "signature": "c2lnbmVk"},
        {"type": "text", "text": texts["text"]},
        {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": texts["arguments"], "n": 1}},
    ]


def _of_blocks(blocks: Iterable[Mapping[str, Any]]) -> Texts:
    thought, text, tool = blocks
    return {"signed": thought["thinking"], "text": text["text"], "arguments": tool["input"]["command"]}


def _message(texts: Texts) -> dict[str, Any]:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-6"}
    return head | {"content": _blocks(texts), "stop_reason": "tool_use", "usage": {"output_tokens": 9}}


def _message_events(texts: Texts) -> list[bytes]:
    said: list[dict[str, Any]] = [{"type": "message_start", "message": _message(texts) | {"content": []}}]
    for index, block in enumerate(_blocks(texts)):
        kind, member, name = {
            "thinking": ("thinking_delta", "thinking", "thinking"),
            "text": ("text_delta", "text", "text"),
            "tool_use": ("input_json_delta", "partial_json", "input"),
        }[block["type"]]
        whole = block[name] if isinstance(block[name], str) else json.dumps(block[name])
        said.append({"type": "content_block_start", "index": index, "content_block": block | {name: ""}})
        for piece in pieces(whole):
            said.append({"type": "content_block_delta", "index": index, "delta": {"type": kind, member: piece}})
        said.append({"type": "content_block_stop", "index": index})
    said += [{"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, {"type": "message_stop"}]
    return _events(said)


def _read_message_events(body: bytes) -> Texts:
    parts = ["", "", ""]
    for one in _documents(body):
        if one["type"] == "content_block_delta":
            kind = one["delta"]["type"]
            parts[one["index"]] += one["delta"][{"input_json_delta": "partial_json"}.get(kind, kind[:-6])]
    return {"signed": parts[0], "text": parts[1], "arguments": json.loads(parts[2])["command"]}


def _result_lines(texts: Texts) -> list[bytes]:
    results = [{"custom_id": at, "result": {"type": "succeeded", "message": _message(texts)}} for at in ("a", "b")]
    return [written(one) + b"\n" for one in results]


def _read_result_lines(body: bytes) -> Texts:
    results = [json.loads(line) for line in body.splitlines()]
    return _same(_of_blocks(one["result"]["message"]["content"]) for one in results)


MESSAGE_PLACES = ("text", "arguments", "signed")
MESSAGE_EVENTS = Answers("text/event-stream; charset=utf-8", MESSAGE_PLACES, _message_events, _read_message_events)
MESSAGE = Answers(
    "application/json",
    MESSAGE_PLACES,
    lambda texts: [written(_message(texts))],
    lambda body: _of_blocks(json.loads(body)["content"]),
)
RESULT_LINES = Answers("application/x-jsonl", MESSAGE_PLACES, _result_lines, _read_result_lines)

# OpenAI Responses.


def _items(texts: Texts) -> list[dict[str, Any]]:
    call = {"cmd": texts["arguments"], "n": 1}
    tool = {"type": "custom_tool_call", "status": "completed"}
    return [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": texts["signed"]},
        {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": texts["text"]}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "shell", "arguments": json.dumps(call)},
        tool | {"id": "ct_1", "call_id": "c2", "name": "apply_patch", "input": texts["patch"].join(_PATCH)},
        tool | {"id": "ct_2", "call_id": "c3", "name": "exec", "input": texts["javascript"].join(_SOURCE)},
    ]


def _of_items(items: Iterable[Mapping[str, Any]]) -> Texts:
    thought, message, call, patch, source = items
    return _of_strings(
        thought["encrypted_content"],
        message["content"][0]["text"],
        call["arguments"],
        patch["input"],
        source["input"],
    )


def _of_strings(signed: str, text: str, arguments: str, patch: str, source: str) -> Texts:
    begin, end = _PATCH
    assert patch.startswith(begin)
    assert patch.endswith(end)
    literal = _LITERAL.search(source)
    assert literal
    return {
        "signed": signed,
        "text": text,
        "arguments": json.loads(arguments)["cmd"],
        "patch": patch[len(begin) : -len(end)],
        "javascript": re.sub(r"\\(.)", r"\1", literal[1]),
    }


_STREAMED = {
    "message": ("response.output_text", "text"),
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
}


def _response(texts: Texts) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "status": "completed", "output": _items(texts)}


def _response_documents(texts: Texts) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = [{"type": "response.created", "response": _response(texts) | {"output": []}}]
    for index, item in enumerate(_items(texts)):
        begun = {name: value for name, value in item.items() if name not in {"arguments", "input", "content"}}
        said.append({"type": "response.output_item.added", "output_index": index, "item": begun})
        kind, member = _STREAMED.get(item["type"], ("", ""))
        if kind:
            where = {"item_id": item["id"], "output_index": index}
            where |= {"content_index": 0} if member == "text" else {}
            whole = item["content"][0]["text"] if member == "text" else item[member]
            said += [{"type": f"{kind}.delta", "delta": piece} | where for piece in pieces(whole)]
            said.append({"type": f"{kind}.done", member: whole} | where)
        said.append({"type": "response.output_item.done", "output_index": index, "item": item})
    return [*said, {"type": "response.completed", "response": _response(texts)}]


def _of_response_documents(documents: Iterable[Mapping[str, Any]]) -> Texts:
    documents = list(documents)
    deltas = dict.fromkeys(("msg_1", "fc_1", "ct_1", "ct_2"), "")
    for one in documents:
        if one["type"].endswith(".delta"):
            deltas[one["item_id"]] += one["delta"]
    done = [one["item"] for one in documents if one["type"] == "response.output_item.done"]
    ends = {one["item_id"]: one.get("text", one.get("arguments", one.get("input"))) for one in documents
            if one["type"].endswith(".done") and "item_id" in one}  # fmt: skip
    sealed = done[0]["encrypted_content"]
    readings = [_of_strings(sealed, *deltas.values()), _of_strings(sealed, *ends.values())]
    return _same([*readings, _of_items(done), _of_items(documents[-1]["response"]["output"])])


RESPONSE_PLACES = ("text", "arguments", "patch", "javascript", "signed")
RESPONSE_EVENTS = Answers(
    "text/event-stream",
    RESPONSE_PLACES,
    lambda texts: _events(_response_documents(texts)),
    lambda body: _of_response_documents(_documents(body)),
)
RESPONSE_MESSAGES = Answers(
    "",
    RESPONSE_PLACES,
    lambda texts: [written(one) for one in _response_documents(texts)],
    lambda body: _of_response_documents(json.loads(line) for line in body.split(b"\n")),
)
RESPONSE = Answers(
    "application/json",
    RESPONSE_PLACES,
    lambda texts: [written(_response(texts))],
    lambda body: _of_items(json.loads(body)["output"]),
)

# Chat Completions.


def _choice(texts: Texts) -> dict[str, Any]:
    call = {"name": "shell", "arguments": json.dumps({"cmd": texts["arguments"]})}
    tools = [{"index": 0, "id": "c1", "type": "function", "function": call}]
    return {"role": "assistant", "reasoning_content": texts["signed"], "content": texts["text"], "tool_calls": tools}


def _of_choice(message: Mapping[str, Any]) -> Texts:
    arguments = message["tool_calls"][0]["function"]["arguments"]
    return {
        "signed": message["reasoning_content"],
        "text": message["content"],
        "arguments": json.loads(arguments)["cmd"],
    }


def _chunks(texts: Texts) -> list[bytes]:
    whole = _choice(texts)
    call = whole["tool_calls"][0]
    deltas: list[Any] = [{"role": "assistant"}]
    deltas += [{name: piece} for name in ("reasoning_content", "content") for piece in pieces(whole[name])]
    deltas.append({"tool_calls": [call | {"function": {"name": "shell", "arguments": ""}}]})
    for piece in pieces(call["function"]["arguments"]):
        deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-5"}
    return [b"data: " + written(head | {"choices": [one]}) + b"\n\n" for one in choices] + [b"data: [DONE]\n\n"]


def _read_chunks(body: bytes) -> Texts:
    said = {"reasoning_content": "", "content": "", "arguments": ""}
    for one in _documents(body):
        delta = one["choices"][0]["delta"]
        for name in ("reasoning_content", "content"):
            said[name] += delta.get(name, "")
        for call in delta.get("tool_calls", ()):
            said["arguments"] += call["function"]["arguments"]
    return _of_choice(said | {"tool_calls": [{"function": {"arguments": said["arguments"]}}]})


CHAT_PLACES = ("text", "arguments", "signed")
CHAT_EVENTS = Answers("text/event-stream", CHAT_PLACES, _chunks, _read_chunks)
CHAT = Answers(
    "application/json",
    CHAT_PLACES,
    lambda texts: [written({"id": "chatcmpl-1", "choices": [{"index": 0, "message": _choice(texts)}]})],
    lambda body: _of_choice(json.loads(body)["choices"][0]["message"]),
)

# What is no answer of a model.

DOCUMENT = Answers(
    "application/json",
    ("text",),
    lambda texts: [written({"id": "x_1", "data": [{"n": 1.50, "name": texts["text"]}]})],
    lambda body: {"text": json.loads(body)["data"][0]["name"]},
)
BYTES = Answers(
    "application/octet-stream",
    (),
    lambda texts: [b"\x00\xff", texts.get("text", "").encode(), b" \xfe"],
    lambda body: {"text": body[2:-2].decode()},
)

"""The scripted model behind the Anthropic Messages API: which turn a request asks for, and its SSE answer.

Source: the public API reference, "Messages" and "Streaming messages"; the order of events below is the documented one.
What Claude Code's auto mode asks of the server, and how it reads the answer, was seen with 2.1.330.
"""

import json
from collections.abc import Iterator
from typing import Any

from wrapper.demo.script import Call, Script, Turn, fill
from wrapper.demo.sse import event, pieces


def turn_number(request: dict[str, Any]) -> int | None:
    """Count the model's answers in the conversation; None for a side request (no tools on offer: a title, a topic)."""
    if not request.get("tools"):
        return None
    said: list[dict[str, Any]] = [one for one in request.get("messages") or () if one.get("role") == "assistant"]
    return len(said)


def answer(script: Script, request: dict[str, Any]) -> Turn:
    """Choose what the model says to `request` (the decoded body)."""
    number = turn_number(request)
    if number is None:
        return Turn(text=script.side)
    return fill(script.turn(number), request.get("messages", []))


def content(turn: Turn, number: int) -> list[dict[str, Any]]:
    """Return the content blocks of the message for turn `number`."""
    blocks: list[dict[str, Any]] = []
    if turn.thinking:
        blocks.append({"type": "thinking", "thinking": turn.thinking, "signature": f"c2lnbmF0dXJl{number:04d}"})
    if turn.text:
        blocks.append({"type": "text", "text": turn.text})
    for place, call in enumerate(turn.calls):
        name, arguments = tool(call)
        blocks.append({"type": "tool_use", "id": f"toolu_{number:04d}_{place}", "name": name, "input": arguments})
    return blocks


def tool(call: Call) -> tuple[str, dict[str, Any]]:
    """Return the name and the input of Claude Code's own tool for `call`."""
    if call.run is not None:
        return "Bash", {"command": call.run, "description": "scripted"}
    if call.read:
        return "Read", {"file_path": call.read.path}
    if call.edit:
        return "Edit", {"file_path": call.edit.path, "old_string": call.edit.old, "new_string": call.edit.new}
    if call.write:
        return "Write", {"file_path": call.write.path, "content": call.write.content}
    return call.tool or "", dict(call.input)


def message(turn: Turn, number: int, model: str) -> dict[str, Any]:
    """Return the whole message, as a request without `stream` gets it."""
    return {
        "id": f"msg_{number:04d}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content(turn, number),
        "stop_reason": "tool_use" if turn.calls else "end_turn",
        "stop_sequence": None,
        "usage": _USAGE | {"output_tokens": 20},
    }


_USAGE = {"input_tokens": 100, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}


_CHECK, _RESULTS = "dangerous_tool_use", "safeguard_results"


def checked(whole: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """Return `whole` with what a server says that was asked to check the calls in it: nothing was flagged."""
    wanted = request.get("safeguards") or ()
    if not any(one.get("type") == _CHECK for one in wanted):
        return whole
    fine = {"type": "evaluated", "outcome": "not_flagged"}
    calls = {block["id"]: fine for block in whole["content"] if block["type"] == "tool_use"}
    return whole | {_RESULTS: [{"type": _CHECK, "status": {"type": "available", "tool_uses": calls}}]}


def stream(whole: dict[str, Any]) -> Iterator[bytes]:
    """Yield the SSE events that carry `whole`, one event a piece."""
    start = whole | {"content": [], "stop_reason": None, "usage": _USAGE}
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    if _RESULTS in start:
        stop[_RESULTS] = start.pop(_RESULTS)  # known when the calls are
    yield event({"type": "message_start", "message": start})
    yield event({"type": "ping"})
    for index, block in enumerate(whole["content"]):
        yield from _block(index, block)
    yield event({"type": "message_delta", "delta": stop, "usage": whole["usage"]})
    yield event({"type": "message_stop"})


def _block(index: int, block: dict[str, Any]) -> Iterator[bytes]:
    empty, deltas = _OPENINGS[block["type"]](block)
    yield event({"type": "content_block_start", "index": index, "content_block": empty})
    for delta in deltas:
        yield event({"type": "content_block_delta", "index": index, "delta": delta})
    yield event({"type": "content_block_stop", "index": index})


def _text(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return block | {"text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]


def _thinking(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
    deltas.append({"type": "signature_delta", "signature": block["signature"]})
    return block | {"thinking": "", "signature": ""}, deltas


def _tool_use(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    text = json.dumps(block["input"])
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces(text))]
    return block | {"input": {}}, deltas


_OPENINGS = {"text": _text, "thinking": _thinking, "tool_use": _tool_use}

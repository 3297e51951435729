"""The scripted model behind the OpenAI Responses API: which turn a request asks for, and its SSE answer.

Source: the public API reference, "Responses" and "Streaming events". Codex offers its tools in three shapes; the
answer uses the one on offer: code mode (a custom tool `exec` that takes JavaScript), functions (`exec_command`,
`shell_command`, `shell`), and `apply_patch` as a custom tool, a function, or a command of the shell.

Over WebSocket each message of the client is one request, `{"type": "response.create", …}`, and the events come without
the framing of SSE, one a message. A later request holds only the items that are new, with the id of the response that
they follow; a connection knows its own responses only.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from wrapper.demo.patch import patch_of
from wrapper.demo.script import Call, Script, Turn, fill
from wrapper.demo.sse import event, pieces

_CALLS = ("function_call", "custom_tool_call", "local_shell_call")
_CALL_ID = "call_"


def tools(request: dict[str, Any]) -> dict[str, str]:
    """Return the tools on offer, name to type (`function`, `custom`, …), also those of code mode's input item.

    Code mode puts its tools into namespaces; the built-in ones are called by their bare names.
    """
    offered = list(request.get("tools") or ())
    for item in _items(request):
        if item.get("type") == "additional_tools":
            offered += item.get("tools") or ()
    offered += [inner for tool in offered if tool.get("type") == "namespace" for inner in tool.get("tools") or ()]
    return {str(tool.get("name", tool.get("type"))): str(tool.get("type")) for tool in offered}


def turn_number(request: dict[str, Any]) -> int | None:
    """Count the model's answers in the conversation; None for a side request (no tools, or a title wanted as JSON).

    An answer is a run of the model's own items; our call ids hold the turn's number, since a client may put each
    call's output right behind it.
    """
    if not tools(request) or _schema(request):
        return None
    called: set[str] = set()
    spoken, speaking = 0, False
    for item in _items(request):
        if item.get("type") in _CALLS:
            called.add(str(item.get("call_id", "")).split("_")[1])
            speaking = False
        elif item.get("role") == "assistant":
            speaking = True
        elif item.get("type") != "reasoning":
            spoken, speaking = spoken + speaking, False
    return len(called) + spoken + speaking


def _items(request: dict[str, Any]) -> list[dict[str, Any]]:
    items = request.get("input")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def answer(script: Script, request: dict[str, Any]) -> Turn:
    """Choose what the model says to `request` (the decoded body)."""
    number = turn_number(request)
    if number is not None:
        return fill(script.turn(number), request.get("input", []))
    fields = _schema(request).get("properties")
    return Turn(text=json.dumps(dict.fromkeys(fields, script.side)) if fields else script.side)


def _schema(request: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON schema that the answer must have; empty if it may be plain text."""
    wanted = (request.get("text") or {}).get("format") or {}
    return dict(wanted.get("schema") or {})


def output(turn: Turn, number: int, offered: dict[str, str]) -> list[dict[str, Any]]:
    """Return the output items of the response for turn `number`, calls in the shape of the tools on offer."""
    items: list[dict[str, Any]] = []
    if turn.thinking:
        summary = [{"type": "summary_text", "text": turn.thinking}]
        opaque = {"summary": summary, "encrypted_content": "b3Bhcw=="}
        items.append({"type": "reasoning", "id": f"rs_{number:04d}"} | opaque)
    if turn.text:
        part = {"type": "output_text", "text": turn.text, "annotations": []}
        message = {"type": "message", "id": f"msg_{number:04d}", "role": "assistant", "status": "completed"}
        items.append(message | {"content": [part]})
    for place, call in enumerate(turn.calls):
        ids = {"id": f"fc_{number:04d}_{place}", "call_id": f"{_CALL_ID}{number:04d}_{place}"}
        items.append(tool(call, offered) | ids | {"status": "completed"})
    return items


def tool(call: Call, offered: dict[str, str]) -> dict[str, Any]:
    """Return the call item for `call`, without its ids."""
    if call.tool:
        if offered.get(call.tool) == "custom":
            return _custom(call.tool, str(call.input.get("input", "")))
        return _function(call.tool, dict(call.input))
    patch = patch_of(call)
    if offered.get("exec") == "custom":
        return _custom("exec", _javascript(call, patch))
    if patch and offered.get("apply_patch") == "custom":
        return _custom("apply_patch", patch)
    if patch and "apply_patch" in offered:
        return _function("apply_patch", {"input": patch})
    return _shell(_command(call, patch), offered)


def _custom(name: str, text: str) -> dict[str, Any]:
    return {"type": "custom_tool_call", "name": name, "input": text}


def _function(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function_call", "name": name, "arguments": json.dumps(arguments)}


def _javascript(call: Call, patch: str) -> str:
    if patch:
        return f"text(await tools.apply_patch({json.dumps(patch)}));"
    command = json.dumps({"cmd": _command(call, "")})
    return f"const r = await tools.exec_command({command}); text(r.output);"


def _command(call: Call, patch: str) -> str:
    if patch:
        return f"apply_patch <<'SCRIPTED'\n{patch}\nSCRIPTED"
    if call.read:
        return "cat '" + call.read.path.replace("'", "'\\''") + "'"
    return call.run or ""


def _shell(command: str, offered: dict[str, str]) -> dict[str, Any]:
    if "exec_command" in offered:
        return _function("exec_command", {"cmd": command})
    if "shell_command" in offered:
        return _function("shell_command", {"command": command})
    return _function("shell", {"command": ["bash", "-c", command]})


def is_compacting(request: dict[str, Any]) -> bool:
    """Say whether the client wants the conversation in short, to go on from that alone."""
    return any(item.get("type") == "compaction_trigger" for item in _items(request))


def compaction(number: int) -> list[dict[str, Any]]:
    """Return the one output item that answers it: opaque to all but the provider, as seen by Codex 0.169.0."""
    opaque = base64.b64encode(hashlib.shake_128(b"%d" % number).digest(300)).decode()
    return [{"type": "compaction", "id": f"cmp_{number:04d}", "encrypted_content": opaque}]


def response(items: list[dict[str, Any]], number: int, model: str) -> dict[str, Any]:
    """Return the whole response object."""
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 120,
    }
    head = {"id": f"resp_{number:04d}", "object": "response", "created_at": 1, "status": "completed", "model": model}
    return head | {"output": items, "usage": usage, "error": None}


class Memory:
    """What one WebSocket connection remembers: for the id of each response, the items up to its end."""

    def __init__(self) -> None:
        self._items: dict[str, tuple[dict[str, Any], ...]] = {}

    def earlier(self, request: dict[str, Any]) -> tuple[dict[str, Any], ...] | None:
        """Return the items before those of `request`; None where it follows a response that is not known."""
        previous = request.get("previous_response_id")
        return self._items.get(previous) if previous else ()

    def remember(self, request: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
        """Return the response `whole` with an id of its own; `request` holds the items before it."""
        named = whole | {"id": f"resp_{len(self._items):04d}_ws"}
        self._items[named["id"]] = (*_items(request), *whole["output"])
        return named


def unknown(previous: str) -> dict[str, Any]:
    """Return the event that says that there is no such response."""
    text = f"Previous response with id '{previous}' not found."
    error = {"type": "invalid_request_error", "code": "previous_response_not_found", "message": text}
    return {"type": "error", "status": 400, "error": error}


def stream(whole: dict[str, Any]) -> Iterator[bytes]:
    """Yield the SSE events that carry `whole`, one event a piece."""
    return map(event, events(whole))


def events(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the events that carry `whole`."""
    started = whole | {"status": "in_progress", "output": [], "usage": None}
    first = {"type": "response.created", "response": started}
    last = {"type": "response.completed", "response": whole}
    for number, data in enumerate((first, *_all_items(whole["output"]), last)):
        yield data | {"sequence_number": number}


def _all_items(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for index, item in enumerate(items):
        place = {"output_index": index, "item_id": item["id"]}
        empty = item | {key: "" for key in ("arguments", "input") if key in item}
        if item["type"] == "message":
            empty = item | {"content": [], "status": "in_progress"}
        yield {"type": "response.output_item.added", "output_index": index, "item": empty}
        yield from (delta | place for delta in _DELTAS[item["type"]](item))
        yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _message(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    part = item["content"][0]
    at = {"content_index": 0}
    yield {"type": "response.content_part.added", "part": part | {"text": ""}} | at
    for piece in pieces(part["text"]):
        yield {"type": "response.output_text.delta", "delta": piece} | at
    yield {"type": "response.output_text.done", "text": part["text"]} | at
    yield {"type": "response.content_part.done", "part": part} | at


def _arguments(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for piece in pieces(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", "delta": piece}
    yield {"type": "response.function_call_arguments.done", "arguments": item["arguments"]}


def _input(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for piece in pieces(item["input"]):
        yield {"type": "response.custom_tool_call_input.delta", "delta": piece}
    yield {"type": "response.custom_tool_call_input.done", "input": item["input"]}


def _reasoning(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for piece in pieces(item["summary"][0]["text"]):
        yield {"type": "response.reasoning_summary_text.delta", "delta": piece, "summary_index": 0}


def _none(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    del item
    yield from ()


_DELTAS = {
    "message": _message,
    "function_call": _arguments,
    "custom_tool_call": _input,
    "reasoning": _reasoning,
    "compaction": _none,
}

"""The OpenAI interfaces, Responses and Chat Completions: error bodies and the events that carry text. Pure.

Source: the provider's API reference, "Streaming events" of Responses and "The chat completion chunk object", and what
codex-cli reads of it. Chat Completions is what servers speak that are only compatible.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from wrapper.gateway.dialect import Delta, Dialect, Key, Path, with_text
from wrapper.gateway.quoting import Quoting

_ERROR_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {
    413: "request_too_large",
    415: "unsupported_media_type",
    426: "websocket_unsupported",
    502: "upstream_unreachable",
    503: "audit_log_failed",
    504: "upstream_timeout",
}
_SERVER_ERROR = 500
_REASONING = "response.reasoning"
# Audio is base64, no text: a placeholder in it would be chance, and a held-back end would shift it.
_AUDIO = frozenset({"response.audio.delta", "response.output_audio.delta"})
_JAVASCRIPT_TOOL = "exec"  # Codex's code mode: a custom tool whose input is JavaScript
_REASONING_TEXTS = ("reasoning_content", "reasoning")  # of chats, from compatible servers
_CHAT_TEXTS = ("content", "refusal", *_REASONING_TEXTS)
_ENDS = frozenset({"response.completed", "response.failed", "response.incomplete", "response.done", "error"})


def error(status: int, message: str) -> bytes:
    """Return the JSON body of an error."""
    kind = _ERROR_TYPES.get(status, "server_error" if status >= _SERVER_ERROR else "invalid_request_error")
    body = {"message": message, "type": kind, "param": None, "code": _CODES.get(status)}
    return json.dumps({"error": body}).encode()


class ResponseReading:
    """Reads the events of one response, or the chunks of one chat completion.

    The key of a piece of a response is its item, its part and the event's type; a chunk's begins with the choice.
    """

    def __init__(self) -> None:
        self._tools: dict[str, str] = {}  # item -> the custom tool that it calls; deltas name only the item

    def deltas(self, event: Mapping[str, Any]) -> tuple[Delta, ...]:
        """Find text in a `response.….delta` or in the choices of a chunk."""
        if "choices" in event:
            return tuple(_of_chunk(event))
        kind = event.get("type")
        if not isinstance(kind, str):
            return ()
        if kind == "response.output_item.added":
            self._note(event.get("item"))
        if not kind.endswith(".delta") or kind in _AUDIO or not isinstance(event.get("delta"), str):
            return ()
        part = event.get("content_index", event.get("summary_index"))
        key: Key = (_text(event.get("item_id")), part if isinstance(part, int) else None, kind)
        return (Delta(key, ("delta",), self._of_event(event, kind)),)

    def closes(self, event: Mapping[str, Any]) -> tuple[Key, ...]:
        """Name the pieces that end with `event`: an item's with its `….done`, all with the response's end."""
        if "choices" in event:
            return tuple(_closed_by(event))
        kind = event.get("type")
        if not isinstance(kind, str):
            return ()
        if kind in _ENDS:
            return ((),)
        if not kind.endswith(".done"):
            return ()
        item = event.get("item")
        identity = item.get("id") if isinstance(item, dict) else event.get("item_id")
        return tuple({(_text(identity),): None, (None,): None})

    def rest(self, event: Mapping[str, Any], delta: Delta, text: str) -> Mapping[str, Any]:
        """Make one more delta; of a chunk, with this piece alone: ids and names in it count once."""
        return _chunk_with(event, delta, text) if "choices" in event else dict(with_text(event, delta.path, text))

    def quoting(self, part: Mapping[str, Any], name: str) -> Quoting:
        """Say what a member is: arguments of functions, input of custom tools."""
        kind = part.get("type")
        if name == "arguments":
            return Quoting.JSON if "name" in part or _text(kind) else Quoting.TEXT
        if name != "input":
            return Quoting.TEXT
        if kind == "custom_tool_call":
            self._note(part)
            return _of_tool(part.get("name"))
        if kind == "response.custom_tool_call_input.done":
            return self._of_item(part)
        return Quoting.TEXT

    def _note(self, item: object) -> None:
        if isinstance(item, dict) and item.get("type") == "custom_tool_call":
            self._tools[str(item.get("id"))] = str(item.get("name"))

    def _of_event(self, event: Mapping[str, Any], kind: str) -> Quoting:
        if opaque(event):
            return Quoting.OWN
        if "custom_tool_call" in kind:
            return self._of_item(event)
        return Quoting.JSON if "arguments" in kind else Quoting.TEXT

    def _of_item(self, event: Mapping[str, Any]) -> Quoting:
        return _of_tool(self._tools.get(str(event.get("item_id"))))


def _of_tool(name: object) -> Quoting:
    return Quoting.JAVASCRIPT if name == _JAVASCRIPT_TOOL else Quoting.TEXT


def _choices(event: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any], int]]:
    """Give each choice of a chunk with its own number and its place in the list."""
    choices = event.get("choices")
    for place, choice in enumerate(choices if isinstance(choices, list) else ()):
        if isinstance(choice, dict):
            index = choice.get("index")
            yield (index if isinstance(index, int) else place), choice, place


def _closed_by(event: Mapping[str, Any]) -> Iterator[Key]:
    """Name what a chunk ends: a choice that finishes; its reasoning, where it speaks or calls."""
    for index, choice, _ in _choices(event):
        delta = choice.get("delta")
        if choice.get("finish_reason"):
            yield (index,)
        elif isinstance(delta, dict) and (delta.get("content") or delta.get("tool_calls")):
            yield from ((index, name) for name in _REASONING_TEXTS)


def _of_chunk(event: Mapping[str, Any]) -> Iterator[Delta]:
    for index, choice, place in _choices(event):
        if isinstance(choice.get("text"), str):  # the older Completions
            yield Delta((index, "text"), ("choices", place, "text"), Quoting.TEXT)
        delta = choice.get("delta")
        if isinstance(delta, dict):
            yield from _of_choice(index, delta, ("choices", place, "delta"))


def _of_choice(index: int, delta: Mapping[str, Any], path: Path) -> Iterator[Delta]:
    for name in _CHAT_TEXTS:
        if isinstance(delta.get(name), str):
            own = Quoting.OWN if name in _REASONING_TEXTS else Quoting.TEXT
            yield Delta((index, name), (*path, name), own)
    calls = delta.get("tool_calls")
    for place, call in enumerate(calls if isinstance(calls, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("arguments"), str):
            number = call.get("index")
            key = (index, "tool_calls", number if isinstance(number, int) else place)
            yield Delta(key, (*path, "tool_calls", place, "function", "arguments"), Quoting.JSON)


def _chunk_with(event: Mapping[str, Any], delta: Delta, text: str) -> Mapping[str, Any]:
    """Make a chunk that has one text and what is around it: the ids of the chunk, the indexes of choice and call."""
    head = {name: value for name, value in event.items() if name not in {"choices", "usage"}}
    alone = _alone(event, delta.path, text)
    alone["choices"][0]["finish_reason"] = None
    return head | dict(alone)


def _alone(value: Any, path: Path, text: str) -> Any:
    """Copy of a JSON value what leads to `path`, with `text` there; of the things in a list, also their indexes."""
    if not path:
        return text
    inner = _alone(value[path[0]], path[1:], text)
    if isinstance(path[0], int):
        return [{"index": value[path[0]].get("index", path[0])} | inner]
    return {path[0]: inner}


def opaque(part: Mapping[str, Any]) -> bool:
    """Whether the provider wrote this object for itself: reasoning items and the events that stream them."""
    kind = part.get("type")
    return isinstance(kind, str) and (kind == "reasoning" or kind.startswith(_REASONING))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


DIALECT = Dialect(
    name="openai",
    provider="OpenAI",
    error=error,
    reading=ResponseReading,
    opaque=opaque,
    opaque_keys=frozenset({"encrypted_content", *_REASONING_TEXTS}),
    ends=_ENDS,
)

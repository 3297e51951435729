"""The Anthropic Messages interface: error bodies and the events that carry text. Pure.

Source: the provider's API reference, "Errors" and "Streaming messages" (version 2023-06-01).
"""

import json
from collections.abc import Mapping
from typing import Any

from wrapper.gateway.dialect import Delta, Dialect, Key, with_text
from wrapper.gateway.quoting import Quoting

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    415: "invalid_request_error",
    426: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
}
_OPAQUE_TYPES = frozenset({"thinking", "redacted_thinking", "thinking_delta", "signature_delta"})
# Delta types that carry a part of a text, and in which member. All else (citations, signatures) comes whole.
_TEXTS: Mapping[str, tuple[str, Quoting]] = {
    "text_delta": ("text", Quoting.TEXT),
    "input_json_delta": ("partial_json", Quoting.JSON),  # of all kinds of tools: the client's, the server's, MCP
    "compaction_delta": ("content", Quoting.TEXT),
    "thinking_delta": ("thinking", Quoting.OWN),
}


def error(status: int, message: str) -> bytes:
    """Return the JSON body of an error."""
    kind = _ERROR_TYPES.get(status, "api_error")
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()


class MessageReading:
    """Reads the events of one message. A piece's key is its block's index and the delta's type."""

    def deltas(self, event: Mapping[str, Any]) -> tuple[Delta, ...]:
        """Find text in a `content_block_delta`."""
        part = event.get("delta")
        if event.get("type") != "content_block_delta" or not isinstance(part, dict):
            return ()
        kind = part.get("type")
        member, quoting = _TEXTS.get(kind, ("", Quoting.TEXT)) if isinstance(kind, str) else ("", Quoting.TEXT)
        if not isinstance(part.get(member), str):
            return ()
        return (Delta((_index(event), kind), ("delta", member), quoting),)

    def closes(self, event: Mapping[str, Any]) -> tuple[Key, ...]:
        """Name the pieces that end with `event`: a block's with its stop or its signature, all with the message's."""
        match event:
            case {"type": "content_block_stop"} | {"type": "content_block_delta", "delta": {"type": "signature_delta"}}:
                return ((_index(event),),)
            case {"type": "message_delta" | "message_stop" | "error"}:
                return ((),)
            case _:
                return ()

    def rest(self, event: Mapping[str, Any], delta: Delta, text: str) -> Mapping[str, Any]:
        """Make one more delta of the same block."""
        return dict(with_text(event, delta.path, text))

    def quoting(self, part: Mapping[str, Any], name: str) -> Quoting:
        """Say what a member is: only a tool's input in parts is JSON text."""
        return Quoting.JSON if name == "partial_json" and part.get("type") == "input_json_delta" else Quoting.TEXT


def opaque(part: Mapping[str, Any]) -> bool:
    """Whether the provider wrote this object for itself: reasoning is signed and comes back unchanged."""
    kind = part.get("type")
    return isinstance(kind, str) and kind in _OPAQUE_TYPES


def _index(event: Mapping[str, Any]) -> int | None:
    index = event.get("index")
    return index if isinstance(index, int) else None


DIALECT = Dialect(
    name="anthropic",
    provider="Anthropic",
    error=error,
    reading=MessageReading,
    opaque=opaque,
    opaque_keys=frozenset({"thinking", "signature", "encrypted_content", "encrypted_index"}),
    ends=frozenset({"message_stop", "error"}),
)

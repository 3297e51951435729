"""The Anthropic Messages interface: error bodies and the events that carry text. Pure.

Source: the provider's API reference, "Errors" and "Streaming messages" (version 2023-06-01).
"""

import json
from collections.abc import Mapping
from typing import Any

from wrapper.gateway.dialect import Delta, Dialect, Key

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
_TEXTS: Mapping[str, tuple[str, bool]] = {"text_delta": ("text", False), "input_json_delta": ("partial_json", True)}


def error(status: int, message: str) -> bytes:
    """Return the JSON body of an error."""
    kind = _ERROR_TYPES.get(status, "api_error")
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()


def delta(event: Mapping[str, Any]) -> Delta | None:
    """Find text in a `content_block_delta`; the text's key is the block's index and the delta's type."""
    if event.get("type") != "content_block_delta":
        return None
    part = event.get("delta")
    if not isinstance(part, dict):
        return None
    kind = part.get("type")
    member, nested = _TEXTS.get(kind, ("", False)) if isinstance(kind, str) else ("", False)
    if not member or not isinstance(part.get(member), str):
        return None
    return Delta((_index(event), kind), ("delta", member), nested)


def closes(event: Mapping[str, Any]) -> tuple[Key, ...]:
    """Name the texts that end with `event`: a block's with its stop, all with the message's."""
    match event.get("type"):
        case "content_block_stop":
            return ((_index(event),),)
        case "message_delta" | "message_stop" | "error":
            return ((),)
        case _:
            return ()


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
    delta=delta,
    closes=closes,
    opaque=opaque,
    opaque_keys=frozenset({"thinking", "signature", "encrypted_content", "encrypted_index"}),
    nested_keys=frozenset({"partial_json"}),
)

"""The OpenAI Responses interface: error bodies and the events that carry text. Pure.

Source: the provider's API reference, "Streaming events" of Responses, and what codex-cli reads of it.
"""

import json
from collections.abc import Mapping
from typing import Any

from wrapper.gateway.dialect import Delta, Dialect, Key

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
_AUDIO = "response.audio.delta"
_ENDS = frozenset({"response.completed", "response.failed", "response.incomplete", "response.done", "error"})


def error(status: int, message: str) -> bytes:
    """Return the JSON body of an error."""
    kind = _ERROR_TYPES.get(status, "server_error" if status >= _SERVER_ERROR else "invalid_request_error")
    body = {"message": message, "type": kind, "param": None, "code": _CODES.get(status)}
    return json.dumps({"error": body}).encode()


def delta(event: Mapping[str, Any]) -> Delta | None:
    """Find text in a `response.….delta`; the text's key is the item, its part and the event's type."""
    kind = event.get("type")
    if not isinstance(kind, str) or not kind.endswith(".delta") or opaque(event) or kind == _AUDIO:
        return None
    if not isinstance(event.get("delta"), str):
        return None
    part = event.get("content_index")
    key: Key = (_text(event.get("item_id")), part if isinstance(part, int) else None, kind)
    return Delta(key, ("delta",), nested="arguments" in kind)


def closes(event: Mapping[str, Any]) -> tuple[Key, ...]:
    """Name the texts that end with `event`: an item's with its `….done`, all with the response's end."""
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
    delta=delta,
    closes=closes,
    opaque=opaque,
    opaque_keys=frozenset({"encrypted_content"}),
    nested_keys=frozenset({"arguments"}),
)

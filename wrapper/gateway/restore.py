"""Placeholders back into values, towards the inside: in whole JSON answers and across the parts of a stream. Pure.

Rules of this file:
1. Which values may go in is decided by `fill` alone (the vault restores only what came from the inside, promise 2).
2. An event or a document in which nothing changes passes byte for byte; a changed one is written anew as JSON.
3. A placeholder cut over several deltas is restored: the end of a text that may be the beginning of a placeholder is
   held back until the next delta of the same text, or until the event that closes the text, before which it is sent
   as one more delta. Nothing is held but such an end, so a stream is never delayed by more than one delta.
4. However a text is cut into deltas, the deltas that leave, joined, are the restored text.
5. What the provider wrote for itself (reasoning, signatures) is not touched: it is verified when it comes back.
6. A string that is itself JSON text (tool arguments) gets values escaped as JSON string content first.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wrapper.gateway.dialect import Delta, Dialect, Key
from wrapper.gateway.sse import ServerSentEvent

Fill = Callable[[str, bool], str]
"""`fill(text, nested)` restores all complete placeholders of a text; `nested` as in `Delta`."""

_MARK = "MASKED-"
_OPEN_END = re.compile(r"MASKED-[A-Z0-9-]*\Z")
# Longest run that is held back. The longest kinds of the catalogue make placeholders of some 60 characters; a longer
# run is no placeholder of ours, and a model that repeats itself must not make the gateway hold its whole answer.
_LONGEST = 512


def held_back(text: str) -> int:
    """Offset of the end of `text` that may become a placeholder; `len(text)` where there is none."""
    run = _OPEN_END.search(text)
    if run:
        return run.start() if len(text) - run.start() <= _LONGEST else len(text)
    for size in range(min(len(_MARK) - 1, len(text)), 0, -1):
        if text.endswith(_MARK[:size]):
            return len(text) - size
    return len(text)


def restore_document(data: bytes, dialect: Dialect, fill: Fill) -> bytes:
    """Restore a whole JSON answer. ValueError if `data` has a placeholder and is no JSON."""
    if _MARK.encode() not in data:
        return data
    document = json.loads(data)
    restored = restore_value(document, dialect, fill)
    return data if restored == document else _written(restored)


def restore_value(value: Any, dialect: Dialect, fill: Fill, *, nested: bool = False) -> Any:
    """Restore every string of a JSON value but the provider's own."""
    if isinstance(value, str):
        return fill(value, nested) if _MARK in value else value
    if isinstance(value, list):
        return [restore_value(item, dialect, fill, nested=nested) for item in value]
    if isinstance(value, dict):
        return value if dialect.opaque(value) else _restored_members(value, dialect, fill)
    return value


def _restored_members(members: Mapping[str, Any], dialect: Dialect, fill: Fill) -> dict[str, Any]:
    return {
        fill(name, False): value
        if name in dialect.opaque_keys
        else restore_value(value, dialect, fill, nested=name in dialect.nested_keys)
        for name, value in members.items()
    }


@dataclass(slots=True)
class _Open:
    """A text that is still being delivered: what is held back of it, and the last event as the shape for the rest."""

    event: ServerSentEvent
    document: Mapping[str, Any]
    delta: Delta
    held: str = ""


class StreamRestorer:
    """Restores one event stream. Feed it every event in order, then call `end` once."""

    def __init__(self, dialect: Dialect, fill: Fill) -> None:
        self._dialect = dialect
        self._fill = fill
        self._open: dict[Key, _Open] = {}

    def event(self, event: ServerSentEvent) -> bytes:
        """Return the bytes to send for this event: mostly the event as it came, at times with one before it."""
        document = _parsed(event)
        if document is None:
            return event.raw
        delta = self._dialect.delta(document)
        if delta is not None:
            return self._part(event, document, delta)
        closing = b"".join(self._close(key) for key in self._dialect.closes(document))
        return closing + self._whole(event, document)

    def end(self) -> bytes:
        """Give out what is still held back: the stream ended without closing its texts."""
        return self._close(())

    def _part(self, event: ServerSentEvent, document: Mapping[str, Any], delta: Delta) -> bytes:
        was = self._open.get(delta.key)
        text = _at(document, delta.path)
        joined = (was.held if was else "") + text
        border = held_back(joined)
        out = self._fill(joined[:border], delta.nested)
        if border < len(joined):
            self._open[delta.key] = _Open(event, document, delta, joined[border:])
        elif was:
            del self._open[delta.key]
        return event.raw if out == text else _with_text(event, document, delta.path, out)

    def _whole(self, event: ServerSentEvent, document: Mapping[str, Any]) -> bytes:
        if _MARK.encode() not in event.raw:
            return event.raw
        restored = restore_value(document, self._dialect, self._fill)
        return event.raw if restored == document else event.with_data(_written(restored)).raw

    def _close(self, prefix: Key) -> bytes:
        """Send what is held of all texts whose key begins with `prefix`."""
        closed = [key for key in self._open if key[: len(prefix)] == prefix]
        return b"".join(self._remainder(self._open.pop(key)) for key in closed)

    def _remainder(self, text: _Open) -> bytes:
        rest = self._fill(text.held, text.delta.nested)
        return _with_text(text.event, text.document, text.delta.path, rest)


def _parsed(event: ServerSentEvent) -> Mapping[str, Any] | None:
    """Return the event's JSON object; None for comments, `[DONE]` and whatever else is no object."""
    data = event.data
    if not data.startswith(b"{"):
        return None
    try:
        document = json.loads(data)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _at(document: Mapping[str, Any], path: tuple[str, ...]) -> str:
    value: Any = document
    for name in path:
        value = value[name]
    return str(value)


def _with_text(event: ServerSentEvent, document: Mapping[str, Any], path: tuple[str, ...], text: str) -> bytes:
    return event.with_data(_written(_replaced(document, path, text))).raw


def _replaced(document: Mapping[str, Any], path: tuple[str, ...], text: str) -> Mapping[str, Any]:
    """Copy `document` with another string at `path`."""
    name, rest = path[0], path[1:]
    return {**document, name: _replaced(document[name], rest, text) if rest else text}


def _written(document: Any) -> bytes:
    """Write compact JSON as the providers do; lone surrogates stay escapes, for they are no UTF-8."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":")).encode()

"""The texts in the body of a request or an answer, as they were before JSON escaped them; pure.

Shapes do not matter: every text of every JSON value is given with its place, so that nothing is missed in a field that
a provider adds tomorrow. What a stream brings in pieces (`delta`) is put together first. Nothing raises.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

_MOST_NESTED: Final = 3  # JSON in a text of JSON: arguments of tools hold it, and what they run may again
_STREAMS: Final = (b"data:", b"{")
_ORDINARY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]{0,40}\Z")  # a field's; others are texts
_PIECES: Final = "delta"
_NAMES_OF_PIECE: Final = ("type", "item_id", "output_index", "content_index", "index", "summary_index", "call_id")


def texts(body: bytes) -> Iterator[tuple[str, str]]:
    """Yield place and text of all that `body` holds: JSON, a stream (SSE, or JSON by lines), or plain text."""
    if not body:
        return
    whole = _decoded(body)
    if whole is not None:
        yield from _within(whole, "", 0)
        return
    lines = [line for line in body.split(b"\n") if line.startswith(_STREAMS)]
    events = [event for event in (_decoded(line.removeprefix(b"data:")) for line in lines) if event is not None]
    if not events:
        yield "", body.decode(errors="replace")
        return
    yield from _streamed(events)


def _decoded(text: bytes | str) -> Any:
    """Return the object or array, None for everything else."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _within(value: object, place: str, depth: int) -> Iterator[tuple[str, str]]:
    waiting: list[tuple[object, str]] = [(value, place)]
    while waiting:
        one, where = waiting.pop()
        if isinstance(one, dict):
            yield from ((where, str(key)) for key in one if _ORDINARY.match(str(key)) is None)
            waiting += [(item, f"{where}.{key}" if where else str(key)) for key, item in reversed(one.items())]
        elif isinstance(one, list):
            waiting += [(item, f"{where}[{number}]") for number, item in reversed(list(enumerate(one)))]
        elif isinstance(one, str):
            inner = _decoded(one) if depth < _MOST_NESTED and one[:1] in ("{", "[") else None
            if inner is None:
                yield where, one
            else:
                yield from _within(inner, where, depth + 1)


def _streamed(events: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield the texts of events; pieces of one text are joined and stand where they were complete: at the end."""
    pieces: dict[tuple[object, ...], list[str]] = {}
    for event in events:
        rest = event
        if isinstance(event, dict):
            rest = {key: value for key, value in event.items() if key not in (_PIECES, "type")}
            _take(event, pieces)
            choices = event.get("choices")
            for choice in choices if isinstance(choices, list) else ():
                if isinstance(choice, dict):
                    _take(choice, pieces)
        yield from _within(rest, "", 0)
    for (name, *_), parts in pieces.items():
        yield from _within("".join(parts), str(name), 0)


def _take(event: dict[str, Any], pieces: dict[tuple[object, ...], list[str]]) -> None:
    piece = event.get(_PIECES)
    of = tuple(_hashable(event.get(name)) for name in _NAMES_OF_PIECE)
    fields = piece.items() if isinstance(piece, dict) else [("", piece)]
    for field, text in fields:
        if isinstance(text, str) and field != "type":
            pieces.setdefault((f"{_PIECES}.{field}".rstrip("."), *of), []).append(text)


def _hashable(value: object) -> object:
    return value if isinstance(value, str | int) else None

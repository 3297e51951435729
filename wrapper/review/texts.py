"""The texts in the body of a request or an answer, as they were before JSON escaped them; pure.

Shapes do not matter: every text of every JSON value is given with its place, so that nothing is missed in a field that
a provider adds tomorrow. What a stream brings in pieces (`delta`) is put together first. Nothing raises.

A client sends its conversation anew with each request. Who wants each text once hands in what came before (`Earlier`):
a part of a body that came before, byte for byte, holds the texts that it held then, so nothing new is passed over.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from wrapper.review.bounded import put

Earlier = dict[bytes, None]
"""Digests of the parts of bodies that `texts` has given: the latest of them."""

_MOST_EARLIER: Final = 1 << 16
_MOST_NESTED: Final = 3  # JSON in a text of JSON: arguments of tools hold it, and what they run may again
_STREAMS: Final = (b"data:", b"{")
_ORDINARY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]{0,40}\Z")  # a field's; others are texts
_PIECES: Final = "delta"
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw])
_NAMES_OF_PIECE: Final = ("type", "item_id", "output_index", "content_index", "index", "summary_index", "call_id")


def texts(body: bytes, earlier: Earlier | None = None) -> Iterator[tuple[str, str]]:
    """Yield place and text of all that `body` holds: JSON, a stream (SSE, or JSON by lines), or plain text.

    With `earlier`, members of a JSON object, and elements of those, are left out where they came before; to be read to
    its end, since what is new in this body counts as given from then on.
    """
    if not body:
        return
    new = None if earlier is None else _new(body, earlier)
    if new is not None:
        names, parts = new
        yield from (("", name) for name in names)
        for place, value in parts:
            yield from _within(value, place, 0)
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


def _new(body: bytes, earlier: Earlier) -> tuple[list[str], list[tuple[str, object]]] | None:
    """Return an object's names that are texts, and place and value of what did not come before; None for all others.

    Only when all of them could be read they count as given: else the body is taken in another way, as a whole.
    """
    try:
        members = _members.decode(body)
        new = [
            (digest, name if number is None else f"{name}[{number}]", msgspec.json.decode(raw))
            for name, number, raw in _parts(members)
            if (digest := hashlib.blake2b(raw, digest_size=32).digest()) not in earlier
        ]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    for digest, _, _ in new:
        put(earlier, digest, None, _MOST_EARLIER)
    names = [name for name in members if _ORDINARY.match(name) is None]
    return names, [(place, value) for _, place, value in new]


def _parts(members: dict[str, msgspec.Raw]) -> Iterator[tuple[str, int | None, msgspec.Raw]]:
    """Yield name, number and JSON of the members of an object, those that are arrays by element."""
    for name, raw in members.items():
        if bytes(raw).startswith(b"["):
            for number, one in enumerate(_elements.decode(raw)):
                yield name, number, one
        else:
            yield name, None, raw


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

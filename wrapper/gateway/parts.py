"""Texts that come in parts, edited while they pass: the core that event streams and WebSocket messages share. Pure.

Rules of this file:
1. An event in which nothing changes passes byte for byte. In a changed one only the text changes where it can be found
   in the bytes beyond doubt, else the event is written anew as JSON.
2. What is done to a text is a `Part`'s matter. It may hold back an end of it; that is given out with the next part, or
   as one more event before the one that closes the text.
3. However a text is cut, the texts that leave, joined, are what the `Part` makes of the whole.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, Self

import msgspec

from wrapper.gateway.dialect import Delta, Dialect, Key, Path, Reading, with_text
from wrapper.gateway.quoting import Quoting

_LAST: Final = b"[DONE]"  # ends the stream of a chat completion
_AS_TEXT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_AS_ASCII: Final = json.JSONEncoder(separators=(",", ":"))


class Part(Protocol):
    """Edits one text that comes in parts."""

    def feed(self, text: str) -> str:
        """Take the next part, give what may leave now."""

    def end(self) -> str:
        """Give what was held back."""


class Verbatim:
    """Edits nothing."""

    def feed(self, text: str) -> str:
        """Give `text` back."""
        return text

    def end(self) -> str:
        """Give nothing: nothing was held back."""
        return ""


class Frame(Protocol):
    """One event as it came; `raw` are its bytes, `data` is its JSON."""

    @property
    def raw(self) -> bytes:
        """All its bytes."""

    @property
    def data(self) -> bytes:
        """The JSON in it, or what else it carries."""

    def with_data(self, data: bytes) -> Self:
        """Give the event with other data."""

    def with_raw(self, raw: bytes) -> Self:
        """Give the event as other bytes."""


class Message(NamedTuple):
    """A WebSocket message: it is its data."""

    raw: bytes

    @property
    def data(self) -> bytes:
        """The whole message."""
        return self.raw

    def with_data(self, data: bytes) -> Self:
        """Give another message."""
        return self._replace(raw=data)

    def with_raw(self, raw: bytes) -> Self:
        """Give another message."""
        return self._replace(raw=raw)


class Event(NamedTuple):
    """An event and the JSON object in it; None for comments, `[DONE]` and whatever else has none."""

    frame: Frame
    document: Mapping[str, Any] | None

    def with_document(self, document: Mapping[str, Any]) -> Self:
        """Give the event with another object, written anew."""
        return self._replace(frame=self.frame.with_data(written(document)), document=document)


def read(frame: Frame) -> Event:
    """Read the JSON object of an event."""
    data = frame.data
    if not data.lstrip().startswith(b"{"):
        return Event(frame, None)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return Event(frame, None)
    return Event(frame, document if isinstance(document, dict) else None)


def written(document: Any) -> bytes:
    """Write compact JSON as the providers do; lone surrogates stay escapes, for they are no UTF-8."""
    try:
        return _AS_TEXT.encode(document).encode()
    except UnicodeEncodeError:
        return _AS_ASCII.encode(document).encode()


@dataclass(slots=True)
class _Open:
    """A text that is still being delivered, and the last event that did as the shape for the rest."""

    part: Part
    event: Event
    delta: Delta


class StreamEditor:
    """Edits one answer. Feed it every event in order, then call `end` once.

    `begin` makes what edits a text of this kind; `whole` edits an event that delivers no part of a text.
    """

    def __init__(
        self, dialect: Dialect, begin: Callable[[Quoting], Part], whole: Callable[[Event, Reading], Event]
    ) -> None:
        self._reading = dialect.reading()
        self._begin = begin
        self._whole = whole
        self._open: dict[Key, _Open] = {}

    def event(self, event: Event) -> list[Event]:
        """Give the events to pass on for this one: mostly one, at times with others before it."""
        if event.document is None:
            return [*(self._closed(()) if event.frame.data == _LAST else ()), event]
        deltas = self._reading.deltas(event.document)
        closes = self._reading.closes(event.document)
        edited = event
        for delta in deltas:
            edited = self._next(edited, event, delta, ends=any(delta.key[: len(key)] == key for key in closes))
        closing = [one for key in closes for one in self._closed(key)]
        return [*closing, edited if deltas else self._whole(event, self._reading)]

    def end(self) -> list[Event]:
        """Give out what is still held back: the stream ended without closing its texts."""
        return list(self._closed(()))

    def _next(self, edited: Event, event: Event, delta: Delta, *, ends: bool) -> Event:
        """Edit the next part of a text within `edited`, which is `event` with the texts before it edited."""
        text = _at(event.document, delta.path)
        last = self._open.pop(delta.key, None)
        part = last.part if last else self._begin(delta.quoting)
        out = part.feed(text)
        if ends:
            out += part.end()
        else:
            self._open[delta.key] = _Open(part, event, delta)
        return edited if out == text else _with_text(edited, delta.path, text, out)

    def _closed(self, prefix: Key) -> Iterator[Event]:
        """Close all texts whose key begins with `prefix`: give what is held back of them."""
        for key in [key for key in self._open if key[: len(prefix)] == prefix]:
            text = self._open.pop(key)
            rest = text.part.end()
            if rest and text.event.document is not None:
                yield self._rest(text.event, text.delta, rest)

    def _rest(self, event: Event, delta: Delta, rest: str) -> Event:
        document = event.document or {}
        one_more = self._reading.rest(document, delta, rest)
        if one_more == with_text(document, delta.path, rest):
            return _with_text(event, delta.path, _at(document, delta.path), rest)
        return event.with_document(one_more)


def _at(value: Any, path: Path) -> str:
    for place in path:
        value = value[place]
    return str(value)


def _with_text(event: Event, path: Path, old: str, new: str) -> Event:
    """Give the event with `new` for `old` at `path`; other bytes stay if the place is beyond doubt."""
    document = with_text(event.document, path, new)
    data = event.frame.data
    for before in _spellings(str(path[-1]), old):
        if data.count(before) == 1:
            text = data.replace(before, before[: before.index(b":") + 1] + written(new))
            if _says(text, document):
                return Event(event.frame.with_data(text), document)
    return event.with_document(document)


def _says(data: bytes, document: Mapping[str, Any]) -> bool:
    try:
        return bool(msgspec.json.decode(data) == document)
    except (msgspec.DecodeError, RecursionError):  # it knows no lone surrogates
        return False


def _spellings(name: str, text: str) -> Iterator[bytes]:
    """Write a member as providers do."""
    for encoder in (_AS_TEXT,) if text.isascii() else (_AS_TEXT, _AS_ASCII):
        value = encoder.encode(text).encode("utf-8", "surrogatepass")
        for colon in (b":", b": "):
            yield b'"%b"%b%b' % (name.encode(), colon, value)

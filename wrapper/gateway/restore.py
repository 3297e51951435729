"""Placeholders back into values, towards the inside: in whole JSON answers and in texts that come in parts. Pure.

Rules of this file:
1. Which values may go in is decided by the vault alone: only what came from the inside (promise 2).
2. A document in which nothing changes passes byte for byte; a changed one is written anew as JSON.
3. A placeholder cut over several parts is restored: the end of a text that may be the beginning of one is held back.
   Nothing is held but such an end, so a text is never delayed by more than one part.
4. What the provider wrote for itself (reasoning, signatures) is not touched: it is verified when it comes back.
5. A value is written as what is around it needs (`quoting`); one that cannot stand there stays a placeholder.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from redactors.vault import LONGEST_PREFIX, Origin
from wrapper.gateway.dialect import Dialect, Reading
from wrapper.gateway.javascript import JavaScript
from wrapper.gateway.nearly import NearText
from wrapper.gateway.parts import Event, Part, written
from wrapper.gateway.quoting import Context, Json, Quoting, Text, is_plain

Begin = Callable[[Quoting], Part]

Restored = Callable[[bytes, bool], None]
"""Is told a value that goes in, and whether it is a part of a word there; that may be told later, once more."""

_MARK: Final = "MASKED-"
_BEGINNINGS: Final = tuple(_MARK[:size] for size in range(len(_MARK) - 1, 0, -1))
_IN_PLACEHOLDERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
_IN_PREFIXES: Final = _IN_PLACEHOLDERS | frozenset("abcdefghijklmnopqrstuvwxyz_.")
_OPEN_END: Final = re.compile(r"MASKED-[A-Z0-9-]*\Z")
# Longest run that is held back. The longest kinds of the catalogue make placeholders of some 60 characters; a longer
# run is no placeholder of ours, and a model that repeats itself must not make the gateway hold its whole answer.
_LONGEST: Final = 512
_FENCE: Final = b"\xff"  # in no UTF-8 text, so it tells where values stand
_ESCAPES: Final = frozenset(rf"\{letter}" for letter in "bfnrt")  # of a line end: no word goes on there
_STAND_IN: Final = "M"  # for a value, where only what is around it counts


class Values(Protocol):
    """What is needed of the vault."""

    def issue(self, kind: str, value: bytes, origin: Origin) -> str:
        """Give a value's placeholder."""

    def restore(self, data: bytes, *, to: Origin, quote: Callable[[bytes], bytes] = ...) -> bytes:
        """Put values back for placeholders."""

    def may_go_on(self, data: bytes) -> int:
        """Give where the end begins that may become a placeholder, with its prefix."""


def held_back(text: str) -> int:
    """Offset of the end of `text` that may become a placeholder; `len(text)` where there is none."""
    if text[-1:] not in _IN_PLACEHOLDERS:
        return len(text)
    run = _OPEN_END.search(text)
    if run:
        return run.start() if len(text) - run.start() <= _LONGEST else len(text)
    return next((len(text) - len(mark) for mark in _BEGINNINGS if text.endswith(mark)), len(text))


class Filling:
    """Restores one text that comes in parts; `near` is shown it, `restored` is told each value before it leaves."""

    def __init__(self, values: Values, near: NearText, quoting: Quoting, restored: Restored) -> None:
        self._values = values
        self._near = near
        self._restored = restored
        self._context = _context(quoting)
        self._is_json = quoting is Quoting.JSON
        self._unread: list[str] = []  # what the context was not shown yet: it is asked for few values
        self._held = ""
        self._before = ""  # the last two characters that left
        self._ended: bytes | None = None  # the value that left last, with nothing behind it yet

    def feed(self, text: str) -> str:
        """Take the next part, give what may leave now."""
        joined = self._held + text
        border = self._settled(joined)
        self._held = joined[border:]
        return self._filled(joined[:border])

    def _settled(self, text: str) -> int:
        """Give where the end of `text` begins that may become a placeholder."""
        border = held_back(text)
        if border < len(text) or text[-1:] in _IN_PREFIXES:
            end = text[max(0, border - LONGEST_PREFIX) :].encode("utf-8", "surrogatepass")
            border = min(border, len(text) - len(end) + self._values.may_go_on(end))
        return border

    def end(self) -> str:
        """Give what was held back."""
        rest, self._held = self._held, ""
        filled = self._filled(rest)
        self._near.end()
        return filled

    def _filled(self, text: str) -> str:
        if not text:
            return ""
        raw = text.encode("utf-8", "surrogatepass")
        self._near.part(raw)
        if _MARK not in text:
            return self._text(text)
        fenced = self._values.restore(raw, to=Origin.INSIDE, quote=self._fenced).split(_FENCE)
        pieces = (piece.decode("utf-8", "surrogatepass") for piece in fenced)
        return "".join(self._value(piece) if at % 2 else self._text(piece) for at, piece in enumerate(pieces))

    def _fenced(self, value: bytes) -> bytes:
        """Mark a value; one that is no text stays a placeholder."""
        try:
            value.decode()
        except UnicodeDecodeError:
            return self._placeholder(value)
        return _FENCE + value + _FENCE

    def _text(self, text: str) -> str:
        if text:
            if self._ended is not None and _joins(text[0]):
                self._restored(self._ended, True)
            self._ended = None
            self._before = (self._before + text[-2:])[-2:]
            self._unread.append(text)
        return text

    def _value(self, value: str) -> str:
        quoted: str | None = value
        if self._is_json or not is_plain(value):
            self._context.feed("".join(self._unread))
            self._unread.clear()
            quoted = self._context.quote(value)
        self._unread.append(_STAND_IN)
        if quoted is None:
            return self._placeholder(value.encode()).decode()
        self._tell(value)
        return quoted

    def _tell(self, value: str) -> None:
        raw = value.encode()
        self._restored(raw, _joins(self._before[-1:]) and self._before not in _ESCAPES)
        if self._ended is not None:
            self._restored(self._ended, True)
        self._ended, self._before = raw, value[-2:]

    def _placeholder(self, value: bytes) -> bytes:
        return self._values.issue("SECRET", value, Origin.INSIDE).encode()


def restore_document(data: bytes, dialect: Dialect, begin: Begin) -> bytes:
    """Restore a whole answer: JSON, or JSON in each line that has a placeholder; ValueError if it is neither."""
    if _MARK.encode() not in data:
        return data
    try:
        return _restored(data, dialect, begin)
    except ValueError:
        lines = data.splitlines(keepends=True)
        return b"".join(_restored_line(line, dialect, begin) for line in lines)


def restore_event(event: Event, dialect: Dialect, reading: Reading, begin: Begin) -> Event:
    """Restore an event that is no part of a text."""
    if event.document is None or _MARK.encode() not in event.frame.raw:
        return event
    restored = restore_value(event.document, dialect, reading, begin)
    return event if restored == event.document else event.with_document(restored)


def restore_value(value: Any, dialect: Dialect, reading: Reading, begin: Begin, quoting: Quoting = Quoting.TEXT) -> Any:
    """Restore every string of a JSON value but the provider's own."""
    if isinstance(value, str):
        return _whole(value, begin(quoting)) if _MARK in value else value
    if isinstance(value, list):
        return [restore_value(item, dialect, reading, begin) for item in value]
    if isinstance(value, dict):
        return value if dialect.opaque(value) else _members(value, dialect, reading, begin)
    return value


def _members(members: Mapping[str, Any], dialect: Dialect, reading: Reading, begin: Begin) -> dict[str, Any]:
    return {
        (_whole(name, begin(Quoting.TEXT)) if _MARK in name else name): value
        if name in dialect.opaque_keys
        else restore_value(value, dialect, reading, begin, reading.quoting(members, name))
        for name, value in members.items()
    }


def _whole(text: str, part: Part) -> str:
    return part.feed(text) + part.end()


def _restored_line(line: bytes, dialect: Dialect, begin: Begin) -> bytes:
    return _restored(line, dialect, begin) if _MARK.encode() in line else line


def _restored(data: bytes, dialect: Dialect, begin: Begin) -> bytes:
    document = json.loads(data)
    restored = restore_value(document, dialect, dialect.reading(), begin)
    return data if restored == document else written(restored) + data[len(data.rstrip()) :]


def _joins(character: str) -> bool:
    """Tell what makes one word of itself and what it stands beside; what is no ASCII may."""
    return character.isalnum() or character == "_" or character > "\x7f"


def _context(quoting: Quoting) -> Context:
    if quoting is Quoting.JAVASCRIPT:
        return JavaScript()
    return Json(certain=True) if quoting is Quoting.JSON else Text()

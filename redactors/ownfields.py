"""Which strings of a request belong to the provider: it wrote them, and checks them when it gets them back.

Rules of this file:
1. What leads to a string from the outermost value says whose it is, never its name alone: whoever calls a tool can name
   an argument `signature`. A list leads where its items lead; a list in a list leads nowhere.
2. Names count as a parser reads them. Where a member stands twice in an object on the way, nothing behind it is the
   provider's: two readers could read it differently.
3. What is no document, nor lines of them, holds nothing of the provider's.
4. Of a document that is read, which is done only where something was found under such a name, each object and list is
   taken apart once, however many strings are asked for.
"""

import re
from bisect import bisect_right
from typing import Final, NamedTuple

import msgspec

from redactors.ownshapes import BODY

_LISTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECTS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING: Final = msgspec.json.Decoder(str)
_VALUE: Final = msgspec.json.Decoder(msgspec.Raw)
_KEY: Final = re.compile(rb'[ \t\r\n]*"(?:[^"\\]|\\.)*"[ \t\r\n]*:', re.DOTALL)
_BLANKS: Final = re.compile(rb"[ \t\r\n]*")
_CONTAINERS: Final = frozenset((b"{", b"["))
_BRACKET, _BRACE, _COMMA = b"[},"
_UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)


class _Parts(NamedTuple):
    """A container taken apart: where each value starts, its bytes, and in an object its name."""

    starts: list[int]
    values: list[msgspec.Raw]
    names: list[str]


_NOTHING: Final = _Parts([], [], [])
_NONE: Final = msgspec.Raw()


class OwnFields:
    """Tells which strings of a document, or of lines of documents, are the provider's own."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._read: dict[int, _Parts] = {}
        self._is_lines: bool | None = None

    def holds(self, opening: int) -> bool:
        """Tell whether the string that opens at `opening` is the value of such a field."""
        data, shape, is_item, value = self._data, BODY, False, _NONE
        at = self._outermost(opening)
        while data[at : at + 1] in _CONTAINERS:
            is_list = data[at] == _BRACKET
            parts = self._parts(at, value)
            place = bisect_right(parts.starts, opening) - 1
            if place < 0 or (is_list and is_item):
                return False
            at, value, is_item = parts.starts[place], parts.values[place], is_list
            if is_list:
                continue
            name = parts.names[place]
            if at == opening:
                return name in shape.own and _is_of(parts, shape.own[name])
            if name not in shape.within:
                return False
            shape = shape.within[name]
        return False

    def path(self, offset: int) -> tuple[str | int, ...]:
        """Give the names and numbers that lead to the value around an offset, as far as they can be said."""
        path: list[str | int] = []
        at, value = self._outermost(offset), _NONE
        while self._data[at : at + 1] in _CONTAINERS:
            parts = self._parts(at, value)
            place = bisect_right(parts.starts, offset) - 1
            if place < 0:
                break
            path.append(parts.names[place] if parts.names else place)
            at, value = parts.starts[place], parts.values[place]
        return tuple(path)

    def _outermost(self, offset: int) -> int:
        """Give where the document around an offset starts, which has been taken apart."""
        data = self._data
        if self._is_lines is None:
            first = _behind_blanks(data, 0)
            self._read[first] = _taken_apart(data, first, data)
            self._is_lines = self._read[first] is _NOTHING and not _is_document(data)
            if self._is_lines:
                del self._read[first]
        start = data.rfind(b"\n", 0, offset) + 1 if self._is_lines else 0
        at = _behind_blanks(data, start)
        if at not in self._read:
            end = data.find(b"\n", offset)
            self._read[at] = _taken_apart(data, at, data[at : end if end >= 0 else len(data)])
        return at

    def _parts(self, at: int, value: msgspec.Raw) -> _Parts:
        """Take apart what starts at an offset."""
        known = self._read.get(at)
        if known is None:
            known = self._read[at] = _taken_apart(self._data, at, value)
        return known


def _taken_apart(data: bytes, at: int, value: msgspec.Raw | bytes) -> _Parts:
    """Take apart what starts at an offset; what cannot be is given as holding nothing."""
    try:
        if data[at : at + 1] == b"[":
            items = _LISTS.decode(value)
            return _Parts(_starts_of_items(data, at, items), items, [])
        if data[at : at + 1] == b"{":
            members = _OBJECTS.decode(value)
            return _Parts(_starts_of_members(data, at, list(members.values())), list(members.values()), list(members))
    except _UNREADABLE:
        pass
    return _NOTHING


def _starts_of_items(data: bytes, at: int, items: list[msgspec.Raw]) -> list[int]:
    """Give where the items of a list stand, one behind the other."""
    starts = []
    for item in items:
        start = _behind_blanks(data, at + 1)
        starts.append(start)
        at = _behind_blanks(data, start + len(memoryview(item)))  # a comma
    return starts


def _starts_of_members(data: bytes, at: int, values: list[msgspec.Raw]) -> list[int]:
    """Give where values stand, one behind the other. ValueError where something else stands between two of them.

    A decoder keeps one of members of the same name. Then the values are not those that stand there one behind the
    other, or the last is not the last: a value of JSON is never the beginning of another one but for numbers, and
    behind those no comma or bracket comes then.
    """
    starts: list[int] = []
    for value in values:
        key, raw = _KEY.match(data, at + 1), memoryview(value)
        start = _behind_blanks(data, key.end()) if key else -1
        if start < 0 or not data.startswith(raw, start):
            raise ValueError("a member stands there twice")
        starts.append(start)
        at = _behind_blanks(data, start + len(raw))
        if data[at] != (_COMMA if len(starts) < len(values) else _BRACE):
            raise ValueError("a member stands there twice")
    return starts


def _is_document(data: bytes) -> bool:
    try:
        _VALUE.decode(data)
    except _UNREADABLE:
        return False
    return True


def _behind_blanks(data: bytes, at: int) -> int:
    blanks = _BLANKS.match(data, at)
    return blanks.end() if blanks else at


def _is_of(parts: _Parts, types: frozenset[str]) -> bool:
    """Tell whether an object is of one of the types; of none: of any."""
    if not types:
        return True
    kind = dict(zip(parts.names, parts.values, strict=True)).get("type", _NONE)
    return bytes(memoryview(kind)[:1]) == b'"' and _STRING.decode(kind) in types

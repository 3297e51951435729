"""What a model was given, as text: all strings of a request that are not its own words; pure.

`review.turns` leaves out what clients write in the user's name (instructions, files that were attached): here it
counts, since a model repeats it all the same. Rules of this file:
1. A part of a conversation is read once, however often it is sent; so are instructions and descriptions of tools.
2. What the model itself said is no part of what it was given: parts of the role `assistant`, and calls.
3. A string that is JSON is read, too. An unknown shape is read whole; nothing raises.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

_MOST_KNOWN: Final = 1 << 16  # hashes of parts: some MB
_DEEPEST: Final = 32
_CONVERSATION: Final = ("messages", "input")
_THE_MODEL: Final = ("assistant", "model")
_SHORT: Final = 4  # letters: names of roles and types are no lines
_LOCATED: Final = re.compile(
    rb"^(?:[^\s:][^:\n]{0,255}[:-])?[0-9]{1,9}[:-]", re.MULTILINE
)  # grep -n, with and without -H
_HUNK: Final = re.compile(rb"^(?:@@ -|diff --git )", re.MULTILINE)
_SIGN: Final = re.compile(rb"^[+\- ]", re.MULTILINE)
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_parts: Final = msgspec.json.Decoder(list[msgspec.Raw])
_any: Final = msgspec.json.Decoder()


class Heard:
    """Takes the bodies of a session's requests in order, and gives what is new in each."""

    def __init__(self) -> None:
        self._known: dict[int, None] = {}

    def new(self, body: bytes) -> Iterator[str]:
        """Yield the strings that no earlier request had."""
        try:
            members = _members.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return
        for name, raw in members.items():
            for part in _of(name, raw):
                if self._is_new(part):
                    yield from _strings(_decoded(part), 0)

    def _is_new(self, part: msgspec.Raw) -> bool:
        key = hash(bytes(part))
        if key in self._known:
            return False
        self._known[key] = None
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return True


def forms(text: bytes) -> Iterator[bytes]:
    """Yield a text as it stands, and as the files that it may be of have it: without what tools put before a line."""
    yield text
    if _LOCATED.search(text):
        yield _LOCATED.sub(b"", text)
    if _HUNK.search(text):
        yield _SIGN.sub(b"", text)


def _of(name: str, raw: msgspec.Raw) -> list[msgspec.Raw]:
    if name in _CONVERSATION:
        try:
            return _parts.decode(bytes(raw))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass
    return [raw]


def _decoded(raw: msgspec.Raw | str) -> object:
    try:
        value: object = _any.decode(raw if isinstance(raw, str) else bytes(raw))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value


def _strings(value: object, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        inner = _decoded(value) if value.startswith(("{", "[")) else None
        if isinstance(inner, dict | list):
            yield from _strings(inner, depth + 1)
        if len(value) >= _SHORT:
            yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one, depth + 1)
    elif isinstance(value, dict) and not _is_models(value):
        for one in value.values():
            yield from _strings(one, depth + 1)


def _is_models(value: dict[str, object]) -> bool:
    kind = value.get("type")
    is_call = isinstance(kind, str) and kind.endswith(("_call", "tool_use", "reasoning", "thinking"))
    return value.get("role") in _THE_MODEL or is_call

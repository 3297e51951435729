r"""Whether pieces of text make a JSON document, each piece judged once, whatever stands around it.

A piece ends behind a value that is no array and no object, and the next one begins with what closes some of these, if
any, and a comma; but for the ends of the document. What a document needs to know of a piece is which brackets it closes
that it did not open, and which it leaves open. With these put around it, it must be a document of its own. A document
is valid if all its pieces are, and each finds open what it needs.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

_DECODER = msgspec.json.Decoder(msgspec.Raw)
_OPENS = bytes.maketrans(b"]}", b"[{")
_CLOSES = bytes.maketrans(b"[{", b"]}")
_NO_BRACKET = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ONE_SIDED = re.compile(rb"([\]}]*)([\[{]*)")
_BEGINS = re.compile(rb"([ \t\r\n\]}]*),[ \t\r\n]*(\{?)")  # an object that no key stands before is in an array
_OBJECT = 0x7B  # {
_BLANKS = b" \t\r\n"
ENDS = frozenset(b'"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ')
"""Bytes that a value ends with that is no array and no object."""
_DEEPEST = 64  # what is nested deeper is judged as a whole
_SHORT = 4_096  # bytes, whose brackets are counted in less time than a guess takes that fails
_MOST = 4_096  # brackets of which more than two levels are left: so much structure is judged as a whole


class Nesting(NamedTuple):
    """What must be open before a piece, and what is open in its place behind it: `[` and `{`, the outermost first."""

    needs: bytes
    leaves: bytes


def nesting(piece: bytes, *, is_first: bool, is_last: bool) -> Nesting | None:
    """Judge a piece; None if it is none of a valid document, or too deep to say."""
    begins = _BEGINS.match(piece)
    if not (is_first or begins) or not (is_last or (piece and piece[-1] in ENDS)):
        return None
    levels = (b"",) if is_first or is_last else (b"[", b"{") if begins and begins[2] else (b"{", b"[")
    if begins and not (is_first or is_last) and (begins[1] or len(piece) > _SHORT):
        # Most pieces open again what they close at their start; of those that close nothing there, the long ones, which
        # are a text. A document has one outermost value: if such a piece makes one with that around it, it closed no
        # more, and all of that is open behind it.
        same = levels[0] + begins[1].translate(_OPENS, _BLANKS)[::-1]
        if len(same) <= _DEEPEST and _is_valid(same, piece, same):
            return Nesting(same, same)
    brackets = _one_sided(piece)
    if brackets is None:
        return None
    closed, opened = brackets
    if (is_first and closed) or (is_last and opened):
        return None
    if closed and levels[1:]:  # what closes an object goes on in an array, mostly, and the other way round
        levels = (b"[", b"{") if closed[0] == _OBJECT else (b"{", b"[")
    for level in levels:
        if _is_valid(level + closed, piece, level + opened):
            return Nesting(level + closed, level + opened)
    return None


def opened(before: bytes, one: Nesting | None) -> bytes | None:
    """Give what is open behind a piece before which `before` is open; None if no document goes on so."""
    if one is None or not before.endswith(one.needs):
        return None
    return before[: len(before) - len(one.needs)] + one.leaves


def is_document(nestings: Iterable[Nesting | None]) -> bool:
    """Tell whether pieces, in this order, make a valid document."""
    open_now, is_ended = b"", False
    for one in nestings:
        behind = None if is_ended else opened(open_now, one)
        if behind is None:
            return False
        open_now, is_ended = behind, not behind
    return is_ended


def is_json(data: bytes) -> bool:
    """Tell whether data is one JSON document (RFC 8259)."""
    try:
        _DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def is_json_lines(data: bytes) -> bool:
    """Tell whether data is several JSON documents, one on each line (JSON Lines, NDJSON)."""
    lines = [line for line in data.split(b"\n") if line.strip()]
    return len(lines) > 1 and all(map(is_json, lines))


def _one_sided(piece: bytes) -> tuple[bytes, bytes] | None:
    """Give what a piece closes and does not open, as what had opened it, and what it opens and does not close."""
    if b"\\" in piece:
        piece = piece.replace(rb"\\", b"").replace(rb"\"", b"")
    parts = piece.split(b'"')
    brackets = b"".join(parts[::2]).translate(None, _NO_BRACKET)
    for level in range(_DEEPEST):
        fewer = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if fewer == brackets or (level > 1 and len(fewer) > _MOST):
            break
        brackets = fewer
    sides = _ONE_SIDED.fullmatch(brackets) if len(brackets) <= _DEEPEST else None
    return (sides[1].translate(_OPENS)[::-1], sides[2]) if sides else None


def _is_valid(before: bytes, piece: bytes, behind: bytes) -> bool:
    opening = before.replace(b"{", b'{"":') + b"0" if before else b""  # with the value that the piece follows
    return is_json(b"".join((opening, piece, behind[::-1].translate(_CLOSES))))

r"""Bytes written as hex digits in ways that are no gap of `redactors.squeeze`, and back to where each byte stands.

Lists with something before or behind every byte (`\x73\x6b`, `0x73, 0x6b`, `%73%6b`, `73:6b`, `73 6b`, `\u0073`), and
dumps in little-endian words (`hexdump` and `od -x` on most machines: `6b73 612d`).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from redactors.sites import BORDER, grouped

_BEFORE_DIGITS = rb"(?:\\+x|\\+u00|%|0[xX])?"
_BYTE = _BEFORE_DIGITS + rb"[0-9a-fA-F]{2}"
# The same, with one class in front: `re` passes over what cannot begin a match only if it is told by a class.
_FIRST = (
    rb"[\\%0-9a-fA-F](?:(?<=\\)\\*(?:x|u00)[0-9a-fA-F]{2}|(?<=%)[0-9a-fA-F]{2}|(?<=0)[xX][0-9a-fA-F]{2}|"
    rb"(?<![\\%])[0-9a-fA-F])"
)
# Each of these can only be read in one way, so nothing is tried again where a list is too short.
_BETWEEN = rb"(?:[:-]|[,;]?(?:[ \t\r\n]|\\++[nrt]){0,16}+(?=0[xX])|(?:[ \t\r\n]|\\++[nrt]){1,4}+)?+"
_LIST = re.compile(_FIRST + _BETWEEN + rb"(?:" + _BYTE + _BETWEEN + rb"){5,}+")
_ONE_BYTE = re.compile(_BEFORE_DIGITS + rb"([0-9a-fA-F]{2})")
_APART = 64  # bytes between two hints of one list
_LINE = re.compile(
    rb"[0-9a-fA-F](?:(?<=\n.)|(?<=\\n.)|(?<=[\"'`].)|(?<![\s\S]{2}))[0-9a-fA-F]{5,15}:?"  # first in its line
    rb"(?P<words>(?:[ \t]+[0-9a-fA-F]{4})+|(?:[ \t]+[0-9a-fA-F]{8})+|(?:[ \t]+[0-9a-fA-F]{16})+)"
    rb"[ \t]*(?=[\r\n\\\"'`]|\Z)"
)
_WORD = re.compile(rb"[0-9a-fA-F]+")
Place = tuple[int, int]
"""Where one byte is written: the start and the end of its digits and of what belongs to them."""


class Decoded(NamedTuple):
    """The bytes that were written. `places` works out where in the data each of them stands: few are asked for."""

    text: bytes
    places: Callable[[], list[Place]]


def hex_lists(data: bytes, hints: Iterable[int]) -> Iterator[Decoded]:
    """Decode each list of bytes around the hints, which rise."""
    for start, end in grouped(hints, _APART, len(data)):
        for found in _LIST.finditer(data, start, end):
            digits = b"".join(_ONE_BYTE.findall(data, *found.span()))
            yield Decoded(bytes.fromhex(digits.decode()), partial(_places_in_list, data, *found.span()))


def _places_in_list(data: bytes, start: int, end: int) -> list[Place]:
    return [byte.span() for byte in _ONE_BYTE.finditer(data, start, end)]


def swapped_dump(data: bytes, start: int, end: int) -> Decoded:
    """Decode the lines of words in a part of the data, last byte of each word first."""
    places: list[Place] = []
    for line in _LINE.finditer(data, start, end):
        for word in _WORD.finditer(data, *line.span("words")):
            places += [(at - 2, at) for at in range(word.end(), word.start(), -2)]
    digits = "".join([data[first:last].decode() for first, last in places])
    return Decoded(bytes.fromhex(digits), lambda: places)


def together(parts: Iterable[Decoded]) -> Decoded:
    """Put parts into one, apart from each other; where a border stands nothing is written."""
    written = [part for part in parts if part.text]
    return Decoded(BORDER.join([part.text for part in written]), partial(_places_together, written))


def _places_together(parts: list[Decoded]) -> list[Place]:
    found: list[Place] = []
    for part in parts:
        places = part.places()
        found += [*places, (places[-1][1], places[-1][1])]
    return found

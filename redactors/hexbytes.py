r"""Bytes written as hex digits in ways that are no gap of `redactors.squeeze`, and back to where each byte stands.

Lists with something before or behind every byte (`\x73\x6b`, `0x73, 0x6b`, `%73%6b`, `73:6b`, `73 6b`, `\u0073`), and
dumps in little-endian words (`hexdump` and `od -x` on most machines: `6b73 612d`).
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from redactors.sites import BORDER, grouped

_BYTE = rb"(?:\\+x|\\+u00|%|0[xX])?[0-9a-fA-F]{2}"
# The same, with one class in front: `re` passes over what cannot begin a match only if it is told by a class.
_FIRST = (
    rb"[\\%0-9a-fA-F](?:(?<=\\)\\*(?:x|u00)[0-9a-fA-F]{2}|(?<=%)[0-9a-fA-F]{2}|(?<=0)[xX][0-9a-fA-F]{2}|"
    rb"(?<![\\%])[0-9a-fA-F])"
)
_BETWEEN = rb"(?:[:-]|(?:[ \t\r\n]|\\+[nrt]){1,4}|[,;]?(?:[ \t\r\n]|\\+[nrt]){0,16}(?=0[xX]))?"
_LIST = re.compile(_FIRST + _BETWEEN + rb"(?:" + _BYTE + _BETWEEN + rb"){5,}")
_ONE_BYTE = re.compile(_BYTE)
_APART = 64  # bytes between two hints of one list
_LINE = re.compile(
    rb"[0-9a-fA-F](?:(?<=\n.)|(?<=\\n.)|(?<=[\"'`].)|(?<![\s\S]{2}))[0-9a-fA-F]{5,15}:?"  # first in its line
    rb"(?P<words>(?:[ \t]+[0-9a-fA-F]{4})+|(?:[ \t]+[0-9a-fA-F]{8})+|(?:[ \t]+[0-9a-fA-F]{16})+)"
    rb"[ \t]*(?=[\r\n\\\"'`]|\Z)"
)
_WORD = re.compile(rb"[0-9a-fA-F]+")


class Decoded(NamedTuple):
    """The bytes that were written, and where in the data each of them stands."""

    text: bytes
    places: list[tuple[int, int]]


def hex_lists(data: bytes, hints: Iterable[int]) -> Iterator[Decoded]:
    """Decode each list of bytes around the hints, which rise."""
    for start, end in grouped(hints, _APART, len(data)):
        for found in _LIST.finditer(data, start, end):
            places = [byte.span() for byte in _ONE_BYTE.finditer(data, *found.span())]
            yield Decoded(_bytes_at(data, places), places)


def swapped_dump(data: bytes, start: int, end: int) -> Decoded:
    """Decode the lines of words in a part of the data, last byte of each word first."""
    places: list[tuple[int, int]] = []
    for line in _LINE.finditer(data, start, end):
        for word in _WORD.finditer(data, *line.span("words")):
            places += [(at - 2, at) for at in range(word.end(), word.start(), -2)]
    return Decoded(_bytes_at(data, places), places)


def together(parts: Iterable[Decoded]) -> Decoded:
    """Put parts into one, apart from each other; where a border stands nothing is written."""
    texts: list[bytes] = []
    places: list[tuple[int, int]] = []
    for text, written in parts:
        if text:
            texts.append(text)
            places += [*written, (written[-1][1], written[-1][1])]
    return Decoded(BORDER.join(texts), places)


def _bytes_at(data: bytes, places: list[tuple[int, int]]) -> bytes:
    return bytes.fromhex("".join([data[end - 2 : end].decode() for _, end in places]))

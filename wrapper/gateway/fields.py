"""Where a field that a client adds by itself stands in a request: what `claude_fields` and `codex_fields` say. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

VALUE: Final = rb'(?:[^"\\]|\\["\\/bfrtu])*'
"""The rest of a line within a JSON string: up to an escaped line end, or to the string's own end."""


class Place(NamedTuple):
    """A field's value, `data[start:end]`; `cut` goes when the field is dropped, and `instead` stands there then.

    `is_text`: a placeholder can stand for it; else masking it is dropping it.
    """

    field: str
    start: int
    end: int
    cut: tuple[int, int]
    instead: bytes = b""
    is_text: bool = True


class Client(NamedTuple):
    """What one client adds: the names of all its fields, and where they are.

    `headers`: lower-case name -> field; `members` gives the places in those whose value is a document. `marks`: what
    gives the places behind each mark in a body, from the mark's end on. `opaque` are marks behind which stands a string
    that the provider wrote and checks again: nothing in it may change. `between` stands between two items of the
    conversation, and in no string: a quotation mark in one has a backslash, and behind one that ends a string comes no
    letter.
    """

    fields: tuple[str, ...]
    headers: Mapping[str, str]
    members: Mapping[str, Callable[[bytes], Iterator[Place]]]
    marks: Mapping[bytes, Callable[[bytes, int], Iterator[Place]]]
    opaque: tuple[bytes, ...]
    between: bytes


def emptied(field: str, found: re.Match[bytes], group: int = 1) -> Place:
    """Give a value that is emptied when it is dropped."""
    return Place(field, *found.span(group), found.span(group))


def lines(rules: Sequence[tuple[str, re.Pattern[bytes]]], data: bytes, start: int, end: int) -> Iterator[Place]:
    """Give what each rule finds in a piece of a prompt: group 1 is the value, the whole match goes with it."""
    for field, rule in rules:
        for found in rule.finditer(data, start, end):
            yield Place(field, *found.span(1), found.span())

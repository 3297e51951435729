r"""Where a span may stand in a JSON document, and in documents that stand in its strings, at any depth.

Of a document's own quotation marks none is escaped; of one within its strings they are written `\"`, a level deeper
`\\\"`: before a mark of depth d stand b backslashes with b + 1 = 2^d (mod 2^(d+1)). A span must not cover a mark of the
document it stands in, nor what lies between that one's strings. What a string holds counts as a document only if it can
be read as one: code that begins with `{` is code.
"""

import json
import re
from collections.abc import Iterator

from redactors.jsonbytes import Strings, closing_quote

_BEGINS = re.compile(r"\s*[\[{]")
# What a string begins with that may hold a document: that begins with a bracket or a blank (RFC 8259), either of which
# may be written as an escape.
_MAY_BEGIN = re.compile(rb"[\\\s\[{]")
_MARK = re.compile(rb'\\*"')


def is_document(data: bytes) -> bool:
    """Whether this is a JSON document, or lines of them."""
    return _is_json(data.decode("utf-8", "replace")) or _is_json(
        data.lstrip().partition(b"\n")[0].decode("utf-8", "replace")
    )


def within_strings(data: bytes, strings: Strings, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a span of a document into what lies within innermost strings; spans must be asked for in their order."""
    while start < end:
        opening = strings.opening(start)
        if opening < 0:
            start = closing_quote(data, start, end) + 1
            continue
        closing = closing_quote(data, start, end)
        if _MAY_BEGIN.match(data, opening + 1):
            whole = opening + 1, closing_quote(data, closing, len(data))
            yield from _innermost(data, whole, (start, closing), 1)
        else:
            yield start, closing
        start = closing + 1


def _innermost(data: bytes, string: tuple[int, int], span: tuple[int, int], depth: int) -> Iterator[tuple[int, int]]:
    """Cut a span within a string; `depth` is that of marks in a document that the string may hold."""
    if not _is_json(_decoded(data[string[0] : string[1]], depth)):
        yield span
        return
    width = 1 << depth  # of a mark with its backslashes
    marks = [mark.end() for mark in _MARK.finditer(data, *string) if len(mark[0]) % (2 * width) == width]
    for opening, closing in zip(marks[::2], marks[1::2], strict=False):
        start, end = max(span[0], opening), min(span[1], closing - width)
        if start < end:
            yield from _innermost(data, (opening, closing - width), (start, end), depth + 1)


def _decoded(string: bytes, depth: int) -> str:
    text = string.decode("utf-8", "replace")
    try:
        for _ in range(depth):
            text = str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return ""
    return text


def _is_json(text: str) -> bool:
    if not _BEGINS.match(text):
        return False
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True

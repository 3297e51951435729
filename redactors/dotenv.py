r"""Dotenv files taken apart without losing a byte.

Accepted is what the common readers accept (`dotenv` for Node, Python and Ruby, `docker --env-file`, `source`):
`export NAME=value`, blanks around `=`, `NAME: value`, `- NAME=value`, an unquoted PEM block, values in `'…'`, `"…"`
and `` `…` `` that may span lines, `\"` inside double quotes, a backslash at the end of a line that goes on in the next,
comments behind a blank and `#`, LF, CRLF or CR, a byte order mark, names with any letters, any bytes at all.

Rules:
1. The pieces of `parse` joined are the input, byte for byte, whatever the input.
2. A value's span excludes its quotes: what replaces it must not need other quotes.
3. In doubt more is value: a quote that is never closed makes the rest of its line value, so nothing secret is missed.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Assignment(NamedTuple):
    """One `NAME=value`: byte spans of both in the file, and the quote around the value (`b""` for none)."""

    key_start: int
    key_end: int
    start: int
    end: int
    quote: bytes

    def name(self, data: bytes) -> str:
        """Give the variable's name; bytes that are no UTF-8 become U+FFFD."""
        return data[self.key_start : self.key_end].decode("utf-8", "replace")

    def text(self, data: bytes) -> bytes:
        """Give the value as it stands in the file, escapes and all."""
        return data[self.start : self.end]

    def value(self, data: bytes) -> bytes:
        r"""Give the value as a program sees it: `\n`, `\"` and the like undone inside double quotes."""
        text = self.text(data)
        return _ESCAPE.sub(_unescape, text) if self.quote == b'"' else text


_LINE = re.compile(
    rb"[ \t]*(?:-[ \t]+)?(?:export[ \t]+)?"
    rb"(?P<key>[A-Za-z_\x80-\xff][A-Za-z0-9_.\x80-\xff-]*)[ \t]*(?:=|:(?=[ \t\r\n]|\Z))[ \t]*(?P<rest>[^\r\n]*)"
)
_QUOTED = {  # what may stand between the quotes
    b'"': re.compile(rb'"(?P<value>(?:[^"\\]|\\.)*)"', re.DOTALL),
    b"'": re.compile(rb"'(?P<value>[^']*)'"),
    b"`": re.compile(rb"`(?P<value>[^`]*)`"),
}
_AFTER_QUOTE = re.compile(rb"[ \t]*(?:[;#][^\r\n]*)?(?=\r|\n|\Z)")
_COMMENT = re.compile(rb"[ \t]#")
_PEM_BLOCK = re.compile(  # with no other that begins in it: text full of such lines is not read again for each
    rb"-----BEGIN [A-Z0-9 ]{1,64}-----(?>(?:[^-]++|-(?!----(?:BEGIN|END) ))+)-----END [A-Z0-9 ]{1,64}-----"
)
_LINE_END = re.compile(rb"\r\n|\n|\r")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_MEANT = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_MARK = b"\xef\xbb\xbf"


def parse(data: bytes) -> list[Assignment]:
    """Find every assignment, in order; lines that are none (comments, blanks, anything else) are passed over."""
    found: list[Assignment] = []
    at = len(_MARK) if data.startswith(_MARK) else 0
    while at < len(data):
        line = _LINE.match(data, at)
        if line:
            found.append(_assignment(data, line))
            at = found[-1].end
        end = _LINE_END.search(data, at)
        at = end.end() if end else len(data)
    return found


def pieces(data: bytes, found: Iterable[Assignment]) -> Iterator[tuple[bytes, Assignment | None]]:
    """Cut `data` into values, each with its assignment, and all that stands between (None); joined they are `data`."""
    at = 0
    for assignment in found:
        yield data[at : assignment.start], None
        yield data[assignment.start : assignment.end], assignment
        at = assignment.end
    yield data[at:], None


def _assignment(data: bytes, line: re.Match[bytes]) -> Assignment:
    key, (start, end) = line.span("key"), line.span("rest")
    quote = data[start : start + 1]
    quoted = _QUOTED[quote].match(data, start) if quote in _QUOTED else None
    if quoted and _AFTER_QUOTE.match(data, quoted.end()):
        return Assignment(*key, *quoted.span("value"), quote)
    block = _PEM_BLOCK.match(data, start)
    if block:
        return Assignment(*key, *block.span(), b"")
    comment = _COMMENT.search(data, start - 1, end)
    bare = data[start : comment.start() if comment else end].rstrip(b" \t")
    end = start + len(bare) if comment or not bare.endswith(b"\\") else _continued(data, start + len(bare))
    return Assignment(*key, start, end, b"")


def _continued(data: bytes, end: int) -> int:
    """Give where a value ends whose line ends in a backslash: behind the next, unless that is an assignment."""
    while data[end - 1 : end] == b"\\":
        line = _LINE_END.match(data, end)
        if line is None or _LINE.match(data, line.end()):
            break
        following = _LINE_END.search(data, line.end())
        end = following.start() if following else len(data)
    return end


def _unescape(escape: re.Match[bytes]) -> bytes:
    return _MEANT.get(escape[1], escape[1] if escape[1] in b'"\\$`\n' else escape[0])

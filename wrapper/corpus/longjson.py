"""The texts of one line of JSON (RFC 8259) that is too long to be held: given out while it is read; pure.

What is held is one chunk of the line and one name of a field. The texts are those that `texts.Wanted` takes, joined as
there; of mistakes all are found that `json` finds, but texts that came before one were given out by then.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import msgspec

from wrapper.corpus.texts import JOINT, Path, ShapeError, Wanted, is_name

_DEEPEST: Final = 200  # tables and lists within each other; each takes two frames of the interpreter's stack
_LONGEST_NAME: Final = 1 << 16
_RUN: Final = re.compile(rb'(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*')
_HIGH: Final = re.compile(rb"\\u[dD][89abAB][0-9A-Fa-f]{2}\Z")  # the first half of a pair (RFC 8259 section 7)
_ESCAPE: Final = 6  # bytes of `\uXXXX`
_LONGEST_ESCAPE: Final = 12  # of a pair of them
_BLANKS: Final = re.compile(rb"[ \t\r\n]*")
_TOKEN: Final = re.compile(rb"[-+.0-9A-Za-z]*")
_LONGEST_TOKEN: Final = 400  # a number; longer ones fit no type of any reader
_ODD: Final = frozenset({b"NaN", b"Infinity", b"-Infinity"})  # Python and others write them


class LongLine:
    """One pass over the chunks of a line."""

    def __init__(self, chunks: Iterable[bytes], wanted: Wanted) -> None:
        self._chunks = iter(chunks)
        self._wanted = wanted
        self._data = b""
        self._at = 0
        self._found = False

    def texts(self) -> Iterator[bytes]:
        """Give the wanted texts in chunks. Raises ShapeError where the line is no JSON, or not as it should be."""
        yield from self._value((), 0)
        if self._next(skip=True) is not None:
            raise ShapeError("is no JSON: something follows the value")
        if not self._found and not self._wanted.every:
            raise ShapeError(self._wanted.lack)

    def _value(self, path: Path, depth: int) -> Iterator[bytes]:
        if depth > _DEEPEST:
            raise ShapeError("is nested too deeply")
        first = self._next(skip=True)
        if first == ord('"'):
            yield from self._text(path)
        elif first == ord("{"):
            if not self._wanted.leads(path) and self._wanted.refuses(path):
                raise ShapeError(f"`{'.'.join(path)}` is no text")
            yield from self._table(path, depth)
        elif first == ord("["):
            yield from self._list(path, depth)
        elif self._scalar() != b"null" and self._wanted.refuses(path):
            raise ShapeError(f"`{'.'.join(path)}` is no text")

    def _table(self, path: Path, depth: int) -> Iterator[bytes]:
        self._at += 1
        if self._next(skip=True) == ord("}"):
            self._at += 1
            return
        while True:
            self._expect(b'"', advance=False)
            name = self._name()
            self._expect(b":")
            if self._wanted.reads(name):
                yield from self._joined(iter([name.encode()]))
            yield from self._value((*path, name), depth + 1)
            if self._comma(b"}"):
                return

    def _list(self, path: Path, depth: int) -> Iterator[bytes]:
        self._at += 1
        if self._next(skip=True) == ord("]"):
            self._at += 1
            return
        while True:
            yield from self._value(self._wanted.within(path), depth + 1)
            if self._comma(b"]"):
                return

    def _text(self, path: Path) -> Iterator[bytes]:
        if not self._wanted.takes(path):
            for _ in self._string():
                pass
            return
        text = self._string()
        if self._wanted.names(path):
            head = b""
            while len(head) <= _LONGEST_NAME and (piece := next(text, None)) is not None:
                head += piece
            if is_name(head.decode("utf-8", "surrogatepass")):
                return
            text = chain([head], text)
        yield from self._joined(text)

    def _joined(self, text: Iterator[bytes]) -> Iterator[bytes]:
        if self._found:
            yield JOINT
        self._found = True
        yield from text

    def _name(self) -> str:
        held = bytearray()
        for piece in self._string():
            held += piece
            if len(held) > _LONGEST_NAME:
                raise ShapeError("has a name of a field that is far too long")
        return held.decode("utf-8", "replace")

    def _string(self) -> Iterator[bytes]:
        """Give what stands between two quotes, decoded, in chunks."""
        self._at += 1
        while (byte := self._next()) is not None:
            match = _RUN.match(self._data, self._at)
            run = match[0] if match else b""
            held = run[: _settled(run)]
            if held:
                self._at += len(held)
                yield _decoded(held)
            elif byte == ord('"'):
                self._at += 1
                return
            elif len(self._data) - self._at >= _LONGEST_ESCAPE or not self._more():
                yield self._leftover(run)
        raise ShapeError("is no JSON: a text breaks off")

    def _leftover(self, run: bytes) -> bytes:
        """Decode one half of a pair of escapes that has no other half; it is all that can stand here."""
        if not run.startswith(b"\\u"):
            raise ShapeError("is not UTF-8" if run else "is no JSON: an unknown escape, or a control character")
        self._at += _ESCAPE
        return _decoded(run[:_ESCAPE])

    def _scalar(self) -> bytes:
        self._fill(_LONGEST_TOKEN)
        match = _TOKEN.match(self._data, self._at)
        token = match[0] if match else b""
        try:
            if token not in _ODD:
                msgspec.json.decode(token)
        except msgspec.DecodeError as error:
            raise ShapeError("is no JSON: neither a text nor a number") from error
        self._at += len(token)
        return token

    def _comma(self, closing: bytes) -> bool:
        """Step over a comma, or over what closes a table or list; whether it was the latter."""
        if self._next(skip=True) == closing[0]:
            self._at += 1
            return True
        self._expect(b",")
        return False

    def _expect(self, mark: bytes, *, advance: bool = True) -> None:
        if self._next(skip=True) != mark[0]:
            raise ShapeError(f"is no JSON: no `{mark.decode()}` where one must be")
        self._at += advance

    def _next(self, *, skip: bool = False) -> int | None:
        """Give the byte that comes next, behind blanks if `skip`; None at the end."""
        while True:
            if skip and (match := _BLANKS.match(self._data, self._at)):
                self._at = match.end()
            if self._at < len(self._data):
                return self._data[self._at]
            if not self._more():
                return None

    def _more(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._data = self._data[self._at :] + chunk
        self._at = 0
        return True

    def _fill(self, least: int) -> None:
        while len(self._data) - self._at < least and self._more():
            pass


def _settled(run: bytes) -> int:
    """Say how much of a run of characters and escapes no later byte can change."""
    pair = _HIGH.search(run, max(0, len(run) - _LONGEST_ESCAPE))
    if pair and (len(run[: pair.start() + 1]) - len(run[: pair.start() + 1].rstrip(b"\\"))) % 2:
        return pair.start()
    for back in range(1, min(4, len(run) + 1)):
        byte = run[-back]
        if byte & 0xC0 != 0x80:  # RFC 3629 section 3: how many bytes follow it
            length = 1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)
            return len(run) - back if back < length else len(run)
    return len(run)


def _decoded(run: bytes) -> bytes:
    try:
        return msgspec.json.decode(b'"%b"' % run, type=str).encode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:  # it takes halves of pairs
        text: str = json.loads(b'"%b"' % run)
    except UnicodeDecodeError as error:
        raise ShapeError("is not UTF-8") from error
    return text.encode("utf-8", "surrogatepass")

"""The frames of Redis's protocol (RESP2 and RESP3, redis.io "Redis serialization protocol"), as they stream by; pure.

Rules of this file:
1. Framing is read exactly as the server reads it, and what servers and clients disagree on (numbers with a sign or
   leading zeros, lone carriage returns, zeros in a line) ends the connection: if the server took for data what is taken
   for a log-in here, it would give the password back as data.
2. A value is never held whole but where it may be what is looked for: then it is short.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from redactors.commonplace import why_unmatched

_NUMBER: Final = re.compile(rb"0|[1-9][0-9]{0,11}")
_LINE: Final = 64 * 2**10
"""Bytes of a line: PROTO_INLINE_MAX_SIZE of the server."""
_MOST_HELD: Final = 16
"""Words of a command that is held: HELLO has seven."""
_LONGEST_HELD: Final = 16 * 2**10
"""Bytes of a word that is held: the server takes no longer one before a log-in."""
_HELD: Final = frozenset({b"AUTH", b"HELLO"})
_LENGTHS_HELD: Final = frozenset(map(len, _HELD))
_END: Final = b"\r\n"
_SIMPLE: Final = re.compile(rb"[\x20\x21\x23-\x26\x28-\x5b\x5d-\x7e]*")  # printable, without quotes and backslashes

Words = Sequence[bytes]


class BrokenError(ValueError):
    """Bytes that are not the protocol's, or not in the one way that all read alike."""


class _Frames:
    """Bytes that have come and are not yet given on. `_step` takes a frame, or nothing where more must come first."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._left = 0  # of a value that only passes, with its line end
        self._out: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        """Give what may go on now. Raises BrokenError."""
        self._buffer += data
        while self._passed() and self._step():
            pass
        del self._buffer[: self._at]
        self._at = 0
        out = b"".join(self._out)
        self._out.clear()
        return out

    def _step(self) -> bool:
        raise NotImplementedError

    def _passed(self) -> bool:
        """Give on what has come of a passing value; whether that is all of it."""
        if self._left > len(_END):
            piece = self._take(min(self._left - len(_END), len(self._buffer) - self._at))
            self._out.append(piece)
            self._left -= len(piece)
        if self._left != len(_END) or len(self._buffer) - self._at < len(_END):
            return not self._left
        self._out.append(self._ended())
        self._left = 0
        return True

    def _take(self, size: int) -> bytes:
        taken = bytes(memoryview(self._buffer)[self._at : self._at + size])
        self._at += size
        return taken

    def _ended(self) -> bytes:
        if self._take(len(_END)) != _END:
            raise BrokenError("a value that is longer than it says")
        return _END

    def _line(self) -> bytes | None:
        """Take a line without its end; None where the end is still to come."""
        end = self._buffer.find(b"\n", self._at, self._at + _LINE)
        if end < 0:
            if len(self._buffer) - self._at >= _LINE:
                raise BrokenError("a line that is too long")
            return None
        return self._take(end + 1 - self._at)

    def _value(self, size: int) -> bytes | None:
        """Take a value of so many bytes; None where it is still to come."""
        if len(self._buffer) - self._at < size + len(_END):
            return None
        value = self._take(size)
        self._ended()
        return value


class Requests(_Frames):
    """What a client sends. `swapped` is given each AUTH and HELLO as its words, and gives the words that go on."""

    def __init__(self, swapped: Callable[[Words], Words]) -> None:
        super().__init__()
        self._swapped = swapped
        self._words = 0  # of the command, still to come
        self._held: list[bytes] | None = None
        self._size = -1  # of the word that is held

    def _step(self) -> bool:
        if not self._words:
            return self._begun()
        return self._sized() if self._size < 0 else self._word()

    def _begun(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if line[:1] != b"*":
            self._out.append(self._inline(line))
            return True
        self._words = number(line)
        self._held = [] if self._words in range(2, _MOST_HELD + 1) else None
        if self._held is None:
            self._out.append(line)
        return True

    def _sized(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if line[:1] != b"$":
            raise BrokenError("a word without its length")
        size = number(line)
        may_be = self._held is not None and (size in _LENGTHS_HELD if not self._held else size <= _LONGEST_HELD)
        if may_be:
            self._size = size
            return True
        self._let_go()
        self._out.append(line)
        self._left = size + len(_END)
        self._words -= 1
        return True

    def _word(self) -> bool:
        word = self._value(self._size)
        if word is None or self._held is None:
            return False
        self._size = -1
        self._words -= 1
        self._held.append(word)
        if len(self._held) == 1 and word.upper() not in _HELD:
            self._let_go()
        elif not self._words:
            self._out.append(command(self._swapped(tuple(self._held))))
            self._held = None
        return True

    def _let_go(self) -> None:
        """Give on what is held, as it came: it is no log-in."""
        if self._held is not None:
            count = len(self._held) + self._words
            self._out.append(b"*%d\r\n" % count + b"".join(map(bulk, self._held)))
            self._held = None

    def _inline(self, line: bytes) -> bytes:
        """Read a command of words between spaces. The server's end of such a line is its first zero or line feed."""
        if b"\0" in line:
            raise BrokenError("a zero in a line")
        text = line.removesuffix(b"\n").removesuffix(b"\r")
        words = text.split()
        if not words or words[0].upper() not in _HELD or not _SIMPLE.fullmatch(text):
            return line
        swapped = self._swapped(tuple(words))
        return line if tuple(swapped) == tuple(words) else command(swapped)


class Answers(_Frames):
    """What a server sends, with `placeholder` for `value` in texts and in short values; `said` hears lines of errors.

    One that is commonplace (`redis`, `12345`) is replaced only where it is all of a value: in half of all texts it
    means something else.

    Its beginning is replaced too, where that is so long that nobody guesses it: what is replaced tells that a guess was
    right. So an error that repeats what was sent, cut off at a length that the client decides by what it sends before,
    loses that part, whatever is in it (`unknown command 'HELLO', with args beginning with: ...`).
    """

    def __init__(self, value: bytes, placeholder: bytes, said: Callable[[bytes], None]) -> None:
        super().__init__()
        self._secret = value
        self._placeholder = placeholder
        self._is_common = bool(why_unmatched(value))
        self._said = said
        # what a server may write around it: `txt:` of a verbatim text, `... (123 more bytes)` of SLOWLOG
        self._longest = len(value) + 32
        self._kind = b""
        self._size = -1  # of the value that is held
        self._is_long = False  # in the middle of a line that is given on in pieces

    def _step(self) -> bool:
        if self._size >= 0:
            return self._short()
        found = self._buffer.find(b"\n", self._at)
        if found < 0:
            return self._unended()
        line = self._take(found + 1 - self._at)
        kind = b"+" if self._is_long else line[:1]
        self._is_long = False
        if not line.endswith(_END) or kind not in _KINDS:
            raise BrokenError("what answers there is no Redis, or sends more than answers")
        if kind in _SIZED and line != kind + b"-1\r\n":
            self._begun(kind, line)
            return True
        if kind == b"-":
            line = _REPEATED.sub(_END, line)
            self._said(line)
        # not the others: a number, or how much follows
        self._out.append(self._masked(line) if kind in _TEXTS else line)
        return True

    def _begun(self, kind: bytes, line: bytes) -> None:
        size = number(line)
        if size <= self._longest:
            self._kind, self._size = kind, size
        else:
            self._out.append(line)
            self._left = size + len(_END)

    def _short(self) -> bool:
        value = self._value(self._size)
        if value is None:
            return False
        self._size = -1
        self._out.append(bulk(self._masked(value), self._kind))
        return True

    def _unended(self) -> bool:
        """Give on what has come of a line that is very long (MONITOR), but for a piece that may begin the value."""
        if len(self._buffer) - self._at > _LINE:
            if not self._is_long and bytes(self._buffer[self._at : self._at + 1]) not in _KINDS - _SIZED:
                raise BrokenError("what answers there is no Redis")
            text = self._take(len(self._buffer) - self._at)
            # whole ones first: what ends it may be the beginning of one of which the rest is still to come
            text = text if self._is_common else text.replace(self._secret, self._placeholder)
            self._out.append(self._masked(text[: -self._longest]))
            self._buffer[:] = text[-self._longest :]
            self._at = 0
            self._is_long = True
        return False

    def _masked(self, text: bytes) -> bytes:
        if self._is_common:
            return self._placeholder if text == self._secret else text
        if self._secret[:_LEAST] in text:
            for size in range(len(self._secret), min(_LEAST, len(self._secret)) - 1, -1):
                text = text.replace(self._secret[:size], self._placeholder)
        return text


_LEAST: Final = 16
"""Bytes of a value's beginning, where it has more."""
_REPEATED: Final = re.compile(rb"(?i),? with args beginning with.*", re.DOTALL)
_SIZED: Final = frozenset({b"$", b"=", b"!"})
_TEXTS: Final = frozenset({b"+", b"-"})
_KINDS: Final = _SIZED | frozenset({b"+", b"-", b":", b"_", b",", b"#", b"(", b"*", b"%", b"~", b">", b"|"})


def number(line: bytes) -> int:
    """Read the number of a line, as in `*3`. BrokenError for one that is not written the one way."""
    if not line.endswith(_END) or not _NUMBER.fullmatch(line, 1, len(line) - len(_END)):
        raise BrokenError("a length that is none")
    return int(line[1:-2])


def bulk(value: bytes, kind: bytes = b"$") -> bytes:
    """Write a value with its length."""
    return kind + b"%d\r\n" % len(value) + value + _END


def command(words: Words) -> bytes:
    """Write a command."""
    return b"*%d\r\n" % len(words) + b"".join(map(bulk, words))

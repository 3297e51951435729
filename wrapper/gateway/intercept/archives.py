"""What a body holds in forms that a search over its bytes does not see: packed files, wide text, soft line ends; pure.

Packed are gzip and the files of a zip archive, wherever they begin, as they are or as base64: that is how packages are
published. Wide is text in UTF-16 or UTF-32, soft line ends are those of what says that it is quoted-printable (RFC 2045
section 6.7).
What cannot be read is passed over, for it was looked at as it stands; so is what lies deeper, or beyond the bounds.
Git's packs are none of these: `remotes` says what of them is looked at.
"""

import binascii
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

MOST_UNPACKED: Final = 16 * 2**20
"""Bytes unpacked of one body: a bomb costs what a long body costs."""
_MOST_FILES: Final = 1024
_MOST_TRIED: Final = 4096  # places that look like a beginning: what is none costs some microseconds
_MOST_OPEN: Final = 64  # of them at a time: each reads all that follows
_MOST_HEAD: Final = 16 * 2**10  # bytes: names of files, and what programs put beside them
_STEP: Final = 16 * 2**10
_AROUND: Final = 8 * 2**10  # bytes of what came before that are read again: a secret may be cut there
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/\r\n]*")
_LETTERS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_WIDE: Final = re.compile(rb"\0{1,3}[\t-~](?:\0{1,3}[\t-~]){10,}")  # begins as few bytes do: fast
_SOFT: Final = re.compile(rb"(?i)quoted-printable")
_ZIP: Final = struct.Struct("<4x2xHH16xHH")  # flags, method, lengths of name and extra field (APPNOTE.TXT 4.3.7)
_DEFLATED: Final = 8
_ENCRYPTED: Final = 1
_EXTRA, _NAME, _COMMENT, _CHECK = 4, 8, 16, 2  # RFC 1952 section 2.3.1

Head = Callable[[bytes], int]
"""Gives where behind a head deflated bytes begin; -1 where none do. Raises _CutError where it is not whole."""


class _CutError(Exception):
    """There is too little of a head."""


def holds_packed(body: bytes) -> bool:
    """Tell whether something that may be packed begins in a body: what is in it may be far longer than the body."""
    return any(mark in body for mark, _, _ in _BEGINNINGS)


def unpacked(body: bytes, most: int = MOST_UNPACKED) -> Iterator[bytes]:
    """Give what is packed or disguised in a whole body, each as far as it can be read, up to `most` bytes."""
    return Unpacking(most).feed(body)


class Unpacking:
    """Bytes of a body in, texts out; the beginning of a text may repeat the end of one that was given before."""

    def __init__(self, most: int = MOST_UNPACKED) -> None:
        self._open: list[_Packed] = []
        self._before = b""
        self._left = most
        self._files = self._tried = 0
        self._is_soft = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes."""
        before, joined = len(self._before), self._before + data
        for one in self._open:
            yield from self._given(one, memoryview(data))
        for one, at in _begun(joined, before):
            if self._tried >= _MOST_TRIED or self._left <= 0 or self._files >= _MOST_FILES:
                break
            self._tried += 1
            yield from self._given(one, memoryview(joined)[at:])
            if not one.has_ended and len(self._open) < _MOST_OPEN:
                self._open.append(one)
        self._open = [one for one in self._open if not one.has_ended]
        yield from _wide(joined, before)
        self._is_soft = self._is_soft or _SOFT.search(joined) is not None
        if self._is_soft:
            yield binascii.a2b_qp(joined)
        self._before = joined[-_AROUND:]

    def _given(self, packed: "_Packed", data: memoryview) -> Iterator[bytes]:
        if self._left <= 0:
            return
        is_first = not packed.last
        last, text = packed.last, packed.feed(data, self._left)
        if text:
            self._left -= len(text)
            self._files += is_first
            yield last + text


class _Packed:
    """One packed file. `last` is what its text ended in so far."""

    def __init__(self, head: Head, *, is_base64: bool) -> None:
        self.has_ended = False
        self.last = b""
        self._head = head
        self._is_base64 = is_base64
        self._quarters = b""
        self._begin = b""
        self._stream: zlib._Decompress | None = None

    def feed(self, data: memoryview, most: int) -> bytes:
        """Take the next bytes, give the text that they stand for."""
        if self._is_base64:
            data = memoryview(self._letters(data))
        if self._stream is None:
            data = self._started(data)
        text = b"".join(self._inflated(data, most))
        self.last = (self.last + text)[-_AROUND:]
        return text

    def _letters(self, data: memoryview) -> bytes:
        run = _BASE64.match(data)
        letters = bytes(data[: run.end()]) if run else b""
        self.has_ended = len(letters) < len(data)
        letters = self._quarters + letters.translate(None, b"\r\n")
        whole = len(letters) & ~3
        self._quarters = letters[whole:]
        return binascii.a2b_base64(letters[:whole])

    def _started(self, data: memoryview) -> memoryview:
        """Read the head, and give what follows it."""
        before = len(self._begin)
        self._begin += bytes(data[:_MOST_HEAD])
        try:
            at = self._head(self._begin)
        except _CutError:
            self.has_ended |= len(self._begin) >= _MOST_HEAD
            return data[:0]
        self._begin = self._begin[:before]
        if at < before:
            self.has_ended = True
            return data[:0]
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)  # checksums would say that damaged bytes are none
        return data[at - before :]

    def _inflated(self, data: memoryview, most: int) -> Iterator[bytes]:
        stream = self._stream
        for at in range(0, len(data) if stream is not None else 0, _STEP):
            step: memoryview | bytes = data[at : at + _STEP]
            while step and stream is not None and not stream.eof and most > 0:
                try:
                    text = stream.decompress(step, min(most, _STEP))
                except zlib.error:
                    self.has_ended = True
                    return
                most -= len(text)
                step = stream.unconsumed_tail
                yield text
            if stream is None or stream.eof or most <= 0:
                self.has_ended = True
                return


def _gzip(data: bytes) -> int:
    if len(data) < 10:
        raise _CutError
    flags, at = data[3], 10
    if flags & _EXTRA:
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            end = data.find(b"\0", at)
            if end < 0:
                raise _CutError
            at = end + 1
    return _within(data, at + (2 if flags & _CHECK else 0))


def _zip(data: bytes) -> int:
    if len(data) < _ZIP.size:
        raise _CutError
    flags, method, name, extra = _ZIP.unpack_from(data)
    if method != _DEFLATED or flags & _ENCRYPTED:
        return -1
    return _within(data, _ZIP.size + name + extra)


def _within(data: bytes, at: int) -> int:
    if at > len(data):
        raise _CutError
    return at


_BEGINNINGS: Final[tuple[tuple[bytes, Head, bool], ...]] = (
    (b"\x1f\x8b\x08", _gzip, False),
    (b"PK\x03\x04", _zip, False),
    (b"H4sI", _gzip, True),
    (b"UEsDB", _zip, True),
)


def _begun(data: bytes, before: int) -> Iterator[tuple[_Packed, int]]:
    """Give what begins, and where, but for what begins within the first `before` bytes."""
    for mark, head, is_base64 in _BEGINNINGS:
        at = data.find(mark, max(0, before - len(mark) + 1))
        while at >= 0:
            if not is_base64 or at == 0 or data[at - 1] not in _LETTERS:
                yield _Packed(head, is_base64=is_base64), at
            at = data.find(mark, at + len(mark))


def _wide(data: bytes, before: int) -> Iterator[bytes]:
    """Give text that was written in two or four bytes a letter; of a run that goes on, all that is here."""
    for run in _WIDE.finditer(data) if b"\0" in data else ():
        if run.end() > before:
            yield data[max(0, run.start() - 1) : run.end()].translate(None, b"\0")

"""Content codings of an answer, undone piece by piece (RFC 9110 section 8.4); pure.

Rules of this file:
1. What is given out at once is bounded (_STEP), so a reader that is slow slows a bomb down too; and one that unpacks to
   far more than data does is refused.
2. What stands behind the end of a coded stream is no data to any client, and is dropped; a further gzip member and a
   further zstd frame are data. A stream that breaks off is an error, as a connection that does.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

import brotli  # type: ignore[import-untyped]  # has neither stubs nor types
import zstandard

from wrapper.gateway.refusal import RefusedError

_STEP: Final = 2**18
_MOST_CODINGS: Final = 3  # as in `gateway.bodies`
_ZSTD_WINDOW: Final = 8 * 2**20  # RFC 8878 section 3.1.1.1.2, as in `gateway.bodies`
_ZSTD_STEP: Final = 1024  # of input: it stands for 32 MB at most, as in `gateway.bodies`
# What servers call plain bytes, by mistake or because it was stored so. A host that wanted to hide something would name
# no coding at all.
_PLAIN: Final = frozenset({"", "identity", "none", "binary", "utf-8", "utf8", "aws-chunked"})
_GZIP: Final = b"\x1f\x8b"
# Logs shrink to a fiftieth; a bomb to a thousandth of its size and less. Small answers may be as they like.
_MOST_TIMES: Final = 250
_ALWAYS: Final = 64 * 2**20


class BrokenCodingError(ConnectionError):
    """A coded body that cannot be undone: it is as good as a connection that broke off."""


class _Coding(Protocol):
    """One coding: bytes in, decoded bytes out in bounded pieces."""

    def feed(self, data: bytes) -> Iterator[bytes]: ...

    def end(self) -> None: ...


def known_coding(name: str) -> bool:
    """Whether a coding can be undone."""
    return name == "identity" or name in _CODINGS


def codings_of(values: Sequence[bytes]) -> tuple[str, ...]:
    """Give the codings that Content-Encoding headers name, in the order in which they were applied; none for plain."""
    names = (name.strip().lower() for value in values for name in value.decode("latin-1").split(","))
    return tuple(name for name in names if name not in _PLAIN)


class Undoing:
    """Undoes some codings, the last one first. RefusedError (502) for one that is not known, and for too many."""

    def __init__(self, names: Sequence[str]) -> None:
        if len(names) > _MOST_CODINGS or not all(name in _CODINGS for name in names):
            raise RefusedError(
                502,
                "the answer has a content coding that is not understood, so no secret can be found in it",
                hint="ask for gzip, deflate, br or zstd",
                lasting=True,
            )
        self._steps = [_CODINGS[name]() for name in reversed(names)]
        self._in = self._out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes, give what they stand for. BrokenCodingError."""
        self._in += len(data)
        for piece in self._through(0, data):
            self._out += len(piece)
            if self._out > _ALWAYS and self._out > _MOST_TIMES * self._in:
                raise BrokenCodingError("the answer unpacks to far more than data does")
            yield piece

    def end(self) -> None:
        """Say that no more comes. BrokenCodingError where more should."""
        for step in self._steps if self._in else ():
            step.end()

    def _through(self, at: int, data: bytes) -> Iterator[bytes]:
        if at == len(self._steps):
            yield data
            return
        for piece in self._steps[at].feed(data):
            yield from self._through(at + 1, piece)


class _Zlib:
    """What zlib undoes: gzip, of one or more members, or deflate."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._stream = zlib.decompressobj()
        self._first = b""  # one byte does not tell how to begin
        self._begun = self._ended = False
        self._members = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        data, self._first = self._first + data, b""
        while data and not self._ended:
            if not self._begun and not self._begin(data):
                return
            yield from self._inflated(data)
            data = self._stream.unused_data
            if self._stream.eof:
                self._members += 1
                self._begun, self._ended = False, not self._is_gzip

    def _begin(self, data: bytes) -> bool:
        if len(data) < 2:
            self._first = data
            return False
        if self._is_gzip and self._members and not data.startswith(_GZIP):
            self._ended = True
            return False
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16 if self._is_gzip else _window(data))
        self._begun = True
        return True

    def _inflated(self, data: bytes) -> Iterator[bytes]:
        try:
            piece = self._stream.decompress(data, _STEP)
            while piece:
                yield piece
                piece = self._stream.decompress(self._stream.unconsumed_tail, _STEP)
        except zlib.error as error:
            raise BrokenCodingError("the answer's coding is broken") from error

    def end(self) -> None:
        if self._begun or (self._first and not self._members):
            raise BrokenCodingError("the answer broke off")


def _window(data: bytes) -> int:
    """Tell deflate in zlib's format (RFC 1950, 2.2) from the raw one that some servers send."""
    is_zlib = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            while not self._stream.is_finished():
                piece = self._stream.process(data, output_buffer_limit=_STEP)
                data = b""
                if not piece:
                    return
                yield piece
        except brotli.error as error:
            raise BrokenCodingError("the answer's coding is broken") from error

    def end(self) -> None:
        if not self._stream.is_finished():
            raise BrokenCodingError("the answer broke off")


class _Zstd:
    def __init__(self) -> None:
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frame: zstandard.ZstdDecompressionObj | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        at = 0
        try:
            while at < len(data):
                if self._frame is None:
                    self._frame = self._decompressor.decompressobj()
                part = data[at : at + _ZSTD_STEP]
                piece = self._frame.decompress(part)
                at += len(part)
                if self._frame.eof:  # another frame may follow (RFC 8878 section 3.1)
                    at -= len(self._frame.unused_data)
                    self._frame = None
                if piece:
                    yield piece
        except zstandard.ZstdError as error:
            raise BrokenCodingError("the answer's coding is broken") from error

    def end(self) -> None:
        if self._frame is not None:
            raise BrokenCodingError("the answer broke off")


def _gzip() -> _Coding:
    return _Zlib(is_gzip=True)


def _deflate() -> _Coding:
    return _Zlib(is_gzip=False)


_CODINGS: Final[dict[str, Callable[[], _Coding]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}

"""Request bodies as plain bytes: content encodings undone within a bound, and what cannot be read is refused.

What is forwarded is what was scanned: a body leaves decoded, so no coding can carry bytes past the redactor. Hence
also: trailing bytes behind a compressed stream, a stream that breaks off, a coding or character set that is not
understood, and compressed bytes that do not say so are all refused. Refusals quote nothing of the request.
"""

import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]  # has neither stubs nor types
import zstandard

from wrapper.gateway.refusal import RefusedError

_STEP = 2**20
# RFC 8878 section 3.1.1.1.2 recommends decoders to support windows of 8 MB; clients use 2 MB or less.
_ZSTD_WINDOW = 8 * 2**20
# The decoder gives out at once all that its input stands for, at most 128 KB for 4 bytes (RFC 8878 section 3.1.1.2.4):
# fed in pieces of this size, a bomb is noticed before it has filled more than 32 MB.
_ZSTD_STEP = 1024
# RFC 9110 section 8.4 sets no bound; no client applies more than one, and each costs a pass.
_MOST_CODINGS = 3
_COMPRESSED = (b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00", b"PK\x03\x04")
_TEXT_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
# Byte order marks of UTF-16 and UTF-32, and the places of NUL bytes in ASCII written so (RFC 4627 section 3).
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


def decoded(body: bytes, content_encoding: str, limit: int) -> bytes:
    """Undo the codings named by a Content-Encoding header (RFC 9110 section 8.4), the last one first.

    Raises RefusedError: 413 beyond `limit` bytes at any step, 415 for an unknown coding, 400 for broken data.
    """
    names = [name.strip().lower() for name in content_encoding.split(",") if name.strip()]
    if len(names) > _MOST_CODINGS:
        raise RefusedError(415, f"the body has {len(names)} content codings")
    for name in reversed(names):
        body = _decoder(name)(body, limit)
    return body


def check_plain(body: bytes, content_type: str) -> None:
    """Refuse a body that a byte-wise search would not see through (status 415).

    Those are: compressed data without Content-Encoding sent as text, and text in a wide character set. `body` is
    decoded. Binary uploads under their own media type (an image, a zip archive) are left to byte-wise search.
    """
    media, charset = _media_type(content_type)
    if charset not in _TEXT_CHARSETS:
        raise RefusedError(415, "the body's character set cannot be searched for secrets")
    if not _says_text(media):
        return
    if body.startswith(_COMPRESSED):
        raise RefusedError(415, "the body is compressed but its Content-Encoding does not say so")
    head = body[:4]
    if head.startswith(_WIDE_MARKS) or b"\x00" in head:
        raise RefusedError(415, "the body is written in UTF-16 or UTF-32 and cannot be searched for secrets")


def says_json(content_type: str, body: bytes) -> bool:
    """Whether to read `body` as JSON: it says so, or looks so whatever it says."""
    media, _ = _media_type(content_type)
    return media == "application/json" or media.endswith("+json") or body[:64].lstrip()[:1] in (b"{", b"[", b'"')


def _media_type(content_type: str) -> tuple[str, str]:
    """Split a Content-Type into media type and charset, both lower case."""
    media, *parameters = content_type.lower().split(";")
    charset = ""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            charset = value.strip().strip("\"'")
    return media.strip(), charset


def _says_text(media: str) -> bool:
    return not media or media.startswith("text/") or "json" in media or "xml" in media or "urlencoded" in media


def _decoder(name: str) -> Callable[[bytes, int], bytes]:
    match name:
        case "identity":
            return _identity
        case "gzip" | "x-gzip":
            return _gzip
        case "deflate":
            return _deflate
        case "br":
            return _brotli
        case "zstd":
            return _zstd
        case _:
            raise RefusedError(
                415,
                "a content coding of the body is not understood",
                hint="send the body uncompressed, or with gzip, deflate, br or zstd",
            )


def _identity(body: bytes, limit: int) -> bytes:
    _bounded(body, limit)
    return body


def _bounded(body: bytes | bytearray, limit: int) -> None:
    if len(body) > limit:
        raise too_large(limit)


def too_large(limit: int) -> RefusedError:
    """Return the refusal of a body of more than `limit` bytes."""
    return RefusedError(
        413, f"the body has more than {limit} bytes", hint="raise `body_bytes` in `[limits]` of your policy"
    )


def _broken(name: str) -> RefusedError:
    return RefusedError(400, f"the body is not valid {name} data")


def _gzip(body: bytes, limit: int) -> bytes:
    """Undo gzip (RFC 1952: one or more members, nothing behind them)."""
    out = bytearray()
    while True:
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        _inflate(stream, body, out, limit, "gzip")
        body = stream.unused_data
        if not body:
            return bytes(out)


def _deflate(body: bytes, limit: int) -> bytes:
    """Undo deflate: zlib format as RFC 9110 section 8.4.1.2 says, or the raw one that some clients send."""
    for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        out = bytearray()
        stream = zlib.decompressobj(window)
        try:
            _inflate(stream, body, out, limit, "deflate")
        except RefusedError as error:
            if error.status == 413:
                raise
            continue
        if not stream.unused_data:
            return bytes(out)
    raise _broken("deflate")


def _inflate(stream: "zlib._Decompress", body: bytes, out: bytearray, limit: int, name: str) -> None:
    """Append the decoded stream to `out`; it must end within `body`."""
    try:
        out += stream.decompress(body, _STEP)
        while not stream.eof:
            _bounded(out, limit)
            step = stream.decompress(stream.unconsumed_tail, _STEP)
            if not step and not stream.eof:
                raise _broken(name)
            out += step
    except zlib.error as error:
        raise _broken(name) from error
    _bounded(out, limit)


def _brotli(body: bytes, limit: int) -> bytes:
    stream = brotli.Decompressor()
    out = bytearray()
    try:
        out += stream.process(body, output_buffer_limit=_STEP)
        while not stream.is_finished():
            _bounded(out, limit)
            step = stream.process(b"", output_buffer_limit=_STEP)
            if not step and not stream.is_finished():
                raise _broken("br")
            out += step
    except brotli.error as error:
        raise _broken("br") from error
    _bounded(out, limit)
    return bytes(out)


def _zstd(body: bytes, limit: int) -> bytes:
    """Undo zstd (RFC 8878: one or more frames, nothing behind them)."""
    out = bytearray()
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    while True:
        body = _frame(decompressor.decompressobj(), body, out, limit)
        if not body:
            return bytes(out)


def _frame(stream: "zstandard.ZstdDecompressionObj", body: bytes, out: bytearray, limit: int) -> bytes:
    """Append one decoded frame to `out`; return what follows it."""
    position = 0
    try:
        while not stream.eof:
            if position >= len(body):
                raise _broken("zstd")
            out += stream.decompress(body[position : position + _ZSTD_STEP])
            position += _ZSTD_STEP
            _bounded(out, limit)
    except zstandard.ZstdError as error:
        raise _broken("zstd") from error
    return stream.unused_data + body[position:]

"""What packed files in a body hold: gzip, wherever it begins, as it is or as base64 in JSON; pure.

That is how packages are published. What cannot be unpacked is passed over, for it was looked at as it stands; so is
what lies deeper, or beyond the bound. Git's packs are none of these: `remotes` says what of them is looked at.
"""

import binascii
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Final

_MOST: Final = 16 * 2**20  # bytes unpacked of one body: a bomb costs what a long body costs
_MOST_FILES: Final = 64
_MOST_TRIED: Final = 1024  # places that look like a beginning: what is none costs a microsecond
_MAGIC: Final = b"\x1f\x8b\x08"
_BASE64_MAGIC: Final = b"H4sI"  # of the same, at the beginning of a text
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]{4,}")


def unpacked(body: bytes) -> Iterator[bytes]:
    """Give what is packed in a body, each as far as it can be read."""
    left, count = _MOST, 0
    for packed in islice(_packed(body), _MOST_TRIED):
        text = _inflated(packed, left)
        if text:
            yield text
            left, count = left - len(text), count + 1
            if left <= 0 or count == _MOST_FILES:
                return


def _packed(body: bytes) -> Iterator[bytes | memoryview]:
    at = body.find(_MAGIC)
    while at >= 0:
        yield memoryview(body)[at:]
        at = body.find(_MAGIC, at + 1)
    at = body.find(_BASE64_MAGIC)
    while at >= 0:
        run = _BASE64.match(body, at)
        end = run.end() if run else at + len(_BASE64_MAGIC)
        if body[max(0, at - 1) : at] in (b'"', b"", b",", b"\n", b"="):
            yield _decoded(body[at:end])
        at = body.find(_BASE64_MAGIC, end)


def _decoded(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text[: len(text) & ~3])
    except binascii.Error:
        return b""


def _inflated(packed: bytes | memoryview, limit: int) -> bytes:
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        return stream.decompress(packed, limit)
    except zlib.error:
        return b""

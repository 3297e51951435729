"""Undo gzip and zstd as the bytes come; pure.

Rules:
1. What comes out at once is bounded (_STEP), whatever went in.
2. What unpacks to more than `ratio` times its size is a bomb, and is refused once it is larger than _ALWAYS.
3. Further members (RFC 1952 section 2.2) and frames (RFC 8878 section 3.1) are data, as for `zcat` and `zstdcat`; what
   breaks off, and what stands behind and is none, is a mistake. All that came before it was given out already.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import zstandard

Chunks = Iterable[bytes]
_STEP: Final = 1 << 20
_ALWAYS: Final = 64 << 20  # bytes; small ones may be as they like
_WINDOW: Final = 1 << 27  # what `zstd -d` takes without being told to
_ZSTD_INPUT: Final = 2048  # bytes fed at once; of the worst input they stand for 64 MiB
_GZIP: Final = 16 + zlib.MAX_WBITS
SUFFIXES: Final = (".gz", ".zst", ".zstd")


class PackingError(ValueError):
    """Packed bytes that cannot be undone; the message says why, in a few words."""


def unpacked(name: str, chunks: Chunks, ratio: int) -> Iterator[bytes]:
    """Undo what the name of a file says of its packing; other names pass through. Raises PackingError."""
    lower = name.lower()
    if not lower.endswith(SUFFIXES):
        return iter(chunks)
    undo = _gunzipped if lower.endswith(".gz") else _unzstd
    return _guarded(undo, chunks, ratio)


def bare(name: str) -> str:
    """Take the packing off a name."""
    suffix = next((one for one in SUFFIXES if name.lower().endswith(one)), "")
    return name[: len(name) - len(suffix)]


def _guarded(undo: Callable[[Chunks], Iterator[bytes]], chunks: Chunks, ratio: int) -> Iterator[bytes]:
    taken = given = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for chunk in chunks:
            taken += len(chunk)
            yield chunk

    for step in undo(counted()):
        given += len(step)
        if given > max(_ALWAYS, ratio * taken):
            raise PackingError(f"unpacks to more than {ratio} times its size")
        yield step


def _gunzipped(chunks: Chunks) -> Iterator[bytes]:
    stream = None
    for chunk in chunks:
        data = chunk
        while data:
            if stream is None:
                data = data.lstrip(b"\0")  # padding behind a member is allowed: tapes and gzip itself know it
                if not data:
                    break
                stream = zlib.decompressobj(_GZIP)
            try:
                step = stream.decompress(data, _STEP)
            except zlib.error as error:
                raise PackingError("is no whole gzip file: it is damaged or something else") from error
            data = stream.unused_data if stream.eof else stream.unconsumed_tail
            if stream.eof:
                stream = None
            if step:
                yield step
    if stream is not None:
        raise PackingError("breaks off within its gzip packing")


def _unzstd(chunks: Chunks) -> Iterator[bytes]:
    frame = None
    for chunk in chunks:
        at = 0
        while at < len(chunk):
            if frame is None:
                frame = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
            fed = chunk[at : at + _ZSTD_INPUT]
            try:
                step = frame.decompress(fed)
            except zstandard.ZstdError as error:
                raise PackingError("is no whole zstd file: it is damaged or something else") from error
            at += len(fed)
            if frame.eof:
                at -= len(frame.unused_data)
                frame = None
            if step:
                yield step
    if frame is not None:
        raise PackingError("breaks off within its zstd packing")

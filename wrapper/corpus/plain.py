"""Documents that are whole files, or whole versions of one; pure.

What is no text is told apart as git does it, by a NUL in the first 8,000 bytes. A binary file is compared, too, since
text may have a NUL put before it; one that packs others (an archive, a PDF) is not read, and says so: text may stand in
it.
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from wrapper.corpus import jsonl
from wrapper.corpus.policy import CorpusPolicy
from wrapper.corpus.rows import Row, parts
from wrapper.corpus.unpacking import PackingError, bare, unpacked

_LOOKED_AT: Final = 1 << 16
_TOLD_BY: Final = 8000  # bytes; as buffer_is_binary of git
_PACKED: Final = (
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "a zip archive"),
    (0, b"\x1f\x8b", "packed by gzip"),
    (0, b"\x28\xb5\x2f\xfd", "packed by zstd"),
    (0, b"BZh", "packed by bzip2"),
    (0, b"\xfd7zXZ\x00", "packed by xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a rar archive"),
    (0, b"\x04\x22\x4d\x18", "packed by lz4"),
    (0, b"\x1f\x9d", "packed by compress"),
    (0, b"\x5d\x00\x00", "packed by lzma"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an older Office document"),
    (0, b"Obj\x01", "an Avro file"),
    (0, b"FEA1", "a Feather file"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"# v2 git bundle", "a git bundle"),
    (0, b"# v3 git bundle", "a git bundle"),
    (0, b"PAR1", "a Parquet file by another name"),
    (0, b"ARROW1", "an Arrow file"),
    (0, b"%PDF-", "a PDF"),
    (257, b"ustar", "a tar archive"),
    (0, b"version https://git-lfs", "a pointer to what Git LFS keeps elsewhere"),
)
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
_PRINTED: Final = bytes([*b"\t\n\f\r", *range(0x20, 0x7F)])
_ALMOST: Final = 0.9
_JSON: Final = re.compile(rb"\s*\{")


def rows(row: Row, name: str, chunks: Iterable[bytes], policy: CorpusPolicy) -> Iterator[Row]:
    """Read one file: `row` names it, `chunks` are its bytes as stored. A `.json` that holds lines is read as lines."""
    last = row
    try:
        stream = unpacked(name, chunks, policy.limits.ratio)
        head, stream = _headed(stream)
        why = _unreadable(head)
        if why:
            yield row._replace(text=None, fault=why)
        elif b"\0" in head[:_TOLD_BY]:
            yield _binary(row, stream, policy.limits.binary_bytes)
        elif bare(name).lower().endswith(".json") and _has_lines(head, is_packed=bare(name) != name):
            yield from jsonl.rows(stream, row.source, policy.columns, policy.limits.part_bytes)
        else:
            for part in parts(stream, policy.limits.part_bytes):
                last = row._replace(**part._asdict())
                yield last
    except PackingError as error:
        yield last._replace(text=None, fault=str(error), more=False, overlap=0)


def _headed(stream: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Look at the beginning of a stream without taking it away."""
    held, size = [], 0
    rest = iter(stream)
    for chunk in rest:
        held.append(chunk)
        size += len(chunk)
        if size >= _LOOKED_AT:
            break
    return b"".join(held)[:_LOOKED_AT], itertools.chain(held, rest)


def _unreadable(head: bytes) -> str:
    if head.startswith(_WIDE) or _is_wide(head):
        return "is UTF-16 or UTF-32: make it UTF-8 to have it judged"
    for place, magic, what in _PACKED:
        if head[place : place + len(magic)] == magic:
            return f"is {what}: its content is not looked at"
    return ""


def _is_wide(head: bytes) -> bool:
    """Say whether it looks like ASCII with NULs between its characters, as UTF-16 and UTF-32 without a mark do."""
    held = head[: len(head) // 4 * 4]
    lanes = [held[lane::4] for lane in range(4)]
    empty = [lane.count(0) >= _ALMOST * len(lane) for lane in lanes]
    texts = [len(lane.translate(None, _PRINTED)) <= (1 - _ALMOST) * len(lane) for lane in lanes]
    return bool(held) and sum(empty) in {2, 3} and sum(empty) + sum(texts) == len(lanes)


def _binary(row: Row, stream: Iterable[bytes], most: int) -> Row:
    held = bytearray()
    for chunk in stream:
        held += chunk
        if len(held) > most:
            return row._replace(text=None, fault=f"is binary and larger than {most} bytes: not compared")
    return row._replace(text=bytes(held), binary=True)


def _has_lines(head: bytes, *, is_packed: bool) -> bool:
    """Say whether a file begins with a whole table of JSON on its first line, and another one follows.

    Packed ones mostly hold lines, as in C4 and Dolma: there a single line is one, too, or one that is too long to see.
    """
    first, end, second = head.lstrip().partition(b"\n")
    if not end:
        return is_packed and first.startswith(b"{")
    is_last = is_packed and not second.strip()
    try:
        return isinstance(msgspec.json.decode(first), dict) and (is_last or bool(_JSON.match(second)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False

"""The rows of one piece: whatever goes wrong with one of them becomes a row with a fault."""

import errno
import os
from collections.abc import Iterator
from typing import BinaryIO

from wrapper.corpus import jsonl, parquet, plain
from wrapper.corpus.listing import Form, Piece
from wrapper.corpus.names import kept, meant, shown
from wrapper.corpus.opening import chunks, opened
from wrapper.corpus.policy import CorpusPolicy
from wrapper.corpus.repositories import Blob, RepositoryError, contents
from wrapper.corpus.rows import Row
from wrapper.corpus.storage import Storage, is_remote
from wrapper.corpus.trees import stamp_of
from wrapper.corpus.unpacking import unpacked


def rows(piece: Piece, policy: CorpusPolicy, storage: Storage | None) -> Iterator[Row]:
    """Read all rows of a piece, in order."""
    if piece.fault:
        yield Row(piece.source, piece.source, 0, None, piece.fault)
    elif piece.form is Form.GIT:
        yield from _history(piece, policy)
    elif piece.form is Form.FILES:
        yield from _files(piece, policy, storage)
    else:
        yield from _data_set(piece, policy, storage)


def _data_set(piece: Piece, policy: CorpusPolicy, storage: Storage | None) -> Iterator[Row]:
    last = piece.first if piece.form is Form.JSONL else 0
    try:
        with opened(piece.location, storage, follow=piece.is_named) as file:
            if piece.start or piece.end:
                _must_be_as_listed(piece, file)
            for row in _read(piece, file, policy):
                last = row.row
                yield row
    except Exception as error:
        if not _is_of_storage(error):
            raise
        yield Row(piece.source, piece.source, last + 1, None, f"{_why(error)}; rows behind this are not read")


def _read(piece: Piece, file: BinaryIO, policy: CorpusPolicy) -> Iterator[Row]:
    if piece.form is Form.PARQUET:
        return parquet.rows(file, piece.source, piece.size, (piece.first, piece.last), policy)
    stream = unpacked(shown(piece.location), chunks(file, piece.start, piece.end), policy.limits.ratio)
    return jsonl.rows(stream, piece.source, policy.columns, policy.limits.part_bytes, before=piece.first)


def _must_be_as_listed(piece: Piece, file: BinaryIO) -> None:
    """Raise OSError where a file that was cut has changed since: its lines may end elsewhere now."""
    if stamp_of(os.fstat(file.fileno())) != piece.stamp:
        raise OSError(None, "has changed since it was listed")


def _files(piece: Piece, policy: CorpusPolicy, storage: Storage | None) -> Iterator[Row]:
    if not piece.names:
        yield from _file(piece.location, Row(piece.source, piece.source, 0, None), policy, storage, follow=True)
    for name in piece.names:
        location = _beneath(piece.location, name)
        source = f"{piece.source.rstrip('/')}/{shown(name)}"
        yield from _file(location, Row(shown(name), source, 0, None), policy, storage, follow=False)


def _beneath(location: str, name: str) -> str:
    if is_remote(location):
        return f"{location.rstrip('/')}/{name}"
    return kept(os.path.join(meant(location), meant(name)))


def _file(
    location: str, row: Row, policy: CorpusPolicy, storage: Storage | None, *, follow: bool
) -> Iterator[Row]:  # fmt: skip
    last = row
    try:
        with opened(location, storage, follow=follow) as file:
            for last in plain.rows(row, shown(location), chunks(file), policy):
                yield last
    except Exception as error:
        if not _is_of_storage(error):
            raise
        yield last._replace(text=None, fault=_why(error), more=False, overlap=0)


def _history(piece: Piece, policy: CorpusPolicy) -> Iterator[Row]:
    listed = [_blob(name) for name in piece.names]
    empty = [Row(blob.name, piece.source, piece.first + place, None) for place, blob in enumerate(listed)]
    done = 0
    last = empty[0]
    try:
        for fault, stream in contents(meant(piece.location), [blob.id for blob in listed]):
            last = empty[done]._replace(fault=fault)
            if fault:
                yield last
            else:
                for row in plain.rows(last, shown(listed[done].path), stream, policy):
                    last = row
                    yield row
            done += 1
    except RepositoryError as error:
        why = f"its history cannot be read: {error}"
        yield (last if last.row == piece.first + done else empty[done])._replace(text=None, fault=why, more=False)
        yield from (row._replace(fault=why) for row in empty[done + 1 :])


def _blob(name: str) -> Blob:
    found, commit, path = name.split(" ", 2)
    return Blob(found, commit, path, 0)


def _is_of_storage(error: Exception) -> bool:
    """Whether an exception is the storage's; clients of stores have exceptions of their own, which are no OSError."""
    home = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or home in {"botocore", "aiobotocore", "aiohttp", "s3fs", "gcsfs", "adlfs"}


def _why(error: Exception) -> str:
    if not isinstance(error, OSError):
        return f"cannot be read: {type(error).__name__}"
    if error.errno in {errno.ELOOP, errno.EMLINK}:
        return "is a link that leads out of what was named, or nowhere"
    if error.errno == errno.EISDIR:
        return "is a folder that cannot be listed"
    return f"cannot be read: {error.strerror or type(error).__name__}"

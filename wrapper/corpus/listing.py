"""What there is to read of a source, in pieces of a size that one worker reads in one go."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from wrapper.corpus import jsonl, parquet, trees
from wrapper.corpus.names import kept, shown
from wrapper.corpus.opening import chunks, opened
from wrapper.corpus.policy import CorpusPolicy
from wrapper.corpus.repositories import Blob, RepositoryError, blobs, commits_before, git_folder, resolved
from wrapper.corpus.storage import Storage, filesystem, is_remote
from wrapper.corpus.storage import shown as shown_address
from wrapper.corpus.unpacking import bare
from wrapper.errors import ProvenanceError

_PIECE_BYTES: Final = 64 << 20  # of small files in one piece
_PIECE_NAMES: Final = 2000
_LINES: Final = (".jsonl", ".ndjson")
_LINES_BYTES: Final = 256 << 20  # of lines in one piece; larger files are read by several workers


class Form(StrEnum):
    """How documents are stored."""

    JSONL = "jsonl"  # one JSON value a line
    PARQUET = "parquet"
    FILES = "files"  # each file is a document
    GIT = "git"  # each version of each file is a document


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker reads in one go; it can be sent to another process.

    `source` names it to people and in results. `location`: the path (`names.kept`) or address to open; of FILES the
    folder that `names` count from, or the file itself where there are none; of GIT the repository, and `names` are ids,
    commits and paths. `first` and `last`: row groups of Parquet, the last one not included (0 and 0: all); of GIT,
    `first` is the number of the first content; of JSONL, how many lines stand before those from byte `start` to before
    `end` (0 and 0: all). `size`: bytes as stored. `stamp` changes when the content does; a run that resumes compares
    it. `fault`: why there is nothing to read where something should be. `is_named`: it was named itself, so a link
    there is followed.
    """

    source: str
    location: str
    form: Form
    names: tuple[str, ...] = ()
    first: int = 0
    last: int = 0
    start: int = 0
    end: int = 0
    size: int = 0
    stamp: str = ""
    fault: str = ""
    is_named: bool = False


def form_of(name: str) -> Form:
    """Say by its name how documents are stored in a file; whether a `.json` holds lines is seen when it is read."""
    if bare(name).lower().endswith(_LINES):
        return Form.JSONL
    return Form.PARQUET if name.lower().endswith((".parquet", ".parq")) else Form.FILES


def listed(source: str, policy: CorpusPolicy, storage: Storage | None) -> Iterator[Piece]:
    """List the pieces of one source. Raises ProvenanceError where it is not there."""
    if is_remote(source):
        yield from _stored(source, policy, storage)
        return
    path = os.path.abspath(os.fsencode(source.removeprefix("file://")))
    if not os.path.lexists(path):
        raise ProvenanceError(f"`{source}` is not there", hint="name a file, a folder, a git repository or an address")
    name = shown(kept(os.fsencode(source)))
    if os.path.isdir(path):
        yield from _folder(path, name, policy)
    else:
        yield from _file(name, path, is_named=True)


def _file(source: str, path: bytes, *, is_named: bool) -> Iterator[Piece]:
    """List one file; a link that was named is followed."""
    try:
        found = os.stat(path, follow_symlinks=is_named)
        size, stamp = found.st_size, trees.stamp_of(found)
    except OSError:  # its reader says so
        size, stamp = 0, ""
    form = form_of(shown(kept(path)))
    piece = Piece(source=source, location=kept(path), form=form, size=size, stamp=stamp, is_named=is_named)
    if form is Form.JSONL and size > _LINES_BYTES and bare(piece.location) == piece.location:
        yield from _cut_lines(piece)
    else:
        yield from _cut(piece, None)


def _cut_lines(piece: Piece) -> Iterator[Piece]:
    """Cut a large file of lines of this machine: to read it all once for that takes a thirtieth of judging it."""
    stretches: Sequence[jsonl.Stretch] = ()
    with contextlib.suppress(OSError), opened(piece.location, None, follow=piece.is_named) as file:
        stretches = jsonl.cuts(chunks(file), _LINES_BYTES)
    for start, end, before in stretches or (jsonl.Stretch(0, 0, 0),):
        size = (end or max(start, piece.size)) - start
        yield msgspec.structs.replace(piece, first=before, start=start, end=end, size=size)


def _cut(piece: Piece, storage: Storage | None) -> Iterator[Piece]:
    """Cut a large Parquet file where it can be cut. Packed lines cannot be; those in a store would be fetched twice."""
    runs: Sequence[tuple[int, int]] = ((0, 0),)
    if piece.form is Form.PARQUET:
        # what goes wrong here, its reader says
        with contextlib.suppress(OSError), opened(piece.location, storage, follow=piece.is_named) as file:
            runs = parquet.cuts(file, piece.size)
    for first, last in runs:
        yield msgspec.structs.replace(piece, first=first, last=last, size=piece.size // len(runs))


def _folder(root: bytes, source: str, policy: CorpusPolicy) -> Iterator[Piece]:
    if trees.looks_bare(root):
        yield from _repository(root, source, policy, within=None)
    group = _Group(kept(root), source)
    for entry in trees.walk(root, trees.Chosen(policy.paths)):
        if isinstance(entry, bytes):
            folder = os.path.dirname(entry) if os.path.basename(entry) == b".git" else entry
            within = root if folder else None  # what was named itself may have its repository where it likes
            yield from _repository(os.path.join(root, folder), _join(source, kept(folder)), policy, within=within)
        elif form_of(shown(kept(entry.name))) is Form.FILES:
            yield from group.with_one(kept(entry.name), entry.size, entry.stamp)
        else:
            yield from _file(_join(source, kept(entry.name)), os.path.join(root, entry.name), is_named=False)
    yield from group.rest()


def history(source: str, *, before: float | None = None, revision: str = "") -> Iterator[Piece]:
    """List what a repository had before a date (seconds since the epoch), or what a revision and its past have.

    Raises ProvenanceError where it is no repository, or has no such revision.
    """
    folder = os.path.abspath(os.fsencode(source))
    try:
        found = git_folder(folder)
        commits = [resolved(found, revision)] if before is None else commits_before(found, before)
        group = _Group(kept(found), shown(kept(os.fsencode(source))), Form.GIT)
        for blob in blobs(found, commits=commits):
            yield from group.with_one(_named(blob), max(blob.size, 0), "")
        yield from group.rest()
    except RepositoryError as error:
        hint = f"is `{revision}` one of its revisions?" if revision else "a date or a revision needs a git repository"
        raise ProvenanceError(f"the history of `{source}` cannot be read: {error}", hint=hint) from error


def _repository(folder: bytes, source: str, policy: CorpusPolicy, *, within: bytes | None) -> Iterator[Piece]:
    if policy.git.read == "files":
        return
    group = _Group("", source, Form.GIT)
    try:
        found = git_folder(folder, within)
        group.location = kept(found)
        for blob in blobs(found, unreached=policy.git.read == "objects"):
            yield from group.with_one(_named(blob), max(blob.size, 0), "")
    except RepositoryError as error:
        yield Piece(source=source, location="", form=Form.GIT, fault=f"its history cannot be read: {error}")
    yield from group.rest()


def _stored(source: str, policy: CorpusPolicy, storage: Storage | None) -> Iterator[Piece]:
    """List what stands below an address."""
    files, path = filesystem(source, storage)
    shown_source = shown_address(source).rstrip("/")
    chosen = trees.Chosen(policy.paths)
    try:
        found = {path: files.info(path)} if files.isfile(path) else files.find(path, detail=True)
    except Exception as error:  # every store has exceptions of its own
        hint = "check the address, the endpoint and your credentials"
        raise ProvenanceError(f"`{shown_source}` cannot be listed: {type(error).__name__}", hint=hint) from error
    if not found:
        raise ProvenanceError(f"`{shown_source}` is not there, or empty", hint="check the address and the endpoint")
    group = _Group(source.rstrip("/"), shown_source)
    for name in sorted(found):
        inner = name.removeprefix(path).lstrip("/")
        if inner and not chosen.reads(inner):
            continue
        size, stamp = int(found[name].get("size") or 0), _stamp(found[name])
        form = form_of(name)
        if form is Form.FILES and inner:
            yield from group.with_one(inner, size, stamp)
        else:
            whole = _join(shown_source, inner)
            location = f"{source.rstrip('/')}/{inner}" if inner else source
            yield from _cut(Piece(source=whole, location=location, form=form, size=size, stamp=stamp), storage)
    yield from group.rest()


def _stamp(found: Mapping[str, Any]) -> str:
    """Give what a store says changes with an object's content."""
    for key in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "created"):
        if found.get(key):
            return f"{found.get('size')} {found[key]}"
    return str(found.get("size"))


class _Group:
    """Small files or contents of one place, on their way into pieces."""

    def __init__(self, location: str, source: str, form: Form = Form.FILES) -> None:
        self.location = location
        self._source = source
        self._form = form
        self._first = 0
        self._names: list[str] = []
        self._size = 0
        self._stamp = hashlib.sha256()

    def with_one(self, name: str, size: int, stamp: str) -> Iterator[Piece]:
        """Add one; gives a piece where that is enough."""
        self._names.append(name)
        self._size += size
        self._stamp.update(f"{name}\0{stamp}\0".encode())
        if self._size >= _PIECE_BYTES or len(self._names) >= _PIECE_NAMES:
            yield from self.rest()

    def rest(self) -> Iterator[Piece]:
        """Give what has been added since the last piece."""
        if self._names:
            yield Piece(
                source=self._source, location=self.location, form=self._form, names=tuple(self._names),
                first=self._first, size=self._size, stamp=self._stamp.hexdigest()[:32],
            )  # fmt: skip
        self._first += len(self._names)
        self._names, self._size, self._stamp = [], 0, hashlib.sha256()


def _named(blob: Blob) -> str:
    return f"{blob.id} {blob.commit} {blob.path}"


def _join(source: str, name: str) -> str:
    return f"{source.rstrip('/')}/{shown(name)}" if name else source

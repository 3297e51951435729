"""What a run is bound to, and what of it is done: so that it can be killed at any moment and go on later.

A run's folder holds `run.json`, what was to be done, and `parts/`, one Parquet file for each piece that is done. A part
appears whole or not at all, so the parts themselves are the journal: there is no second book that could disagree. A
part's name holds the digest of its piece (place, size, time or tag of change).
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from wrapper.corpus.documents import Piece
from wrapper.corpus.storage import DRAFT, Folder, shown
from wrapper.errors import ProvenanceError

_VERSION: Final = 1
_RUN: Final = "run.json"
PARTS: Final = "parts"
PATIENCE: Final = 2
"""Workers that one piece may kill."""


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """What verdicts depend on besides the sources: digests, and the key's id."""

    pack: str
    key: str
    policy: str
    baseline: str
    index: str  # `whole` or `incomplete`


class Task(NamedTuple):
    """A piece to be judged, and the name of its part."""

    number: int
    piece: Piece
    part: str


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    """`run.json`. `pieces`: digest and source of each."""

    version: int
    binding: Binding
    pieces: tuple[tuple[str, str], ...]


def tasks(pieces: Sequence[Piece]) -> list[Task]:
    """Make a task of each piece: its number, and the name of its part."""
    return [Task(number, piece, f"{number:07}-{_digest(piece)}.parquet") for number, piece in enumerate(pieces)]


class Done(NamedTuple):
    """What a worker says of a task that is done: how many documents it judged, and refused."""

    documents: int
    refused: int


def begin(folder: Folder, binding: Binding, everything: Sequence[Task], *, resume: bool) -> set[str]:
    """Begin a run in a folder, or go on with it; the parts that are done.

    Raises ProvenanceError where the folder holds a run and `resume` is not said, or where what is to be resumed was
    begun with another pack, key, policy or baseline, or with sources that have changed since.
    """
    out, parts = shown(folder.address), folder.below(PARTS)
    planned = _Run(
        version=_VERSION,
        binding=binding,
        pieces=tuple((_digest(task.piece), shown(task.piece.source)) for task in everything),
    )
    begun = folder.read(_RUN)
    if begun is None:
        if folder.names() - {PARTS, f"{DRAFT}{_RUN}"} or parts.names():
            raise ProvenanceError(f"`{out}` is not empty, and holds no run", hint="choose another folder")
        parts.make()
        folder.write(_RUN, msgspec.json.encode(planned))
        return set()
    if not resume:
        raise ProvenanceError(f"`{out}` holds a run already", hint="go on with `--resume`, or choose another folder")
    _compare(_parse(begun, out), planned)
    parts.make()
    parts.sweep()
    return parts.names() & {task.part for task in everything}


def deadly(task: Task, cause: str) -> ProvenanceError:
    """Say that a piece killed too many workers."""
    return ProvenanceError(
        f"{PATIENCE} workers died of `{shown(task.piece.source)}` ({cause})",
        hint="use fewer workers if memory was short, then go on with `--resume`",
    )


def digest_of(*values: bytes) -> str:
    """Give a digest of values, each with its length, so that none runs into the next."""
    digest = hashlib.sha256()
    for value in values:
        digest.update(len(value).to_bytes(8, "big") + value)
    return digest.hexdigest()


def _digest(piece: Piece) -> str:
    return digest_of(msgspec.msgpack.encode(piece))[:16]


def _parse(data: bytes, out: str) -> _Run:
    try:
        return msgspec.json.decode(data, type=_Run)
    except msgspec.MsgspecError as error:
        hint = "it is damaged, or of another version: choose another folder"
        raise ProvenanceError(f"`{out}/{_RUN}` cannot be read", hint=hint) from error


def _compare(begun: _Run, planned: _Run) -> None:
    """Make sure that both say the same. Raises ProvenanceError that names the first difference."""
    hint = "choose another folder, and judge everything anew"
    for name in Binding.__struct_fields__:
        if getattr(begun.binding, name) != getattr(planned.binding, name):
            raise ProvenanceError(f"cannot resume: the run was begun with another {name}", hint=hint)
    before, now = dict(begun.pieces), dict(planned.pieces)
    changed = sorted({before[digest] for digest in before.keys() - now.keys()})
    added = sorted({now[digest] for digest in now.keys() - before.keys()} - set(changed))
    for sources, what in ((changed, "has changed, or is gone,"), (added, "has come to the sources")):
        if sources:
            raise ProvenanceError(f"cannot resume: `{sources[0]}` {what} since the run was begun", hint=hint)
    if begun.version != planned.version or begun.pieces != planned.pieces:
        raise ProvenanceError("cannot resume: the sources come in another order", hint="name them as before")

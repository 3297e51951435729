"""What a corpus is compared with: the index of this machine, those of others, or joined packs, as one pack on disk."""

import hashlib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from wrapper.errors import ProvenanceError
from wrapper.plan.places import Places
from wrapper.provenance.model import Fault

if TYPE_CHECKING:
    from wrapper.provenance.key import Key

_FOLDER: Final = "corpus"
_SHEETS: Final = "provenance"  # below a state folder


class Against(NamedTuple):
    """A pack that documents are compared with, what it lacks, and of how many sessions it was made anew later."""

    pack: Path
    key: Path
    emissions: int
    lines: int
    faults: tuple[Fault, ...]
    anew: int = 0


def key_path(named: Path | None, places: Places) -> Path:
    """Say where the key lies."""
    from wrapper.provenance.key import FILE  # noqa: PLC0415 (loads cryptography)

    return named or places.config / FILE


def prepared(named: Sequence[Path], key_file: Path | None, places: Places) -> Against:
    """Open what is named: pack files, and state folders whose workspaces all count; none: this machine's own.

    Several are joined into a pack in the cache. Raises ProvenanceError where there is no key, where one of them is
    missing, damaged or of another key, and where there is no index at all.
    """
    from wrapper.provenance import key as keys  # noqa: PLC0415 (loads cryptography)
    from wrapper.provenance.pack import Pack  # noqa: PLC0415 (loads numpy)

    path = key_path(key_file, places)
    key = keys.load(path)
    opened = [_opened(one, key, places) for one in named or [places.state]]
    faults = tuple(fault for one in opened for fault in one[1])
    anew = sum(one[2] for one in opened)
    pack = opened[0][0] if len(opened) == 1 else _joined([one[0] for one in opened], faults, key, places)
    found = Pack.open(pack, key)
    found.verify()  # a second for each GB: else damage is found when hours of work are done
    if not found.emissions:  # nothing can be found by it, so nothing would be called clean by right
        raise ProvenanceError(
            "the index holds nothing" if named else "there is no index on this machine: no session was captured",
            hint="name one with --index: a pack (`safe-agent provenance pack`), or a state folder",
        )
    return Against(pack, path, found.emissions, found.rows, faults, anew)


def _opened(path: Path, key: "Key", places: Places) -> tuple[Path, tuple[Fault, ...], int]:
    from wrapper.provenance.index import Index  # noqa: PLC0415 (reads the ledger)
    from wrapper.provenance.pack import Pack  # noqa: PLC0415 (as above)
    from wrapper.provenance.packing import packed  # noqa: PLC0415 (as above)

    if path.is_file():
        return path, Pack.open(path, key).faults, 0
    if path != places.state and not (path / _SHEETS).is_dir():
        what = "is neither a pack nor a state folder" if path.exists() else "is not there"
        raise ProvenanceError(f"the index `{path}` {what}", hint="a state folder has a folder `provenance` in it")
    index = Index.open(path, key)
    return packed(index, key, places), index.faults, len(index.anew)


def _joined(packs: Sequence[Path], faults: Sequence[Fault], key: "Key", places: Places) -> Path:
    """Join packs into one; it is kept, and made anew where one of them is another one now."""
    from wrapper.provenance.pack import Pack  # noqa: PLC0415 (as above)

    stamps = hashlib.sha256(repr([(str(one.resolve()), *_stamp(one)) for one in packs]).encode()).hexdigest()
    folder = places.cache / _FOLDER
    path = folder / f"{stamps[:32]}-{key.id}.pack"
    if not path.exists():
        places.private(folder)
        for old in folder.glob("*.pack"):
            old.unlink(missing_ok=True)
        opened = [Pack.open(one, key) for one in packs]
        Pack.build(chain.from_iterable(one.sheets() for one in opened), path, key, faults)
    return path


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns

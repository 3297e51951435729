"""The pack of a user's indexes, kept in the cache: joined once for the same sheets, opened in milliseconds after."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wrapper.errors import ProvenanceError, StateError
from wrapper.plan.places import Places
from wrapper.provenance.index import Index

if TYPE_CHECKING:
    from wrapper.provenance.key import Key
    from wrapper.provenance.pack import Pack

FOLDER: Final = "provenance"
_KEPT: Final = 3  # in the cache: each is as large as its index


def packed(index: Index, key: "Key", places: Places) -> Path:
    """Give the file of the joined index: out of the cache where it was made of the same sheets, under the same key.

    Raises StateError or ProvenanceError where the cache cannot be written, or a sheet not be joined.
    """
    from wrapper.provenance.pack import Pack  # noqa: PLC0415 (loads numpy)

    folder = places.cache / FOLDER
    path = folder / f"{index.stamp.hex()[:32]}-{key.id}.pack"
    try:
        Pack.open(path, key)
    except ProvenanceError:  # missing, or damaged: it is only a cache
        places.private(folder)
        Pack.build(index.sheets(), path, key)
        _forget(folder, path)
    else:
        os.utime(path)
    return path


def opened(index: Index, key: "Key", places: Places) -> "Pack":
    """Give the joined index; where the cache cannot be written it is made in memory, each time anew."""
    from wrapper.provenance.pack import Pack  # noqa: PLC0415 (loads numpy)

    try:
        return Pack.open(packed(index, key, places), key)
    except (StateError, ProvenanceError):  # of a sheet that does not hold together this says the same again
        return Pack.of(index.sheets())


def _forget(folder: Path, newest: Path) -> None:
    """Delete the packs that were not used lately; one that is being read stays until its reader has ended."""
    others = [path for path in folder.glob("*.pack") if path != newest]
    for path in sorted(others, key=_used, reverse=True)[_KEPT - 1 :]:
        path.unlink(missing_ok=True)


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # somebody else has deleted it
        return 0.0

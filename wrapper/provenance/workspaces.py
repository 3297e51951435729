"""Which workspace a folder is in: its id is keyed, so that it says nothing of the path."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from wrapper.errors import ProvenanceError
from wrapper.provenance.key import Key

FOLDER: Final = "provenance"
"""The folder of the index below the state folder; it has one folder for each workspace."""

_LONGEST: Final = 4096


def workspace_id(key: Key, path: Path) -> str:
    """Return the id of the workspace that `path` is in: 32 hex digits.

    HMAC of the real path of git's common folder (so that all worktrees of a repository are one), or of the folder
    itself where there is no repository.
    """
    return workspace_ids(key, path)[0]


def workspace_ids(key: Key, path: Path) -> tuple[str, ...]:
    """Return all ids that sessions in `path` may have: of its repository, and of the folders up to its top.

    A session that ran before `git init`, or in a subfolder then, has another id than later ones. Raises ProvenanceError
    where `path` can be no path, as one from a log that somebody else wrote.
    """
    try:
        return tuple(_id(key, place) for place in dict.fromkeys(_places(path)))
    except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: links that lead to themselves
        raise ProvenanceError(f"`{path}` can be no workspace: {error}") from error


def _id(key: Key, place: Path) -> str:
    return key.authenticate(b"workspace\0" + os.fsencode(place))[:16].hex()


def _places(path: Path) -> Iterator[Path]:
    folder = path if path.is_dir() else path.parent
    folder = folder.resolve()
    above = [folder, *folder.parents]
    top, common = next(((at, found) for at in above if (found := _common(at))), (folder, None))
    if common is not None:
        yield common
    yield from above[: above.index(top) + 1]


def _common(folder: Path) -> Path | None:
    """Return git's common folder where `folder` is the top of a working tree (gitrepository-layout(5))."""
    git = folder / ".git"
    try:
        if git.is_file():
            said = git.read_bytes()[:_LONGEST]
            if not said.startswith(b"gitdir:"):
                return None
            git = folder / os.fsdecode(said[len(b"gitdir:") :].strip())
        if not (git / "HEAD").is_file():
            return None
        shared = git / "commondir"
        return (git / os.fsdecode(shared.read_bytes()[:_LONGEST].strip()) if shared.is_file() else git).resolve()
    except (OSError, ValueError):
        return None

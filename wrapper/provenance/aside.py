"""What was written into folders of which nothing is told, as long as it may come out by a move or a link; pure."""

from collections.abc import Iterator
from typing import Final

import msgspec

from wrapper.audit.events import FileChange

GENERATED: Final = frozenset(
    {".git", "node_modules", ".venv", "venv", "site-packages", "__pycache__", "target", ".tox", ".nox", ".cache"}
)
"""Folders into which programs install and build: more than a session's own work, and nobody's source."""

_MOST: Final = 16 << 20  # bytes of changes
_MOST_FILES: Final = 1 << 13


def is_generated(path: str) -> bool:
    """Say whether a path lies in such a folder, or is one."""
    return not GENERATED.isdisjoint(path.split("/"))


class Aside:
    """The changes of files in such folders, by path; the oldest are forgotten where they are too many."""

    def __init__(self) -> None:
        self._changes: dict[str, list[FileChange]] = {}
        self._size = 0

    def put(self, change: FileChange) -> None:
        """Keep one more change of a file."""
        before = self._changes.pop(change.path, [])
        self._changes[change.path] = [*before, change]
        self._size += len(change.diff)
        while self._size > _MOST or len(self._changes) > _MOST_FILES:
            self._drop(next(iter(self._changes)))

    def moved(self, path: str, target: str) -> Iterator[FileChange]:
        """Move a file or folder; yield the changes of what has left such folders, under its new name."""
        moving = [path] if path in self._changes else [one for one in self._changes if one.startswith(f"{path}/")]
        changes = [change for one in moving for change in self._drop(one)]
        for change in changes:
            renamed = msgspec.structs.replace(change, path=target + change.path[len(path) :])
            if is_generated(renamed.path):
                self.put(renamed)
            else:
                yield renamed

    def linked(self, content: str, path: str) -> Iterator[FileChange]:
        """Yield the changes that made a content (its SHA-256) in such a folder, as those of another path."""
        found = next((every for every in self._changes.values() if content and every[-1].after == content), [])
        yield from (msgspec.structs.replace(change, path=path) for change in found)

    def deleted(self, path: str) -> None:
        """Forget a file that is gone."""
        self._drop(path)

    def _drop(self, path: str) -> list[FileChange]:
        changes = self._changes.pop(path, [])
        self._size -= sum(len(change.diff) for change in changes)
        return changes

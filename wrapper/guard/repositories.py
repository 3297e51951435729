"""All repositories of a workspace whose commits are looked at: those of the start, and what is made inside."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from wrapper.errors import WorkspaceError
from wrapper.guard.commits import Commits, Outcome

_MOST_NEW: Final = 50


class Repositories:
    """Keeps one `Commits` for each working tree; `folders` are those of the start.

    `restored` and `refuse` as for `Commits`. A repository that cannot be read is told at the end.
    """

    def __init__(
        self, workspace: Path, folders: Iterable[Path], restored: Callable[[bytes], bytes], *, refuse: bool
    ) -> None:
        self._workspace = workspace
        self._make = partial(Commits, restored=restored, refuse=refuse)
        self._standing: dict[Path, Commits] = {}
        self._new: dict[Path, None] = {}
        self._failed: dict[Path, str] = {}
        for folder in folders:
            self._watch(folder, is_new=False)

    def appeared(self, path: str) -> None:
        """Take notice of what was made inside; it is a repository when something looks at its commits."""
        above, _, name = path.rpartition("/")
        if name == ".git" and len(self._new) < _MOST_NEW:
            self._new[self._workspace / above] = None

    def check(self, *, ended: bool = False) -> Iterator[tuple[Path, Outcome]]:
        """Look at all of them; gives the working tree and what became of a ref."""
        for folder in self._new.keys() - self._standing.keys():
            self._watch(folder, is_new=True)
        for folder, commits in self._standing.items():
            yield from ((folder, outcome) for outcome in commits.check(ended=ended))
        if ended:
            for folder, why in self._failed.items():
                yield folder, Outcome("", "", "", (), "failed", why)

    def _watch(self, folder: Path, *, is_new: bool) -> None:
        try:
            self._standing[folder] = self._make(folder, is_new=is_new)
            self._failed.pop(folder, None)
        except WorkspaceError as error:
            self._failed[folder] = error.what

"""Which files a scan reads.

Rules of this file:
- In a git working tree: what git tracks, always; what it neither tracks nor ignores, unless policy leaves it out
  (`files.scan.skip`). A submodule and a repository within are asked the same.
- Elsewhere, and with `every`: all but what policy leaves out.
- A file that was named itself is read, whatever git or policy say.
- Symbolic links are never followed; one that was named itself was resolved before.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wrapper.errors import WorkspaceError
from wrapper.plan.gitinfo import layout_at, tracked
from wrapper.policy.model import Policy
from wrapper.scan.git import Repository


class Listing:
    """Lists the files below one root; `unreadable` grows while it does: paths, each with the reason."""

    def __init__(self, root: Path, policy: Policy, environ: Mapping[str, str], *, every: bool) -> None:
        self._root = f"{str(root).rstrip('/')}/"
        self._policy = policy
        self._environ = environ
        self._every = every
        self.unreadable: list[tuple[str, str]] = []

    def files(self, named: Sequence[Path]) -> list[str]:
        """Give the paths relative to the root, sorted, of what lies at or below each of `named` (resolved, in it)."""
        found: set[str] = set()
        for path in named:
            if path.is_dir():
                found.update(self._folder(self._relative(path)))
            elif path.is_file():
                found.add(self._relative(path))
            else:
                self.unreadable.append((self._relative(path), "not a regular file"))
        return sorted(found)

    def _relative(self, path: Path) -> str:
        return str(path).removeprefix(self._root.rstrip("/")).lstrip("/")

    def _folder(self, folder: str) -> Iterator[str]:
        toplevel = None if self._every else self._toplevel(folder)
        return self._walked(folder) if toplevel is None else self._by_git(toplevel, folder)

    def _toplevel(self, folder: str) -> str | None:
        """Find the working tree that a folder belongs to, not looking above the root."""
        while True:
            if layout_at(Path(self._root + folder)) is not None:
                return folder
            if not folder:
                return None
            folder = folder.rpartition("/")[0]

    def _by_git(self, toplevel: str, folder: str) -> Iterator[str]:
        place = Path(self._root + toplevel)
        layout = layout_at(place)
        prefix = f"{toplevel}/" if toplevel else ""
        beneath = folder[len(prefix) :] if folder != toplevel else ""
        start = f"{beneath}/" if beneath else ""
        for name in tracked(layout) if layout else ():
            if name.startswith(start):
                yield from self._file_or_repository(prefix + name)
        for name in Repository(place, self._environ).others(beneath):
            path = prefix + name
            if name.endswith("/"):
                yield from self._inner(path.rstrip("/"))
            elif self._policy.is_scanned(path):
                yield path

    def _file_or_repository(self, path: str) -> Iterator[str]:
        try:
            mode = os.lstat(self._root + path).st_mode
        except OSError:
            return  # deleted, or not checked out
        if stat.S_ISREG(mode):
            yield path
        elif stat.S_ISDIR(mode):
            yield from self._inner(path)

    def _inner(self, path: str) -> Iterator[str]:
        """List a submodule, or a repository that lies in this one."""
        if layout_at(Path(self._root + path)) is not None:
            yield from self._by_git(path, path)

    def _walked(self, folder: str) -> Iterator[str]:
        todo = [folder]
        while todo:
            path = todo.pop()
            entries = self._entries(path)
            if path != folder and not self._every and any(entry.name == ".git" for entry in entries):
                yield from self._repository_beneath(path)
                continue
            prefix = f"{path}/" if path else ""
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if self._policy.is_scanned(f"{name}/"):
                        todo.append(name)
                elif entry.is_file(follow_symlinks=False) and self._policy.is_scanned(name):
                    yield name

    def _entries(self, path: str) -> list["os.DirEntry[str]"]:
        try:
            with os.scandir(self._root + path) as entries:
                return list(entries)
        except OSError as error:
            self.unreadable.append((path or ".", error.strerror or "cannot be read"))
            return []

    def _repository_beneath(self, path: str) -> Iterator[str]:
        try:
            yield from self._inner(path)
        except WorkspaceError as error:  # one broken repository among many folders
            self.unreadable.append((path, error.what))

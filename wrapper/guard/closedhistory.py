"""What closed files say in git's objects: who may not open a file can still have git show it, or an older one.

The repository is not trusted: git's plumbing only (`plumbing`), and what is read of it is bounded in time and size.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from wrapper.plan.gitinfo import GitLayout, git_layout
from wrapper.plan.plumbing import ask

_MOST_BLOBS: Final = 20_000
_MOST_OF_BLOB: Final = 1 << 20
_MOST_OF_ALL: Final = 32 << 20

IsClosed = Callable[[str], bool]
"""Says of a workspace path whether policy closes it."""


class ClosedHistory:
    """Reads blobs of closed paths of the repository around `workspace`; of paths outside of that nothing is closed."""

    def __init__(self, workspace: Path, is_closed: IsClosed) -> None:
        self._layout = git_layout(workspace)
        self._is_closed = is_closed
        self._prefix = _prefix(self._layout, workspace)
        self._closed: dict[bytes, str] = {}  # path in the repository -> workspace path; empty: not closed

    def __bool__(self) -> bool:
        return self._layout is not None

    def head(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of what the commit that is checked out has. Raises OSError or SubprocessError."""
        listed = self._ask("ls-tree", "-r", "-z", "--full-tree", "HEAD")
        rows = (row.partition(b"\t") for row in listed.split(b"\0") if row)
        return self._contents((about.split(b" ")[2], path) for about, _, path in rows)

    def all(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of what any commit has that a ref or a reflog leads to. Raises as `head`."""
        listed = self._ask("rev-list", "--objects", "--all", "--reflog")
        rows = (row.partition(b" ") for row in listed.split(b"\n"))
        return self._contents((blob, path) for blob, _, path in rows if path)

    def _contents(self, found: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[str, bytes]]:
        paths: dict[bytes, str] = {}
        for blob, path in found:
            if len(paths) < _MOST_BLOBS and (name := self._name(path)):
                paths.setdefault(blob, name)
        wanted = self._small(paths)
        data = self._ask("cat-file", "--batch", given=b"".join(b"%b\n" % blob for blob in wanted)) if wanted else b""
        at = 0
        for blob, size in wanted.items():
            start = data.index(b"\n", at) + 1
            at = start + size + 1
            yield paths[blob], data[start : start + size]

    def _small(self, blobs: "dict[bytes, str]") -> dict[bytes, int]:
        """Give the sizes of those that are blobs and not too large, as many as may be read."""
        if not blobs:
            return {}
        told = self._ask("cat-file", "--batch-check", given=b"".join(b"%b\n" % blob for blob in blobs))
        sizes: dict[bytes, int] = {}
        left = _MOST_OF_ALL
        for blob, kind, size in (row.split(b" ") for row in told.splitlines() if row.count(b" ") == 2):
            if kind == b"blob" and int(size) <= min(left, _MOST_OF_BLOB):
                sizes[blob] = int(size)
                left -= int(size)
        return sizes

    def _name(self, path: bytes) -> str:
        if path not in self._closed:
            name = path.decode("utf-8", "surrogateescape")
            own = name.removeprefix(self._prefix)
            inside = name.startswith(self._prefix) and own
            self._closed[path] = own if inside and self._is_closed(own) else ""
        return self._closed[path]

    def _ask(self, *arguments: str, given: bytes | None = None) -> bytes:
        return ask(self._layout.git_dir, arguments, given=given) if self._layout is not None else b""


def _prefix(layout: GitLayout | None, workspace: Path) -> str:
    """Give the workspace's path in the repository, with a slash behind it; empty where it is the whole."""
    if layout is None or workspace == layout.toplevel:
        return ""
    return f"{workspace.relative_to(layout.toplevel).as_posix()}/"

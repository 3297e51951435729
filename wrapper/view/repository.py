"""What the inside sees of a repository's folder that lies outside of the workspace: that of a worktree or submodule.

It is judged as a `.git` folder in the workspace would be; `tree` knows the values.
"""

import os
from collections.abc import Collection, Iterable, Sequence

from wrapper.view.contents import Damage, Mode
from wrapper.view.nodes import Key
from wrapper.view.tree import Tree, upwards

_OWN = ("worktrees", "modules")


class Repository:
    """Judges the paths of one such folder; see `contents.Judge`.

    `protected` are its files that are read-only, `standing` the worktrees and submodules of the start (`worktrees/a`),
    all relative to it.
    """

    def __init__(self, tree: Tree, protected: Collection[str], standing: Collection[str]) -> None:
        self.is_strict = tree.is_strict
        self._tree = tree
        self._protected = frozenset(protected)
        self._standing = frozenset(standing)

    def by_name(self, path: bytes, *, is_folder: bool, is_own: bool = False) -> Mode:
        """Say what holds for a path by its name."""
        del is_own
        return Mode.SCAN if is_folder else self._tree.by_rule(f".git/{os.fsdecode(path)}")

    def by_inode(self, key: Key) -> Mode | None:
        """Say what holds for a file by another name that it has."""
        return self._tree.by_inode(key)

    def is_protected(self, path: bytes) -> bool:
        """Say whether a path is read-only inside, made or not; a worktree or submodule that is made inside is not."""
        name = os.fsdecode(path)
        if "" in self._protected or any(at in self._protected for at in upwards(name)):
            return True
        own = "/".join(name.split("/")[:2])
        is_new = own.startswith(_OWN) and own not in self._standing
        return not is_new and self._tree.protects(f".git/{name}")

    def may_go(self, path: bytes) -> bool:
        """Say that nothing protected may: what is made inside is not protected here."""
        del path
        return False

    def holds_protected(self, path: bytes) -> bool:
        """Say whether policy protects something in folders of this name."""
        return path == b"hooks" or self._tree.holds_protected(path)

    def is_held(self, path: bytes) -> bool:
        """Say whether a folder must not be moved or removed."""
        name = os.fsdecode(path)
        return any(one.startswith(f"{name}/") for one in self._protected)

    def is_clean(self, path: bytes, about: os.stat_result) -> bool:
        """Say that nothing is known of any state: the scan has not been here."""
        del path, about
        return False

    def masked(self, path: bytes, data: bytes, mode: Mode) -> bytes | None:
        """Give what is shown for a content."""
        return self._tree.masked(path, data, mode)

    def restored(self, data: bytes) -> bytes:
        """Give what is real for text that was written inside."""
        return self._tree.restored(data)

    def hangs(self, shown: bytes | bytearray) -> bool:
        """Say whether a placeholder stands in it that becomes its value in some files only."""
        return self._tree.hangs(shown)

    def real(self, path: bytes, shown: bytes, mode: Mode) -> bytes:
        """Give what is real for the whole content of a file that is shown so."""
        return self._tree.real(path, shown, mode)

    def damaged(self, data: bytes) -> Sequence[Damage]:
        """Give the places that were meant as placeholders and are none."""
        return self._tree.damaged(data)

    def masked_paths(self) -> Iterable[bytes]:
        """Give none: those of the working tree are the workspace's."""
        return ()

    def host_changed(self, path: bytes) -> None:
        """Leave it: what is read here is looked at then."""

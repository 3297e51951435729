"""What the inside sees of a path: policy, git's state and what the scan found, asked for one path at a time.

Rules of this file:
1. What the inventory has found out about a file counts while the file is in exactly that state and no value has become
   known since; else the content is looked at. So it is where the scan did not read the file: it was only listed then.
2. A name that policy closes is closed whatever is in the file; one that it knows nothing of is judged by its content.
3. In folders that policy does not scan only values that are known already are masked. What git keeps of commits
   (objects, refs, messages) passes as it is: a value put into one would be there for good.
4. What policy protects is read-only, also where there is nothing yet; but not in folders that it does not scan
   (packages bring such files) and in a repository that is made inside, which somebody must write: the guard reports it.
5. A key that the inside makes itself is shown masked, not hidden: it was there already when it had no name.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Final

from redactors.vault import Vault
from wrapper.plan.inventory import Inventory
from wrapper.plan.judge import FileVerdict
from wrapper.plan.restoring import Restoring
from wrapper.plan.scancache import ACTIONS, Code, FileRow, Folder
from wrapper.view.contents import CLOSED, Damage, Mode
from wrapper.view.nodes import Key
from wrapper.view.verdicts import stricter

_REMEMBERED: Final = 1 << 17
_CLOSED: Final = frozenset(("deny", "hide", "store"))
_VERDICTS: Final = {"mask": Mode.SCAN, "deny": Mode.DENY, "hide": Mode.HIDE}
_GITS: Final = re.compile(
    r"(?:^|/)\.git/(?:(?:modules|worktrees)/.+/)?"
    r"(?:(?:objects|refs|logs|reftable|lfs)/.*|[A-Z_]*(?:HEAD|MSG)|packed-refs|(?:next-)?index[^/]*)(?:\.lock)?\Z",
    re.DOTALL,
)


class Tree:
    """Judges the paths of one workspace, relative and as the kernel has them; see `contents.Judge`.

    `learned` is called when values have become known, from whichever thread asked.
    """

    def __init__(self, inventory: Inventory, vault: Vault, *, is_strict: bool, learned: Callable[[], None]) -> None:
        self.is_strict = is_strict
        self._judge = inventory.judge
        self._policy = inventory.judge.policy
        self._folders = inventory.folders
        self._vault = vault
        self._restoring = Restoring(vault, inventory.judge.engine.known)
        self._learned = learned
        self._values = len(vault)
        self._told = len(vault)
        self._verdicts = {one.path: one for one in inventory.files}
        self._protected = frozenset(path.rstrip("/") for path in inventory.protected)
        self._held = frozenset((*_held(self._protected), *_above(inventory.frozen)))
        self._rows: dict[str, dict[str, tuple[FileRow, int]]] = {}
        self._guarded = frozenset(_folders_of(rule.pattern for rule in self._policy.protected))
        self._cached_name = lru_cache(_REMEMBERED)(self._by_name)
        self._cached_protection = lru_cache(_REMEMBERED)(self._is_protected)

    def by_name(self, path: bytes, *, is_folder: bool, is_own: bool = False) -> Mode:
        """Say what holds for a path by its name; `is_own`: the inside made it where nothing was."""
        return self._cached_name(path, is_folder)[is_own]

    def by_inode(self, key: Key) -> Mode | None:
        """Say what holds for a file by another name that it has."""
        verdict = self._judge.inodes.get(key)
        return None if verdict is None else _mode(verdict)

    def is_protected(self, path: bytes) -> bool:
        """Say whether a path is read-only inside, made or not."""
        protection = self._cached_protection(path)
        return protection == "always" or (protection == "here" and not self._is_in_new_repository(os.fsdecode(path)))

    def may_go(self, path: bytes) -> bool:
        """Say whether what is protected by its name only lies in a folder that was not there at the start.

        Such a folder, like a work tree of git's, can be removed again by who made it.
        """
        if self._cached_protection(path) != "here":
            return False
        name = os.fsdecode(path)
        return ".git" not in name.split("/") and any(at not in self._folders for at in upwards(name.rpartition("/")[0]))

    def holds_protected(self, path: bytes) -> bool:
        """Say whether policy protects something in folders of this name: a link in its place would bring another."""
        return path.rpartition(b"/")[2] in self._guarded

    def is_held(self, path: bytes) -> bool:
        """Say whether a folder must not be moved or removed: another would take its place, unprotected."""
        return os.fsdecode(path) in self._held

    def is_clean(self, path: bytes, about: os.stat_result) -> bool:
        """Say whether the file in exactly this state is known to hold nothing to hide."""
        if len(self._vault) != self._values:
            return False
        row, code = self._row(os.fsdecode(path))
        is_same = not code & (Code.CERTAIN | Code.UNREADABLE | Code.ACTION) and row[1:] == (
            about.st_ino,
            about.st_size,
            about.st_mtime_ns,
            about.st_ctime_ns,
        )
        return is_same and self.by_name(path, is_folder=False) is not Mode.KNOWN  # the scan has no word on those

    def masked(self, path: bytes, data: bytes, mode: Mode) -> bytes | None:
        """Give what is shown for the content of a KNOWN, SCAN or MASK file; None: it cannot be shown."""
        if mode is Mode.KNOWN:
            shown = self._judge.shown_known(data)
        else:
            shown = self._judge.shown(os.fsdecode(path), data, whole=mode is Mode.MASK)
        if shown is not None:
            self._vault.release(data, shown)
        self._tell()
        return shown

    def restored(self, data: bytes) -> bytes:
        """Give what is real for text that was written inside, whatever file it is in."""
        return self._vault.restore_in_file(data)

    def hangs(self, shown: bytes | bytearray) -> bool:
        """Say whether a placeholder stands in it that becomes its value in some files only."""
        return self._restoring.hangs(shown)

    def real(self, path: bytes, shown: bytes, mode: Mode) -> bytes:
        """Give what is real for the whole content of a file that is shown so; of a PASS file, just that."""
        if mode is Mode.PASS:
            return shown
        if mode is Mode.KNOWN:
            return self._restoring.real(shown, self._judge.hidden_known)
        hidden = partial(self._judge.hidden, os.fsdecode(path), whole=mode is Mode.MASK)
        real = self._restoring.real(shown, hidden)
        self._tell()
        return real

    def damaged(self, data: bytes) -> Sequence[Damage]:
        """Give the places that were meant as placeholders and are none."""
        return [Damage(near.start, near.end, near.what) for near in self._vault.near_misses(data)]

    def by_rule(self, name: str) -> Mode:
        """Say what holds for a file of such a path by policy alone."""
        return self._of(name, self._policy.file(name).action)

    def protects(self, name: str) -> bool:
        """Say whether policy protects such a path."""
        return self._policy.is_protected(name).action == "protect"

    def masked_paths(self) -> Iterable[bytes]:
        """Give the paths that were masked at the start."""
        return [os.fsencode(path) for path, one in self._verdicts.items() if one.mode == "mask"]

    def host_changed(self, path: bytes) -> None:
        """Learn the values in a file that someone outside has changed."""
        self._judge.judge(os.fsdecode(path))
        self._tell()

    def _tell(self) -> None:
        if len(self._vault) != self._told:
            self._told = len(self._vault)
            self._learned()

    def _by_name(self, path: bytes, is_folder: bool) -> tuple[Mode, Mode]:  # noqa: FBT001 (keys of a cache)
        """Say what holds for a path, and what if the inside made it where nothing was."""
        name = os.fsdecode(path)
        above = path.rpartition(b"/")[0]
        if above and self.by_name(above, is_folder=True) in CLOSED:
            return Mode.HIDE, Mode.HIDE
        if is_folder:
            mode = self._folder(name)
            return mode, mode
        return self._file(name)

    def _folder(self, name: str) -> Mode:
        verdict = self._verdicts.get(name)
        if verdict is None and name not in self._folders:
            verdict = self._judge.folder_verdict(name, self._judge.by_folder_name(name))
        return Mode.SCAN if verdict is None else _mode(verdict)

    def _file(self, name: str) -> tuple[Mode, Mode]:
        action = ACTIONS[self._row(name)[1] & Code.ACTION] or self._policy.file(name).action
        mode = own = self._of(name, action)
        if action == "store":  # a key that the inside makes itself (rule 5)
            own = self._of_open(name)
        alias = self._judge.aliases.get(name)
        if alias is not None:
            other = self._of(alias, self._policy.file(alias).action)
            mode, own = stricter(mode, other), stricter(own, other)
        return mode, own

    def _of(self, name: str, action: str) -> Mode:
        if action == "mask":
            return Mode.MASK
        if action == "pass":
            return Mode.PASS
        if action in _CLOSED:
            return _VERDICTS[self._judge.closed_as(name, action)]
        return self._of_open(name)

    def _of_open(self, name: str) -> Mode:
        """Say what holds for a file that policy does not close."""
        if _GITS.search(name):
            return Mode.PASS
        return Mode.SCAN if self._policy.scan_enabled and self._policy.is_scanned(name) else Mode.KNOWN

    def _row(self, name: str) -> tuple[FileRow, int]:
        """Give a file's row and code from the walk; a row that no file has where it is new."""
        above, _, own = name.rpartition("/")
        rows = self._rows.get(above)
        if rows is None:
            folder = self._folders.get(above)
            rows = self._rows[above] = {} if folder is None else dict(_rows(folder))
        return rows.get(own, _NO_ROW)

    def _is_protected(self, path: bytes) -> str:
        """Give `always`, `here` for what is so but in a new repository, or nothing."""
        name = os.fsdecode(path)
        if "" in self._protected or any(at in self._protected for at in upwards(name)):
            return "always"
        if not self.protects(name):
            return ""
        if self._policy.is_frozen(name):
            above = name.rpartition("/")[0]
            return "always" if not above or self._policy.is_scanned(f"{above}/") else ""
        if ".git" in name.split("/"):
            return "" if self._is_new_repositorys(name) else "here"
        return "here" if self._policy.is_scanned(name) else ""

    def _is_new_repositorys(self, name: str) -> bool:
        """Tell what belongs to a repository, a linked work tree or a submodule that was not there at the start."""
        parts = name.split("/")
        at = parts.index(".git") + 1
        of = at + 2 if parts[at : at + 1] in (["worktrees"], ["modules"]) else at
        own = "/".join(parts[:of])
        return own not in self._folders and own not in self._protected

    def _is_in_new_repository(self, name: str) -> bool:
        """Tell what stands in a working tree that was made inside: a clone brings files that are protected else."""
        return any(
            at not in self._folders and os.path.lexists(self._judge.absolute(f"{at}/.git"))
            for at in upwards(name.rpartition("/")[0])
        )


_NO_ROW: Final[tuple[FileRow, int]] = (("", -1, -1, -1, -1), 0)


def _mode(verdict: FileVerdict) -> Mode:
    return Mode.MASK if verdict.whole and verdict.mode == "mask" else _VERDICTS[verdict.mode]


def _rows(folder: Folder) -> Iterator[tuple[str, tuple[FileRow, int]]]:
    for row, code in zip(folder.files, folder.codes, strict=True):
        yield row[0], (row, code)


def upwards(name: str) -> Iterator[str]:
    """Give a path and the folders above it, without the root."""
    while name:
        yield name
        name = name.rpartition("/")[0]


def _held(protected: Iterable[str]) -> Iterator[str]:
    """Give the folders above what is protected that are nobody's to move: with a dot, or around a repository."""
    for path in protected:
        folders = path.split("/")[:-1]
        around = folders.index(".git") + 1 if ".git" in folders else 0
        dotted = next((at + 1 for at, name in enumerate(folders) if name.startswith(".")), 0)
        for length in {*range(1, around + 1), dotted} - {0}:
            yield "/".join(folders[:length])


def _above(mounted: Iterable[str]) -> Iterator[str]:
    """Give the folders above mounts: moved away, they would take the mount along, to where it is known by no name."""
    for path in mounted:
        yield from upwards(path.rstrip("/").rpartition("/")[0])


def _folders_of(patterns: Iterable[str]) -> Iterator[bytes]:
    """Give the names of folders with a dot in patterns: `.vscode` of `**/.vscode/tasks.json`."""
    for pattern in patterns:
        for name in pattern.rstrip("/").split("/")[:-1]:
            if name.startswith(".") and name != ".git":
                yield os.fsencode(name)

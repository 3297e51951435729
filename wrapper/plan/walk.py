"""Walk the workspace once, against the cache: every folder, every file's stat, and the bits that are still good.

Rules of this file:
- One `scandir` per folder and one `lstat` per file; a folder whose rows are all as cached keeps its codes.
- A folder that policy takes out of the scan (`node_modules/`) is still searched for names that policy decides on, a
  forgotten `.env` for one; its own mtime says whether names came or went, so that costs one `lstat` when warm.
- Symbolic links are rows, never doors. Folders and files that vanish meanwhile are not there.
"""

import os
import stat
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from wrapper.plan.judge import Judge
from wrapper.plan.rows import listed
from wrapper.plan.scancache import NEVER, Code, FileRow, Folder, ScanCache, is_racy

_NO_STAT: Final = (0, 0, 0, 0)
_NO_STAMP: Final = (0, 0, 0)


class Item(NamedTuple):
    """A file whose content has a say; its code stands at `codes[place]`."""

    path: str
    size: int
    codes: list[int]
    place: int


@dataclass(slots=True)
class Walked:
    """All folders by path; `pending` are the new and changed files to be scanned."""

    folders: dict[str, Folder] = field(default_factory=dict)
    pending: list[Item] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    files: int = 0
    changed: bool = False

    def unsearched(self) -> list[Item]:
        """Give the regular files that the cache spoke for and that are not masked already."""
        pending = {item.path for item in self.pending}
        skipped = Code.CERTAIN | Code.SPECIAL | Code.SYMLINK | Code.UNREADABLE
        return [
            Item(path, row[2], folder.codes, place)
            for prefix, folder in self.folders.items()
            if not folder.code & Code.NAMES_ONLY
            for place, row in enumerate(folder.files)
            if not folder.codes[place] & skipped and (path := f"{prefix}/{row[0]}".lstrip("/")) not in pending
        ]


def walk(judge: Judge, cache: ScanCache, started_ns: int, same: Collection[str] = ()) -> Walked:
    """Walk from the top; `started_ns` is the wall clock from before, for racy rows.

    `same` are cached folders that `rows.unchanged` has just found as they were: they are not read again.
    """
    return _Walk(judge, cache, started_ns, same).run()


class _Walk:
    def __init__(self, judge: Judge, cache: ScanCache, started_ns: int, same: Collection[str]) -> None:
        self._same = frozenset(same)
        self._judge = judge
        self._base = f"{judge.workspace}/"
        self._cached = cache.folders
        self._started_ns = started_ns
        self._out = Walked()

    def run(self) -> Walked:
        todo = [""]
        while todo:
            path = todo.pop()
            folder = self._folder(path)
            if folder is not None:
                self._out.folders[path] = folder
                prefix = f"{path}/" if path else ""
                todo += [prefix + name for name in folder.folders]
        if len(self._out.folders) != len(self._cached):
            self._out.changed = True
        return self._out

    def _folder(self, path: str) -> Folder | None:
        old = self._cached.get(path)
        try:
            if old is not None and path in self._same:
                self._out.files += len(old.files)
                return old
            if old is not None and not old.code & Code.NAMES_ONLY:
                return self._read(path, old)
            about = os.lstat(self._base + path)
            ctime = NEVER if is_racy(about.st_ctime_ns, self._started_ns) else about.st_ctime_ns
            stamp = (about.st_ino, about.st_mtime_ns, ctime)
            return old if old is not None and old.stamp == stamp else self._new(path, stamp)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            self._out.unreadable.append(f"{path}/")
            return None

    def _new(self, path: str, stamp: tuple[int, int, int]) -> Folder:
        prefix = f"{path}/" if path else ""
        code = self._judge.by_folder_name(path) if path else 0
        if path and not self._judge.policy.is_scanned(prefix):
            named = self._names_only(prefix, code, stamp)
            if named is not None:
                self._out.changed = True
                return named
        return self._read(path, Folder(code, _NO_STAMP, (), (), []))

    def _names_only(self, prefix: str, code: int, stamp: tuple[int, int, int]) -> Folder | None:
        """Read the names alone; None where policy takes a file in here back into the scan."""
        folders: list[str] = []
        files: list[FileRow] = []
        codes: list[int] = []
        with os.scandir(self._base + prefix) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                    continue
                path = prefix + entry.name
                if self._judge.policy.is_scanned(path):
                    return None
                bits = self._judge.by_name(path)
                if entry.is_symlink():
                    bits = bits | Code.SYMLINK if bits else 0
                elif not entry.is_file(follow_symlinks=False):
                    bits |= Code.SPECIAL
                if bits:
                    files.append((entry.name, *_NO_STAT))
                    codes.append(bits)
        return Folder(code | Code.NAMES_ONLY, stamp, folders, files, codes)

    def _read(self, path: str, old: Folder) -> Folder:
        folders, rows, stats = listed(self._base + path)
        self._out.files += len(rows)
        if rows == old.files:
            if old.folders == folders:
                return old
            codes = old.codes
        else:
            codes = self._judged(path, rows, stats, old)
        self._out.changed = True
        return Folder(old.code, _NO_STAMP, folders, rows, codes)

    def _judged(self, path: str, rows: list[FileRow], stats: list[os.stat_result], old: Folder) -> list[int]:
        """Give the codes parallel to `rows`; rows too young to be trusted next time are marked so."""
        prefix = f"{path}/" if path else ""
        before = dict(zip(old.files, old.codes, strict=True))
        codes: list[int] = []
        for at, row in enumerate(rows):
            code = before.get(row)
            codes.append(self._new_file(prefix + row[0], stats[at], codes, at) if code is None else code)
            if is_racy(row[4], self._started_ns):
                rows[at] = (*row[:4], NEVER)
        return codes

    def _new_file(self, path: str, about: os.stat_result, codes: list[int], at: int) -> int:
        code = self._judge.by_name(path)
        if stat.S_ISLNK(about.st_mode):
            return code | Code.SYMLINK
        if not stat.S_ISREG(about.st_mode):
            return code | Code.SPECIAL
        if about.st_nlink > 1:
            code |= Code.LINKED
        if self._judge.wants_scan(path, code, about.st_size):
            self._out.pending.append(Item(path, about.st_size, codes, at))
        return code

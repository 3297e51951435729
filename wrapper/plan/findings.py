"""Turn the bits of a walk into verdicts: by name, by content, through links, over folders.

Rules of this file:
- Files that policy masks by name come first: their values are searched for in all others.
- A folder that policy closes gets one verdict for all beneath, unless policy opens something in it again.
- Every name of an inode gets the strictest verdict that one of its names has.
"""

import os
import stat
from collections.abc import Iterator
from typing import Final

from wrapper.plan.judge import FileVerdict, Judge, another_name, stricter
from wrapper.plan.scancache import ACTIONS, Code, Folder
from wrapper.plan.walk import Walked

_CLOSED: Final = frozenset(ACTIONS.index(action) for action in ("deny", "hide", "store"))
_MASK: Final = ACTIONS.index("mask")
_FIRST: Final = Code.SYMLINK | Code.SPECIAL


class Verdicts:
    """Collects the verdicts of one walk."""

    def __init__(self, judge: Judge, walked: Walked) -> None:
        self._judge = judge
        self._walked = walked
        self._found: dict[str, FileVerdict] = {}
        self._closed = _closed_folders(walked.folders)
        self.unreadable: list[str] = []

    def files(self) -> tuple[FileVerdict, ...]:
        """Give the verdicts sorted by path, folders that are closed as a whole among them."""
        found = [self._found[path] for path in self._found if not self._is_closed(path.rpartition("/")[0])]
        for path in self._closed:
            verdict = self._judge.folder_verdict(path, self._walked.folders[path].code)
            if verdict is not None and not self._is_closed(path.rpartition("/")[0]):
                found.append(verdict)
        return tuple(sorted(found, key=lambda verdict: verdict.path))

    def protected(self) -> tuple[str, ...]:
        """Give the existing protected paths; a folder's ends in `/` and stands for all beneath."""
        found: list[str] = []
        for path, folder in self._walked.folders.items():
            if folder.code & Code.PROTECTED:
                if not self._walked.folders[path.rpartition("/")[0]].code & Code.PROTECTED:
                    found.append(f"{path}/")
            else:
                found += [row for row, code, _ in _notable(path, folder) if code & Code.PROTECTED]
        return tuple(sorted(found))

    def judge_names(self) -> None:
        """Judge links, and files that are masked by their name; their values are known from then on."""
        for path, code, _ in self._notable():
            if code & Code.SYMLINK:
                self._follow(path)
            elif code & Code.ACTION == _MASK and not code & Code.SPECIAL:
                self._add(self._judge.verdict(path, code))

    def judge_contents(self) -> None:
        """Judge all others, by the bits that the scan has set."""
        for path, code, _ in self._notable():
            if code & Code.UNREADABLE:
                self.unreadable.append(path)
            if code & Code.SYMLINK or (code & Code.ACTION == _MASK and not code & Code.SPECIAL):
                continue
            if not code & Code.CERTAIN and self._is_closed(path.rpartition("/")[0]):
                continue
            self._add(self._judge.verdict(path, code))

    def spread(self) -> None:
        """Give each name of a covered inode the strictest verdict of them all."""
        linked: dict[int, list[str]] = {}
        for path, code, inode in self._notable():
            if code & Code.LINKED:
                linked.setdefault(inode, []).append(path)
        for paths in list(linked.values()):
            if any(path in self._found for path in paths):
                self._spread_over(paths)
        self._spread_from_unscanned(linked)

    def _spread_over(self, paths: list[str]) -> None:
        by_device: dict[int, list[str]] = {}
        names = 0
        inode = 0
        for path in paths:
            try:
                about = os.lstat(self._judge.absolute(path))
            except OSError:
                continue
            by_device.setdefault(about.st_dev, []).append(path)
            names, inode = about.st_nlink, about.st_ino
        for device, same in by_device.items():
            verdict = None
            for path in same:
                verdict = stricter(verdict, self._found.get(path))
            if verdict is None:
                continue
            self._judge.inodes[device, inode] = verdict
            elsewhere = self._unscanned_names(inode) if len(same) < names else ()
            for path in (*same, *elsewhere):
                self._found[path] = another_name(verdict, path)

    def _unscanned_names(self, inode: int) -> Iterator[str]:
        """Look for an inode where the walk has read names only (the number stands in the directory)."""
        for path, folder in self._walked.folders.items():
            if folder.code & Code.NAMES_ONLY:
                with os.scandir(self._judge.absolute(path)) as entries:
                    yield from [f"{path}/{entry.name}" for entry in entries if entry.inode() == inode]

    def _spread_from_unscanned(self, linked: dict[int, list[str]]) -> None:
        """Do the same for covered files in folders that are not scanned, whose other names stand in one that is."""
        if not linked:
            return
        for path, folder in self._walked.folders.items():
            if not folder.code & Code.NAMES_ONLY or not any(folder.codes):
                continue
            for row, _, _ in _notable(path, folder):
                if row in self._found:
                    about = os.lstat(self._judge.absolute(row))
                    if about.st_nlink > 1 and about.st_ino in linked:
                        self._spread_over([row, *linked[about.st_ino]])

    def _follow(self, link: str) -> None:
        """Judge what is behind a link by the link's name, or by the names that a linked folder's files have there."""
        place = self._judge.absolute(link)
        try:
            mode = os.stat(place).st_mode  # noqa: PTH116 - a string, as all paths here
        except OSError:
            return
        if self._is_closed(link.rpartition("/")[0]):
            return  # nobody gets to the link, and what it leads to has a name of its own
        if not stat.S_ISDIR(mode):
            self._add(self._judge.behind_link(link))
            return
        target = self._judge.relative(os.path.realpath(place))
        if target is None:
            return
        for path, folder in self._walked.folders.items():
            if folder.code & Code.NAMES_ONLY or not (path == target or path.startswith(f"{target}/" if target else "")):
                continue
            alias = f"{link}/{path[len(target) :].strip('/')}".rstrip("/")
            for name, *_ in folder.files:
                self._add(self._judge.behind_link(f"{alias}/{name}"))

    def _add(self, verdict: FileVerdict | None) -> None:
        if verdict is not None:
            self._found[verdict.path] = stricter(self._found.get(verdict.path), verdict) or verdict

    def _notable(self) -> Iterator[tuple[str, int, int]]:
        for path, folder in self._walked.folders.items():
            if any(folder.codes):
                yield from _notable(path, folder)

    def _is_closed(self, folder: str) -> bool:
        while self._closed and folder:
            if folder in self._closed:
                return True
            folder = folder.rpartition("/")[0]
        return False


def _notable(path: str, folder: Folder) -> Iterator[tuple[str, int, int]]:
    """Yield path, code and inode of a folder's files that have a code."""
    prefix = f"{path}/" if path else ""
    for row, code in zip(folder.files, folder.codes, strict=True):
        if code:
            yield prefix + row[0], code, row[1]


def _closed_folders(folders: dict[str, Folder]) -> frozenset[str]:
    """Name the folders that policy closes and in which it opens nothing again."""
    closed = {path for path, folder in folders.items() if folder.code & Code.ACTION in _CLOSED}
    if not closed:
        return frozenset()
    opened = set()
    for path in closed:
        if any(code & Code.ACTION not in _CLOSED for code in folders[path].codes):
            opened.add(path)
    for path, folder in folders.items():
        if folder.code & Code.ACTION not in _CLOSED:
            opened.add(path)
    for path in list(opened):
        above = path.rpartition("/")[0]
        while above in closed and above not in opened:
            opened.add(above)
            above = above.rpartition("/")[0]
    return frozenset(closed - opened)

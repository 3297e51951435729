"""Which files held nothing when they were last scanned, in the form and under the rules of the scan cache.

A file of its own, beside that of the sessions: those know other files, and their bits say what policy does to a name.
"""

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wrapper.plan import scancache
from wrapper.plan.scancache import NEVER, FileRow, Folder, ScanCache, is_racy

_SUFFIX: Final = ".scan"
_NO_STAMP: Final = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Seen:
    """A regular file as `os.lstat` has it; `code` is None where it has to be read."""

    path: str
    row: FileRow
    code: int | None


class Remembered:
    """What former scans of `root` under the same `key` said."""

    def __init__(self, cache: Path, root: Path, key: bytes) -> None:
        place = scancache.place(cache, root)
        self._file = place.with_name(place.name + _SUFFIX)
        self._cache = scancache.load(self._file, key)
        self._rows = {
            path: dict(zip(folder.files, folder.codes, strict=True)) for path, folder in self._cache.folders.items()
        }

    def look(self, root: Path, paths: Iterable[str]) -> tuple[list[Seen], list[tuple[str, str]]]:
        """Look at each path; the second answer are those that could not be, with the reason. Vanished ones are left."""
        seen: list[Seen] = []
        failed: list[tuple[str, str]] = []
        base = str(root).rstrip("/") + "/"
        for path in paths:
            try:
                about = os.lstat(base + path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                failed.append((path, error.strerror or "cannot be read"))
                continue
            if stat.S_ISREG(about.st_mode):
                folder, _, name = path.rpartition("/")
                row = (name, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
                seen.append(Seen(path, row, self._rows.get(folder, {}).get(row)))
        return seen, failed

    def store(self, found: Mapping[str, tuple[FileRow, int]], started_ns: int, *, whole: bool) -> None:
        """Remember the codes of these paths; `whole`: all others are forgotten. What cannot be written costs time."""
        rows: dict[str, dict[str, tuple[FileRow, int]]] = {}
        if not whole:
            for path, folder in self._cache.folders.items():
                rows[path] = {row[0]: (row, code) for row, code in zip(folder.files, folder.codes, strict=True)}
        for path, (row, code) in found.items():
            folder_path, _, name = path.rpartition("/")
            kept = (*row[:4], NEVER) if is_racy(row[4], started_ns) else row
            rows.setdefault(folder_path, {})[name] = (kept, code)
        folders = {
            path: Folder(0, _NO_STAMP, (), [row for row, _ in files.values()], [code for _, code in files.values()])
            for path, files in rows.items()
        }
        with suppress(OSError):
            scancache.store(self._file, ScanCache(self._cache.key, frozenset(), folders))

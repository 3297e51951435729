"""What a folder holds, as rows that can be held against the cache; imports nothing slow, for the walker's sake."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from wrapper.plan.scancache import Code, FileRow, ScanCache


def unchanged(workspace: Path, cache: ScanCache) -> Iterator[str]:
    """Yield the cached folders in which every name and stat is as the cache has it."""
    base = f"{workspace}/"
    for path, folder in cache.folders.items():
        if folder.code & Code.NAMES_ONLY:
            continue
        with suppress(OSError):
            folders, rows, _ = listed(base + path)
            if rows == folder.files and folders == folder.folders:
                yield path


def listed(place: str) -> tuple[list[str], list[FileRow], list[os.stat_result]]:
    """Read a folder: the names of the folders in it, and a row and a stat for everything else."""
    folders: list[str] = []
    rows: list[FileRow] = []
    stats: list[os.stat_result] = []
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
                continue
            try:
                about = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            rows.append((entry.name, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns))
            stats.append(about)
    return folders, rows, stats

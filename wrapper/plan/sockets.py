"""Sockets in the file system that this machine's processes listen on: whoever reaches one talks to a process outside.

No network namespace holds them, and no read-only mount (unix(7)): only what is not there, or covered, is not reached.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_TABLE: Final = Path("/proc/net/unix")
_FIELDS: Final = 7  # before the name


def standing(below: Iterable[str]) -> tuple[str, ...]:
    """Give the sockets below some folders (absolute, resolved) that are bound now, by their real paths.

    Those that were bound by a relative name are not told.
    """
    try:
        data = _TABLE.read_bytes()
    except OSError:  # no Linux, or no sockets in this kernel
        return ()
    names = {path.rpartition("/")[::2] for path in bound(data)}  # each accepted connection has it, too
    real = {folder: os.path.realpath(folder or "/").rstrip("/") for folder in {folder for folder, _ in names}}
    tops = tuple(f"{top}/" for top in below)
    paths = {f"{real[folder]}/{name}" for folder, name in names if f"{real[folder]}/".startswith(tops)}
    return tuple(sorted(filter(is_socket, paths)))


def bound(table: bytes) -> Iterable[str]:
    """Read absolute names in the table of /proc/net/unix (proc_net(5)); abstract ones begin with `@`."""
    for line in table.splitlines()[1:]:
        name = line.split(None, _FIELDS)[_FIELDS:]
        if name and name[0].startswith(b"/"):
            yield os.fsdecode(name[0])


def is_socket(path: str) -> bool:
    """Whether a socket lies there; no link to one."""
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False

"""Which commits git knew when a session began: whoever is inside can date its own as it likes, and add none to these.

They stand in the session's first sheet, sealed, as an emission of nobody's without lines.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from subprocess import SubprocessError
from typing import Final

from wrapper.plan.gitinfo import first_line, git_layout, read_small

MOST: Final = 64
"""Refs that are noted, HEAD first: what they come from is known, too."""

_ORIGIN: Final = "commits"
_ID: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\b")
_MOST_FILES: Final = 4096


def known_to_git(workspace: Path) -> tuple[str, ...]:
    """Return the ids that HEAD and refs of the repository around `workspace` name; none where there are none.

    Files are read, since this is before a session begins; git is asked where they do not tell (reftable).
    """
    layout = git_layout(workspace)
    if layout is None:
        return ()
    if (layout.common_dir / "reftable").is_dir():
        return _asked(layout.git_dir)
    head = first_line(layout.git_dir / "HEAD")
    packed = _packed(layout.common_dir / "packed-refs")
    name = head.removeprefix("ref:").strip()
    of_head = head if name == head else first_line(layout.common_dir / name) or packed.get(name, "")
    loose = (first_line(path) for path in _loose(layout.common_dir / "refs"))
    ids = (said for said in (of_head, *loose, *packed.values()) if _ID.fullmatch(said))
    return tuple(dict.fromkeys(ids))[:MOST]


def told(commits: Iterable[str]) -> str:
    """Give the origin of the emission that says which commits there were."""
    return " ".join((_ORIGIN, *commits))


def heard(origin: str) -> tuple[str, ...] | None:
    """Read such an origin; None for any other."""
    name, *commits = origin.split(" ")
    return tuple(commits) if name == _ORIGIN else None


def _packed(path: Path) -> dict[str, str]:
    lines = os.fsdecode(read_small(path)).splitlines()
    rows = (line.split(" ") for line in lines if not line.startswith(("#", "^")))
    return {row[1]: row[0] for row in rows if len(row) == 2}


def _loose(folder: Path) -> Iterator[Path]:
    left = _MOST_FILES
    for at, _, names in os.walk(folder):
        for name in names[:left]:
            yield Path(at, name)
        left -= len(names)
        if left <= 0:
            return


def _asked(git_dir: Path) -> tuple[str, ...]:
    from wrapper.plan.plumbing import ask  # noqa: PLC0415 (only where files do not tell)

    try:
        said = ask(git_dir, ["for-each-ref", "--format=%(objectname)"]).decode("ascii", "replace")
        head = ask(git_dir, ["rev-parse", "--verify", "--quiet", "HEAD"]).decode("ascii", "replace")
    except (OSError, SubprocessError):
        return ()
    return tuple(dict.fromkeys(_ID.findall(head + said)))[:MOST]

"""Values that credential files had in commits: the inside reads them in git's objects, so the wire must know them.

A secret that was replaced since stands in no file any more, and may still open something. The repository is not
trusted: git's plumbing only (`plumbing`), newest commits first, bounded in time, number and size. What lies further
back is known by the rules alone, as is what was in files that are gone.
"""

import contextlib
import subprocess
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from wrapper.plan.gitinfo import GitLayout, layout_at
from wrapper.plan.plumbing import ask

_SECONDS: Final = 1.0  # for each question: a start must not cost a core for long, however long the history is
_MOST_FILES: Final = 50
_MOST_COMMITS: Final = 100
_MOST_BLOBS: Final = 500
_MOST_OF_BLOB: Final = 256 << 10


def former(toplevel: Path, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of what commits have of files `names` of a working tree. Raises nothing."""
    layout = layout_at(toplevel)
    if layout is None:
        return
    asked = partial(_asked, layout)
    wanted = [name for name in sorted(names) if "\n" not in name][:_MOST_FILES]
    limits = ("--all", "--reflog", f"--max-count={_MOST_COMMITS}")
    commits = asked(("rev-list", *limits, "--", *wanted)).decode().split() if wanted else []
    blobs: dict[bytes, str] = {}
    places = [(f"{commit}:{name}", name) for commit in commits if len(commit) >= 40 for name in wanted]
    told = asked(("cat-file", "--batch-check"), "".join(f"{place}\n" for place, _ in places))
    for row, (_, name) in zip(told.split(b"\n"), places, strict=False):
        about = row.split(b" ")
        if len(about) == 3 and about[1] == b"blob" and int(about[2]) <= _MOST_OF_BLOB and len(blobs) < _MOST_BLOBS:
            blobs.setdefault(about[0], name)
    data, at = asked(("cat-file", "--batch"), "".join(f"{blob.decode()}\n" for blob in blobs)), 0
    for name in blobs.values():
        head, _, _ = data[at:].partition(b"\n")
        start = at + len(head) + 1
        at = start + int(head.rpartition(b" ")[2] or 0) + 1
        if at > len(data):
            return
        yield name, data[start : at - 1]


def _asked(layout: GitLayout, arguments: Sequence[str], given: str = "") -> bytes:
    """Give what git says, or has said when its time is over."""
    text = given.encode("utf-8", "surrogateescape")
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        try:
            return ask(layout.git_dir, arguments, work_tree=layout.toplevel, given=text, seconds=_SECONDS)
        except subprocess.TimeoutExpired as late:
            return late.output or b""
    return b""

"""Which mount a path lies on, and under which other names the same folder is known; pure.

The table is that of /proc/self/mountinfo (proc_pid_mountinfo(5)). A bind mount of a folder is known by where it came
from: both mounts are of one device, and one shows a part of what the other shows. What an overlay is laid over is not
told there, nor what another machine exports under another name.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

_OCTAL: Final = re.compile(rb"\\([0-3][0-7]{2})")
_FIXED: Final = 6  # fields before the optional ones, which end in a `-`


class Mounted(NamedTuple):
    """One mount: at `place` stands the part `root` of what `source` holds; `device` names the file system."""

    place: str
    root: str
    device: str
    source: str


def read_table(data: bytes) -> tuple[Mounted, ...]:
    """Read mountinfo; a line that is none is left out, as newer kernels may write more."""
    found: list[Mounted] = []
    for line in data.split(b"\n"):
        fields = line.split(b" ")
        if len(fields) <= _FIXED or b"-" not in fields[_FIXED:]:
            continue
        after = fields[fields.index(b"-", _FIXED) + 1 :]
        if len(after) > 1:
            found.append(Mounted(_text(fields[4]), _text(fields[3]), _text(fields[2]), _text(after[1])))
    return tuple(found)


def _text(field: bytes) -> str:
    return _OCTAL.sub(lambda found: bytes([int(found[1], 8)]), field).decode(errors="surrogateescape")


class Mounts:
    """The mounts of this machine as a session's start sees them, in the order of the table.

    `links` are other ways to write places: a path that symbolic links are on, and the place that it leads to.
    """

    def __init__(self, table: Sequence[Mounted], links: Sequence[tuple[str, str]] = ()) -> None:
        self._table = tuple(table)
        self._links = tuple(links)

    def names(self, path: str) -> Iterator[str]:
        """Yield every name of what stands at `path` (absolute, resolved): its own, others, and its source's."""
        for name in self._names(path):
            yield name
            for written, place in self._links:
                below = _below(name, place)
                if below is not None:
                    yield posixpath.join(written, below) if below else written

    def _names(self, path: str) -> Iterator[str]:
        yield path
        holding = self._holding(path)
        if holding is None:
            return
        inner = posixpath.normpath(posixpath.join(holding.root, posixpath.relpath(path, holding.place)))
        for one in self._table:
            if one.device == holding.device and (below := _below(inner, one.root)) is not None:
                yield posixpath.join(one.place, below) if below else one.place
                if one.source.startswith("/") or ":" in one.source:  # `none`, `tmpfs`: no place where anything lies
                    yield one.source
                    yield posixpath.join(one.source, inner.lstrip("/"))

    def beneath(self, folder: str) -> list[str]:
        """Give the places below a folder at which something is mounted, the upper ones first."""
        return sorted({one.place for one in self._table if one.place != folder and _below(one.place, folder)})

    def _holding(self, path: str) -> Mounted | None:
        """Find the mount on which a path lies: the deepest; of those at one place the last hides the others."""
        around = [one for one in self._table if _below(path, one.place) is not None]
        deepest = max((len(one.place) for one in around), default=0)
        return next((one for one in reversed(around) if len(one.place) == deepest), None)


def _below(path: str, folder: str) -> str | None:
    """Give what leads from a folder to a path in it ("": the same), None where it is not in it."""
    if path == folder:
        return ""
    start = folder.rstrip("/") + "/"
    return path.removeprefix(start) if path.startswith(start) else None

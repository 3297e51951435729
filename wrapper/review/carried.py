"""What else a session's log says of what may have left: what nobody looked into, and what was read; pure."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from wrapper.audit.events import AnyEvent, Connection, FilesRead, Sent, SessionStart
from wrapper.review.sizes import size

_LOCAL: Final = "127.0.0.1"
# what git pushes (gitformat-pack(5)) and what archives begin with: gzip, zip, zstd, xz, bzip2
_packed: Final = re.compile(rb"PACK\0\0\0[\2\3]|\x1f\x8b\x08|PK\x03\x04|\x28\xb5\x2f\xfd|\xfd7zXZ\0|BZh[1-9]1AY&SY")


class Read(NamedTuple):
    """When a file was first read inside, and how many bytes of it in all."""

    at: float
    size: int


@dataclass(slots=True)
class Carried:
    """Takes a session's events in order. `wanted` says of absolute paths which file of the search they are."""

    wanted: Mapping[str, int]
    start: SessionStart | None = None
    reads: dict[int, Read] = field(default_factory=dict)
    _tunnels: dict[tuple[str, int], int] = field(default_factory=dict)
    _looked_into: set[tuple[str, int]] = field(default_factory=set)
    _unkept: dict[str, int] = field(default_factory=dict)
    _packed: dict[str, int] = field(default_factory=dict)

    def feed(self, event: AnyEvent) -> None:
        """Take one event."""
        match event:
            case SessionStart():
                self.start = event
            case Connection(allowed=True) if event.sent:
                place = event.host, event.port
                self._tunnels[place] = self._tunnels.get(place, 0) + event.sent
            case Sent():
                self._looked_into.add((event.host, event.port))
                if _packed.search(event.body):
                    self._packed[event.host] = self._packed.get(event.host, 0) + event.size
                if event.size > len(event.body):
                    self._unkept[event.host] = self._unkept.get(event.host, 0) + event.size - len(event.body)
            case FilesRead():
                for path, at, read in event.files:
                    self._read(path, at, read)
            case _:
                pass

    def unseen(self) -> list[str]:
        """Say what left, or may have left, and stands in no record."""
        told = [
            f"{size(sent)} went {_to(host, port)} through a tunnel, into which nobody looked"
            for (host, port), sent in self._tunnels.items()
            if (host, port) not in self._looked_into
        ]
        told += [
            f"{size(sent)} of bodies to `{host}` are not in the log, which keeps the first MiB of each"
            for host, sent in self._unkept.items()
        ]
        told += [
            f"{size(sent)} went to `{host}` in requests with packed data (git's, or an archive), which is not searched"
            for host, sent in self._packed.items()
        ]
        return told

    def _read(self, path: str, at: float, read: int) -> None:
        workspace = self.start.workspace if self.start is not None else "/"
        number = self.wanted.get(posixpath.normpath(posixpath.join(workspace, path)))
        if number is not None:
            before = self.reads.get(number)
            self.reads[number] = Read(min(at, before.at) if before else at, max(read, before.size if before else 0))


def _to(host: str, port: int) -> str:
    return f"to port {port} of this machine" if host == _LOCAL else f"to `{host}:{port}`"

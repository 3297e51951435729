"""What a guard works with, made by a test: a workspace, sockets, covers without mounts."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from redactors import Engine
from tests.policy.writing import policy
from tests.view.staged import VAULT, FakeView, judge, masked
from wrapper.disguises import Document
from wrapper.guard.duties import GuardDuties
from wrapper.guard.watcher import Message, Watched
from wrapper.policy.wire import Place
from wrapper.view.covers import Covers

_POLICY = """
[files]
protect = ["Makefile", ".git/hooks/"]
"""

OWN_CODE = '''
def score(sample, weights, bias=0.25):
    """Rate one sample."""
    total = bias
    for name, weight in weights.items():
        value = sample.get(name)
        if value is None or weight < 0:
            continue
        total += weight * normalise(value, floor=-3.5, ceiling=7)
    if total > THRESHOLD and not sample.archived:
        return min(total, CEILING) / len(weights)
    return max(0.0, total - penalty(sample.history[-5:], decay=0.9))


def penalty(history, decay):
    worst = 0.0
    for age, event in enumerate(reversed(history)):
        if event.kind in {"refused", "late"}:
            worst = max(worst, event.cost * decay ** age)
    return worst
'''
"""Code that stands nowhere else."""


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


@dataclass
class Desk:
    """Our ends of the guard's sockets, and its folders."""

    root: Path
    control: socket.socket
    updates: socket.socket
    changes: socket.socket
    audit: socket.socket
    view: FakeView
    covers: Covers
    duties: GuardDuties
    again: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, root: Path, **more: Any) -> "Desk":
        for name in ("work", "staging", "state"):
            (root / name).mkdir()
        ours, theirs = zip(pair(), pair(), pair(), socket.socketpair(), strict=True)
        view = FakeView(root / "staging")
        covers = Covers(
            view,
            judge,
            lambda _path, data: VAULT.restore_in_file(data),
            roots=[str(root / "work"), str(root / "state")],
        )
        again: list[str] = []

        def rescan() -> Iterator[str]:
            yield from again

        given: dict[str, Any] = {
            "control": theirs[0],
            "updates": theirs[1],
            "changes": theirs[2],
            "audit": theirs[3],
            "seen": (),
            "folders": (Watched(root / "work", deep=True), Watched(root / "staging"), Watched(root / "state")),
            "workspace": root / "work",
            "staging": root / "staging",
            "policy": policy(user=_POLICY),
            "engine": cast("Engine", SimpleNamespace(known=None)),
            "vault": VAULT,
            "covers": covers,
            "rescan": rescan,
            "gateways": {},
            "place": Place("command", str(root / "work"), ()),
            "state_files": (root / "state" / "settings.json",),
        }
        return cls(root, *ours, view, covers, GuardDuties(**given | more), again)

    @property
    def work(self) -> Path:
        return self.root / "work"

    def cover(self, content: bytes) -> Path:
        """Cover `.env` before anything runs."""
        file = self.work / ".env"
        file.write_bytes(content)
        self.covers.add(str(file), Document(masked, VAULT, bytes), early=True)
        return file

    def close(self) -> None:
        ours = (self.control, self.updates, self.changes, self.audit)
        given = self.duties
        for one in (*ours, given.control, given.updates, given.changes, given.audit):
            one.close()

    def say(self, *messages: Message) -> None:
        """Speak as the watcher."""
        for message in messages:
            self.changes.send(msgspec.msgpack.encode(message))

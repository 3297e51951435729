"""The repository as a session serves it: mounter, daemon, log, and somebody who hears what the daemon says."""

import os
import socket
import time
from pathlib import Path

from bench.viewing.work import Repository
from bench.viewing.workers import Worker
from wrapper.audit import recorder
from wrapper.audit.keys import Keys
from wrapper.plan.inventory import Inventory
from wrapper.processes import Forked, fork
from wrapper.view import fuse
from wrapper.view.beneath import FOLDER
from wrapper.view.binds import BindsView


class Served:
    """The repository as a session serves it."""

    def __init__(self, repository: Repository, found: Inventory, folder: Path) -> None:
        folder.mkdir()
        root = repository.workspace
        self.begun = time.monotonic()
        self._view = BindsView([root], folder, served=[root])
        self._view.ready()
        assert self._view.devices, f"FUSE cannot be had: {self._view.refusal}"
        self.mounted = time.monotonic()
        self._others: list[Forked] = []
        self._daemon = self._begin(root, found, folder)
        self.inside = Worker(root, self._view.namespaces)
        self.usable = self.inside.answers()
        self._view.show_natively(root, ".git/objects")

    def memory(self) -> float:
        """Give the megabytes that the daemon holds (VmRSS)."""
        return _status(self._daemon.pid, "VmRSS:") / 1000

    def close(self) -> None:
        """End it all."""
        self.inside.close()
        self._view.close()
        self._daemon.wait()
        for other in self._others:
            other.wait()

    def _begin(self, root: Path, found: Inventory, folder: Path) -> Forked:
        keys = Keys(folder / "keys")
        keys.make()
        (audit, log), (guard, theirs) = _pair(socket.SOCK_STREAM), _pair(socket.SOCK_SEQPACKET)
        recipients = keys.load_recipients()
        self._others = [
            fork("bench-log", lambda: recorder.serve([log], folder / "log", recipients), keep=[log.fileno()]),
            fork("bench-guard", lambda: _hear(guard), keep=[guard.fileno()]),
        ]
        real = os.open(root, FOLDER)
        duties = fuse.ViewDuties(
            served=[fuse.Served(self._view.devices[0], real, root)],
            audit=audit,
            guard=theirs,
            inventory=found,
            vault=found.judge.engine.vault,
            is_strict=False,
            recovery=folder / "recovery",
            key=lambda: bytes(32),
        )
        keep = [self._view.devices[0], real, audit.fileno(), theirs.fileno()]
        daemon = fork("bench-view", lambda: fuse.serve(duties), keep=keep)
        for one in (audit, log, guard, theirs):
            one.close()
        os.close(real)
        self._view.hand_over_devices()
        return daemon


def _pair(kind: socket.SocketKind) -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, kind)


def _hear(guard: socket.socket) -> int:
    while guard.recv(1 << 18):
        pass
    return 0


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

"""The process that shows the workspace by FUSE: it knows the values, and is outside of all namespaces.

It answers until the mount is gone, and hears of the guard meanwhile: of values that have become known elsewhere, and
of the session's end. When the guard is gone, so is it: the kernel then answers the inside with errors (promise 2: never
with the real tree).
"""

import contextlib
import gc
import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from redactors.documents import mask_known
from redactors.engine import Engine
from redactors.vault import Origin, Vault
from wrapper.audit.client import RecorderClient
from wrapper.plan.inventory import Inventory
from wrapper.view import messages
from wrapper.view.daemon import Daemon
from wrapper.view.owners import Owners
from wrapper.view.recovery import RecoveryStore
from wrapper.view.repository import Repository
from wrapper.view.telling import Elsewhere, Telling
from wrapper.view.tree import Tree

_REMEMBERED: Final = 4096
_GARBAGE: Final = (50_000, 20, 100)  # what a thousand requests leave is not worth a look at all nodes


@dataclass(frozen=True, slots=True)
class Served:
    """A folder: the opened `/dev/fuse` of the mount over it, a descriptor of the real one, its absolute path.

    `protected` are paths in it that are read-only, relative to it: of a repository's folder, not of the workspace.
    """

    device: int
    root: int
    path: Path
    protected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ViewDuties:
    """What the daemon works with.

    `served` are the folders that are served: the workspace, then the folder of its repository if that lies outside.
    `audit` and `guard` are the sockets to the recorder and to the guard; `is_strict`: a write that damages a
    placeholder is refused. `recovery` is the folder of the session's recovery store, `key` gives the masking key.
    """

    served: Sequence[Served]
    audit: socket.socket
    guard: socket.socket
    inventory: Inventory
    vault: Vault
    is_strict: bool
    recovery: Path
    key: Callable[[], bytes]


def serve(duties: ViewDuties) -> int:
    """Serve until the mount is gone; returns the process's exit code."""
    gc.freeze()
    gc.set_threshold(*_GARBAGE)
    os.umask(0)  # the kernel has applied the caller's
    view = _View(duties)
    threading.Thread(target=view.hear, name="guard", daemon=True).start()
    view.serve()
    return 0


class _View:
    def __init__(self, duties: ViewDuties) -> None:
        self._duties = duties
        store = RecoveryStore(duties.recovery, duties.key())
        engine = duties.inventory.judge.engine
        self._telling = Telling(
            RecorderClient(duties.audit),
            duties.guard,
            store,
            duties.inventory.workspace,
            _masking(engine),
            lambda diff: engine.redact(diff).data,
        )
        self._told = {one.value for one in duties.vault.issued()}
        tree = Tree(duties.inventory, duties.vault, is_strict=duties.is_strict, learned=self._learned)
        owners = Owners(os.getuid(), os.getgid(), knows_all=os.getuid() == 0)
        workspace, *others = duties.served
        first = Daemon(workspace.device, workspace.root, tree, owners, witness=self._telling)
        self._daemons = [first]
        for one in others:
            judge = Repository(tree, one.protected, _standing(one.path))
            witness = Elsewhere(self._telling, os.fsencode(one.path))
            self._daemons.append(Daemon(one.device, one.root, judge, owners, witness=witness, beside=first))

    def serve(self) -> None:
        """Serve all folders until the workspace's mount is gone."""
        for daemon in self._daemons[1:]:
            threading.Thread(target=daemon.serve, daemon=True).start()
        self._daemons[0].serve()

    def hear(self) -> None:
        """Do as the guard says, until it is gone."""
        with contextlib.suppress(ConnectionResetError):
            while packet := self._duties.guard.recv(messages.LONGEST):
                match messages.to_view(packet):
                    case messages.KnownValue() as value:
                        self._know(value)
                    case messages.Rest():
                        for daemon in self._daemons:
                            daemon.rest()
                        self._telling.rested()
        os._exit(0)

    def _know(self, one: messages.KnownValue) -> None:
        self._told.add(one.value)
        known = self._duties.inventory.judge.engine.known
        if known is not None:
            known.add(one.kind, one.value, Origin.OUTSIDE)
        self._duties.vault.issue(one.kind, one.value, Origin.OUTSIDE, one.prefix)
        self._look_again()

    def _learned(self) -> None:
        new = [one for one in self._duties.vault.issued() if one.value not in self._told]
        self._told.update(one.value for one in new)
        self._telling.learned([(one.kind, one.value) for one in new])
        if new:
            self._look_again()

    def _look_again(self) -> None:
        for daemon in self._daemons:
            daemon.values_changed()


def _masking(engine: Engine) -> Callable[[bytes], bytes]:
    """Give what masks known values in names; a name comes several times, and values seldom."""

    @lru_cache(_REMEMBERED)
    def masked(name: bytes, generation: int) -> bytes:
        del generation
        return mask_known(name, engine).data

    return lambda name: masked(name, 0 if engine.known is None else engine.known.generation)


def _standing(repository: Path) -> list[str]:
    """Give the worktrees and submodules that a repository's folder has."""
    return [f"{kind}/{one.name}" for kind in ("worktrees", "modules") for one in repository.glob(f"{kind}/*")]

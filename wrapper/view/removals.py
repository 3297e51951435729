"""Names that go: files and folders that the inside removes."""

import os
import stat
from collections.abc import Mapping
from typing import Final

from wrapper.view import wire
from wrapper.view.changes import DELETE
from wrapper.view.history import MOST_HASHED, digest
from wrapper.view.names import Names
from wrapper.view.nodes import Node, Role, signature_of
from wrapper.view.parts import Handler, Parts
from wrapper.view.wire import HEADER, Op
from wrapper.view.witness import Change

_BODY: Final = HEADER.size


class Removals:
    """Answers what removes a name."""

    def __init__(self, parts: Parts, names: Names) -> None:
        self._parts = parts
        self._names = names

    def handlers(self) -> Mapping[int, Handler]:
        """Give what serves each kind of request."""
        return {Op.UNLINK: self._unlink, Op.RMDIR: self._rmdir}

    def remove(self, parent: Node, name: bytes, pid: int) -> None:
        """Remove the name of what is no folder, for process `pid`. Raises OSError."""
        parts = self._parts
        node, about, path = self._names.own(parent, name)
        is_file = stat.S_ISREG(about.st_mode)
        is_told = parts.indexes.role(node) is Role.NONE
        last = parts.resting.last_of(node, about) if is_file and is_told else None
        hashed = ""
        if is_file and is_told and last is None:
            parts.resting.told(node)
            hashed = digest(parts.contents.shown_now(node, MOST_HASHED))
        process = parts.history.process(pid) if is_told else None  # it may end with the answer
        if not node.others:
            parts.lower.hold(node)
        with self._names.changing((parent, name, DELETE)):
            os.unlink(name, dir_fd=parts.lower.folder(parent))
        before, known_as = signature_of(about), parts.verdicts.policy_path(node) if node.others else b""
        parts.nodes.unname(parent, name)
        if node.parent is not None:
            parts.verdicts.linked(node, known_as, node.parent, node.name)
        self._names.restate(node, before)
        if parts.contents.is_shown(node):
            parts.indexes.stale()
        if last is not None:
            parts.after.append((parts.resting.removed, node, path, last, process))
        else:
            parts.after.append((self._tell_gone, path, hashed, process))

    def _unlink(self, unique: int, number: int, message: memoryview, size: int) -> bytes:
        self.remove(self._parts.nodes.get(number), bytes(message[_BODY : size - 1]), wire.caller(message)[2])
        return wire.done(unique)

    def _rmdir(self, unique: int, number: int, message: memoryview, size: int) -> bytes:
        parts = self._parts
        parent, name = parts.nodes.get(number), bytes(message[_BODY : size - 1])
        node, _, path = self._names.own(parent, name)
        is_told = parts.indexes.role(node) is Role.NONE
        process = parts.history.process(wire.caller(message)[2]) if is_told else None
        with self._names.changing((parent, name, DELETE)):
            os.rmdir(name, dir_fd=parts.lower.folder(parent))
        parts.nodes.unname(parent, name)
        self._tell_gone(path, "", process)
        return wire.done(unique)

    def _tell_gone(self, path: bytes, before: str, process: str | None) -> None:
        """Tell that `process` removed a name; None where that is not told."""
        parts = self._parts
        if process is not None:
            parts.history.changed(Change("agent", "deleted", path, before=before, process=process))
        elif parts.indexes.moves_commits(path):
            parts.history.put(parts.history.witness.refs_moved, path)

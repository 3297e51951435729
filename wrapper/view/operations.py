"""Names: what is done when one is looked up or made.

One thread at a time. Answers are whole messages. What is made is told in the order in which it is done.
"""

import errno
import os
import stat
from collections.abc import Callable, Mapping
from typing import Final

from wrapper.view import wire
from wrapper.view.changes import CREATE
from wrapper.view.contents import forbidden
from wrapper.view.history import MOST_HASHED, digest
from wrapper.view.names import Names
from wrapper.view.nodes import Node, Role, below, signature_of
from wrapper.view.parts import Handler, Parts
from wrapper.view.wire import HEADER, Op
from wrapper.view.witness import Change

_PERMISSIONS: Final = 0o7777
_REOPENED: Final = stat.S_IRUSR | stat.S_IWUSR  # what a mode must have for us to open a file again for writing
_BODY: Final = HEADER.size


class Operations:
    """Answers what works on names."""

    def __init__(self, parts: Parts, names: Names) -> None:
        self._parts = parts
        self._names = names
        self._is_direct = False  # whether the kernel can write directly

    def handlers(self) -> Mapping[int, Handler]:
        """Give what serves each kind of request."""
        return {
            Op.INIT: self._init,
            Op.LOOKUP: self._lookup,
            Op.FORGET: self._forget,
            Op.BATCH_FORGET: self._batch_forget,
            Op.SYMLINK: self._symlink,
            Op.MKNOD: self._mknod,
            Op.MKDIR: self._mkdir,
            Op.LINK: self._link,
            Op.CREATE: self._create,
            Op.RELEASE: self._release,
            Op.INTERRUPT: lambda _unique, _node, _message, _size: None,
        }

    def _init(self, unique: int, _number: int, message: memoryview, _size: int) -> bytes:
        self._is_direct = wire.minor(message) >= wire.DIRECT_MINOR
        return wire.init(unique, message)

    def _lookup(self, unique: int, number: int, message: memoryview, size: int) -> bytes:
        parent, name = self._parts.nodes.get(number), bytes(message[_BODY : size - 1])
        try:
            node, about = self._names.present(parent, name)
        except FileNotFoundError:
            return wire.absent(unique, self._parts.attributes.name_holds(parent))
        return self._entry(unique, parent, node, about)

    def _forget(self, _unique: int, number: int, message: memoryview, _size: int) -> None:
        self._parts.nodes.forget(number, wire.NODE_IN.unpack_from(message, _BODY)[0])

    def _batch_forget(self, _unique: int, _number: int, message: memoryview, size: int) -> None:
        for number, count in wire.FORGET_IN.iter_unpack(message[_BODY + 8 : size]):
            self._parts.nodes.forget(number, count)

    # Making

    def _mkdir(self, unique: int, number: int, message: memoryview, size: int) -> bytes:
        mode, _ = wire.MKNOD_IN.unpack_from(message, _BODY)
        name = bytes(message[_BODY + 8 : size - 1])

        def make(folder: int) -> None:
            os.mkdir(name, mode & _PERMISSIONS, dir_fd=folder)

        return self._make(unique, number, name, message, make, is_folder=True)

    def _mknod(self, unique: int, number: int, message: memoryview, size: int) -> bytes:
        mode, device = wire.MKNOD_IN.unpack_from(message, _BODY)
        name = bytes(message[_BODY + 16 : size - 1])
        if stat.S_ISREG(mode):
            parent = self._parts.nodes.get(number)
            node, about = self._make_file(parent, name, mode, message)
            return self._entry(unique, parent, node, about)
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        def make(folder: int) -> None:
            os.mknod(name, mode, device, dir_fd=folder)

        return self._make(unique, number, name, message, make)

    def _symlink(self, unique: int, number: int, message: memoryview, size: int) -> bytes:
        name, target = wire.names(message, _BODY, size)
        self._parts.verdicts.must_not_lead(below(self._parts.nodes.get(number), name))

        def make(folder: int) -> None:
            os.symlink(target, name, dir_fd=folder)

        return self._make(unique, number, name, message, make)

    def _create(self, unique: int, number: int, message: memoryview, size: int) -> bytes:
        flags, mode = wire.CREATE_IN.unpack_from(message, _BODY)
        parent, name = self._parts.nodes.get(number), bytes(message[_BODY + 16 : size - 1])
        try:
            node, about = self._make_file(parent, name, mode, message)
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE)) from None  # the kernel looks it up and opens it
        node.lookups += 1
        if mode & _REOPENED != _REOPENED:
            self._parts.lower.pin(node)
        fields, name_holds = self._parts.attributes.of(node, about), self._parts.attributes.name_holds(parent)
        # of what can be written only there is no mapping, and after a write the kernel would drop the pages anyway, as
        # the file's time is another then (AUTO_INVAL_DATA)
        is_direct = self._is_direct and flags & os.O_ACCMODE == os.O_WRONLY
        return wire.created(unique, node.number, fields, name_holds, is_direct=is_direct)

    def _release(self, unique: int, number: int, _message: memoryview, _size: int) -> bytes:
        self._parts.lower.release(self._parts.nodes.get(number))
        return wire.done(unique)

    def _link(self, unique: int, number: int, message: memoryview, size: int) -> bytes:
        parts = self._parts
        node = parts.nodes.get(wire.NODE_IN.unpack_from(message, _BODY)[0])
        parent, name = parts.nodes.get(number), bytes(message[_BODY + 8 : size - 1])
        parts.verdicts.must_be_free(node)
        if parts.contents.is_closed(node):
            raise forbidden()
        path = below(parent, name)
        parts.verdicts.must_be_makeable(path, is_folder=False)
        if stat.S_ISLNK(node.kind):
            parts.verdicts.must_not_lead(path)
        elif stat.S_ISREG(node.kind):
            self._names.must_stay_looked_at(node, path, is_alone=False)
        before, known_as, after = self._names.state(node), parts.verdicts.policy_path(node), ""
        if stat.S_ISREG(node.kind) and parts.resting.is_told(node):
            after = digest(parts.contents.shown_now(node, MOST_HASHED) or b"")  # never unknown: a link brings something
        with self._names.changing((parent, name, CREATE)):
            parts.lower.link(node, parent, name)
        about = parts.lower.about(parent, name)
        node = parts.nodes.named(parent, name, about)
        parts.refs_moved(node)  # whoever writes by the other name tells of that one only
        node.is_own, mode = True, parts.verdicts.of(node)
        if parts.verdicts.linked(node, known_as, parent, name):
            node.role = None
            self._names.judged_anew(node, mode)
        self._names.restate(node, before)
        self._tell_made(node, path, message, after)
        return self._entry(unique, parent, node, about)

    def _make(
        self,
        unique: int,
        number: int,
        name: bytes,
        message: memoryview,
        make: Callable[[int], None],
        *,
        is_folder: bool = False,
    ) -> bytes:
        parts = self._parts
        parent = parts.nodes.get(number)
        path = below(parent, name)
        parts.verdicts.must_be_makeable(path, is_folder=is_folder)
        folder = parts.lower.folder(parent)
        with self._names.changing((parent, name, CREATE)):
            make(folder)
        parts.owners.give(folder, name, *wire.caller(message)[:2])
        about = parts.lower.about(parent, name)
        node = parts.nodes.named(parent, name, about, is_new=True)
        parts.verdicts.made(node, path)
        self._tell_made(node, path, message)
        return self._entry(unique, parent, node, about)

    def _make_file(self, parent: Node, name: bytes, mode: int, message: memoryview) -> tuple[Node, os.stat_result]:
        parts = self._parts
        path = below(parent, name)
        parts.verdicts.must_be_makeable(path, is_folder=False)
        folder = parts.lower.folder(parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._names.changing((parent, name, CREATE)):
            opened = os.open(name, flags, mode & _PERMISSIONS, dir_fd=folder)
        uid, gid, pid = wire.caller(message)
        if parts.owners.give(folder, name, uid, gid):
            os.fchmod(opened, mode & _PERMISSIONS)  # the kernel takes set-id bits from a file that changes hands
        about = os.fstat(opened)
        node = parts.nodes.named(parent, name, about, is_new=True)
        parts.lower.take(node, opened)
        parts.verdicts.made(node, path)
        node.written, node.is_insides = signature_of(about), True
        process = parts.history.process(pid) if parts.resting.is_told(node) else None  # it may end with the answer
        parts.after.append((self._tell_file, node, path, process))
        return node, about

    def _tell_file(self, node: Node, path: bytes, process: str | None) -> None:
        if process is not None:
            self._parts.resting.made(node, path, process)
        self._parts.history.put_later(self._parts.history.witness.appeared, path)

    def _tell_made(self, node: Node, path: bytes, message: memoryview, after: str = "") -> None:
        parts = self._parts
        if parts.indexes.role(node) is Role.NONE:
            process = parts.history.process(wire.caller(message)[2])
            parts.history.changed(Change("agent", "created", path, after=after, process=process))
        parts.history.put(parts.history.witness.appeared, path)

    def _entry(self, unique: int, parent: Node, node: Node, about: os.stat_result) -> bytes:
        attributes = self._parts.attributes
        fields = attributes.of(node, about)
        node.lookups += 1
        return wire.entry(unique, node.number, fields, attributes.name_holds(parent), attributes.hold(node, about))

"""Attributes and bytes of one file."""

import errno
import os
import stat
import time
from collections.abc import Mapping
from typing import Final

from wrapper.view import wire
from wrapper.view.contents import CLOSED
from wrapper.view.nodes import Node, Role, key_of, signature_of
from wrapper.view.parts import Handler, Parts
from wrapper.view.wire import HEADER, Op, Set

_NANO: Final = 1_000_000_000
_PERMISSIONS: Final = 0o7777
_WRITABLE: Final = 0o200
_SET_IDS: Final = stat.S_ISUID | stat.S_ISGID
_CHANGES: Final = Set.MODE | Set.UID | Set.GID | Set.SIZE | Set.ATIME | Set.MTIME
_BODY: Final = HEADER.size
_UNHEARD: Final = 0.1  # seconds within which the kernel has heard of a name that is gone


class Files:
    """Answers what asks of one node; `request` is the buffer in which each message stands, from `begin` on."""

    def __init__(self, parts: Parts, request: bytearray, begin: int) -> None:
        self._parts = parts
        self._request = request
        self._written = begin + wire.WRITE_HEAD  # where in it the data of a write begins
        answer, first = wire.aligned(wire.OUT_SIZE + wire.LARGEST_WRITE, wire.OUT_SIZE)
        self._space = memoryview(answer)[first:]

    def handlers(self) -> Mapping[int, Handler]:
        """Give what serves each kind of request."""
        return {
            Op.GETATTR: self._getattr,
            Op.SETATTR: self._setattr,
            Op.READLINK: self._readlink,
            Op.READ: self._read,
            Op.WRITE: self._write,
            Op.STATFS: self._statfs,
            Op.FSYNC: self._fsync,
            Op.FSYNCDIR: lambda unique, _node, _message, _size: wire.done(unique),
            Op.FALLOCATE: self._fallocate,
            Op.COPY_FILE_RANGE: self._copy_range,
        }

    # Attributes

    def _getattr(self, unique: int, number: int, _message: memoryview, _size: int) -> bytes:
        node = self._parts.nodes.get(number)
        return self._attr(unique, node, self._parts.lower.about_node(node))

    def _attr(self, unique: int, node: Node, about: os.stat_result) -> bytes:
        fields = self._parts.attributes.of(node, about)
        return wire.attr(unique, fields, self._parts.attributes.hold(node, about))

    def _setattr(self, unique: int, number: int, message: memoryview, _size: int) -> bytes:
        valid, _, _, size, _, atime, mtime, _, atime_ns, mtime_ns, _, mode, _, uid, gid, _ = (
            wire.SETATTR_IN.unpack_from(message, _BODY)
        )
        parts, node = self._parts, self._parts.nodes.get(number)
        self._must_be_changeable(node)
        if valid & Set.SIZE:
            if not size:
                self._must_stand(node)
            self._cut(node, size, wire.caller(message)[2])
        before = signature_of(parts.lower.about_node(node))
        if valid & Set.MODE:
            self._change_mode(node, mode & _PERMISSIONS)
        if valid & (Set.UID | Set.GID) or not valid & _CHANGES:
            parts.lower.change_owner(node, uid if valid & Set.UID else -1, gid if valid & Set.GID else -1)
        if valid & (Set.ATIME | Set.MTIME):
            accessed = _time(valid & Set.ATIME, valid & Set.ATIME_NOW, atime * _NANO + atime_ns)
            modified = _time(valid & Set.MTIME, valid & Set.MTIME_NOW, mtime * _NANO + mtime_ns)
            parts.lower.change_times(node, accessed, modified)
        about = parts.lower.about_node(node)
        self._restated(node, before, about)
        return self._attr(unique, node, about)

    def _must_stand(self, node: Node) -> None:
        """Make sure that its one name still leads to a file that is emptied: who opens it to write means the name.

        The kernel may not have heard yet that the host removed or replaced it. Else what is written now would go to a
        file that has no name any more, or another one. Raises OSError: ESTALE, and the kernel looks the name up.
        """
        if time.monotonic() - node.lost_at < _UNHEARD:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        if node.parent is not None and not node.others:
            about = self._parts.lower.about(node.parent, node.name)
            if key_of(about) != node.key:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    def _must_be_changeable(self, node: Node) -> None:
        self._parts.verdicts.must_be_free(node)
        if self._parts.verdicts.of(node) in CLOSED:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    def _change_mode(self, node: Node, mode: int) -> None:
        if not mode & _WRITABLE and not node.is_folder and node.descriptor < 0:
            self._parts.lower.try_writing(node)  # who has it open may go on to write
        self._parts.lower.change_mode(node, mode)

    def _restated(self, node: Node, before: tuple[int, int, int], about: os.stat_result) -> None:
        after = signature_of(about)
        self._parts.contents.restated(node, before, after)
        if node.reported == before:
            node.reported = after
        node.written = after

    def _readlink(self, unique: int, number: int, _message: memoryview, _size: int) -> bytes:
        node = self._parts.nodes.get(number)
        if node.parent is None:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return wire.data(unique, os.readlink(node.name, dir_fd=self._parts.lower.folder(node.parent)))

    def _statfs(self, unique: int, _number: int, _message: memoryview, _size: int) -> bytes:
        return wire.statfs(unique, os.fstatvfs(self._parts.lower.root))

    # Bytes

    def _read(self, unique: int, number: int, message: memoryview, _size: int) -> memoryview:
        _, offset, size = wire.READ_IN.unpack_from(message, _BODY)
        parts, node, start = self._parts, self._parts.nodes.get(number), wire.OUT_SIZE
        node.has_pages = True
        space = self._space[start : start + min(size, wire.LARGEST_WRITE)]
        role = node.role or parts.indexes.role(node)
        read = (
            parts.indexes.read(node, offset, space) if role is Role.INDEX else parts.contents.read(node, offset, space)
        )
        if role is Role.NONE:
            parts.history.read(node, read)
        return self._space[: wire.put_header(self._space, read, unique)]

    def _write(self, unique: int, number: int, message: memoryview, _size: int) -> bytes:
        handle, offset, size, how, _, flags = wire.WRITE_IN.unpack_from(message, _BODY)
        parts, node = self._parts, self._parts.nodes.get(number)
        parts.verdicts.must_be_free(node)
        if not size:
            return wire.written(unique, 0)
        about = parts.writing.ready(node)
        if how & wire.WRITE_KILLS and about.st_mode & _SET_IDS:
            self._kill_set_ids(node, about.st_mode)
        is_behind = flags & os.O_APPEND
        if (
            is_behind or (node.content is not None and node.content.former_end is not None)
        ) and not how & wire.WRITE_CACHED:
            # someone outside has written behind, too; or the end is elsewhere, now that values are masked
            place = parts.writing.end_of(node) if is_behind else parts.writing.place(node, offset, size)
            if place != offset:
                offset = place
                parts.tell(wire.invalidate_node(number))
        parts.resting.begin(node, wire.caller(message)[2])
        parts.writing.write(node, offset, self._request, self._written, self._written + size)
        self._wrote(node, offset, size)
        if handle == wire.DIRECT and node.has_pages:
            # a mapping may have been filled while this was on its way: not every kernel drops pages after it, too
            parts.tell(wire.invalidate_node(number))
        return wire.written(unique, size)

    def _kill_set_ids(self, node: Node, mode: int) -> None:
        """Take the set-id bits as a write does (inode(7)): the kernel leaves that to us where it writes directly."""
        killed = stat.S_ISUID | (stat.S_ISGID if mode & stat.S_IXGRP else 0)
        if mode & killed:
            self._parts.lower.change_mode(node, mode & _PERMISSIONS & ~killed)
            self._parts.tell(wire.invalidate_node(node.number))

    def _copy_range(self, unique: int, number: int, message: memoryview, _size: int) -> bytes:
        _, offset, target, _, start, length, _ = wire.COPY_IN.unpack_from(message, _BODY)
        parts, source, node = self._parts, self._parts.nodes.get(number), self._parts.nodes.get(target)
        parts.verdicts.must_be_free(node)
        parts.writing.ready(node)
        parts.resting.begin(node, wire.caller(message)[2])
        copied = parts.writing.copy(source, offset, node, start, length)
        self._wrote(node, start, copied)
        return wire.written(unique, copied)

    def _cut(self, node: Node, size: int, pid: int) -> None:
        parts = self._parts
        parts.writing.ready(node)
        parts.resting.begin(node, pid)
        end = parts.writing.end_of(node)
        parts.writing.cut(node, size)
        self._wrote(node, min(end, size), max(0, size - end))

    def _wrote(self, node: Node, offset: int, size: int) -> None:
        role = self._parts.indexes.role(node)
        if role in (Role.NONE, Role.INDEX):
            self._parts.history.wrote(node, offset, size)
        if role is Role.REFS or node.others:
            self._parts.refs_moved(node)

    def _fsync(self, unique: int, number: int, _message: memoryview, _size: int) -> bytes:
        os.fsync(self._parts.lower.reading(self._parts.nodes.get(number)))
        return wire.done(unique)

    def _fallocate(self, unique: int, number: int, message: memoryview, _size: int) -> bytes:
        _, offset, length, mode = wire.FALLOCATE_IN.unpack_from(message, _BODY)
        parts, node = self._parts, self._parts.nodes.get(number)
        parts.verdicts.must_be_free(node)
        if mode:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        parts.writing.ready(node)
        parts.resting.begin(node, wire.caller(message)[2])
        end = parts.writing.end_of(node)
        parts.writing.grow(node, offset, length)
        self._wrote(node, min(end, offset), max(0, offset + length - end))
        return wire.done(unique)


def _time(is_set: int, is_now: int, given: int) -> int | None:
    """Give the time (ns) that is to be set; None: it stays."""
    if not is_set:
        return None
    return time.time_ns() if is_now else given

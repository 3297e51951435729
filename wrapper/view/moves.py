"""Renames: what moves, what it replaces, what policy says of both, and what becomes of git's files."""

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wrapper.view import wire
from wrapper.view.changes import MOVED_FROM, MOVED_TO
from wrapper.view.contents import Mode, forbidden
from wrapper.view.history import MOST_HASHED, digest
from wrapper.view.names import Names
from wrapper.view.nodes import Node, Role, below
from wrapper.view.parts import Handler, Parts
from wrapper.view.removals import Removals
from wrapper.view.wire import HEADER, Op
from wrapper.view.witness import Change, both

_NOREPLACE, _EXCHANGE = 1, 2  # renameat2(2)
_BODY: Final = HEADER.size
_MOST_LOOKED_AT: Final = 50_000  # names in a folder that moves: half a second


@dataclass(frozen=True, slots=True)
class _Moved:
    """One thing that moves: as it was before."""

    node: Node
    path: bytes
    known_as: bytes
    mode: Mode
    state: tuple[int, int, int] | None
    is_told: bool


class Moves:
    """Answers renames."""

    def __init__(self, parts: Parts, names: Names, removals: Removals) -> None:
        self._parts = parts
        self._names = names
        self._removals = removals

    def handlers(self) -> Mapping[int, Handler]:
        """Give what serves each kind of request."""
        return {Op.RENAME: self._rename, Op.RENAME2: self._rename2}

    def _rename(self, unique: int, number: int, message: memoryview, size: int) -> bytes:
        (target,) = wire.NODE_IN.unpack_from(message, _BODY)
        one, other = wire.names(message, _BODY + 8, size)
        return self._move(unique, (number, one), (target, other), 0, wire.caller(message)[2])

    def _rename2(self, unique: int, number: int, message: memoryview, size: int) -> bytes:
        target, flags, _ = wire.RENAME2_IN.unpack_from(message, _BODY)
        one, other = wire.names(message, _BODY + 16, size)
        return self._move(unique, (number, one), (target, other), flags, wire.caller(message)[2])

    def _move(self, unique: int, one: tuple[int, bytes], other: tuple[int, bytes], flags: int, pid: int) -> bytes:
        if flags & ~(_NOREPLACE | _EXCHANGE):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        parts = self._parts
        parent, name = parts.nodes.get(one[0]), one[1]
        target, new_name = parts.nodes.get(other[0]), other[1]
        node, about, path = self._names.own(parent, name)
        there = self._names.standing(target, new_name)
        new_path = below(target, new_name)
        if there is not None and not flags and self._changes_nothing(node, there[0], new_path):
            self._removals.remove(parent, name, pid)
            parts.tell(wire.invalidate_name(target.number, new_name))  # the kernel thinks that it was replaced
            return wire.done(unique)
        self._must_be_movable(node, about, path, new_path, is_own=node.is_own or there is None)
        if there is not None:
            self._must_be_movable(*there, new_path, path if flags & _EXCHANGE else None, is_own=True)
        if there is not None and there[0] is node:
            parts.lower.rename(parent, name, target, new_name, flags)  # two names of one file: nothing is done
            return wire.done(unique)
        self._make_room(node, there[0] if there is not None and not flags & _EXCHANGE else node)
        moving = self._as_it_was(node, path)
        replaced = None if there is None else self._as_it_was(there[0], new_path)
        before, after = self._contents(moving, replaced, flags)
        if stat.S_ISREG(about.st_mode) and parts.indexes.is_index(new_path):
            parts.resting.put_index(node, new_path)
        if replaced is not None and not flags & _EXCHANGE and not replaced.node.others:
            parts.lower.hold(replaced.node)
        with self._names.changing(
            (parent, name, MOVED_FROM), (target, new_name, MOVED_TO), *self._back(one, other, flags)
        ):
            parts.lower.rename(parent, name, target, new_name, flags)
        if flags & _EXCHANGE:
            parts.nodes.exchange(parent, name, target, new_name)
        else:
            parts.nodes.move(parent, name, target, new_name)
        self._moved(moving, is_new=there is None)
        self._tell(moving, new_path, before, after, pid)
        if replaced is not None and flags & _EXCHANGE:
            self._moved(replaced, is_new=False)
            self._tell(replaced, path, after, before, pid)
        elif replaced is not None:
            self._replaced(replaced)
        return wire.done(unique)

    def _back(self, one: tuple[int, bytes], other: tuple[int, bytes], flags: int) -> list[tuple[Node, bytes, int]]:
        """Give what inotify says besides of an exchange."""
        if not flags & _EXCHANGE:
            return []
        get = self._parts.nodes.get
        return [(get(other[0]), other[1], MOVED_FROM), (get(one[0]), one[1], MOVED_TO)]

    def _changes_nothing(self, node: Node, there: Node, path: bytes) -> bool:
        """Tell whether a protected file would be replaced by one that says the same.

        Git writes its settings anew where it sets what is set (`git submodule update`); the file itself stays.
        """
        parts = self._parts
        if there is node or not (stat.S_ISREG(node.kind) and stat.S_ISREG(there.kind)):
            return False
        if not parts.verdicts.is_protected(path):
            return False
        for one in (node, there):
            parts.contents.look(one)
        shown = parts.contents.shown_now(there, MOST_HASHED)
        return shown is not None and shown == parts.contents.shown_now(node, MOST_HASHED)

    def _must_be_movable(
        self, node: Node, about: os.stat_result, path: bytes, new_path: bytes | None, *, is_own: bool
    ) -> None:
        """Raise OSError where a node may not leave its path, or may not be made at the new one."""
        verdicts = self._parts.verdicts
        if node.is_folder:
            verdicts.must_be_movable(path)
        if new_path is not None:
            verdicts.must_be_makeable(new_path, is_folder=node.is_folder, is_own=is_own)
            if node.is_folder:
                self._must_bring_nothing_protected(node, path, new_path)
            elif stat.S_ISREG(node.kind):
                self._names.must_stay_looked_at(node, new_path, is_alone=about.st_nlink == 1)
            elif stat.S_ISLNK(node.kind):
                verdicts.must_not_lead(new_path)

    def _must_bring_nothing_protected(self, folder: Node, former: bytes, path: bytes) -> None:
        """Raise OSError where something in a folder would stand at a protected path, at which it may not be made.

        Neither may a file stand where none is looked at, whatever is in it, or have names of both sorts (see
        `must_stay_looked_at`). EXDEV where that is too much to look at: who moves it copies it then, file by file.
        """
        verdicts = self._parts.verdicts
        top, count, waiting = self._parts.lower.folder(folder), 0, [b"."]
        while waiting:
            below = waiting.pop()
            opened = os.open(below, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
            try:
                with os.scandir(opened) as found:
                    for one in found:
                        name = below + b"/" + os.fsencode(one.name)
                        verdicts.must_be_free_at(path + name[1:])
                        if one.is_dir(follow_symlinks=False):
                            waiting.append(name)
                        elif verdicts.passes(path + name[1:]) != verdicts.passes(former + name[1:]) and (
                            verdicts.passes(path + name[1:]) or one.stat(follow_symlinks=False).st_nlink > 1
                        ):
                            raise forbidden()
                        count += 1
            finally:
                os.close(opened)
            if count > _MOST_LOOKED_AT:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    def _make_room(self, node: Node, there: Node) -> None:
        """Raise OSError where a file would replace one whose values it holds as placeholders, and the disk has no room.

        They are restored once it is there, and what was there before is gone then.
        """
        parts = self._parts
        is_file = stat.S_ISREG(node.kind) and stat.S_ISREG(there.kind)
        if is_file and there is not node and parts.verdicts.of(there) is Mode.MASK:
            before = self._names.state(node)
            parts.writing.make_room(node)
            self._names.restate(node, before)

    def _as_it_was(self, node: Node, path: bytes) -> _Moved:
        parts = self._parts
        is_told = parts.indexes.role(node) is Role.NONE
        if is_told and not node.is_folder:
            parts.resting.told(node)
        verdicts = parts.verdicts
        return _Moved(node, path, verdicts.policy_path(node), verdicts.of(node), self._names.state(node), is_told)

    def _contents(self, moving: _Moved, replaced: _Moved | None, flags: int) -> tuple[bytes | None, bytes | None]:
        """Give what is replaced and what moves, as they are shown; refuse what damages a placeholder."""
        if not stat.S_ISREG(moving.node.kind) or not moving.is_told:
            return None, None
        if replaced is None or not stat.S_ISREG(replaced.node.kind):
            return None, self._parts.contents.shown_now(moving.node, MOST_HASHED)
        return self._parts.resting.replaced(moving.node, replaced.node, is_gone=not flags & _EXCHANGE)

    def _moved(self, moved: _Moved, *, is_new: bool) -> None:
        parts, node = self._parts, moved.node
        self._names.restate(node, moved.state)
        if is_new and not node.is_folder:
            parts.verdicts.made(node)
        parts.verdicts.moved(node, moved.known_as, moved.mode)
        waiting = [node]
        while waiting:
            one = waiting.pop()
            self._judge_anew(one, one.mode if one is not node else moved.mode)
            waiting += (one.children or {}).values()
        if parts.contents.is_shown(node):
            parts.indexes.stale()

    def _judge_anew(self, node: Node, before: Mode | None) -> None:
        """Judge by the new path what was judged by the old one: all files of a folder, too."""
        node.role, node.mode = None, None
        if before is not None and self._parts.verdicts.of(node) is not before:
            self._names.judged_anew(node, before)

    def _replaced(self, replaced: _Moved) -> None:
        parts, node = self._parts, replaced.node
        self._names.restate(node, replaced.state)
        if node.parent is not None:
            parts.verdicts.linked(node, replaced.known_as, node.parent, node.name)
        if parts.contents.is_shown(node):
            parts.indexes.stale()

    def _tell(self, moved: _Moved, path: bytes, before: bytes | None, after: bytes | None, pid: int) -> None:
        parts, witness = self._parts, self._parts.history.witness
        if moved.is_told or parts.indexes.role(moved.node) is Role.NONE:
            process = parts.history.process(pid)
            change = Change(
                "agent",
                "moved",
                moved.path,
                path,
                before=digest(before),
                after=digest(after),
                process=process,
                contents=both(before, after),
            )
            parts.history.changed(change)
        parts.history.put(witness.appeared, path)
        for one in (moved.path, path):
            if parts.indexes.moves_commits(one):
                parts.history.put(witness.refs_moved, one)

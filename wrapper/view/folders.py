"""Listings of folders (READDIR, READDIRPLUS)."""

import bisect
import operator
import os
import stat
from collections.abc import Mapping
from typing import Final

from wrapper.view import wire
from wrapper.view.contents import Mode
from wrapper.view.nodes import Listed, Node, Row, below, signature_of
from wrapper.view.parts import Handler, Parts
from wrapper.view.wire import HEADER, Op

_BODY: Final = HEADER.size
_FOLDER, _FILE, _LINK = 4, 8, 10  # DT_* of readdir(3)
_SPARE: Final = 1024  # numbers of names that are gone
_number: Final = operator.attrgetter("number")


class Folders:
    """Answers what lists a folder."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def handlers(self) -> Mapping[int, Handler]:
        """Give what serves each kind of request."""
        return {Op.READDIR: self._readdir, Op.READDIRPLUS: self._readdirplus}

    def _readdir(self, unique: int, number: int, message: memoryview, _size: int) -> bytes:
        _, offset, size = wire.READ_IN.unpack_from(message, _BODY)
        node = self._parts.nodes.get(number)
        listing = wire.Listing(unique, size)
        for row in self._rows(node, offset):
            if not listing.name((row.name, row.inode, row.kind, row.number)):
                break
        return listing.answer()

    def _readdirplus(self, unique: int, number: int, message: memoryview, _size: int) -> bytes:
        _, offset, size = wire.READ_IN.unpack_from(message, _BODY)
        parts, node = self._parts, self._parts.nodes.get(number)
        listing = wire.Listing(unique, size)
        folder, name_holds, prefix = parts.lower.folder(node), parts.attributes.name_holds(node), below(node, b"")
        for row in self._rows(node, offset):
            if not listing.has_room_for(row.name):
                break
            told = row.name, row.inode, row.kind, row.number
            child = self._listed(node, folder, prefix, row)
            if child is None:
                listing.bare(told)
            else:
                numbered, fields, holds = child
                listing.plus(told, numbered, fields, name_holds, holds)
        return listing.answer()

    def _listed(
        self, node: Node, folder: int, prefix: bytes, row: Row
    ) -> tuple[int, wire.Attributes, wire.Duration] | None:
        """Look a name up for a listing; None where that takes long: the kernel asks again when it needs it."""
        if row.mode is None:
            return None  # the folder itself and the one above
        parts = self._parts
        try:
            about = os.stat(row.name, dir_fd=folder, follow_symlinks=False)
            mode = parts.verdicts.at(node, row.name, about, row.mode if about.st_ino == row.inode else None)
            if parts.verdicts.hides(node, row.name, about, mode):
                return None
            child = parts.nodes.named(node, row.name, about)
            if parts.verdicts.learn(child, mode) and parts.contents.judged_anew(child):
                parts.tell(wire.invalidate_node(child.number))
            if stat.S_ISREG(about.st_mode) and not parts.contents.knows(child, about, prefix + row.name):
                return None
            fields = parts.attributes.of(child, about)
        except OSError:
            return None
        child.lookups += 1
        return child.number, fields, parts.attributes.hold(child, about)

    def _rows(self, node: Node, offset: int) -> list[Row]:
        """Give the rows behind an offset; who reads on gets those of the time when the first was read."""
        listed = node.listing
        if listed is None:
            listed = node.listing = Listed()
        folder = self._parts.lower.folder(node)
        if not listed.rows or (not offset and listed.signature != signature_of(os.fstat(folder))):
            self._read(node, folder, listed)
        rows = listed.rows[bisect.bisect_right(listed.rows, offset, key=_number) :]
        if not rows:
            listed.rows = []  # read to the end: the kernel keeps it now
        return rows

    def _read(self, node: Node, folder: int, listed: Listed) -> None:
        signature = signature_of(os.fstat(folder))
        rows = [Row(1, b".", node.key[1], _FOLDER, None), Row(2, b"..", node.key[1], _FOLDER, None)]
        listed.next = max(listed.next, 3)
        prefix = below(node, b"")
        reading = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
        try:
            with os.scandir(reading) as found:
                rows += [row for one in found if (row := self._row(node, one, prefix, listed)) is not None]
        finally:
            os.close(reading)
        rows.sort(key=_number)
        if len(listed.numbers) > 2 * len(rows) + _SPARE:
            listed.numbers = {row.name: row.number for row in rows}
        listed.rows = rows
        listed.signature = None if self._parts.contents.is_young(signature) else signature

    def _row(self, node: Node, one: "os.DirEntry[str]", prefix: bytes, listed: Listed) -> Row | None:
        name = os.fsencode(one.name)
        is_folder = one.is_dir(follow_symlinks=False)
        inode = one.inode()
        mode = self._parts.verdicts.of_row(node, name, prefix + name, (node.key[0], inode), is_folder=is_folder)
        if mode is Mode.HIDE:
            return None
        if is_folder:
            kind = _FOLDER
        elif one.is_symlink():
            kind = _LINK
        elif one.is_file(follow_symlinks=False):
            kind = _FILE
        else:
            child = (node.children or {}).get(name)
            if child is None or not child.is_own:
                return None
            kind = child.kind >> 12
        number = listed.numbers.get(name)
        if number is None:
            number = listed.numbers[name] = listed.next
            listed.next += 1
        return Row(number, name, inode, kind, mode)

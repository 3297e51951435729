"""Attributes as they are shown, and for how long the kernel may keep them."""

import os
import stat
from typing import Final

from wrapper.view import wire
from wrapper.view.changes import Changes
from wrapper.view.contents import CLOSED, Contents
from wrapper.view.indexes import Indexes
from wrapper.view.nodes import Node, Role, signature_of
from wrapper.view.owners import Owners
from wrapper.view.verdicts import Verdicts

_BITS: Final = 0o777


class Attributes:
    """Gives what `struct fuse_attr` holds, looking at a file where that was not done."""

    def __init__(
        self, verdicts: Verdicts, contents: Contents, indexes: Indexes, changes: Changes, owners: Owners
    ) -> None:
        self._indexes = indexes
        self._verdicts = verdicts
        self._contents = contents
        self._changes = changes
        self._owners = owners

    def of(self, node: Node, about: os.stat_result) -> wire.Attributes:
        """Give a node's attributes. Raises OSError where it cannot be looked at."""
        mode, uid, gid = self._owners.shown(about)
        size, mtime = about.st_size, about.st_mtime_ns
        if node.is_folder:
            self._changes.watch(node)
            if self._verdicts.of(node) in CLOSED:
                mode &= ~_BITS
        elif stat.S_ISREG(mode):
            size = self._contents.size(node, about)
            if self._contents.is_closed(node):
                mode &= ~_BITS
            else:
                mtime += self._indexes.later(node)
        node.reported = signature_of(about)
        return wire.attributes(about, size, mode, uid, gid, mtime)

    def name_holds(self, folder: Node) -> wire.Duration:
        """Say for how long the kernel may keep a name of a folder."""
        return wire.FOREVER if self._changes.is_watched(folder) else wire.BRIEFLY

    def hold(self, node: Node, about: os.stat_result) -> wire.Duration:
        """Say for how long the kernel may keep a node's attributes.

        What happens to a file by a name that we do not know is not heard, nor what happens in a folder not watched.
        """
        is_watched = self._changes.is_watched
        if node.is_folder:
            return wire.FOREVER if is_watched(node) else wire.BRIEFLY
        if about.st_nlink > 1 and about.st_nlink > 1 + len(node.others or ()):
            return wire.BRIEFLY
        parent = node.parent
        if node.role is Role.INDEX:
            return wire.NOT  # what is shown of it depends on other files
        if parent is None or is_watched(parent):
            return wire.FOREVER
        return wire.BRIEFLY

"""What stands at a name, and what is kept in mind when we change names ourselves."""

import contextlib
import errno
import os
import stat
from types import TracebackType
from typing import Self

from wrapper.view import wire
from wrapper.view.changes import Changes
from wrapper.view.contents import CLOSED, Mode, forbidden
from wrapper.view.nodes import Node, Signature, below, signature_of
from wrapper.view.parts import Parts

_Named = tuple[Node, bytes, int]


class Names:
    """Finds nodes by name, as the inside may see them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def present(self, parent: Node, name: bytes) -> tuple[Node, os.stat_result]:
        """Give what the inside sees at a name. Raises OSError; FileNotFoundError also for what is hidden."""
        parts = self._parts
        try:
            about = parts.lower.about(parent, name)
        except FileNotFoundError:
            parts.nodes.lose(parent, name)
            raise
        mode = parts.verdicts.at(parent, name, about)
        if parts.verdicts.hides(parent, name, about, mode):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        node = parts.nodes.named(parent, name, about)
        if parts.verdicts.learn(node, mode) and parts.contents.judged_anew(node):
            parts.tell(wire.invalidate_node(node.number))
        return node, about

    def own(self, parent: Node, name: bytes) -> tuple[Node, os.stat_result, bytes]:
        """Give what is to be moved or removed, and its path. Raises OSError where that may not be."""
        path = below(parent, name)
        self._parts.verdicts.must_be_removable(path)
        node, about = self.present(parent, name)
        if self._parts.verdicts.of(node) in CLOSED:
            raise forbidden()
        return node, about, path

    def standing(self, parent: Node, name: bytes) -> tuple[Node, os.stat_result] | None:
        """Give what is to be replaced; None where nothing stands. Raises OSError where it may not be."""
        try:
            node, about = self.present(parent, name)
        except FileNotFoundError:
            self.must_be_free_of_hidden(parent, name)
            return None
        if self._parts.verdicts.of(node) in CLOSED:
            raise forbidden()
        return node, about

    def must_be_free_of_hidden(self, parent: Node, name: bytes) -> None:
        """Raise OSError (EACCES) where something stands that the inside does not see."""
        parts = self._parts
        try:
            about = parts.lower.about(parent, name)
        except FileNotFoundError:
            return
        if parts.verdicts.hides(parent, name, about, parts.verdicts.at(parent, name, about)):
            raise forbidden()

    def must_stay_looked_at(self, node: Node, path: bytes, *, is_alone: bool) -> None:
        """Raise OSError (EACCES) where a file would be given a name by which the next session shows its values.

        This session keeps in mind what held for the former one; the next sees names only. What holds no values may go
        there: none is put into it then (rule 5 of `writing`). That cannot be said of a file which would have names of
        both sorts (not `is_alone`), since one of them may not be known.
        """
        parts = self._parts
        passes = parts.verdicts.passes(path)
        if passes == parts.verdicts.passes_by_name(node):
            return
        if not is_alone or (passes and parts.contents.holds_values(node)):
            raise forbidden()

    def judged_anew(self, node: Node, before: Mode) -> None:
        """Take notice that something else holds for a node than before, by what the inside did to its names."""
        parts = self._parts
        if parts.contents.judged_anew(node):
            parts.tell(wire.invalidate_node(node.number))
        # what it wrote there was not looked at, or is masked by the name that it has now only
        if stat.S_ISREG(node.kind) and (before is Mode.PASS or parts.verdicts.of(node) is Mode.MASK):
            with contextlib.suppress(OSError):
                parts.writing.restore(node)
                parts.history.wrote(node, 0, 0)

    def changing(self, *changes: "_Named") -> "_Changing":
        """Within it, do what makes or takes names: folder, name, and what inotify will say of it.

        What is hidden is not told as there: EACCES stands for its EEXIST.
        """
        return _Changing(self, self._parts.changes, changes)

    def state(self, node: Node) -> Signature | None:
        """Give a node's state; None where it cannot be had."""
        try:
            return signature_of(self._parts.lower.about_node(node))
        except OSError:
            return None

    def restate(self, node: Node, before: Signature | None) -> None:
        """Keep in mind that a change of a node's names is ours: what is in the file is what it was."""
        after = self.state(node) if node.parent is not None or node.is_kept else None
        if before is None or after is None:
            return
        self._parts.contents.restated(node, before, after)
        if node.reported == before:
            node.reported = after
        node.written = after


class _Changing:
    """What `Names.changing` gives."""

    __slots__ = ("_changes", "_heard", "_names")

    def __init__(self, names: Names, heard: Changes, changes: tuple[_Named, ...]) -> None:
        self._names, self._heard, self._changes = names, heard, changes

    def __enter__(self) -> Self:
        for folder, name, kind in self._changes:
            self._heard.expect(folder, name, kind)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            for folder, _, _ in self._changes:
                folder.reported = None  # the kernel drops what it knows of a folder in which it had a name changed
                folder.unlist()
        elif isinstance(error, OSError):
            for folder, name, heard_as in self._changes:
                self._heard.unexpect(folder, name, heard_as)
            if error.errno == errno.EEXIST:
                self._names.must_be_free_of_hidden(*self._changes[-1][:2])

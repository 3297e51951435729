"""Changes that others make to the real tree: heard by inotify, told to the kernel, which else keeps what it knows.

One watch for each folder that the kernel knows; a folder is watched before its first name is told. What we did
ourselves is heard, too. That a name is gone or new is ours if we said so before (`expect`); that a file is another is
ours if its state is the one that we made, or one that we told and that is too old to be mistaken for the next
(contents.py, rule 5). Whoever did it, what stands there is compared with what we know: inotify merges equal events.
"""

import contextlib
import ctypes
import errno
import os
import struct
import time
from collections.abc import Iterator
from typing import Final

from wrapper.view import wire
from wrapper.view.contents import Contents, Mode
from wrapper.view.history import History
from wrapper.view.lower import Lower
from wrapper.view.nodes import Node, Nodes, below, is_in_git, key_of, signature_of
from wrapper.view.verdicts import Verdicts
from wrapper.view.witness import Change

_EVENT: Final = struct.Struct("iIII")
_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM: Final = 0x40
MOVED_TO: Final = 0x80
CREATE: Final = 0x100
DELETE: Final = 0x200
_DELETE_SELF = 0x400
_OVERFLOW, _IGNORED = 0x4000, 0x8000
_FOLDER, _ONLY_FOLDER = 0x40000000, 0x01000000
_WANTED: Final = (
    _MODIFY | _ATTRIB | _CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | _DELETE_SELF | _ONLY_FOLDER
)
_NAMES: Final = MOVED_FROM | MOVED_TO | CREATE | DELETE
_EXPECTED_FOR: Final = 5.0  # seconds: inotify merges equal events, so one may never come
_MOST_EXPECTED: Final = 1 << 16
_UNLEARNED: Final = frozenset((Mode.PASS, Mode.KNOWN))

_libc = ctypes.CDLL(None, use_errno=True)


class _Touched:
    """What was said of one name: the kinds of event, and whether one of them took or made it and was not ours."""

    __slots__ = ("is_foreign", "mask")

    def __init__(self) -> None:
        self.mask = 0
        self.is_foreign = False

    @property
    def is_ours(self) -> bool:
        """Whether nothing was said but that we made or took the name."""
        return not self.is_foreign and not self.mask & ~(_NAMES | _FOLDER)


class Changes:
    """Watches folders; `take` gives what the kernel must be told."""

    def __init__(self, nodes: Nodes, lower: Lower, verdicts: Verdicts, contents: Contents, history: History) -> None:
        self.descriptor = _libc.inotify_init1(os.O_CLOEXEC)
        if self.descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._nodes, self._lower, self._contents = nodes, lower, contents
        self._verdicts, self._history = verdicts, history
        self._folders: dict[int, Node] = {}
        self._watched: dict[Node, int] = {}
        self._expected: dict[tuple[int, bytes, int], tuple[int, float]] = {}
        self._moved: dict[int, bytes] = {}
        self._changed_files: dict[bytes, None] = {}
        self.unwatched = 0
        """Folders that could not be watched: the limit of the user is reached (inotify(7))."""

    def watch(self, folder: Node) -> None:
        """Watch a folder from now on."""
        if folder in self._watched:
            return
        try:
            path = b"/proc/self/fd/%d" % self._lower.folder(folder)
        except OSError:
            return
        number = _libc.inotify_add_watch(self.descriptor, path, _WANTED)
        if number < 0:
            self.unwatched += 1
            return
        self._folders[number] = folder
        self._watched[folder] = number

    def is_watched(self, folder: Node) -> bool:
        """Tell whether changes in a folder are heard of."""
        return folder in self._watched

    def unwatch(self, folder: Node) -> None:
        """Watch a folder no more: the kernel has forgotten it."""
        number = self._watched.pop(folder, None)
        if number is not None and self._folders.get(number) is folder:
            del self._folders[number]
            _libc.inotify_rm_watch(self.descriptor, number)

    def expect(self, folder: Node, name: bytes, kind: int) -> None:
        """Take notice that we do this to a name of a folder."""
        number = self._watched.get(folder)
        if number is None:
            return
        key = number, name, kind
        before = self._expected.get(key)
        self._expected[key] = 1 if before is None else before[0] + 1, time.monotonic() + _EXPECTED_FOR
        if len(self._expected) > _MOST_EXPECTED:
            now = time.monotonic()
            self._expected = {key: one for key, one in self._expected.items() if one[1] > now}

    def unexpect(self, folder: Node, name: bytes, kind: int) -> None:
        """Take notice that it was not done."""
        self._is_expected(self._watched.get(folder, -1), name, kind)

    def changed_files(self) -> list[bytes]:
        """Give the files that someone outside has changed since this was asked last, and whose values must be known."""
        changed, self._changed_files = list(self._changed_files), {}
        return changed

    def take(self, events: bytes) -> Iterator[bytes]:
        """Take what was read from `descriptor`; yield what the kernel must be told.

        What stands at a name is looked at once, after all that was said of it: it is compared as it is now.
        """
        touched, messages = self._gathered(events)
        yield from messages
        folders = dict[Node, None]()
        for (folder, name), one in touched.items():
            # a folder of which nothing was told since we changed it is one that the kernel asks for anyway
            if not name or (one.mask & _NAMES and not one.is_foreign and folder.reported is not None):
                folders[folder] = None
            if name:
                yield from self._changed(folder, name, one)
        for folder in folders:
            yield from self._folder_itself(folder)
        for path in self._moved.values():
            self._tell(Change("host", "deleted", path))  # moved to where nobody watches
        self._moved.clear()

    def _gathered(self, events: bytes) -> tuple[dict[tuple[Node, bytes], _Touched], list[bytes]]:
        """Give what was said of each name, and what the kernel must be told where something was not said."""
        touched, messages, at = dict[tuple[Node, bytes], _Touched](), list[bytes](), 0
        while at < len(events):
            watch, mask, cookie, size = _EVENT.unpack_from(events, at)
            start, at = at + _EVENT.size, at + _EVENT.size + size
            if mask & _OVERFLOW:
                messages += self.lost()
            elif mask & _IGNORED:
                folder = self._folders.pop(watch, None)
                if folder is not None:
                    self._watched.pop(folder, None)
            elif (folder := self._folders.get(watch)) is not None:
                name = events[start:at].rstrip(b"\0")
                key = folder, name
                one = touched.get(key)
                if one is None:
                    one = touched[key] = _Touched()
                one.mask |= mask
                if name and mask & _NAMES and not self._is_expected(watch, name, mask & _NAMES):
                    one.is_foreign = True
                    self._tell_name(folder, name, mask, cookie)
        return touched, messages

    def lost(self) -> Iterator[bytes]:
        """Make the kernel ask anew for everything: changes were lost."""
        self._expected.clear()
        for node in self._nodes:
            node.reported, node.written = None, None
            node.unlist()
            self._contents.changed_outside(node)
            yield wire.invalidate_node(node.number)
            for parent, name in list(node.names()):
                yield wire.invalidate_name(parent.number, name)

    def _is_expected(self, watch: int, name: bytes, kind: int) -> bool:
        expected = self._expected.pop((watch, name, kind), None)
        if expected is None:
            return False
        count, until = expected
        if count > 1:
            self._expected[watch, name, kind] = count - 1, until
        return until > time.monotonic()

    def _folder_itself(self, folder: Node) -> Iterator[bytes]:
        with contextlib.suppress(OSError):
            if folder.reported == signature_of(self._lower.about_node(folder)):
                return
        folder.unlist()
        yield wire.invalidate_node(folder.number)

    def _changed(self, folder: Node, name: bytes, touched: "_Touched") -> Iterator[bytes]:
        mask, node = touched.mask, (folder.children or {}).get(name)
        try:
            about = self._lower.about(folder, name)
        except OSError:
            about = None
        if node is not None and (about is None or key_of(about) != node.key):
            self._nodes.lose(folder, name)
            self._contents.changed_outside(node)
            node.reported = None
            yield wire.invalidate_node(node.number)
            yield from self._name_changed(folder, name)
        elif about is None:
            if touched.is_foreign:
                yield from self._folder_itself(folder)
        else:
            known = node or self._nodes.find(about)
            if known is not None and not known.is_folder:
                yield from self._file_itself(known, about, (folder, name), touched)
            elif known is None and not mask & _FOLDER and mask & (_MODIFY | _CLOSE_WRITE):
                self._host_wrote(below(folder, name), mask)
            if node is None:
                yield from self._name_changed(folder, name)
            elif touched.is_foreign:
                self._judge_anew(node)
                yield from self._name_changed(
                    folder, name
                )  # a listing names it, and the kernel may take it for missing

    def _file_itself(
        self, node: Node, about: os.stat_result, name: tuple[Node, bytes], touched: "_Touched"
    ) -> Iterator[bytes]:
        now, is_ours = signature_of(about), touched.is_ours
        if node.written == now or (node.reported == now and (is_ours or not self._contents.is_young(now))):
            return
        node.reported = None
        self._contents.changed_outside(node)
        yield wire.invalidate_node(node.number)
        if not is_ours and touched.mask & (_MODIFY | _CLOSE_WRITE):
            self._host_wrote(below(*name), touched.mask)

    def _name_changed(self, folder: Node, name: bytes) -> Iterator[bytes]:
        folder.unlist()
        yield wire.invalidate_name(folder.number, name)
        yield wire.invalidate_node(folder.number)

    def _judge_anew(self, node: Node) -> None:
        """Take nothing for the inside's own that someone outside has put there: it may be new with an old number."""
        if node.is_own or node.former is not None:
            node.is_own, node.former, node.mode = False, None, None
            self._contents.judged_anew(node)

    # What is told

    def _tell_name(self, folder: Node, name: bytes, mask: int, cookie: int) -> None:
        path = below(folder, name)
        if mask & MOVED_FROM:
            self._history.host_rests(path)
            self._moved[cookie] = path
            return
        if mask & DELETE:
            self._history.host_rests(path)
            self._tell(Change("host", "deleted", path))
            return
        source = self._moved.pop(cookie, None) if mask & MOVED_TO else None
        self._tell(Change("host", "created", path) if source is None else Change("host", "moved", source, path))
        if mask & MOVED_TO and not mask & _FOLDER:
            self._must_learn(path)

    def _host_wrote(self, path: bytes, mask: int) -> None:
        if self._is_told(path):
            self._history.by_host(path)
        if mask & _CLOSE_WRITE:
            self._must_learn(path)

    def _must_learn(self, path: bytes) -> None:
        if self._verdicts.by_path(path) not in _UNLEARNED:
            self._changed_files[path] = None

    def _tell(self, change: Change) -> None:
        if self._is_told(change.path) or (change.target and self._is_told(change.target)):
            self._history.changed(change)

    def _is_told(self, path: bytes) -> bool:
        return not is_in_git(path) or self._verdicts.by_path(path) is not Mode.PASS


def is_gone(error: OSError) -> bool:
    """Tell whether the kernel does not know what it was told of, so that there is nothing to forget."""
    return error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENOTEMPTY}

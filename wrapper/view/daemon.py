"""The process that serves a FUSE view: one thread answers, one hears of changes, one tells what is to be told.

The kernel takes the folder's lock to be told of a change, and whoever holds that lock may wait for an answer: so the
answering thread never tells, and nothing is told while our own lock is held; but that attributes are others, for which
the kernel takes no lock. What a request raises besides OSError is our own mistake: the caller gets EIO, and it is said
on stderr where it came from, without any content.
"""

import collections
import contextlib
import errno
import os
import queue
import select
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from wrapper.view import wire
from wrapper.view.attributes import Attributes
from wrapper.view.changes import Changes, is_gone
from wrapper.view.contents import Contents, Judge, Mode
from wrapper.view.files import Files
from wrapper.view.folders import Folders
from wrapper.view.gitfiles import GitFiles
from wrapper.view.history import History
from wrapper.view.indexes import FilesOfTwo, Indexes, RealFiles, place_of
from wrapper.view.lower import Lower, allow_descriptors, return_memory
from wrapper.view.moves import Moves
from wrapper.view.names import Names
from wrapper.view.nodes import Node, Nodes
from wrapper.view.operations import Operations
from wrapper.view.owners import Owners
from wrapper.view.parts import Handler, Parts
from wrapper.view.removals import Removals
from wrapper.view.resting import Resting
from wrapper.view.verdicts import Verdicts
from wrapper.view.witness import Witness
from wrapper.view.writing import Writing

_PAUSE: Final = 0.05  # seconds from what is to be told to when it is, so that much is told at once
_BUSY: Final = 1000  # requests a second from which on what is to be told waits
_LATEST: Final = 1.0  # seconds, but not longer
_REQUEST: Final = wire.LARGEST_WRITE + 8192
_AGAIN: Final = frozenset((errno.EINTR, errno.EAGAIN, errno.ENOENT))
# Of a node, not of a name: where the node is gone, the kernel looks the path up anew (ESTALE) and does what fits then.
_OF_NODES: Final = frozenset((wire.Op.GETATTR, wire.Op.SETATTR, wire.Op.READLINK, wire.Op.READ, wire.Op.WRITE))
_DESTROY: Final = int(wire.Op.DESTROY)
_MOST_COMPLAINTS: Final = 32
_GATHERED: Final = 0.0015  # seconds: a burst of changes, most of them our own, is taken at once
_GATHERED_BUSY: Final = 0.004  # while the inside asks much: then nearly all of them are our own
_AGAIN_AFTER: Final = (0.005, 0.1)
_MOST_MET: Final = 200  # files that someone outside has changed at once, looked at before they are asked for


class _Later:
    """What the kernel was told of the host's changes and is told again, twice.

    It takes over an answer in the process that asked, after we have written it. What it is told between the two is
    lost where it does not know the file yet, and the answer, which is older, would stay for ever.
    """

    def __init__(self) -> None:
        self._waiting = [(pause, collections.deque[tuple[float, list[bytes]]]()) for pause in _AGAIN_AFTER]

    def put(self, messages: list[bytes]) -> None:
        """Keep what was just told."""
        if messages:
            now = time.monotonic()
            for pause, waiting in self._waiting:
                waiting.append((now + pause, messages))

    def wait(self) -> float | None:
        """Give the seconds until something is due; None where nothing waits."""
        ends = [waiting[0][0] for _, waiting in self._waiting if waiting]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def due(self) -> Iterator[bytes]:
        """Yield what is to be told now."""
        now = time.monotonic()
        for _, waiting in self._waiting:
            while waiting and waiting[0][0] <= now:
                yield from waiting.popleft()[1]


class _Pace:
    """Says when the inside asks so much that what nobody waits for is better done later.

    One interpreter does both: what is told while the inside makes a thousand files is felt in each of them.
    """

    __slots__ = ("_before", "_since", "_told", "asked", "was_calm")

    def __init__(self) -> None:
        self.asked = 0
        """Requests so far."""
        self._before, self._since, self._told, self.was_calm = 0, 0.0, 0.0, True

    def is_calm(self) -> bool:
        """Tell whether what waits may be done now; it never waits longer than `_LATEST`."""
        now = time.monotonic()
        if now - self._since >= _PAUSE:
            rate = (self.asked - self._before) / (now - self._since)
            self.was_calm = rate < _BUSY or now - self._told > _LATEST
            self._before, self._since = self.asked, now
            if self.was_calm:
                self._told = now
        return self.was_calm


class Daemon:
    """Serves one view: `device` is the opened `/dev/fuse`, `root` a descriptor of the real folder.

    git's index is shown and put back as it must be for git to be right about masked files: those of this view, or,
    where the root is a repository's own folder, of the view `beside` that shows its working tree.
    """

    def __init__(
        self,
        device: int,
        root: int,
        judge: Judge,
        owners: Owners,
        *,
        witness: Witness,
        beside: "Daemon | None" = None,
    ) -> None:
        self._device = device
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._is_asleep = False
        self._pace = _Pace()
        self._has_new_values = False
        self._complaints: set[str] = set()
        self._buffer, self._begin = wire.aligned(_REQUEST, wire.WRITE_HEAD)
        self._judge = judge
        self._place = place_of(root)
        self._parts = self._assembled(root, judge, owners, witness, beside)

    def serve(self) -> None:
        """Answer until the view is unmounted."""
        return_memory()
        for work in (self._hear, self._tell_and_look):
            threading.Thread(target=work, daemon=True).start()
        names = Names(self._parts)
        removals = Removals(self._parts, names)
        handlers: dict[int, Handler] = {}
        for one in (
            Operations(self._parts, names),
            removals,
            Moves(self._parts, names, removals),
            Files(self._parts, self._buffer, self._begin),
            Folders(self._parts),
        ):
            handlers.update(one.handlers())
        self._answer(handlers)

    def rest(self) -> None:
        """Look at what waits and tell all that is untold; from another thread, when nobody inside is left."""
        for node in list(self._parts.history.waiting):
            self._come_to_rest(node)
        with self._lock:
            self._parts.history.end()
        self._tell_witness()

    def values_changed(self) -> None:
        """Look again at all files when they are read next, since new values became known; from any thread."""
        self._has_new_values = True
        self._messages.put(None)

    def _assembled(self, root: int, judge: Judge, owners: Owners, witness: Witness, beside: "Daemon | None") -> Parts:
        tell, history = self._messages.put, History(witness, self._wake)
        lower = Lower(root, allow_descriptors())
        nodes = Nodes(os.fstat(root), self._dropped)
        nodes.root.descriptor = root
        verdicts = Verdicts(nodes, judge, lambda path: history.put(witness.refused, path))
        prefix = b"" if beside is None else self._place[1:] + b"/"
        indexes = Indexes(lower, verdicts, tell, self._tell_one, prefix)
        contents = Contents(
            lower, verdicts, judge, history, tell=tell, tell_now=self._tell_one, masked_changed=indexes.stale
        )
        self._real = RealFiles(nodes, lower, verdicts, contents, judge, self._tell_one)
        if beside is None:
            indexes.knows(GitFiles(self._real, self._place))
        else:
            two = FilesOfTwo(self._real, self._place[1:], beside._real, beside._place[1:], beside._lock)  # noqa: SLF001
            indexes.knows(GitFiles(two, b"", self._place[1:]))
        changes = Changes(nodes, lower, verdicts, contents, history)
        writing = Writing(lower, verdicts, contents, judge, history)
        resting = Resting(lower, verdicts, contents, writing, history, judge, indexes)
        attributes = Attributes(verdicts, contents, indexes, changes, owners)
        return Parts(
            nodes, lower, verdicts, contents, writing, history, resting, indexes, changes, attributes, owners, tell
        )

    def _answer(self, handlers: Mapping[int, Handler]) -> None:
        message = memoryview(self._buffer)[self._begin :]
        space = [message]
        read, write, head = os.readv, os.write, wire.REQUEST.unpack_from
        device, pace, lock, after, get = self._device, self._pace, self._lock, self._parts.after, handlers.get
        while True:
            try:
                read(device, space)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in _AGAIN:
                    continue
                raise
            size, kind, unique, number = head(message)
            handler = get(kind)
            if kind == _DESTROY:
                return
            pace.asked += 1
            with lock:  # until all is noted: what others see of the view is whole
                answer = self._answered(handler, kind, unique, number, message, size)
                if answer is not None:
                    try:
                        write(device, answer)
                    except OSError as error:
                        if error.errno != errno.ENOENT:  # the caller was interrupted and does not wait any more
                            raise
                if after:
                    self._note()

    def _answered(
        self, handler: Handler | None, kind: int, unique: int, number: int, message: memoryview, size: int
    ) -> bytes | memoryview | None:
        if handler is None:
            return wire.refused(unique, errno.ENOSYS)
        try:
            return handler(unique, number, message, size)
        except OSError as error:
            is_gone = error.errno == errno.ENOENT and kind in _OF_NODES
            return wire.refused(unique, errno.ESTALE if is_gone else error.errno or errno.EIO)
        except KeyError:
            return wire.refused(unique, errno.ESTALE)
        except Exception as error:  # noqa: BLE001 (one request may fail, the view must stand)
            self._complain(error)
            return wire.refused(unique, errno.EIO)

    def _note(self) -> None:
        """Do what was left for when who asked has its answer: it goes on meanwhile."""
        after = self._parts.after
        while after:
            note, *what = after.popleft()
            try:
                note(*what)
            except Exception as error:  # noqa: BLE001 (as for a request; what is behind it is noted)
                self._complain(error)

    def _dropped(self, node: Node) -> None:
        parts = self._parts
        parts.history.dropped(node)
        parts.contents.dropped(node)
        parts.indexes.dropped(node)
        parts.lower.close(node)
        if node.is_folder:
            parts.changes.unwatch(node)

    def _wake(self) -> None:
        if self._is_asleep:
            self._is_asleep = False
            self._messages.put(None)

    def _hear(self) -> None:
        changes, later = self._parts.changes, _Later()
        while True:
            ready, _, _ = select.select([changes.descriptor], [], [], later.wait())
            self._tell(later.due())
            if not ready:
                continue
            time.sleep(_GATHERED if self._pace.was_calm else _GATHERED_BUSY)
            events = os.read(changes.descriptor, 1 << 18)
            try:
                with self._lock:
                    told = list(changes.take(events))
                    changed = changes.changed_files()
            except Exception as error:  # noqa: BLE001 (what was not understood is taken for lost)
                self._complain(error)
                with self._lock:
                    told, changed = list(changes.lost()), []
            self._tell(told)
            later.put(told)
            for place, path in enumerate(changed):
                self._learn(path, is_met=place < _MOST_MET)

    def _learn(self, path: bytes, *, is_met: bool) -> None:
        try:
            with self._lock:
                self._judge.host_changed(path)
                if is_met:
                    self._real.meet(path)
        except Exception as error:  # noqa: BLE001 (as for a request)
            self._complain(error)

    def _tell_and_look(self) -> None:
        while True:
            message = self._next_message()
            if message is not None:
                self._tell([message])
            if self._has_new_values:
                self._has_new_values = False
                self._judge_anew()
            with self._lock:
                due = self._parts.history.due(time.monotonic())
            is_calm = self._pace.is_calm()
            for node in due:
                if is_calm or self._parts.verdicts.of(node) is Mode.MASK:  # a new secret is known at once
                    self._come_to_rest(node)
            if message is None and (is_calm or self._parts.history.is_pressing):
                self._tell_witness()

    def _next_message(self) -> bytes | None:
        """Wait for something to tell the kernel; not longer than what else is to be told may wait."""
        history = self._parts.history
        self._is_asleep = history.is_idle
        if self._is_asleep and not history.is_idle:
            self._is_asleep = False
        try:
            message = self._messages.get(timeout=None if self._is_asleep else _PAUSE)
        except queue.Empty:
            message = None
        self._is_asleep = False
        return message

    def _come_to_rest(self, node: Node) -> None:
        try:
            with self._lock:
                if node in self._parts.history.waiting:
                    self._parts.resting.come(node)
        except Exception as error:  # noqa: BLE001 (as for a request)
            self._complain(error)

    def _judge_anew(self) -> None:
        with self._lock:
            told = [wire.invalidate_node(one.number) for one in self._parts.nodes if self._parts.contents.doubted(one)]
        self._tell(told)

    def _tell_witness(self) -> None:
        with self._telling:
            while True:
                try:
                    self._parts.history.tell()
                except Exception as error:  # noqa: BLE001 (as for a request; what is behind it is told)
                    self._complain(error)
                else:
                    return

    def _tell(self, messages: Iterable[bytes]) -> None:
        for message in messages:
            self._tell_one(message)

    def _tell_one(self, message: bytes) -> None:
        try:
            os.write(self._device, message)
        except OSError as error:
            if not is_gone(error):
                raise

    def _complain(self, error: Exception) -> None:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        place = "" if where is None else f" at {where.tb_frame.f_code.co_qualname}, line {where.tb_lineno}"
        text = f"safe-agent: the view failed in a request: {type(error).__name__}{place}"
        if text not in self._complaints and len(self._complaints) < _MOST_COMPLAINTS:
            self._complaints.add(text)
            with contextlib.suppress(OSError):
                os.write(2, f"{text}\n".encode())

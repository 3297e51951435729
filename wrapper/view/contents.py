"""What the inside sees in a file: promise 2 for the FUSE view. What becomes of what it writes stands in writing.py.

Rules:
1. A file is looked at before its first byte or its size is told, and again when it has changed: its real content never
   passes by unseen, however it came there. Bytes that were read count only if the file is still as it was looked at.
2. What the inside wrote itself it may read back as it is until the file has come to rest; then new secrets are masked.
   Before, the kernel may have it in its pages anyway, and a size that suits them. So has who reads or writes on: a read
   that was under way gets what was shown, as long as that size is; a write behind what was the end goes to the end.
3. Kernels before 6.13 stamp a file with a clock that ticks every 10 ms at most, so two states of one file can bear the
   same times. A state that was young when it was looked at is compared byte for byte with the next one.
"""

import enum
import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from wrapper.view import wire
from wrapper.view.history import History
from wrapper.view.lower import Lower
from wrapper.view.nodes import Key, Node, Signature, signature_of

if TYPE_CHECKING:
    from wrapper.view.verdicts import Verdicts

MOST_BYTES: Final = 16 << 20
"""Of one file that is masked; only the first so many of a larger one are looked at.

So no placeholder becomes a value in a larger one: behind what is looked at nobody would find the value again.
"""
YOUNG: Final = 20_000_000
_WRITTEN_BACK: Final = 40_000_000_000
_MOST_COMPARED: Final = 256 << 10
"""Nanoseconds: two ticks of the slowest clock that stamps files (HZ=100)."""
_TRIES: Final = 8
_MOST_FORMER: Final = 256 << 10  # bytes kept of one file for reads that were under way


class Mode(enum.Enum):
    """What policy says of a path by its name alone."""

    PASS = "pass"  # noqa: S105 (no password)
    KNOWN = "known"  # only values that are known are masked, nothing else is looked for
    SCAN = "scan"  # only what is certainly a secret is masked
    MASK = "mask"  # a file of credentials: masked by its structure
    DENY = "deny"  # listed, cannot be opened
    HIDE = "hide"  # not there

    __hash__ = object.__hash__  # asked for in every request; that of `Enum` is slow


CLOSED: Final = (Mode.DENY, Mode.HIDE)


class Damage(NamedTuple):
    """Text that was meant as a placeholder and is none: where it stands, and what to tell of it."""

    start: int
    end: int
    text: str


class Judge(Protocol):
    """Decides what the inside sees; paths are relative to the view's root, without `/` at either end."""

    @property
    def is_strict(self) -> bool:
        """Whether a write that damages a placeholder is refused; else it is done and told."""

    def by_name(self, path: bytes, *, is_folder: bool, is_own: bool = False) -> Mode:
        """Say what holds for a path by its name; `is_own`: the inside made it where nothing stood before."""

    def by_inode(self, key: Key) -> Mode | None:
        """Say what holds for a file that policy knows by another name; the stricter of both is taken."""

    def is_protected(self, path: bytes) -> bool:
        """Say whether a path is read-only inside; it may not be made either."""

    def may_go(self, path: bytes) -> bool:
        """Say whether what stands at a protected path may be moved away or removed all the same."""

    def holds_protected(self, path: bytes) -> bool:
        """Say whether policy protects something in folders of this name: a link in its place would bring another."""

    def is_held(self, path: bytes) -> bool:
        """Say whether a folder may be neither renamed nor removed, since a protected path lies in it."""

    def is_clean(self, path: bytes, about: os.stat_result) -> bool:
        """Say whether the file in exactly this state is known to hold no secret."""

    def masked(self, path: bytes, data: bytes, mode: Mode) -> bytes | None:
        """Give what is shown for the content of a KNOWN, SCAN or MASK file; None: it cannot be shown."""

    def restored(self, data: bytes) -> bytes:
        """Give what is real for text that was written inside; the same object where there is nothing to restore."""

    def hangs(self, shown: bytes | bytearray) -> bool:
        """Say whether a placeholder stands in it that becomes its value in some files only: see `real`."""

    def real(self, path: bytes, shown: bytes, mode: Mode) -> bytes:
        """Give what is real for the whole content of a file that is shown so; of a PASS file, just that.

        A value that would not be masked there is not put in: its placeholder stays.
        """

    def damaged(self, data: bytes) -> Sequence[Damage]:
        """Give the near-misses of placeholders in what is shown."""

    def masked_paths(self) -> Iterable[bytes]:
        """Give the files that are known as masked from the start, looked at or not."""

    def host_changed(self, path: bytes) -> None:
        """Take notice that someone outside has changed or made this file: its values must be known."""


class Content:
    """What is known of one file's content.

    `signature` is that of the state that was looked at or that we wrote, `shown` what is shown in its place, None for
    the file as it is. `is_closed`: its content cannot be shown. `is_written`: the inside has written to it since it was
    looked at, `has_left` it left a placeholder where none becomes a value so far. `young` is the digest of a state that
    may look like the next one. `doubted` is a state that was looked at, with its `young`, and is to be looked at again.
    `former` is what was shown until the kernel asks for the size again, `former_end` where who wrote before the file
    came to rest takes its end to be.
    """

    __slots__ = (
        "doubted",
        "former",
        "former_end",
        "has_left",
        "has_told_left",
        "is_closed",
        "is_written",
        "shown",
        "signature",
        "young",
    )

    def __init__(self) -> None:
        self.signature: Signature | None = None
        self.shown: bytearray | None = None
        self.is_closed = False
        self.is_written = False
        self.has_left = False
        self.has_told_left = False
        self.young: bytes | None = None
        self.doubted: tuple[Signature, bytes | None] | None = None
        self.former: bytes | None = None
        self.former_end: int | None = None


class Contents:
    """Sizes, reads and writes of regular files.

    `tell` takes what the kernel must be told, `tell_now` tells it at once (see `Indexes`); `masked_changed` is called
    when a file that shows placeholders is another; `clock` gives nanoseconds since 1970.
    """

    def __init__(  # noqa: PLR0913 (each is one part of the view)
        self,
        lower: Lower,
        verdicts: "Verdicts",
        judge: Judge,
        history: History,
        *,
        tell: Callable[[bytes], None],
        tell_now: Callable[[bytes], None],
        masked_changed: Callable[[], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._lower = lower
        self._verdicts = verdicts
        self._judge = judge
        self._history = history
        self._tell = tell
        self._tell_now = tell_now
        self._masked_changed = masked_changed
        self._clock = clock
        self._showing: set[Node] = set()
        self._asked: Node | None = None  # whose attributes are asked for
        self.begun = 0
        """How often a file has begun to show placeholders."""

    @property
    def showing(self) -> Iterator[Node]:
        """The files that show placeholders."""
        return iter(tuple(self._showing))

    def is_closed(self, node: Node) -> bool:
        """Tell whether a file cannot be opened."""
        return self._verdicts.of(node) in CLOSED or (node.content is not None and node.content.is_closed)

    def is_shown(self, node: Node) -> bool:
        """Tell whether a file shows placeholders."""
        return node.content is not None and node.content.shown is not None

    def is_young(self, signature: Signature) -> bool:
        """Tell whether a state is so young that the next one may bear the same times."""
        return self._clock() - max(signature[0], signature[1]) < YOUNG

    def _may_move(self, signature: Signature) -> bool:
        """Tell whether the content may change without a trace: by the clock's tick, or through a mapping of the host's.

        A page that was written to through a mapping moves no time again until it was written back, after 35 s at most
        by the kernel's settings (dirty_expire_centisecs, dirty_writeback_centisecs). A large file is not compared so
        long: it would be read whole for each piece of it.
        """
        age = self._clock() - max(signature[0], signature[1])
        return age < YOUNG or (age < _WRITTEN_BACK and signature[2] <= _MOST_COMPARED)

    def judged_anew(self, node: Node) -> bool:
        """Take notice of another verdict; True when what the kernel has of the file may be wrong now.

        Of its attributes it is told here.
        """
        if node.reported is not None:
            self._tell_now(wire.invalidate_attributes(node.number))
        if node.content is None:
            return node.reported is not None
        self.changed_outside(node)
        if self._verdicts.of(node) is Mode.PASS:
            self.show(node, node.content, None)
            node.content = None
            return True
        return False

    def size(self, node: Node, about: os.stat_result) -> int:
        """Give the size that is shown, looking at the file if that was not done. Raises OSError.

        A closed file has its own: of an empty one nothing would be asked that could be refused.
        """
        mode = self._verdicts.of(node)
        if mode is Mode.PASS or mode in CLOSED:
            return about.st_size
        content = content_of(node)
        if content.signature != signature_of(about) or (content.young is not None and not content.is_written):
            self._asked = node
            try:
                self._look(node, content, about)
            finally:
                self._asked = None
        content.former = None
        return about.st_size if content.shown is None else len(content.shown)

    def see(self, node: Node, about: os.stat_result) -> None:
        """Look at a file in this state unless that was done, or it is as the inside wrote it. Raises OSError."""
        if self._verdicts.of(node) in (Mode.PASS, *CLOSED):
            return
        content = content_of(node)
        if content.signature != signature_of(about) or (content.young is not None and not content.is_written):
            self._look(node, content, about)

    def knows(self, node: Node, about: os.stat_result, path: bytes) -> bool:
        """Tell whether the size can be given without reading the file, whose path this is."""
        mode, content = self._verdicts.of(node), node.content
        if mode is Mode.PASS or mode in CLOSED:
            return True
        if content is not None and content.signature == signature_of(about) and content.young is None:
            return True
        return self._takes_as_clean(node, content_of(node), about, path)

    def read(self, node: Node, offset: int, buffer: memoryview) -> int:
        """Read into `buffer`; give how many bytes. Raises OSError."""
        mode = self._verdicts.of(node)
        if mode is Mode.PASS:
            return os.preadv(self._lower.reading(node), (buffer,), offset)
        if mode in CLOSED:
            raise forbidden()
        content = content_of(node)
        descriptor = self._lower.reading(node)
        for _ in range(_TRIES):
            seen = None
            if content.signature is None:
                seen = self.settle(node, content)
            if content.is_closed:
                raise forbidden()
            size = _shown_in(content, descriptor, offset, buffer)
            about = os.fstat(descriptor)
            if content.signature == signature_of(about) and (content.young is None or self._is_same(node, content)):
                return size
            if offset >= MOST_BYTES:
                return size
            if seen is not None:
                return _copy(seen, offset, buffer)  # someone writes to it all the time: this was looked at
            content.signature = content.former = None
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def wrote(self, node: Node) -> None:
        """Keep in mind the state that we made, so that it is not taken for a change of somebody else's."""
        node.reported = node.written = signature_of(os.fstat(self._lower.writing(node)))
        content = node.content
        if content is not None:
            content.signature, content.is_written, content.young = node.written, True, None
            content.former = None
            if content.shown is not None:
                self._masked_changed()

    def changed_outside(self, node: Node) -> None:
        """Take notice that someone outside has changed the file."""
        node.is_insides = False
        if node.content is not None:
            node.content.signature, node.content.is_written, node.content.has_left = None, False, False
            node.content.doubted = node.content.former = node.content.former_end = None
            if node.content.shown is not None:
                self._masked_changed()

    def doubted(self, node: Node) -> bool:
        """Take notice that other values are known; True when what the kernel knows of the file may be wrong now.

        What the inside has just written is looked at when it rests.
        """
        content = node.content
        if content is None or content.is_written:
            return False
        if content.signature is not None:
            content.doubted = content.signature, content.young
        content.signature = None
        if content.shown is not None:
            self._masked_changed()
        return True

    def restated(self, node: Node, before: Signature, after: Signature) -> None:
        """Keep in mind that a change of name, mode or times is ours: what is in the file is what it was."""
        content = node.content
        if content is not None and content.signature == before:
            content.signature = after
            if content.shown is not None:
                self._masked_changed()

    def dropped(self, node: Node) -> None:
        """Take notice that the kernel has forgotten a file."""
        if node in self._showing:
            self._showing.discard(node)
            self._masked_changed()

    def shown_now(self, node: Node, most: int) -> bytes | None:
        """Give what the inside sees in a file; None if it is larger than `most`, closed, or was not looked at."""
        content = node.content
        if self.is_closed(node):
            return None
        try:
            descriptor = self._lower.reading(node)
            about = os.fstat(descriptor)
            if self._verdicts.of(node) is not Mode.PASS:
                if content is None or content.signature != signature_of(about):
                    return None
                if content.shown is not None:
                    return bytes(content.shown) if len(content.shown) <= most else None
            return os.pread(descriptor, about.st_size, 0) if about.st_size <= most else None
        except OSError:
            return None

    def size_now(self, node: Node) -> int:
        """Give the size of the real file. Raises OSError."""
        return os.fstat(self._lower.reading(node)).st_size

    def look(self, node: Node) -> bool:
        """Look at a file if its state is not the one that was looked at; tell whether it was not. Raises OSError."""
        if self._verdicts.of(node) in (Mode.PASS, *CLOSED):
            return False
        content = content_of(node)
        before, was_written = content.signature, content.is_written
        self._look(node, content, os.fstat(self._lower.reading(node)))
        return (before, was_written) != (content.signature, content.is_written)

    def stands(self, node: Node, about: os.stat_result) -> None:
        """Look at a file in this state that is about to be changed; its own changes it may make unseen. Raises OSError.

        EACCES where it cannot be shown.
        """
        content = content_of(node)
        if content.signature is None and node.written == signature_of(about):
            pass  # a copy of ours that goes on
        elif content.signature != signature_of(about) or (content.young is not None and not content.is_written):
            self._look(node, content, about)
        if content.is_closed:
            raise forbidden()

    def holds_values(self, node: Node) -> bool:
        """Tell whether a file holds what the inside may not see, or may do so, looking at it. Raises OSError.

        A secret that the inside has written itself is none, though it is masked by now.
        """
        if node.is_insides and node.written == signature_of(os.fstat(self._lower.reading(node))):
            return False
        self.look(node)
        return self.is_shown(node) or self.is_closed(node)

    def real_now(self, node: Node) -> bytes:
        """Give the real content of a file that shows placeholders. Raises OSError."""
        return bytes(whole(self._lower.reading(node)))

    def _look(self, node: Node, content: Content, about: os.stat_result) -> None:
        if content.signature == signature_of(about) and not content.is_written and self._is_same(node, content):
            return
        if not self._takes_as_clean(node, content, about):
            self.settle(node, content)

    def _takes_as_clean(self, node: Node, content: Content, about: os.stat_result, path: bytes = b"") -> bool:
        """Take a file as looked at that is empty, or known to be clean in this state; it need not be read."""
        state = signature_of(about)
        if about.st_size and (self.is_young(state) or not self._judge.is_clean(path or node.path(), about)):
            return False
        self._found(node, content, state, None, is_closed=False)
        content.young = None
        return True

    def _found(self, node: Node, content: Content, state: Signature, shown: bytes | None, *, is_closed: bool) -> None:
        """Keep what was found; tell the kernel where it was told something else.

        Of another size it hears at once, or as the answer for which it waits: then it drops what it has by itself. What
        it is told later would have it not take an answer that is on its way, and cut the next read.
        """
        is_other = content.shown != shown or content.is_closed != is_closed
        if is_other and content.is_written and node.written == state and content.former_end is None:
            content.former_end = state[2] if content.shown is None else len(content.shown)
        was = (node.reported or state)[2] if content.shown is None else len(content.shown)
        now = state[2] if shown is None else len(shown)
        was_closed = content.is_closed
        content.is_closed, content.is_written = is_closed, False
        self.show(node, content, None if shown is None else bytearray(shown))
        content.signature = state
        if not is_other or node.reported is None:
            return
        if was == now or content.is_closed or was_closed:
            self._tell(wire.invalidate_node(node.number))
        elif node is not self._asked:
            self._tell_now(wire.invalidate_attributes(node.number))

    def _is_same(self, node: Node, content: Content) -> bool:
        """Tell whether a young state is still the one that was looked at."""
        if content.young is None:
            return True
        assert content.signature is not None  # noqa: S101 (it was looked at)
        is_same = _digest(_read_first(self._lower.reading(node), content.signature[2])) == content.young
        if is_same and not self._may_move(content.signature):
            content.young = None
        return is_same

    def settle(self, node: Node, content: Content) -> bytes | None:
        """Read a file and find out what is shown for it, and give that; None for what need not be looked at."""
        path = node.path()
        descriptor = self._lower.reading(node)
        stood = (content.signature, None) if content.is_written else content.doubted
        shown = content.shown
        content.signature = content.doubted = None  # whatever is raised from here on: it was not looked at
        if self._takes_as_clean(node, content, os.fstat(descriptor), path):
            return None
        data, state = _read_still(descriptor)
        content.young = _digest(data) if self._may_move(state) else None
        masked = self._judge.masked(path, data, self._verdicts.of(node))
        is_whole, is_same = len(data) <= MOST_BYTES, masked == data
        is_closed = masked is None or (not is_whole and (not is_same or node.mode is Mode.MASK))
        self._found(node, content, state, None if is_same or is_closed else masked, is_closed=is_closed)
        if content.shown != shown and stood in ((state, None), (state, content.young)) and len(data) <= _MOST_FORMER:
            # All of it was shown before: a read that is under way is cut at the size that the kernel knows of it.
            content.former = data if shown is None else bytes(shown)
        return masked

    def show(self, node: Node, content: Content, shown: bytearray | None) -> None:
        """Set what is shown; tell when a file begins to show placeholders."""
        was_shown = content.shown is not None
        content.shown = shown
        if shown is not None:
            self._showing.add(node)
            if not was_shown:
                self.begun += 1
                self._history.put(self._history.witness.masked, node.path())
        elif was_shown:
            self._showing.discard(node)
        if was_shown or shown is not None:
            self._masked_changed()


def content_of(node: Node) -> Content:
    """Give what is known of a file's content, and may be nothing yet."""
    if node.content is None:
        node.content = Content()
    return node.content


def _shown_in(content: Content, descriptor: int, offset: int, buffer: memoryview) -> int:
    shown = content.shown if content.former is None else content.former
    return os.preadv(descriptor, (buffer,), offset) if shown is None else _copy(shown, offset, buffer)


def _copy(content: bytes | bytearray, offset: int, buffer: memoryview) -> int:
    part = content[offset : offset + len(buffer)]
    buffer[: len(part)] = part
    return len(part)


def _read_still(descriptor: int) -> tuple[bytes, Signature]:
    """Read a file that does not change meanwhile, if that can be had; give its state before, too."""
    for _ in range(_TRIES):
        before = signature_of(os.fstat(descriptor))
        data = _read_first(descriptor, before[2])
        if signature_of(os.fstat(descriptor)) == before:
            break
    return data, before


def _read_first(descriptor: int, size: int) -> bytes:
    """Read what is looked at of a file, and one byte more to see that there is more."""
    return os.pread(descriptor, min(size, MOST_BYTES) + 1, 0)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def forbidden() -> OSError:
    """Give the error for what policy does not allow."""
    return OSError(errno.EACCES, os.strerror(errno.EACCES))


def too_large() -> OSError:
    """Give the error for a file that would be larger than one in which placeholders stand may be."""
    return OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def whole(descriptor: int) -> bytearray:
    """Read a file whole. Raises OSError: EFBIG where it is too large to be held in memory."""
    size = os.fstat(descriptor).st_size
    if size > MOST_BYTES:
        raise too_large()
    return bytearray(os.pread(descriptor, size, 0))

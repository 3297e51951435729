"""What becomes of what the inside writes: promise 3 for the FUSE view.

Rules:
1. In a file that shows placeholders the inside writes and cuts what is shown; the real file gets that with every
   placeholder restored, before the write call returns.
2. A text that shows no placeholder becomes one that does with the write that completes one, also when the placeholder
   comes in pieces or in any order: each write is looked at together with its neighbours in the file.
3. In a binary a placeholder stays as it is: restoring changes the length, and with it what the file says of itself. A
   file that has NULs only while it is made (a mapping, room made in advance) is no binary: it is restored at rest. So
   a long write with a NUL in it is searched at rest, where no placeholder in it could be restored before anyway.
4. Where policy is strict, a write that breaks a placeholder is refused, unless the next write may heal it.
5. A value is put only where every later look at the file finds it, also that of the next session, which knows nothing
   of this one: not into a file that is larger than what is looked at, nor one whose name alone lets it pass unseen; and
   what is masked only where it stands (`plan.restoring`) not where it would be seen. There its placeholder stays, and
   that is told; a file that holds values cannot grow so large.
"""

import contextlib
import errno
import os

from wrapper import linux
from wrapper.view.contents import (
    CLOSED,
    MOST_BYTES,
    Content,
    Contents,
    Judge,
    Mode,
    content_of,
    forbidden,
    too_large,
    whole,
)
from wrapper.view.history import History
from wrapper.view.lower import Lower
from wrapper.view.nodes import Node, signature_of
from wrapper.view.placeholders import (
    LARGE,
    LONGEST,
    MARK,
    TEXT_HEAD,
    Marks,
    damage_by_write,
    head_of,
    may_belong,
    stem_of,
    tail_of,
)
from wrapper.view.verdicts import Verdicts

_MOST_COPIED = 64 << 20  # bytes at once: others wait meanwhile
_PIECE = 1 << 20  # bytes read at once
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Writing:
    """Writes, cuts and restores regular files."""

    def __init__(self, lower: Lower, verdicts: Verdicts, contents: Contents, judge: Judge, history: History) -> None:
        self._lower = lower
        self._verdicts = verdicts
        self._contents = contents
        self._judge = judge
        self._history = history
        self._marks = Marks()

    def ready(self, node: Node) -> os.stat_result:
        """Look at a file that is about to be changed, and make it writable for us; give its state. Raises OSError."""
        mode = self._verdicts.of(node)
        if mode in CLOSED:
            raise forbidden()
        about = os.fstat(self._lower.writing(node))
        if mode is not Mode.PASS:
            self._contents.stands(node, about)
            if self._contents.is_shown(node) and self._verdicts.passes_by_name(node):
                raise forbidden()  # rule 5: it would get values
        return about

    def write(self, node: Node, offset: int, buffer: bytearray, start: int, end: int) -> None:
        """Write what stands in `buffer` from `start` to `end`; the file must be `ready`. Raises OSError."""
        content = node.content
        data = memoryview(buffer)[start:end]
        if content is not None:
            self._must_not_damage(node, content, offset, data)
            if content.shown is None:
                self._look_for_placeholder(node, content, offset, buffer, start, end)
        if content is None or content.shown is None:
            _write_all(self._lower.writing(node), data, offset)
        else:
            self._write_shown(node, content, offset, bytes(data))
        self._contents.wrote(node)

    def place(self, node: Node, offset: int, size: int) -> int:
        """Say where a write at `offset` into a file that is `ready` belongs. Raises OSError.

        Who writes on after the file came to rest means its end, wherever that is now. Who starts at the beginning knows
        what is shown.
        """
        content = node.content
        if content is None or content.former_end is None:
            return offset
        if not offset:
            content.former_end = None
        if offset != content.former_end:
            return offset
        content.former_end += size
        return self.end_of(node)

    def copy(self, source: Node, offset: int, node: Node, start: int, length: int) -> int:
        """Copy bytes of one file into another that is `ready`; give how many.

        Raises OSError: EOPNOTSUPP where one of them is not looked at or shows placeholders, or the source is changed
        meanwhile, so that the bytes come through us as a write. What was copied is the source's, not the inside's: it
        is looked at before it is read.
        """
        self._contents.see(source, os.fstat(self._lower.reading(source)))
        if self._verdicts.of(source) in CLOSED or self._contents.is_closed(source):
            raise forbidden()
        content = node.content
        if content is None or source.content is None or content.shown is not None or source.content.shown is not None:
            raise _not_as_a_copy()
        seen = source.content.signature
        if source.content.young is not None:
            raise _not_as_a_copy()  # its next state may look like this one
        most = min(length, _MOST_COPIED)
        read, write = self._lower.reading(source), self._lower.writing(node)
        node.is_insides = False
        copied = os.copy_file_range(read, write, most, offset, start)
        if signature_of(os.fstat(read)) != seen and source is not node:
            _write_all(write, memoryview(bytes(copied)), start)  # what was copied is not what was looked at
            self._contents.wrote(node)
            raise _not_as_a_copy()
        self._contents.wrote(node)
        content.signature, content.is_written = None, False
        content.has_left = start + copied <= MOST_BYTES
        content.former_end = start + copied if start + copied == self._contents.size_now(node) else None
        return copied

    def cut(self, node: Node, size: int) -> None:
        """Set the size (truncate(2)); the file must be `ready`. Raises OSError."""
        content = node.content
        if content is not None:
            content.former_end = None
        if content is None or content.shown is None or size == 0:
            os.ftruncate(self._lower.writing(node), size)
            if content is not None:
                self._contents.show(node, content, None)
        elif size >= len(content.shown):
            self._lengthen(node, content.shown, size)
        else:
            del content.shown[size:]
            self._rewrite(node, content)
        self._contents.wrote(node)

    def grow(self, node: Node, offset: int, length: int) -> None:
        """Make room (posix_fallocate(3)); the file must be `ready`. Raises OSError."""
        content = node.content
        if content is None or content.shown is None:
            os.posix_fallocate(self._lower.writing(node), offset, length)
        elif offset + length > len(content.shown):
            self._lengthen(node, content.shown, offset + length)
        self._contents.wrote(node)

    def end_of(self, node: Node) -> int:
        """Give the size that is shown of a file that is `ready`. Raises OSError."""
        if node.content is not None and node.content.shown is not None:
            return len(node.content.shown)
        return os.fstat(self._lower.writing(node)).st_size

    def make_room(self, node: Node) -> None:
        """Reserve what a file takes with every placeholder restored. Raises OSError where the disk is full."""
        descriptor = self._lower.reading(node)
        size = os.fstat(descriptor).st_size
        if size > MOST_BYTES or not self._holds_mark(descriptor):
            return
        real = len(self._judge.restored(bytes(whole(descriptor))))
        if real > size:
            try:
                linux.reserve(self._lower.writing(node), real)
            except OSError as error:
                if error.errno in _FULL:
                    raise

    def restore(self, node: Node) -> None:
        """Restore what stayed a placeholder in a file of which something else holds now. Raises OSError.

        Nobody looked at it before, or what it held would have been seen there.
        """
        content = content_of(node)
        if not self._contents.is_closed(node):
            content.has_left = content.has_left or content.shown is None
            self._restore_left(node, content)

    def look_again(self, node: Node) -> None:
        """Look at what the inside wrote, now that it has come to rest."""
        content = node.content
        if content is None or self._contents.is_closed(node):
            return
        with contextlib.suppress(OSError):  # it is gone meanwhile
            if content.has_left:
                self._restore_left(node, content)
            if content.is_written:
                self._contents.look(node)

    def _look_for_placeholder(
        self, node: Node, content: Content, offset: int, buffer: bytearray, start: int, end: int
    ) -> None:
        """Take notice of what a write into a file that shows no placeholder makes of it. Raises OSError."""
        if end - start >= LARGE and buffer.find(0, start, end) >= 0:
            content.has_left = True  # a binary at least for now: whether it holds a placeholder is seen at rest
        elif self._completes(node, offset, buffer, start, end):
            if self._will_be_binary(node, offset, memoryview(buffer)[start:end]):
                content.has_left = True
            elif why := self._why_it_stays(node, offset + end - start):
                self._tell_left(node, content, why)
            else:
                self._contents.show(node, content, whole(self._lower.reading(node)))

    def _completes(self, node: Node, offset: int, buffer: bytearray, start: int, end: int) -> bool:
        """Tell whether a write completes a placeholder that stands for a value, with its neighbours in the file."""
        head = may_belong(buffer[start]) and offset > 0
        tail = may_belong(buffer[end - 1])
        if not head and not tail:
            return self._restores_in(buffer, start, end)
        descriptor = self._lower.writing(node)
        first = os.pread(descriptor, min(LONGEST, offset), max(0, offset - LONGEST)) if head else b""
        last = os.pread(descriptor, LONGEST, offset + end - start) if tail else b""
        before, behind = tail_of(first), head_of(last)
        if before or behind:
            return self._restores(before + bytes(buffer[start:end]) + behind)
        return self._restores_in(buffer, start, end)

    def _restores_in(self, buffer: bytearray, start: int, end: int) -> bool:
        at = self._marks.first(buffer, start, end)
        return at >= 0 and self._restores(bytes(buffer[at:end]))

    def _restores(self, window: bytes) -> bool:
        return MARK in window and self._judge.restored(window) != window

    def _why_it_stays(self, node: Node, end: int) -> str:
        """Say why placeholders stay as they are in a file that is written to up to `end` (rule 5); "": they do not."""
        if max(end, self._contents.size_now(node)) > MOST_BYTES:
            return f"it is larger than {MOST_BYTES >> 20} MiB"
        return "what has this name is shown as it is" if self._verdicts.passes_by_name(node) else ""

    def _tell_left(self, node: Node, content: Content, why: str) -> None:
        if not content.has_told_left:
            content.has_told_left = True
            self._history.put(self._history.witness.left, node.path(), why)

    def _will_be_binary(self, node: Node, offset: int, data: memoryview) -> bool:
        """Tell whether a file is a binary once this is written: with a NUL at its beginning or in what is written."""
        if b"\0" in bytes(data):
            return True
        head = os.pread(self._lower.writing(node), TEXT_HEAD, 0)
        return b"\0" in head[:offset].ljust(min(offset, TEXT_HEAD), b"\0") or b"\0" in head[offset + len(data) :]

    def _restore_left(self, node: Node, content: Content) -> None:
        """Restore what was left in a file that looked like a binary while it was made, and is none; tell if it is.

        So with what would have been seen then, when more was to be written around it. A large file stays as it is.
        """
        descriptor = self._lower.reading(node)
        if self._why_it_stays(node, 0):
            return
        if content.shown is not None:
            self._restore_shown(node, content, bytes(content.shown))
            return
        if not self._holds_mark(descriptor):
            content.has_left = False
            return
        data = whole(descriptor)
        if b"\0" not in data:
            content.has_left = False
            if self._restores(bytes(data)):
                self._contents.show(node, content, data)
                self._rewrite(node, content)
                self._contents.wrote(node)
            if content.has_left:
                content.has_left = False
                self._tell_left(node, content, "its value would be seen there")
        elif not content.has_told_left and self._restores(bytes(data)):  # what was copied was not looked at for any
            self._tell_left(node, content, "it is a binary file")

    def _restore_shown(self, node: Node, content: Content, shown: bytes) -> None:
        """Do so in a file that shows placeholders, if nobody else has changed it meanwhile; tell of what stays."""
        content.has_left = False
        if node.written != signature_of(os.fstat(self._lower.reading(node))):
            return
        if self._real(node, shown) != self._contents.real_now(node):
            self._rewrite(node, content)
            self._contents.wrote(node)
        if content.has_left or self._restores(self._contents.real_now(node)):
            content.has_left = False
            self._tell_left(node, content, "its value would be seen there")

    def _holds_mark(self, descriptor: int) -> bool:
        """Tell whether a file may hold a placeholder; read in pieces, so that a large one takes no memory."""
        at, before = 0, b""
        while data := os.pread(descriptor, _PIECE, at):
            if self._marks.first(bytearray(before + data), 0, len(before) + len(data)) >= 0:
                return True
            at, before = at + len(data), data[1 - len(MARK) :]
        return False

    def _must_not_damage(self, node: Node, content: Content, offset: int, data: memoryview) -> None:
        """Refuse a write that breaks a placeholder, where policy is strict. Raises OSError (EIO)."""
        work = node.work
        before = work.shown if work is not None and work.shown is not None else content.shown
        if before is None or not self._judge.is_strict:
            return
        shown = whole(self._lower.reading(node)) if content.shown is None else content.shown
        found = damage_by_write(self._judge.damaged, shown, bytes(before), offset, bytes(data))
        if not found:
            return
        real = work.real if work is not None and work.real is not None else self._contents.real_now(node)
        for one in found:
            self._history.put(self._history.witness.damaged, node.path(), one.text, real, refused=True)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _write_shown(self, node: Node, content: Content, offset: int, data: bytes) -> None:
        shown = content.shown
        assert shown is not None  # noqa: S101 (the caller has looked)
        if offset + len(data) > MOST_BYTES:
            raise too_large()
        end = len(shown)
        hangs = self._judge.hangs(shown) or self._judge.hangs(data)
        if not hangs and (offset > end or (offset == end and self._stands_alone(shown, data))):
            self._append(node, shown, offset, data)
            return
        shown += bytes(max(0, offset - end))
        shown[offset : offset + len(data)] = data
        self._rewrite(node, content)

    def _append(self, node: Node, shown: bytearray, offset: int, data: bytes) -> None:
        """Put data behind what is shown, with NULs between; what stands before needs no look."""
        self._lengthen(node, shown, offset)
        descriptor, real = self._lower.writing(node), self._judge.restored(data)
        size = os.fstat(descriptor).st_size
        if size + len(real) > MOST_BYTES:
            raise too_large()
        try:
            _write_all(descriptor, memoryview(real), size)
        except OSError:
            self._contents.changed_outside(node)  # a part of it may be on disk
            raise
        shown += data
        self._has_restored(node, is_so=real != data)

    def _lengthen(self, node: Node, shown: bytearray, size: int) -> None:
        """Put NULs behind what is shown and what is real."""
        more = size - len(shown)
        if more:
            descriptor = self._lower.writing(node)
            real = os.fstat(descriptor).st_size + more
            if max(size, real) > MOST_BYTES:
                raise too_large()
            os.ftruncate(descriptor, real)
            shown += bytes(more)

    def _stands_alone(self, shown: bytearray, data: bytes) -> bool:
        """Tell whether what is put behind makes no placeholder together with what stands before it."""
        stem = stem_of(shown)
        return not stem or self._judge.restored(stem + data) == stem + self._judge.restored(data)

    def _rewrite(self, node: Node, content: Content) -> None:
        """Make the real file what is shown, restored; in place, and whole or not at all where the disk is full."""
        shown = content.shown
        assert shown is not None  # noqa: S101 (as above)
        descriptor = self._lower.writing(node)
        try:
            real = self._real(node, bytes(shown))
            if len(real) > MOST_BYTES:
                raise too_large()
            size = os.fstat(descriptor).st_size
            if len(real) > size:
                os.posix_fallocate(descriptor, size, len(real) - size)
            _write_all(descriptor, memoryview(real), 0)
            os.ftruncate(descriptor, len(real))
        except (OSError, MemoryError):
            self._contents.changed_outside(node)  # what is shown is not what is on disk
            raise
        content.has_left = content.has_left or self._restores(real)  # what is written next to it may change that
        if real == shown:
            self._contents.show(node, content, None)
        else:
            self._has_restored(node, is_so=True)

    def _real(self, node: Node, shown: bytes) -> bytes:
        return self._judge.real(node.path(), shown, self._verdicts.lasting(node))

    def _has_restored(self, node: Node, *, is_so: bool) -> None:
        node.is_insides = node.is_insides and not is_so
        if is_so and node.work is not None:
            node.work.has_restored = True


def _not_as_a_copy() -> OSError:
    return OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], offset + written)

"""The real tree, reached from a descriptor of its root and never through a link or a path that others could change.

A folder is held by a descriptor, opened by name in its parent's and without following links; files are opened in their
folder's. So whatever is swapped for a link on the way is an error, not another file. Descriptors are kept as long as
there is room and opened again where they were closed; what opens must be the inode that the node stands for.
"""

import contextlib
import ctypes
import errno
import os
import resource
from collections import OrderedDict
from typing import Final

from wrapper.view.nodes import Node, key_of

_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 256 << 10
_SPARE: Final = 256  # descriptors left for all else
_MOST: Final = 16384
_UNWRITABLE: Final = frozenset((errno.EACCES, errno.EPERM, errno.EROFS, errno.ETXTBSY))

_libc = ctypes.CDLL(None, use_errno=True)


def allow_descriptors() -> int:
    """Raise this process's limit of open files as far as it goes; give how many may be kept (getrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 2 * _MOST) if hard != resource.RLIM_INFINITY else 2 * _MOST
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(64, min(_MOST, max(soft, wanted) - _SPARE))


def return_memory() -> None:
    """Give large buffers back to the system as soon as they are free (mallopt(3)): else what was used once is kept.

    One file that is looked at whole takes 16 MiB for a moment.
    """
    with contextlib.suppress(AttributeError):  # not every C library has it
        _libc.mallopt(_MMAP_THRESHOLD, _LARGE)


class Lower:
    """Descriptors of nodes; `root` is that of the real tree's root, `most` how many others may be open."""

    def __init__(self, root: int, most: int) -> None:
        self.root = root
        self._most = most
        self._kept: OrderedDict[Node, None] = OrderedDict()
        self._pinned: OrderedDict[Node, None] = OrderedDict()

    def folder(self, node: Node) -> int:
        """Give a folder's descriptor. Raises OSError: ESTALE where another folder stands there now, or none."""
        if node.descriptor >= 0:
            if node.parent is not None:
                self._kept.move_to_end(node)
            return node.descriptor
        closed, above = [node], node.parent
        while above is not None and above.descriptor < 0:
            closed.append(above)
            above = above.parent
        if above is None:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        at = above.descriptor
        for one in reversed(closed):
            try:
                opened = os.open(one.name, _FOLDER, dir_fd=at)
            except FileNotFoundError as error:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE)) from error
            self._keep(one, self._checked(one, opened))
            at = opened
        return at

    def about(self, parent: Node, name: bytes) -> os.stat_result:
        """Tell what stands at a name. Raises OSError."""
        return os.stat(name, dir_fd=self.folder(parent), follow_symlinks=False)

    def about_node(self, node: Node) -> os.stat_result:
        """Tell of a node, by whichever way is open. Raises OSError."""
        if node.descriptor >= 0:
            return os.fstat(node.descriptor)
        if node.parent is None:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        about = self.about(node.parent, node.name)
        if key_of(about) != node.key:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return about

    def reading(self, node: Node) -> int:
        """Give a descriptor to read a file from. Raises OSError."""
        if node.descriptor >= 0:
            if node in self._kept:
                self._kept.move_to_end(node)
            return node.descriptor
        self._keep(node, self._open(node, os.O_RDONLY))
        return node.descriptor

    def writing(self, node: Node) -> int:
        """Give a descriptor to read and write a file. Raises OSError."""
        if node.descriptor >= 0 and node.is_writable:
            return node.descriptor
        opened = self._open(node, os.O_RDWR)
        self.close(node)
        self._keep(node, opened)
        node.is_writable = True
        return node.descriptor

    def try_writing(self, node: Node) -> None:
        """Open a file for writing while its mode allows that."""
        with contextlib.suppress(OSError):
            self.writing(node)

    def hold(self, node: Node) -> None:
        """Keep the bytes of a file within reach whose last name goes: it may be open inside."""
        if node.is_folder:
            return
        if node.descriptor < 0:
            with contextlib.suppress(OSError):
                try:
                    node.descriptor = self._open(node, os.O_RDWR)
                    node.is_writable = True
                except OSError as error:
                    if error.errno not in _UNWRITABLE:
                        raise
                    node.descriptor = self._open(node, os.O_RDONLY)
        self._kept.pop(node, None)
        self._pinned.pop(node, None)
        node.is_kept = True

    def take(self, node: Node, descriptor: int) -> None:
        """Take over the descriptor of a file that was just made, readable and writable."""
        if node.descriptor >= 0:
            os.close(descriptor)
            return
        self._keep(node, descriptor)
        node.is_writable = True

    def release(self, node: Node) -> None:
        """Take notice that the handle of a file is gone: its descriptor may be closed when room is needed."""
        if node in self._pinned:
            del self._pinned[node]
            self._keep(node, node.descriptor)

    def pin(self, node: Node) -> None:
        """Keep the descriptor of a file that is open inside with a handle, and whose mode forbids to open it again.

        Of many the oldest is released: a kernel that was told that there is no OPEN says no RELEASE either (6.18).
        """
        self._kept.pop(node, None)
        self._pinned[node] = None
        if len(self._pinned) > self._most // 2:
            self.release(next(iter(self._pinned)))

    def close(self, node: Node) -> None:
        """Close a node's descriptor, but the root's."""
        self._kept.pop(node, None)
        self._pinned.pop(node, None)
        if node.descriptor >= 0 and node.descriptor != self.root:
            os.close(node.descriptor)
            node.descriptor = -1
            node.is_writable = False

    def change_mode(self, node: Node, mode: int) -> None:
        """Set permission bits. Raises OSError."""
        if node.descriptor >= 0 and not node.is_folder:
            os.fchmod(node.descriptor, mode)
            return
        opened = self._open_path(node)
        try:
            os.chmod(f"/proc/self/fd/{opened}", mode)  # noqa: PTH101 (the file behind a descriptor)
        finally:
            os.close(opened)

    def change_owner(self, node: Node, uid: int, gid: int) -> None:
        """Set owner and group; -1 leaves as it is. Raises OSError."""
        opened = self._open_path(node)
        try:
            os.chown(f"/proc/self/fd/{opened}", uid, gid)
        finally:
            os.close(opened)

    def change_times(self, node: Node, atime: int | None, mtime: int | None) -> None:
        """Set access and modification time in nanoseconds; None leaves one as it is. Raises OSError."""
        about = self.about_node(node)
        times = about.st_atime_ns if atime is None else atime, about.st_mtime_ns if mtime is None else mtime
        if node.descriptor >= 0 and not node.is_folder:
            os.utime(node.descriptor, ns=times)
        elif node.parent is not None:
            os.utime(node.name, ns=times, dir_fd=self.folder(node.parent), follow_symlinks=False)
        else:
            os.utime(f"/proc/self/fd/{self.root}", ns=times)

    def rename(self, parent: Node, name: bytes, target: Node, new_name: bytes, flags: int) -> None:
        """Rename (renameat2(2)). Raises OSError."""
        one, other = self.folder(parent), self.folder(target)
        if not flags:
            os.rename(name, new_name, src_dir_fd=one, dst_dir_fd=other)
        elif _libc.renameat2(one, name, other, new_name, flags):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def link(self, node: Node, target: Node, new_name: bytes) -> None:
        """Give a file another name. Raises OSError."""
        if node.parent is None:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        os.link(
            node.name,
            new_name,
            src_dir_fd=self.folder(node.parent),
            dst_dir_fd=self.folder(target),
            follow_symlinks=False,
        )

    def _open(self, node: Node, flags: int) -> int:
        if node.parent is None:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return self._checked(node, os.open(node.name, flags | _FILE, dir_fd=self.folder(node.parent)))

    def _open_path(self, node: Node) -> int:
        if node.descriptor >= 0:
            return os.dup(node.descriptor)
        if node.parent is None:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        return self._checked(node, os.open(node.name, flags, dir_fd=self.folder(node.parent)))

    def _checked(self, node: Node, descriptor: int) -> int:
        if key_of(os.fstat(descriptor)) != node.key:
            os.close(descriptor)
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return descriptor

    def _keep(self, node: Node, descriptor: int) -> None:
        node.descriptor = descriptor
        if node in self._pinned or node.is_kept:
            return
        self._kept[node] = None
        while len(self._kept) > self._most:
            oldest = next(one for one in self._kept if one is not node)
            self.close(oldest)

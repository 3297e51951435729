"""The workspace shown through bind mounts: a masked or denied file is covered by a file of ours.

Rules of this adapter:
- All mounts are made in a user and mount namespace of the view's own process (the *mounter*), in which the sandbox
  is then started. Nothing is ever mounted in the host's namespace, so nothing can stay behind.
- The roots (workspace, state folders) are shared mounts there; the sandbox's copies are their slaves, so that a cover
  made later also appears inside, in nested sandboxes too. A process inside that makes its mounts private first no
  longer gets later covers.
- A cover is a file in the staging folder, which holds placeholders only. It hides the file, not the name.
- A file that is replaced by rename on the host loses its cover until `cover` is called again (namespaces(7)): the
  watcher does that, and there is a window. A covered file can not be renamed or removed inside (EBUSY).
"""

import contextlib
import errno
import os
import signal
import socket
import stat
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from wrapper import linux
from wrapper.errors import ProtectionError
from wrapper.processes import fork
from wrapper.view.beneath import open_beneath

_SEPARATOR = b"\0"  # the one byte that no path holds
_LONGEST = 16384  # three paths of PATH_MAX and the verb


class BindsView:
    """The mounter's face to the session and to the guard; see `ports.View`."""

    def __init__(self, roots: Sequence[Path], staging: Path) -> None:
        """Start the mounter. `roots` are the host folders under which covers will be made; `staging` is private."""
        self._staging = staging
        self._covers: dict[str, Path] = {}
        self._count = 0
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        work = partial(_mounter, theirs, [str(root) for root in roots])
        self._process = fork("safe-view", work, keep=[theirs.fileno()])
        theirs.close()
        self._namespaces: list[int] = []

    def ready(self) -> None:
        """Wait until it stands. Raises ProtectionError `view` where user or mount namespaces are refused."""
        self._namespaces = self._started()

    @property
    def pidfd(self) -> int:
        """Becomes readable when the mounter ends."""
        return self._process.pidfd

    @property
    def namespaces(self) -> Sequence[int]:
        """Descriptors of the user and the mount namespace, in this order."""
        return self._namespaces

    def staged(self, path: str) -> Path | None:
        """Return the staging file that covers `path`, if any."""
        return self._covers.get(path)

    def cover(self, path: str, content: bytes | None, mode: int) -> None:
        """Show `content` at `path` inside, with permission bits `mode`; None cannot be opened at all.

        A cover that still stands gets the new content in place, so that open files see it. Raises OSError.
        """
        known = self._covers.get(path)
        staged = known or self._stage()
        if known is not None:
            staged.chmod(0o600)  # a file without permission bits could not be opened again
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _fill(descriptor, content or b"")
            os.fchmod(descriptor, 0 if content is None else mode)
        finally:
            os.close(descriptor)
        self._covers[path] = staged
        self.cover_again(path)

    def cover_again(self, path: str) -> None:
        """Put the cover back where a rename on the host took it away. Raises OSError."""
        self._ask(b"cover", os.fsencode(self._covers[path]), os.fsencode(path))

    def moved(self, path: str, target: str) -> None:
        """Take notice that a covered file has another path now; its cover went with it."""
        self._covers[target] = self._covers.pop(path)

    def cover_folder(self, path: str) -> None:
        """Show an empty folder at `path` inside. Raises OSError."""
        staged = self._stage()
        staged.mkdir(mode=0o500)
        self._covers[path] = staged
        self.cover_again(path)

    def protect(self, path: str) -> None:
        """Make `path` read-only inside. Raises OSError."""
        self._ask(b"protect", os.fsencode(path))

    def hold(self, path: str) -> None:
        """Keep the folder `path` from being moved away inside: a mount point cannot be (rename(2), EBUSY).

        Else a protected file's folder could be put aside and another put in its place. Raises OSError.
        """
        self._ask(b"hold", os.fsencode(path))

    def close(self) -> None:
        """End the mounter; with it and the sandbox the namespaces and all mounts are gone."""
        signal.pidfd_send_signal(self._process.pidfd, signal.SIGKILL)  # it may hang in a mount; it has nothing to lose
        self.connection.close()
        for descriptor in self._namespaces:
            os.close(descriptor)
        self._namespaces = []
        self._process.wait()

    def _started(self) -> list[int]:
        message, _ = linux.receive_descriptors(self.connection, 0)
        if message == b"map":  # only a root outside may map more than its own id (user_namespaces(7))
            _map_all(self._process.pid)
            self.connection.send(b"mapped")
            message, _ = linux.receive_descriptors(self.connection, 0)
        if message == b"ready":
            _, descriptors = linux.receive_descriptors(self.connection, 2)
            return descriptors
        raise ProtectionError(
            "view",
            f"cannot make a user and mount namespace: {os.fsdecode(message) or 'the mounter died'}",
            hint="`safe-agent doctor` says what forbids it and how to allow it",
        )

    def _stage(self) -> Path:
        self._count += 1
        return self._staging / str(self._count)

    def _ask(self, *words: bytes) -> None:
        self.connection.send(_SEPARATOR.join(words))
        answer = self.connection.recv(64)
        if answer != b"0":
            number = int(answer or errno.EPIPE)
            raise OSError(number, os.strerror(number), os.fsdecode(words[-1]))


def _fill(descriptor: int, content: bytes) -> None:
    """Write in place, whole; a full disk is noticed before the first byte. Raises OSError."""
    if content:
        os.posix_fallocate(descriptor, 0, len(content))
    written = 0
    while written < len(content):
        written += os.pwrite(descriptor, content[written:], written)
    os.ftruncate(descriptor, len(content))


def _map_all(pid: int) -> None:
    """Map every id of this namespace to itself, so that root inside still sees who owns what."""
    for name in ("uid_map", "gid_map"):
        rows = [line.split() for line in Path(f"/proc/self/{name}").read_text().splitlines()]
        text = "\n".join(f"{first} {first} {count}" for first, _, count in rows)
        Path(f"/proc/{pid}/{name}").write_text(text)


def _mounter(connection: socket.socket, roots: Sequence[str]) -> int:
    """Be the mounter until the other side closes."""
    try:
        _enter(connection, roots)
    except OSError as error:
        with contextlib.suppress(OSError):  # a session that was refused meanwhile listens no more
            connection.send(os.fsencode(f"{error.filename or ''}: {error.strerror}".lstrip(": ")))
        return 1
    _serve(connection, roots)
    return 0


def _enter(connection: socket.socket, roots: Sequence[str]) -> None:
    linux.set_parent_death_signal(signal.SIGKILL)
    uid, gid = os.getuid(), os.getgid()
    linux.set_dumpable(dumpable=True)  # the kernel gives /proc/self/uid_map to root while not
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    if uid == 0:
        connection.send(b"map")
        connection.recv(16)
    else:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    linux.set_dumpable(dumpable=False)
    linux.mount(None, "/", linux.MS_REC | linux.MS_PRIVATE)
    for root in roots:
        linux.mount(root, root, linux.MS_BIND | linux.MS_REC)
        linux.mount(None, root, linux.MS_SHARED | linux.MS_REC)
    namespaces = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in ("user", "mnt")]
    connection.send(b"ready")
    linux.send_descriptors(connection, b"namespaces", namespaces)


def _serve(connection: socket.socket, roots: Sequence[str]) -> None:
    while request := connection.recv(_LONGEST):
        verb, *paths = (os.fsdecode(word) for word in request.split(_SEPARATOR))
        answer = 0
        try:
            if verb == "cover":
                _cover(roots, *paths)
            elif verb == "hold":
                linux.mount(paths[0], paths[0], linux.MS_BIND | linux.MS_REC)
            else:
                linux.bind_read_only(*paths)
        except OSError as error:
            answer = error.errno or errno.EIO
        connection.send(str(answer).encode())


def _cover(roots: Sequence[str], staged: str, path: str) -> None:
    """Mount by descriptor: mount(2) would follow a link that stands in the way, and cover something else."""
    descriptor = open_beneath(roots, path, os.O_PATH)
    try:
        there = os.fstat(descriptor)
        if stat.S_ISLNK(there.st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if not os.path.samestat(Path(staged).stat(), there):
            linux.mount(staged, f"/proc/self/fd/{descriptor}", linux.MS_BIND)
    finally:
        os.close(descriptor)

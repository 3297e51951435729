"""The mounter: a process in a user and mount namespace of its own, in which the sandbox is then started.

Nothing is ever mounted in the host's namespace, so nothing can stay behind: what is mounted here is gone with the
mounter and the sandbox.

- Folders to be *served* get a FUSE file system of ours over them, mounted by mount(2): the kernel allows that in a
  user namespace to whoever opened `/dev/fuse` in it, and shows the files to its members only (fuse(4), `allow_other`).
  The device is handed out; whoever reads from it answers. The mounter reads none of it, and must not touch these
  folders before somebody answers.
- The other roots are shared mounts; the sandbox's copies are their slaves, so that a cover made later also appears
  inside, in nested sandboxes too. A process inside that makes its mounts private first no longer gets later covers.
"""

import collections
import contextlib
import errno
import os
import signal
import socket
import stat
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from wrapper import linux
from wrapper.view.beneath import FOLDER, open_below, open_beneath

SEPARATOR = b"\0"  # the one byte that no path holds
_LONGEST = 16384  # three paths of PATH_MAX and the verb


def be_mounter(connection: socket.socket, roots: Sequence[str], served: Sequence[str]) -> int:
    """Be the mounter until the other side closes; `served` are to be served by FUSE where that can be had."""
    mounter = _Mounter(connection, roots, served)
    try:
        mounter.enter()
    except OSError as error:
        with contextlib.suppress(OSError):  # a session that was refused meanwhile listens no more
            connection.send(os.fsencode(_said(error)))
        return 1
    with contextlib.suppress(ConnectionError):  # a session that was killed hears no answer
        mounter.serve()
    return 0


def _said(error: OSError) -> str:
    return f"{error.filename or ''}: {error.strerror}".lstrip(": ")


class _Mounter:
    def __init__(self, connection: socket.socket, roots: Sequence[str], served: Sequence[str]) -> None:
        self._connection = connection
        self._roots = roots
        self._served = served
        self._real: dict[str, int] = {}

    def enter(self) -> None:
        """Make the namespaces and what is mounted from the start; hand out their descriptors. Raises OSError."""
        linux.set_parent_death_signal(signal.SIGKILL)
        uid, gid = os.getuid(), os.getgid()
        linux.set_dumpable(dumpable=True)  # the kernel gives /proc/self/uid_map to root while not
        linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
        if uid == 0:
            self._connection.send(b"map")
            self._connection.recv(16)
        else:
            linux.map_ids(uid, gid)
        linux.set_dumpable(dumpable=False)
        linux.mount(None, "/", linux.MS_REC | linux.MS_PRIVATE)
        devices, refusal = self._serve_by_fuse()
        self._roots = [root for root in self._roots if not _is_below(root, self._real)]
        for root in self._roots:
            linux.mount(root, root, linux.MS_BIND | linux.MS_REC)
            linux.mount(None, root, linux.MS_SHARED | linux.MS_REC)
        namespaces = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in ("user", "mnt")]
        self._connection.send(b"ready")
        linux.send_descriptors(self._connection, b"." + os.fsencode(refusal), [*namespaces, *devices])
        for descriptor in (*namespaces, *devices):
            os.close(descriptor)  # whoever holds the device keeps the mount answered: that is the daemon alone

    def _serve_by_fuse(self) -> tuple[list[int], str]:
        """Mount what can be served; all of it or, with the reason, nothing."""
        devices: list[int] = []
        mounted: list[str] = []
        try:
            for root in self._served:
                real = os.open(root, FOLDER)
                self._real[root] = real
                devices.append(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
                linux.mount_fuse(devices[-1], root)
                mounted.append(root)
        except OSError as error:
            for descriptor in (*devices, *self._real.values()):
                os.close(descriptor)
            for root in mounted:
                linux.unmount(root)
            self._real = {}
            return [], _said(error)
        return devices, ""

    def serve(self) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the child that warms is nobody's to wait for
        work: dict[str, Callable[..., None]] = {
            "cover": self._cover,
            "hold": self._hold,
            "protect": linux.bind_read_only,
            "native": self._native,
        }
        while True:
            request, descriptors = linux.receive_descriptors(self._connection, 1, longest=_LONGEST)
            if not request:
                return
            verb, *words = (os.fsdecode(word) for word in request.split(SEPARATOR))
            answer = 0
            try:
                if descriptors:
                    _warm(words[0], descriptors[0])
                else:
                    work[verb](*words)
            except OSError as error:
                answer = error.errno or errno.EIO
            self._connection.send(str(answer).encode())

    def _cover(self, staged: str, path: str) -> None:
        """Mount by descriptor: mount(2) would follow a link that stands in the way, and cover something else."""
        descriptor = open_beneath((*self._roots, *self._real), path, os.O_PATH)
        try:
            there = os.fstat(descriptor)
            if stat.S_ISLNK(there.st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if not os.path.samestat(Path(staged).stat(), there):
                linux.mount(staged, f"/proc/self/fd/{descriptor}", linux.MS_BIND)
        finally:
            os.close(descriptor)

    def _hold(self, path: str) -> None:
        linux.mount(path, path, linux.MS_BIND | linux.MS_REC)

    def _native(self, root: str, path: str) -> None:
        """Show a folder of a served root as it is; the daemon must be answering already."""
        with contextlib.ExitStack() as opened:
            real = open_below(self._real[root], path, FOLDER)
            opened.callback(os.close, real)
            shown = open_beneath((root,), f"{root}/{path}", FOLDER)
            opened.callback(os.close, shown)
            linux.mount(f"/proc/self/fd/{real}", f"/proc/self/fd/{shown}", linux.MS_BIND | linux.MS_REC)


def _is_below(path: str, folders: Collection[str]) -> bool:
    return any(f"{path}/".startswith(f"{folder}/") for folder in folders)


def _warm(root: str, listed: int) -> None:
    """Read what is named in the file `listed` once, in a child: the kernel then knows names, attributes and pages."""
    if os.fork():
        os.close(listed)
        return
    with contextlib.suppress(BaseException):
        linux.set_parent_death_signal(signal.SIGKILL)
        os.nice(5)
        with open(listed, "rb") as file:
            names = file.read().split(SEPARATOR)
        for name in names:
            with contextlib.suppress(OSError):
                _read_once(os.fsencode(root) + b"/" + name)
    os._exit(0)


def _read_once(path: bytes) -> None:
    if os.path.isdir(path):  # noqa: PTH112 (bytes, which Path does not take)
        with os.scandir(path) as found:
            collections.deque(found, maxlen=0)
        return
    with open(path, "rb") as file:  # noqa: PTH123 (as above)
        while file.read(1 << 20):
            pass

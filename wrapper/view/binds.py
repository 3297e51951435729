"""The workspace shown through bind mounts: a masked or denied file is covered by a file of ours.

Rules of this adapter:
- All mounts are made by the mounter (see there), in whose namespaces the sandbox is then started.
- A folder that is served by FUSE needs no covers; files outside of the workspace, and those in folders that are shown
  natively, are covered in either case.
- A cover is a file in the staging folder, which holds placeholders only. It hides the file, not the name.
- A file that is replaced by rename on the host loses its cover until `cover` is called again (namespaces(7)): the
  watcher does that, and there is a window. A covered file can not be renamed or removed inside (EBUSY).
"""

import contextlib
import errno
import os
import signal
import socket
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from wrapper import linux
from wrapper.errors import ProtectionError
from wrapper.processes import fork
from wrapper.view.mounter import SEPARATOR, be_mounter

_MOST_DESCRIPTORS = 8
_NAMESPACES = 2  # the first of them


class BindsView:
    """The mounter's face to the session and to the guard."""

    def __init__(self, roots: Sequence[Path], staging: Path, *, served: Sequence[Path] = ()) -> None:
        """Start the mounter.

        `roots` are the host folders under which covers will be made, `served` those among them that are to be served
        by FUSE where that can be had; `staging` is private.
        """
        self.devices: Sequence[int] = ()
        """After `ready`: the device of each of `served`, for the daemon that answers; none where it cannot be had."""
        self.refusal = ""
        """After `ready`: why there is no device."""
        self._staging = staging
        self._covers: dict[str, Path] = {}
        self._count = 0
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        work = partial(be_mounter, theirs, [str(root) for root in roots], [str(root) for root in served])
        self._process = fork("safe-mount", work, keep=[theirs.fileno()])
        theirs.close()
        self._namespaces: list[int] = []

    def hand_over_devices(self) -> None:
        """Close the devices here: the daemon has them, and its end must be the mount's."""
        for device in self.devices:
            os.close(device)
        self.devices = ()

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

    def show_natively(self, root: Path, path: str) -> None:
        """Show the folder `path` of a served root as it is, past the daemon, which must answer. Raises OSError."""
        self._ask(b"native", os.fsencode(root), os.fsencode(path))

    def warm(self, root: Path, paths: Iterable[str]) -> None:
        """Let these folders and files of a served root be read once, in the background.

        Nothing stands on it: that the mounter is gone is noticed elsewhere.
        """
        listed = os.memfd_create("folders")
        try:
            with open(listed, "wb", closefd=False) as file:
                file.write(SEPARATOR.join(map(os.fsencode, paths)))
            os.lseek(listed, 0, os.SEEK_SET)
            with contextlib.suppress(OSError):
                linux.send_descriptors(self.connection, SEPARATOR.join((b"warm", os.fsencode(root))), [listed])
                self._hear("warm")
        finally:
            os.close(listed)

    def close(self) -> None:
        """End the mounter; with it and the sandbox the namespaces and all mounts are gone."""
        signal.pidfd_send_signal(self._process.pidfd, signal.SIGKILL)  # it may hang in a mount; it has nothing to lose
        self.connection.close()
        for descriptor in (*self._namespaces, *self.devices):
            os.close(descriptor)
        self._namespaces, self.devices = [], ()
        self._process.wait()

    def _started(self) -> list[int]:
        message = b""
        with contextlib.suppress(OSError):  # it died meanwhile
            message, _ = linux.receive_descriptors(self.connection, 0)
            if message == b"map":  # only a root outside may map more than its own id (user_namespaces(7))
                message = b""
                _map_all(self._process.pid)
                self.connection.send(b"mapped")
                message, _ = linux.receive_descriptors(self.connection, 0)
            if message == b"ready":
                message = b""
                said, descriptors = linux.receive_descriptors(self.connection, _MOST_DESCRIPTORS)
                self.refusal, self.devices = os.fsdecode(said[1:]), descriptors[_NAMESPACES:]
                if len(descriptors) >= _NAMESPACES:
                    return descriptors[:_NAMESPACES]
        raise ProtectionError(
            "view",
            f"cannot make a user and mount namespace: {os.fsdecode(message) or 'the mounter died'}",
            hint="`safe-agent doctor` says what forbids it and how to allow it",
        )

    def _stage(self) -> Path:
        self._count += 1
        return self._staging / str(self._count)

    def _ask(self, *words: bytes) -> None:
        self.connection.send(SEPARATOR.join(words))
        self._hear(os.fsdecode(words[-1]))

    def _hear(self, what: str) -> None:
        answer = self.connection.recv(64)
        if answer != b"0":
            number = int(answer or errno.EPIPE)
            raise OSError(number, os.strerror(number), what)


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

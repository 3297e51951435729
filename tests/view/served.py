"""A FUSE view served by a process of its own, in namespaces of its own, reached through `/proc/PID/root`."""

import contextlib
import os
import re
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wrapper import linux
from wrapper.view.contents import Damage, Mode
from wrapper.view.daemon import Daemon
from wrapper.view.nodes import Key
from wrapper.view.owners import Owners
from wrapper.view.witness import Change

SECRET = b"fake-hunter2-not-real"
PLACEHOLDER = b"MASKED-PASSWORD-ABCDEFGH"
_NEARLY = re.compile(rb"MASKED-PASSWORD-[A-Z0-9-]*")


class Scribe:
    """A witness that writes all it hears to a file, one line each; `None`: nowhere."""

    def __init__(self, place: Path | None = None) -> None:
        self._place = place

    def changed(self, change: Change) -> None:
        self._write("changed", change.by, change.action, change.path, change.target, change.ranges, change.before,
                    change.after, change.process)  # fmt: skip

    def read(self, files: Sequence[tuple[bytes, float, int]]) -> None:
        for one in files:
            self._write("read", *one)

    def masked(self, path: bytes) -> None:
        self._write("masked", path)

    def restored(self, path: bytes) -> None:
        self._write("restored", path)

    def damaged(self, path: bytes, text: str, real: bytes, *, refused: bool) -> None:
        self._write("damaged", path, text, real, refused)

    def left(self, path: bytes, why: str) -> None:
        self._write("left", path, why)

    def refused(self, path: bytes) -> None:
        self._write("refused", path)

    def appeared(self, path: bytes) -> None:
        self._write("appeared", path)

    def refs_moved(self, path: bytes) -> None:
        self._write("refs_moved", path)

    def _write(self, *told: object) -> None:
        if self._place is not None:
            with self._place.open("a") as file:
                file.write(repr(told) + "\n")


@dataclass
class PlainJudge:
    """One secret; files are judged by their endings, and `protected` are read-only."""

    protected: tuple[bytes, ...] = ()
    passed: tuple[bytes, ...] = ()
    strict: bool = False

    @property
    def is_strict(self) -> bool:
        return self.strict

    def by_name(self, path: bytes, *, is_folder: bool, is_own: bool = False) -> Mode:
        del is_folder
        modes = {b".env": Mode.MASK, b".hidden": Mode.HIDE, b".denied": Mode.DENY, b".passed": Mode.PASS}
        name = path.rpartition(b"/")[2]
        if name.endswith(b".key"):
            return Mode.MASK if is_own else Mode.HIDE
        return modes.get(name[name.rfind(b".") :], Mode.PASS if b"/.passed/" in b"/" + path else Mode.SCAN)

    def by_inode(self, key: Key) -> Mode | None:
        del key
        return None

    def holds_protected(self, path: bytes) -> bool:
        return any(path + b"/" in one for one in self.protected)

    def is_held(self, path: bytes) -> bool:
        return any(one.startswith(path + b"/") for one in self.protected)

    def damaged(self, data: bytes) -> Sequence[Damage]:
        return [
            Damage(one.start(), one.end(), f"`{one.group().decode()}` is cut")
            for one in _NEARLY.finditer(data)
            if one.group() != PLACEHOLDER
        ]

    def masked_paths(self) -> Iterable[bytes]:
        return ()

    def host_changed(self, path: bytes) -> None:
        del path

    def is_protected(self, path: bytes) -> bool:
        return path in self.protected

    def may_go(self, path: bytes) -> bool:
        del path
        return False

    def is_clean(self, path: bytes, about: os.stat_result) -> bool:
        del path, about
        return False

    def masked(self, path: bytes, data: bytes, mode: Mode) -> bytes | None:
        del path, mode
        if data.startswith(b"judge, fail"):
            raise ValueError("asked to")
        return data.replace(SECRET, PLACEHOLDER)

    def restored(self, data: bytes) -> bytes:
        return re.sub(PLACEHOLDER, SECRET, data) if PLACEHOLDER in data else data

    def hangs(self, shown: bytes | bytearray) -> bool:
        del shown
        return False

    def real(self, path: bytes, shown: bytes, mode: Mode) -> bytes:
        del path, mode
        return self.restored(shown)


@contextlib.contextmanager
def served(
    real: Path,
    judge: PlainJudge | None = None,
    *,
    told: Path | None = None,
    beside: Callable[[Daemon], None] | None = None,
    repository: tuple[Path, PlainJudge] | None = None,
) -> Iterator[Path]:
    """Serve `real`, and a `repository` of which it is a working tree; gives the folder in which the view is seen.

    `told` takes what the witness hears, `beside` is run in a thread of the daemon's process.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        try:
            ours.close()
            folders = [(real, judge or PlainJudge()), *([repository] if repository else [])]
            _be_daemon(folders, theirs, Scribe(told), beside)
            os._exit(0)
        except BaseException:  # noqa: BLE001 (the child must not go on with the parent's test)
            traceback.print_exc()
        finally:
            os._exit(1)
    theirs.close()
    try:
        assert ours.recv(1) == b"r", "the view did not start"
        yield Path(f"/proc/{pid}/root{real}")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        ours.close()


def _be_daemon(
    folders: Sequence[tuple[Path, PlainJudge]],
    parent: socket.socket,
    witness: Scribe,
    beside: Callable[[Daemon], None] | None,
) -> None:
    linux.set_parent_death_signal(signal.SIGKILL)
    uid, gid = os.getuid(), os.getgid()
    roots = [os.open(real, os.O_PATH | os.O_DIRECTORY) for real, _ in folders]
    linux.unshare(linux.CLONE_NEWNS if uid == 0 else linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    if uid:
        linux.map_ids(uid, gid)
    linux.mount(None, "/", linux.MS_REC | linux.MS_PRIVATE)
    daemons: list[Daemon] = []
    for (real, judge), root in zip(folders, roots, strict=True):
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        linux.mount_fuse(device, str(real))
        owners, first = Owners(uid, gid, knows_all=uid == 0), daemons[0] if daemons else None
        daemons.append(Daemon(device, root, judge, owners, witness=witness, beside=first))
    os.umask(0)
    for daemon in daemons:
        if beside is not None:
            threading.Thread(target=beside, args=(daemon,), daemon=True).start()
    for other in daemons[1:]:
        threading.Thread(target=other.serve, daemon=True).start()
    parent.send(b"r")
    daemons[0].serve()

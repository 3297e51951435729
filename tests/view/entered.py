"""Work done inside a served view: in its namespaces, at the path where the real folder stands.

Paths through `/proc/PID/root` will not do for programs that resolve their working folder (git, sqlite): they would come
out at the real one.
"""

import contextlib
import os
import pickle
import signal
import socket
import stat
import subprocess
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.view.served import served
from wrapper import linux

Result = TypeVar("Result")


def server_of(inside: Path) -> int:
    """Give the id of the process that serves a view."""
    return int(inside.parts[2])


def command(inside: Path, *words: str) -> list[str]:
    """Give the command that runs `words` in the view, with the view's root as its working folder."""
    namespaces = ["--mount"] if os.getuid() == 0 else ["--mount", "--user", "--preserve-credentials"]
    root = "/" + "/".join(inside.parts[4:])
    return ["nsenter", "--target", str(server_of(inside)), *namespaces, "--", "env", "-C", root, *words]


def called(function: Callable[[], Result], folder: Path, *, uid: int | None = None) -> Result:
    """Call in a process of its own whose working folder is `folder`, in the view if it is one; give what it gives.

    `uid`: as this user, who serves the view too.
    """
    receiving, sending = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(receiving)
            if uid is not None:
                become(uid)
            _enter(folder)
            answer: tuple[bool, Any] = True, function()
        except BaseException:  # noqa: BLE001 (told where the caller stands)
            answer = False, traceback.format_exc()
        with os.fdopen(sending, "wb") as stream:
            pickle.dump(answer, stream)
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as stream:
        data = stream.read()
    os.waitpid(pid, 0)
    assert data, "the process ended without an answer"
    is_done, result = pickle.loads(data)  # noqa: S301 (our own child wrote it)
    assert is_done, f"in {folder}:\n{result}"
    return result  # type: ignore[no-any-return]


def become(uid: int) -> None:
    """Be another user, with the group of the same number and no other."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


@contextlib.contextmanager
def served_by(uid: int, real: Path) -> Iterator[Path]:
    """Serve `real`, a folder of the user's, as that user would; for tests that run as root.

    The user gets a `/dev/fuse` that anyone may open, as most machines have it.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            ours.close()
            linux.set_parent_death_signal(signal.SIGKILL)
            _serve_as(uid, real, theirs)
        os._exit(0)
    theirs.close()
    try:
        told = ours.recv(4096)
        assert told, "the view did not start"
        yield Path(os.fsdecode(told))
    finally:
        ours.close()
        os.waitpid(pid, 0)


def _serve_as(uid: int, real: Path, parent: socket.socket) -> None:
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount(None, "/", linux.MS_REC | linux.MS_PRIVATE)
    device = real.parent / "fuse"
    os.mknod(device, stat.S_IFCHR | 0o666, Path("/dev/fuse").stat().st_rdev)
    device.chmod(0o666)
    linux.mount(str(device), "/dev/fuse", linux.MS_BIND)
    become(uid)
    linux.set_dumpable(dumpable=True)
    with served(real) as inside:
        parent.send(os.fsencode(inside))
        parent.recv(1)


def _enter(folder: Path) -> None:
    if folder.parts[1] != "proc":
        os.chdir(folder)
        return
    server = server_of(folder)
    for kind in ("mnt",) if os.getuid() == 0 else ("user", "mnt"):
        opened = os.open(f"/proc/{server}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        linux.setns(opened, linux.CLONE_NEWNS if kind == "mnt" else linux.CLONE_NEWUSER)
        os.close(opened)
    os.chdir("/" + "/".join(folder.parts[4:]))


@dataclass(frozen=True)
class Shell:
    """Programs run in the view with an environment of the test's own; `home` is their HOME."""

    inside: Path
    home: Path
    path: str

    def run(self, *words: str, fails: bool = False, environ: Mapping[str, str] | None = None) -> str:
        """Run; give what it printed, both streams. Fails where it fails, or with `fails` where it does not."""
        built = {
            "HOME": str(self.home), "PATH": self.path, "LANG": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.com",
            "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.com",
        }  # fmt: skip
        done = subprocess.run(
            command(self.inside, *words),
            env={**built, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        printed = done.stdout.decode(errors="replace")
        assert (done.returncode != 0) == fails, f"{' '.join(words)}: exit {done.returncode}\n{printed}"
        return printed

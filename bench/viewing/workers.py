"""Who does the work that `view.py` measures: a process inside the view, and one outside of it."""

import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.viewing.work import WORK, Work
from wrapper import linux

_WITHIN = 2.0  # seconds until a change that is not seen inside counts as lost


class Worker:
    """A process in the repository, in the given namespaces (of users, of mounts) or in ours."""

    def __init__(self, folder: Path, namespaces: Sequence[int] = ()) -> None:
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._pid = os.fork()
        if not self._pid:
            self._connection.close()
            self._work(theirs, folder, namespaces)
        theirs.close()

    def time(self, work: Work) -> float:
        """Do it; give the seconds. Raises AssertionError where it went wrong."""
        return float(self._ask(f"work {WORK.index(work)}"))

    def walk(self) -> float:
        """Read all folders once, with attributes, and git's index, as a session's warming does; give the seconds."""
        return float(self._ask("walk"))

    def answers(self) -> float:
        """Give the time (time.monotonic) at which the repository could be listed."""
        return float(self._ask("answers"))

    def watch(self, name: str) -> None:
        """Wait for a change of a file; `seen` tells of it."""
        self._connection.send(f"watch {name}".encode())
        self._connection.recv(16)

    def seen(self) -> float:
        """Give the time (time.monotonic) at which the change was seen inside."""
        return float(self._heard())

    def close(self) -> None:
        """End it."""
        self._connection.close()
        os.waitpid(self._pid, 0)

    def _ask(self, what: str) -> str:
        self._connection.send(what.encode())
        return self._heard()

    def _heard(self) -> str:
        verdict, _, answer = self._connection.recv(4096).decode().partition(" ")
        assert verdict == "ok", answer or "the worker died"
        return answer

    def _work(self, connection: socket.socket, folder: Path, namespaces: Sequence[int]) -> None:
        try:
            kinds = (linux.CLONE_NEWUSER, linux.CLONE_NEWNS)
            for namespace, kind in zip(namespaces, kinds, strict=False):
                linux.setns(namespace, kind)
            os.chdir(folder)
            while message := connection.recv(4096).decode():
                try:
                    answer = f"ok {_done(connection, *message.split(' ', 1))}"
                except (OSError, AssertionError) as error:
                    answer = f"failed {error}"
                connection.send(answer[:4000].encode())
        finally:
            os._exit(0)


def _done(connection: socket.socket, verb: str, what: str = "") -> float:
    begun = time.perf_counter()
    if verb == "watch":
        return _noticed(connection, Path(what))
    if verb == "answers":
        os.listdir(".")  # noqa: PTH208 (the call itself)
        return time.monotonic()
    if verb == "walk":
        for _ in os.walk("."):
            pass
        Path(".git/index").read_bytes()
    else:
        WORK[int(what)].run()
    return time.perf_counter() - begun


def _noticed(connection: socket.socket, path: Path) -> float:
    """Look at a file until it is another; names that are not there count as empty."""
    before = path.read_bytes() if path.exists() else b""
    connection.send(b"looking")
    end = time.monotonic() + _WITHIN
    while time.monotonic() < end:
        with suppress(FileNotFoundError):
            if path.read_bytes() != before:
                return time.monotonic()
    raise AssertionError(f"a change of `{path}` was not seen")

"""Fake outer terminals for the tests: a pseudo-terminal with the driver on it, and a bash that controls jobs."""

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect

ROOT = Path(__file__).resolve().parent.parent.parent
DRIVER = Path(__file__).with_name("driver.py")
ENTER = "\r"


def environment(home: Path) -> dict[str, str]:
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": str(ROOT), "TERM": "xterm"}


def driver(*arguments: str) -> list[str]:
    return [sys.executable, str(DRIVER), *arguments]


def python(code: str) -> list[str]:
    """The command that runs `code` in the driver's child."""
    return ["/usr/bin/python3", "-I", "-S", "-u", "-c", code]


def wait_until(holds: Callable[[], object], seconds: float = 5) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


class Screen:
    """An outer terminal. `0`, `1`, `2` in `on_tty` say which descriptors of the driver are on it; others are pipes."""

    def __init__(
        self,
        home: Path,
        arguments: list[str],
        *,
        on_tty: str = "012",
        size: tuple[int, int] = (24, 80),
        before: list[str] | None = None,
        **files: Any,
    ) -> None:
        self.master, slave = os.openpty()
        self.slave = slave
        self.resize(*size)
        self.seen = b""
        if before:
            subprocess.run(before, stdin=slave, check=True)
        names = ("stdin", "stdout", "stderr")
        pipes: dict[str, Any] = {
            name: slave if str(fd) in on_tty else subprocess.PIPE for fd, name in enumerate(names)
        } | files
        self.process = subprocess.Popen(
            driver(*arguments),
            env=environment(home),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - tests have one thread
            stdin=pipes["stdin"],
            stdout=pipes["stdout"],
            stderr=pipes["stderr"],
        )

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def settings(self) -> list[Any]:
        return termios.tcgetattr(self.slave)

    @property
    def is_raw(self) -> bool:
        return not self.settings[3] & termios.ICANON

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def read(self, seconds: float = 0.05) -> bytes:
        """Take what is shown within some time."""
        if select.select([self.master], [], [], seconds)[0]:
            with contextlib.suppress(OSError):
                self.seen += os.read(self.master, 65536)
        return self.seen

    def wait_for(self, pattern: bytes, seconds: float = 10) -> "re.Match[bytes]":
        """Read until the pattern was shown; forget what was shown up to its end."""
        until = time.monotonic() + seconds
        while (match := re.search(pattern, self.seen, re.DOTALL)) is None:
            assert time.monotonic() < until, f"{pattern!r} not in {self.seen!r}"
            self.read()
        self.seen = self.seen[match.end() :]
        return match

    def end(self, seconds: float = 10) -> int:
        """Read until the driver has ended; its exit code, minus n for a signal."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < until, f"still running; shown: {self.seen!r}"
            self.read(0.01)
        while self.read(0) != self.read(0.02):
            pass
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        os.close(self.master)
        os.close(self.slave)


@contextmanager
def screen(home: Path, *arguments: str, **options: Any) -> Iterator[Screen]:
    shown = Screen(home, list(arguments), **options)
    try:
        yield shown
    finally:
        shown.close()


LATE = 7


def in_pieces(pieces: list[bytes], pause: float) -> list[str]:
    """The command that writes the pieces one by one; it ends with LATE if the machine was too busy to do so in time."""
    return python(f"""
import os, sys, time
late, last = False, time.monotonic()
for piece in {pieces!r}:
    os.write(1, piece)
    late, last = late or time.monotonic() - last > {pause} + 0.004, time.monotonic()
    time.sleep({pause})
sys.exit({LATE} * late)
""")


def shown_in_time(home: Path, *arguments: str) -> bytes:
    """What is shown of a command made by `in_pieces`, in the first run that was not late."""
    for _ in range(20):
        with screen(home, *arguments) as shown:
            if shown.end(20) != LATE:
                return shown.seen
    raise AssertionError("this machine is too busy to write in time")


PROMPT = "ready> "


@contextmanager
def bash(home: Path) -> Iterator[Any]:
    """A job-controlling shell on a terminal of its own."""
    env = {**environment(home), "PS1": PROMPT, "INPUTRC": "/dev/null"}
    shell = pexpect.spawn("/bin/bash", ["--norc", "--noprofile", "-i"], env=env, timeout=10, dimensions=(24, 200))
    shell.delaybeforesend = 0
    shell.expect_exact(PROMPT)
    shell.sendline("bind 'set enable-bracketed-paste off'")
    shell.expect_exact(PROMPT)
    try:
        yield shell
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(shell.pid, signal.SIGKILL)
        shell.close(force=True)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False

"""The inner session's leader: a small forked process between the wrapper and the child, so that Ctrl-Z works inside.

The kernel ignores SIGTSTP, SIGTTIN and SIGTTOU in an orphaned process group (POSIX 2.4.4: one in which no member has
a parent in the same session but another group). A child started by forkpty leads its session, so its group is always
orphaned: a TUI's `kill(0, SIGTSTP)` does nothing there, and Ctrl-Z neither. With a leader above it, as a shell would
be, the group can stop; the leader says so on a pipe. It holds no descriptor but that pipe and dies with the wrapper.
"""

import contextlib
import os
import signal
import struct
from dataclasses import dataclass
from typing import NoReturn

from wrapper import linux

_RECORD = struct.Struct("=ci")  # kind, value
_STARTED, _STOPPED, _ENDED = b"p", b"s", b"e"


@dataclass(frozen=True)
class Stopped:
    """The child's group was stopped by `signal`."""

    signal: int


@dataclass(frozen=True)
class Ended:
    """The child ended; `code` as a shell gives it: its own, or 128+n for a signal."""

    code: int


Change = Stopped | Ended


def lead(status: int) -> None:
    """In the forked pty child: return in the process that shall exec, leading the terminal's foreground group.

    The caller's own process stays behind as the session's leader and never returns. Descriptor 0 is the inner terminal.
    """
    wrapper = os.getppid()
    signal.set_wakeup_fd(-1)
    pid = os.fork()
    if pid == 0:
        _take_terminal()
        return
    try:
        _stay(wrapper, pid, status)
    finally:
        os._exit(125)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends.

    A change of credentials or of the user namespace takes that back: call it last.
    """
    linux.set_parent_death_signal(signal.SIGKILL)


def _take_terminal() -> None:
    os.setpgid(0, 0)
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, before)


def _stay(wrapper: int, pid: int, status: int) -> NoReturn:
    die_with_parent()
    if os.getppid() != wrapper:
        os._exit(125)
    for number in (*_TERMINAL_SIGNALS, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.closerange(0, status)
    os.closerange(status + 1, os.sysconf("SC_OPEN_MAX"))
    os.write(status, _RECORD.pack(_STARTED, pid))
    while True:
        # The dead child stays a zombie until the wrapper has read its end: its number cannot go to a stranger before.
        seen = os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT)
        if seen is not None and seen.si_code == os.CLD_STOPPED:
            os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG)
            os.write(status, _RECORD.pack(_STOPPED, seen.si_status))
        elif seen is not None:
            code = seen.si_status if seen.si_code == os.CLD_EXITED else 128 + seen.si_status
            os.write(status, _RECORD.pack(_ENDED, code))
            os._exit(code)


_TERMINAL_SIGNALS = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


class Changes:
    """The wrapper's end of the leader's pipe; `group` is the child's process group."""

    def __init__(self, status: int, leader: int) -> None:
        record = os.read(status, _RECORD.size)
        os.set_blocking(status, False)
        self.group = _RECORD.unpack(record)[1] if record else leader
        self._status = status
        self._leader = leader

    def next(self) -> Change | None:
        """Return the next change, None if there is none yet. A leader that vanished counts as killed."""
        try:
            record = os.read(self._status, _RECORD.size)
        except BlockingIOError:
            return None
        if len(record) < _RECORD.size:
            return Ended(128 + signal.SIGKILL)
        kind, value = _RECORD.unpack(record)
        return Stopped(value) if kind == _STOPPED else Ended(value)

    def reap(self) -> None:
        """Wait for the leader, which ends with its child."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._leader, 0)

"""The guardian: a tiny process that leaves the user's terminal usable when the wrapper dies without a word.

Rules: it lives in a session of its own, so no signal meant for the wrapper's group or terminal reaches it; it ignores
those that end or stop a process; it holds the terminal and one socket and nothing else, so that it keeps no other
process waiting; the end of the socket without a release is the wrapper's death, SIGKILL included. While the wrapper is
stopped the terminal is the shell's, and the guardian disarmed.
"""

import contextlib
import os
import signal
import socket
import termios
from dataclasses import dataclass
from typing import NoReturn

from wrapper.terminal import modes

_RELEASE, _ARM, _DISARM, _UNDO = b"r", b"a", b"d", b"u"
_MESSAGE = 4096  # bytes; an undo sequence is some hundred at most
# ST ends a control string that was cut in the middle; SI and SGR 0 end another character set and colours.
_ALWAYS = b"\x1b\\\x0f\x1b[0m"
_DEAF_TO = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGPIPE,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


@dataclass(frozen=True)
class Guardian:
    """The wrapper's end. Without `release` (and while armed) the terminal is restored when this process ends."""

    pid: int
    _line: socket.socket

    def arm(self) -> None:
        """Take the terminal's present settings as those to restore; returns after they were read."""
        self._say(_ARM)
        with contextlib.suppress(OSError):
            self._line.recv(1)

    def disarm(self) -> None:
        """Leave the terminal alone until `arm`: it is somebody else's now."""
        self._say(_DISARM)
        with contextlib.suppress(OSError):
            self._line.recv(1)

    def undo(self, sequences: bytes) -> None:
        """Name the control sequences that the terminal would need now."""
        self._say(_UNDO + sequences[: _MESSAGE - 1])

    def release(self) -> None:
        """End the guardian: the wrapper has restored the terminal itself."""
        self._say(_RELEASE)
        self._line.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _say(self, message: bytes) -> None:
        with contextlib.suppress(OSError):  # a killed guardian must not end the session it only watches over
            self._line.send(message)


def start(tty_fd: int) -> Guardian:
    """Fork the guardian of the terminal `tty_fd`, armed with its present settings. Raises OSError if it cannot fork."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        _guard(tty_fd, theirs)
    theirs.close()
    guardian = Guardian(pid, ours)
    guardian.arm()
    return guardian


def _guard(tty_fd: int, line: socket.socket) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        for number in _DEAF_TO:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.setsid()
        low, high = sorted((tty_fd, line.fileno()))
        os.closerange(0, low)
        os.closerange(low + 1, high)
        os.closerange(high + 1, os.sysconf("SC_OPEN_MAX"))
        _watch(tty_fd, line)
    finally:
        os._exit(0)


def _watch(tty_fd: int, line: socket.socket) -> None:
    saved: modes.Attributes | None = None
    undo = b""
    while message := line.recv(_MESSAGE):
        kind = message[:1]
        if kind == _RELEASE:
            return
        if kind == _UNDO:
            undo = message[1:]
            continue
        saved = termios.tcgetattr(tty_fd) if kind == _ARM else None
        line.send(b".")
    if saved is not None:
        _restore(tty_fd, saved, undo)


def _restore(tty_fd: int, saved: modes.Attributes, undo: bytes) -> None:
    # A shell may have taken the terminal back before us: settings that are not ours any more are left alone.
    with contextlib.suppress(termios.error):
        if modes.looks_raw(termios.tcgetattr(tty_fd)):
            termios.tcsetattr(tty_fd, termios.TCSANOW, saved)
    with contextlib.suppress(OSError):
        os.write(tty_fd, _ALWAYS + undo + b"\r\n")

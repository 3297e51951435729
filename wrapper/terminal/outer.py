"""The user's own terminal: its settings, its size, and descriptors of our own to it.

O_NONBLOCK belongs to the open file, which the wrapper shares with the shell and with every program of the pipeline: set
on descriptor 0 or 1 it breaks them. So what must not block is opened anew through /proc/self/fd.
"""

import contextlib
import errno
import fcntl
import os
import stat
import struct
import termios
from typing import NamedTuple

from wrapper.terminal import guardian, modes

_WINDOW = struct.Struct("HHHH")  # struct winsize, ioctl_tty(2): rows, columns, pixels across, pixels down


class Size(NamedTuple):
    """A window's size in characters and, where the terminal tells it, pixels."""

    rows: int
    columns: int
    width: int = 0
    height: int = 0


def size(fd: int) -> Size:
    """Ask the terminal for its size; 24 by 80 where it does not know."""
    try:
        told = Size(*_WINDOW.unpack(fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(_WINDOW.size))))
    except OSError:
        return Size(24, 80)
    return told if told.rows and told.columns else Size(24, 80)


def resize(fd: int, to: Size) -> None:
    """Set the terminal's size; the kernel sends SIGWINCH to its foreground group if it changed."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, _WINDOW.pack(*to))


def reopen(fd: int, flags: int) -> tuple[int, bool]:
    """Return a descriptor of our own for what `fd` is, and whether it is non-blocking.

    Files and other devices never make a writer wait: they are only duplicated, which keeps their offset. Where the
    terminal or pipe may not be opened again (it belongs to another user after `su`) it is duplicated and blocks.
    Sockets, which cannot be opened, are duplicated: their calls can be told not to wait.
    """
    kind = os.fstat(fd).st_mode
    if stat.S_ISFIFO(kind) or os.isatty(fd):
        with contextlib.suppress(OSError):
            return os.open(f"/proc/self/fd/{fd}", flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), True
    return os.dup(fd), False


class Outer:
    """The terminal on descriptor `fd`: made raw, given back, and guarded meanwhile."""

    def __init__(self, fd: int) -> None:
        self.fd, _ = reopen(fd, os.O_RDWR)
        self._saved: modes.Attributes | None = None  # the user's settings while the line is raw
        self._guardian: guardian.Guardian | None = None

    @property
    def is_raw(self) -> bool:
        """True between `enter` and `leave`."""
        return self._saved is not None

    @property
    def size(self) -> Size:
        """The window's size now."""
        return size(self.fd)

    @property
    def in_foreground(self) -> bool:
        """True where reading the keyboard would not stop us (SIGTTIN)."""
        try:
            return os.tcgetpgrp(self.fd) == os.getpgrp()
        except OSError:  # not our controlling terminal: nobody stops us for reading it
            return True

    def enter(self) -> None:
        """Make the line raw, guarded; the kernel stops us here (SIGTTOU) while we are in the background."""
        if self._saved is None:
            if self._guardian is None:
                self._guardian = guardian.start(self.fd)
            else:
                self._guardian.arm()
            self._saved = termios.tcgetattr(self.fd)
        self._set(modes.raw(self._saved))

    def leave(self) -> None:
        """Give the line back as it was before `enter`."""
        if self._saved is not None:
            self._set(self._saved)
            self._saved = None
        if self._guardian is not None:
            self._guardian.disarm()

    def undo_with(self, sequences: bytes) -> None:
        """Tell the guardian which sequences would bring the screen back."""
        if self._guardian is not None:
            self._guardian.undo(sequences)

    def close(self) -> None:
        """Give the line back and end the guardian."""
        self.leave()
        if self._guardian is not None:
            self._guardian.release()
            self._guardian = None
        os.close(self.fd)

    def _set(self, attributes: modes.Attributes) -> None:
        # TCSANOW: TCSADRAIN waits for ever on a terminal held by Ctrl-S, TCSAFLUSH loses what was typed ahead.
        while True:
            try:
                termios.tcsetattr(self.fd, termios.TCSANOW, attributes)
            except termios.error as error:
                if error.args[0] == errno.EINTR:  # stopped here in the background, and now continued
                    continue
                # else the terminal hung up: nobody is there to miss its settings
            return

"""The user's terminal and the inner one, joined: size, modes, and the keys that go from the one to the other.

While stdin and stdout both are the user's terminal, it is raw. Otherwise (`safe-claude -p … | less`) it stays as it is,
for the rest of the pipeline, and passes whole lines; only while the child has asked for single keys on the inner
terminal (a pager, a chooser, a TUI whose stdin is a pipe) it is made raw too.
"""

import fcntl
import os
import re
import signal
import termios
from collections.abc import Callable

from wrapper.terminal import jobs, modes, outer
from wrapper.terminal.flow import READ, Flow, Outlet
from wrapper.terminal.pty import Child

_TIOCGPTPEER = 0x5441  # ioctl_tty(2): open the other side of a pseudo-terminal
# What can be a line's signal character: control bytes but tab, line ends and escape. Others are not looked up.
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")


class Console:
    """Joins the terminal of `child.stdio` with `child.pty`; `agent` gives the process inside the sandbox, if any.

    `on_typed` gets what is typed, but not where the inner line neither echoes nor gives single keys: a password.
    """

    def __init__(
        self,
        child: Child,
        master: int,
        *,
        agent: Callable[[], int | None],
        on_resize: Callable[[int, int], object],
        on_typed: Callable[[bytes], object] = lambda _data: None,
    ) -> None:
        self._on_typed = on_typed
        self.outer = outer.Outer(child.stdio.terminals[0])
        self.keys = Outlet(os.dup(master), own=True)
        self.hung_up = False
        self._child = child
        self._master = master
        self._agent = agent
        self._on_resize = on_resize
        self._modes = modes.Modes()
        self._undo = b""
        self._size: outer.Size | None = None

    @property
    def wants_keys(self) -> bool:
        """Whether to read the user's terminal now: never what the rest of a pipeline or the shell may want."""
        if self.hung_up or self.keys.full:
            return False
        return self.outer.is_raw or (self._child.stdio.stdin and self.outer.in_foreground)

    def resize(self) -> None:
        """Give the inner terminal the outer one's size."""
        size = self.outer.size
        if size != self._size:
            self._size = size
            outer.resize(self._master, size)
            self._on_resize(size.rows, size.columns)

    def follow(self) -> None:
        """Make the user's terminal raw, or cooked again, as the child wants it."""
        wanted = self._child.stdio.full or modes.reads_keys(termios.tcgetattr(self._master))
        if wanted and not self.outer.is_raw and (self._child.stdio.full or self.outer.in_foreground):
            self.outer.enter()
        elif not wanted and self.outer.is_raw:
            self.outer.leave()

    def make_redraw(self, *, first: bool) -> None:
        """Have a child that believes its screen still stands draw it again: a change of size, first and then back.

        The same size told again would not do: curses compares it with the one it has.
        """
        size = self.outer.size
        outer.resize(self._master, size._replace(rows=max(1, size.rows - 1)) if first else size)

    @property
    def shows_lines(self) -> bool:
        """Whether the child's terminal shows lines, one after another: nothing is drawn there, or half shown."""
        drawn = self._modes.alternate or modes.reads_keys(termios.tcgetattr(self._master))
        return self._modes.between and not drawn

    def shown(self, data: bytes) -> None:
        """Follow what is about to be shown, so that the terminal can be brought back from it."""
        if self._modes.feed(data):
            undo = self._modes.undo()
            if undo != self._undo:
                self._undo = undo
                self.outer.undo_with(undo)

    @property
    def between(self) -> bool:
        """Whether something of our own may be shown now (see `Modes.between`)."""
        return self._modes.between

    @property
    def alternate(self) -> bool:
        """Whether the child shows the alternate screen."""
        return self._modes.alternate

    @property
    def undo(self) -> bytes:
        """The sequences that bring the screen back to its defaults now."""
        return self._modes.undo()

    @property
    def redo(self) -> bytes:
        """The sequences that bring a screen at its defaults to where the child believes it is."""
        return self._modes.redo()

    def type(self, screen: Flow, *, gone: bool) -> None:
        """Read what was typed and pass it on; an echo of ours goes to `screen`.

        `gone`: poll saw the terminal hang up.
        """
        data = self.read(gone=gone)
        if data is None:
            return
        if data and not modes.hides_typing(termios.tcgetattr(self._master)):
            self._on_typed(data)
        if not self.outer.is_raw:
            self.keys.write(modes.quote_line(data))
        else:
            screen.key_typed()
            self._type_raw(data, screen)

    def read(self, *, gone: bool) -> bytes | None:
        """Take what was typed, b"" for a cooked line's end of file; None if there is nothing, or it hung up."""
        try:
            data = os.read(self.outer.fd, READ)
        except BlockingIOError:
            return None
        except OSError:  # EIO: the terminal hung up
            self.hung_up = True
            return None
        if not data and (gone or self.outer.is_raw):  # a raw terminal has no end of file but its hang-up
            self.hung_up = True
            return None
        return data

    def _type_raw(self, data: bytes, screen: Flow) -> None:
        """Pass keys on, but make the signals of a cooked inner line ourselves.

        The kernel would send them to the whole group, bubblewrap included, which dies of them and takes the agent along
        before it can clean up.
        """
        start = 0
        for match in _CONTROL.finditer(data):
            line = termios.tcgetattr(self._master)
            name = modes.signal_of(line, data[match.start()])
            if name is None:
                if not line[3] & termios.ISIG:
                    break  # a TUI: keys are keys
                continue
            if not self._bubblewrap_in_front():
                continue
            self.keys.write(data[start : match.start()])
            start = match.end()
            self._signal_line(line, data[match.start()], signal.Signals[name], screen)
        self.keys.write(data[start:])

    def _bubblewrap_in_front(self) -> bool:
        return self._agent() is not None and self.group == self._child.pid

    def _signal_line(self, line: modes.Attributes, key: int, number: signal.Signals, screen: Flow) -> None:
        if not modes.keeps_queue(line):
            self.keys.forget()
            self._forget_typed()
        screen.inject(modes.echo_of(line, key))
        jobs.send_within(self._child.pid, number, but=self._child.pid)

    def _forget_typed(self) -> None:
        inner = fcntl.ioctl(self._master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            termios.tcflush(inner, termios.TCIFLUSH)
        finally:
            os.close(inner)

    @property
    def group(self) -> int:
        """The inner terminal's foreground process group; the child's own where there is none."""
        try:
            return os.tcgetpgrp(self._master) or self._child.pid
        except OSError:
            return self._child.pid

    def close(self) -> None:
        """Give the user's terminal back and let go of both."""
        self.outer.close()
        self.keys.close()

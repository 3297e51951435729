"""Bytes on their way: from a source, through a redactor and the log, to an outlet that never blocks the relay.

Back-pressure: a flow whose outlet holds more than it should is not read until the outlet has drained, so a slow
terminal slows the child and nothing is lost, reordered or kept without bound.
"""

import contextlib
import errno
import os
import select
import socket
import stat
import time
from collections.abc import Callable
from typing import Protocol

from wrapper.errors import SessionError
from wrapper.terminal import outer

_LOST = (errno.EPIPE, errno.ECONNRESET, errno.EIO)  # the reader went, or the terminal hung up
GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL  # what poll says of an outlet that nobody reads any more
READ = 65536  # bytes taken from one source before the others get their turn
_STEP = 8192  # bytes moved at once: the inner terminal gives 4 KiB a read; longer steps leave the other side idle
_ECHO = 4096  # bytes; one full read of a terminal is no echo any more but output
_FULL = 65536  # bytes waiting for an outlet above which its source is left alone
_HOLD = 0.020  # seconds after the last byte for which a possible beginning of a secret is not shown
_ECHO_WITHIN = 0.1  # seconds
_QUIET = 1.0  # seconds after the last byte for which the log may wait for a line's end
_BLOCKING_WRITE = 256  # bytes; poll calls a terminal writable when this much fits (WAKEUP_CHARS in the kernel's tty.h)
_PIPE_WRITE = 4096  # bytes; poll calls a pipe writable when PIPE_BUF fits, pipe(7)


class Redactor(Protocol):
    """What a stream of output is passed through."""

    @property
    def held(self) -> bool:
        """True while bytes are kept back because they may be the beginning of something to mask."""

    def feed(self, data: bytes) -> bytes:
        """Take more output, return what may be shown now."""

    def flush(self) -> bytes:
        """Give up what is held back."""


def take(fd: int, limit: int = READ) -> bytes | None:
    """Read what is there, `limit` bytes at most; b"" at the end of the stream, None if there is nothing now."""
    parts: list[bytes] = []
    left = limit
    while left > 0:
        try:
            data = os.read(fd, left)
        except BlockingIOError:
            return b"".join(parts) if parts else None
        except OSError:  # EIO: the terminal's other side is closed or hung up; it is reported again at the next read
            data = b""
        if not data:
            return b"".join(parts)
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


class Outlet:
    """Where bytes are written without waiting; what does not fit now is kept in order."""

    def __init__(self, fd: int, *, own: bool = False) -> None:
        if own:
            self.fd, self._non_blocking = fd, True
        else:
            try:
                self.fd, self._non_blocking = outer.reopen(fd, os.O_WRONLY)
            except OSError:
                self.fd, self._non_blocking = os.open(os.devnull, os.O_WRONLY), False
        kind = os.fstat(self.fd).st_mode
        self._socket = socket.socket(fileno=os.dup(self.fd)) if stat.S_ISSOCK(kind) else None
        self._at_once = self._limit(kind)
        self._pending = bytearray()
        self.broken = False

    def _limit(self, kind: int) -> int:
        if self._non_blocking or not (stat.S_ISFIFO(kind) or stat.S_ISCHR(kind)):
            return READ
        return _PIPE_WRITE if stat.S_ISFIFO(kind) else _BLOCKING_WRITE

    @property
    def waiting(self) -> bool:
        """True while there is something to write."""
        return bool(self._pending)

    @property
    def full(self) -> bool:
        """True while the source should not be read."""
        return len(self._pending) >= _FULL

    def write(self, data: bytes) -> None:
        """Write what fits now and keep the rest; a broken outlet takes everything and shows nothing."""
        if self.broken or not data:
            return
        if self._pending or (not self._non_blocking and self._at_once < READ):
            self._pending += data  # a descriptor that can block is written only after poll has said that it will not
            return
        self._pending += data[self._try(data) :]

    def drain(self) -> None:
        """Write what fits of what is kept; call it when poll says that something does."""
        while self._pending and not self.broken:
            written = self._try(self._pending[: self._at_once])
            del self._pending[:written]
            if written < self._at_once or not self._non_blocking:
                return

    def _try(self, data: bytes | bytearray) -> int:
        try:
            if self._socket is not None:
                return self._socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            return os.write(self.fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno not in _LOST:
                hint = "see where the output is sent"
                raise SessionError(f"output cannot be written: {error.strerror}", hint=hint) from error
            self.give_up()
            return 0

    def give_up(self) -> None:
        """Treat the outlet as broken from now on."""
        self.broken = True
        self._pending.clear()

    def forget(self) -> None:
        """Drop what is kept."""
        self._pending.clear()

    def close(self) -> None:
        """Close our descriptors; what is still kept is lost."""
        if self._socket is not None:
            self._socket.close()
        with contextlib.suppress(OSError):
            os.close(self.fd)


class Flow:
    """One stream of the child's output: `source` is read, `outlet` written, in between `redactor` and `on_output`.

    `on_output(name, data)` gets what is about to be shown; no `data` says that nothing has come for a second, or that
    the stream has ended. `come_due` is to be called at `flush_at`.
    """

    def __init__(
        self, name: str, source: int, outlet: Outlet, redactor: Redactor, on_output: Callable[[str, bytes], object]
    ) -> None:
        self.name = name
        self.source = source
        self.outlet = outlet
        self.ended = False
        self.paused = False  # the source is left alone: something else is shown
        self.flush_at: float | None = None  # monotonic seconds
        self._key_until = 0.0
        self._redactor = redactor
        self._on_output = on_output

    @property
    def readable(self) -> bool:
        """True where the source should be read now."""
        return not self.ended and not self.paused and not self.outlet.full

    def key_typed(self) -> None:
        """Expect an echo: for a moment short output is not held back, else each letter that may begin a secret lags.

        A redactor still masks the rest of a value whose first bytes were shown.
        """
        self._key_until = time.monotonic() + _ECHO_WITHIN

    def pump(self) -> bool:
        """Move what is there, READ bytes at most; False if the source had nothing (more)."""
        moved = step = self._step()
        while step >= _ECHO and moved < READ and not self.outlet.waiting:
            step = self._step()
            moved += step
        return moved > 0

    def _step(self) -> int:
        data = take(self.source, _STEP)
        if data:
            self._show(self._redactor.feed(data))
            self._wait()
            if self._redactor.held and len(data) < _ECHO and time.monotonic() < self._key_until:
                self.flush()
        elif data is not None:
            self.end()
        return len(data or b"")

    def inject(self, data: bytes) -> None:
        """Show bytes that did not come from the source but belong to the stream (the echo of a key)."""
        self._show(self._redactor.feed(data))
        self._wait()

    def come_due(self) -> bool:
        """Flush if still nothing has come; True if something had.

        What came since the source was looked at last came in time, perhaps a secret's rest: it is we who are late.
        """
        moved = self.pump()
        if not moved and not self.ended:
            self.flush()
        return moved

    def flush(self) -> None:
        """Show what the redactor held back; with nothing held, say that all is quiet."""
        if self._redactor.held:
            self._show(self._redactor.flush())
            self._wait()
        else:
            self._on_output(self.name, b"")
            self.flush_at = None

    def end(self) -> None:
        """Show the last bytes and read no more."""
        self.ended = True
        self._show(self._redactor.flush())
        self.flush()

    def close_source(self) -> None:
        """Let the child's side of the stream know that nobody reads any more."""
        if self.source >= 0:
            self.ended = True
            self.flush_at = None
            os.close(self.source)
            self.source = -1

    def close(self) -> None:
        """Close the stream at both ends."""
        self.close_source()
        self.outlet.close()

    def _wait(self) -> None:
        self.flush_at = time.monotonic() + (_HOLD if self._redactor.held else _QUIET)

    def _show(self, data: bytes) -> None:
        if data:
            self._on_output(self.name, data)  # first the record, then the screen: what was shown was recorded
            self.outlet.write(data)

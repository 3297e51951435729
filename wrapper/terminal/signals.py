"""Signals to the wrapper as bytes on a descriptor, so that the relay's one poll sees them (signal.set_wakeup_fd)."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any, Self

_TAKEN = (
    signal.SIGWINCH,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTSTP,
    signal.SIGCONT,
)


_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGTSTP)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Only the byte on the wake-up descriptor matters."""


def hold() -> None:
    """Let the signals wait until `Signals` is entered: with nobody to take them they would end the wrapper at once."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _TAKEN)


def ignore() -> Callable[[], None]:
    """Take no notice of what would end or stop the wrapper, those that wait included: it ends in order already.

    SIGQUIT stays a way out. Returns what has them heeded again, as they were before.
    """
    before: dict[int, Any] = {number: signal.signal(number, signal.SIG_IGN) for number in _ENDING}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TAKEN)
    return lambda: _take_back(before)


def _take_back(handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


class Signals:
    """While entered, the signals above arrive at `fd`. One that the caller ignores (`nohup`) stays ignored.

    Those that were held before wait again afterwards.
    """

    def __init__(self) -> None:
        self.fd = self._wakeup = self._wakeup_before = -1
        self._before: dict[int, Any] = {}
        self._blocked_before: set[int] = set()
        self._kept: list[int] = []

    def __enter__(self) -> Self:
        self.fd, self._wakeup = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._wakeup, False)
        self._wakeup_before = signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        self._before[signal.SIGPIPE] = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        for number in _TAKEN:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, _nothing)
        self._blocked_before = signal.pthread_sigmask(signal.SIG_UNBLOCK, _TAKEN)
        return self

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked_before)  # first: no signal falls between two handlers
        _take_back(self._before)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self.fd)
        os.close(self._wakeup)

    def received(self) -> Iterator[int]:
        """Give the numbers of the signals that came since the last call, in order."""
        kept, self._kept = self._kept, []
        yield from kept
        with contextlib.suppress(BlockingIOError):
            while True:
                yield from os.read(self.fd, 512)

    def stop_here(self) -> None:
        """Stop this process group as Ctrl-Z would; returns when it is continued.

        Returns at once where nobody could continue it: the kernel ignores SIGTSTP in an orphaned group. The whole
        group, because the shell waits for all of a job (`sh -c safe-claude`, a pipeline).
        """
        before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(0, signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, before)
        self._kept = [number for number in self.received() if number != signal.SIGCONT]  # that one is answered here

"""Processes of ours that are forked: they share what is loaded, and hold no descriptor that they do not need.

The terminal's keys and a shutdown reach all of them at once; they leave it to the session to end in order, and end when
its sockets do. So they are deaf to these signals from their first instruction on.
"""

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wrapper import linux

_DEAF_TO = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTOU, signal.SIGHUP, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Forked:
    """A forked process; `pidfd` becomes readable when it ends."""

    pid: int
    pidfd: int

    def wait(self) -> int:
        """Wait for its end and return its exit code, or minus the signal's number."""
        os.close(self.pidfd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def fork(name: str, work: Callable[[], int], *, keep: Sequence[int]) -> Forked:
    """Run `work` in a child that keeps only the descriptors in `keep` and stderr; its result is the exit code."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _DEAF_TO)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return Forked(pid, os.pidfd_open(pid))
    gc.freeze()  # what is loaded stays: looking for garbage in it takes 20 ms, in which nothing else goes on
    gc.enable()
    code = 1
    try:
        for number in _DEAF_TO:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        linux.keep_only(keep)
        linux.set_process_name(name)
        linux.set_dumpable(dumpable=False)
        code = work()
    except BaseException:  # noqa: BLE001 (nothing may run on in a second copy of the wrapper)
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)

"""Listening sockets where descriptors can run out: who connects then is turned away, and nothing is printed.

asyncio would write a traceback on the user's terminal for each connection that it cannot accept, a hundred a turn.
"""

import contextlib
import errno
import os
import resource
import socket
from typing import Any, Final

_NONE_LEFT: Final = frozenset({errno.EMFILE, errno.ENFILE})
_ENOUGH: Final = 8192  # two for each connection of each service, and what else is open


def allow_descriptors() -> None:
    """Raise this process's limit of open files to what its services need, as far as that goes (getrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class SparingListener(socket.socket):
    """Holds one descriptor back, with which it accepts and closes where no other is left."""

    def __init__(self, *, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self._spare = -1
        self._keep_spare()

    def accept(self) -> tuple[socket.socket, Any]:
        """See socket.accept. ConnectionAbortedError for one that was turned away."""
        try:
            return self._accepted()
        except OSError as error:
            if error.errno not in _NONE_LEFT:
                raise
        self._turn_away()
        raise ConnectionAbortedError("no descriptor is left for it")

    def close(self) -> None:
        """See socket.close."""
        super().close()
        self._give_spare()

    def _accepted(self) -> tuple[socket.socket, Any]:
        return super().accept()

    def _turn_away(self) -> None:
        self._give_spare()
        with contextlib.suppress(OSError):
            super().accept()[0].close()
        self._keep_spare()

    def _keep_spare(self) -> None:
        with contextlib.suppress(OSError):  # another thread was faster; the next one that is closed will do
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _give_spare(self) -> None:
        spare, self._spare = self._spare, -1
        if spare >= 0:
            os.close(spare)

"""The wrapper's own stdin, where it is no terminal, on its way to the child."""

import os
import select
from collections.abc import Mapping

from wrapper.terminal import outer
from wrapper.terminal.flow import GONE, Outlet, take


class Feed:
    """Reads descriptor 0 to its end for a child whose stdin is the pipe `into`."""

    def __init__(self, into: int) -> None:
        self._outlet = Outlet(into, own=True)
        self._source: int | None = outer.reopen(0, os.O_RDONLY)[0]

    def interest(self) -> dict[int, int]:
        """Give what poll is to look at."""
        wanted = {self._outlet.fd: select.POLLOUT if self._outlet.waiting else 0}
        if self._source is not None and not self._outlet.full:
            wanted[self._source] = select.POLLIN
        return wanted

    def move(self, ready: Mapping[int, int]) -> bool:
        """Move what can be moved; False when nothing more will."""
        outlet = self._outlet
        if ready.get(outlet.fd, 0) & GONE:
            outlet.give_up()
        elif outlet.fd in ready:
            outlet.drain()
        if self._source is not None and self._source in ready:
            data = take(self._source)
            if data:
                outlet.write(data)
            elif data is not None:
                self._close_source()
        return not outlet.broken and (self._source is not None or outlet.waiting)

    def close(self) -> None:
        """Let the child know that nothing more comes."""
        self._outlet.close()
        self._close_source()

    def _close_source(self) -> None:
        if self._source is not None:
            os.close(self._source)
            self._source = None

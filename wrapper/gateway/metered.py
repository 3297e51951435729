"""A listening socket whose connections count what goes through them, whatever is spoken over them and by whom.

An intercepted connection is spoken by others (TLS, HTTP/2), over asyncio's own transports; those use a socket's public
methods, so it is counted there: no byte is copied once more, and a limit is met at the very byte.
"""

import os
import socket
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

from wrapper.gateway.sparing import SparingListener

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

Count = Callable[[int], None]
"""Told how many bytes went through, or, negative, how many did not after all; raises an OSError that ends it."""


class Metered(socket.socket):
    """A connection; `count` sets who is told of what is received from its other end and sent to it.

    `received` are the bytes of before that.
    """

    received: int = 0
    _on_received: Count | None = None
    _on_sent: Count | None = None

    def count(self, received: Count, sent: Count) -> None:
        """Tell these from now on."""
        self._on_received, self._on_sent = received, sent

    def _note(self, size: int) -> None:
        if self._on_received is None:
            self.received += size
        else:
            self._on_received(size)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """See socket.recv."""
        data = super().recv(size, flags)
        self._note(len(data))
        return data

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        """See socket.recv_into."""
        size = super().recv_into(buffer, nbytes, flags)
        self._note(size)
        return size

    def send(self, data: "ReadableBuffer", flags: int = 0, /) -> int:
        """See socket.send."""
        return self._counted(memoryview(data).nbytes, lambda: super(Metered, self).send(data, flags))

    def sendmsg(self, buffers: "Iterable[ReadableBuffer]", /, *more: Any) -> int:
        """See socket.sendmsg."""
        parts = tuple(buffers)
        size = sum(memoryview(one).nbytes for one in parts)
        return self._counted(size, lambda: super(Metered, self).sendmsg(parts, *more))

    def _counted(self, size: int, send: Callable[[], int]) -> int:
        """Count before anything is sent, and give back what the kernel did not take."""
        if self._on_sent is None:
            return send()
        self._on_sent(size)
        sent = 0
        try:
            sent = send()
        finally:
            self._on_sent(sent - size)
        return sent


class MeteredListener(SparingListener):
    """Accepts connections that are metered. `of` gives one by what asyncio shows of it."""

    @classmethod
    def on(cls, sock: socket.socket) -> Self:
        """Make one that accepts what `sock` would; `sock` stays open until its owner closes it."""
        return cls(fileno=os.dup(sock.fileno()))

    def __init__(self, *, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self._open: weakref.WeakValueDictionary[int, Metered] = weakref.WeakValueDictionary()

    def _accepted(self) -> tuple[socket.socket, Any]:
        descriptor, address = self._accept()  # type: ignore[attr-defined]  # as socket.accept itself does
        made = Metered(self.family, self.type, self.proto, fileno=descriptor)
        self._open[descriptor] = made
        return made, address

    def of(self, descriptor: int) -> Metered:
        """Give the connection with this descriptor. ConnectionResetError where it is closed already."""
        found = self._open.get(descriptor)
        if found is None:
            raise ConnectionResetError("the client left")
        return found

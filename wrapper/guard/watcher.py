"""The watcher: a process that hears of every change and tells the guard.

It is forked as soon as policy is known, so that it stands before the client starts: nothing that the inside ever does
goes unseen, and what the host changes while the inventory is taken is seen too. It ends when it is told to, after it
has said all that the kernel had queued, or when nobody listens any more.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from wrapper.errors import SafeAgentError
from wrapper.policy.model import Policy

if TYPE_CHECKING:
    from wrapper.watch.workspace import WorkspaceWatch

WATCH_ALL, WATCH_REST = b"all", b"rest"
STOP = b"stop"
LONGEST = 20_000  # bytes of a packet: two paths of PATH_MAX and some
_BUFFER = 4 << 20  # asked of the kernel for packets on their way; it gives what net.core.wmem_max allows


class Seen(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A change in folder number `folder`; paths are relative to it, as the kernel has them."""

    folder: int
    path: bytes
    action: str
    target: bytes = b""


class Overflowed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Changes in folder number `folder` were lost; all of it must be looked at."""

    folder: int


class Standing(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """All watches stand; `degraded` says which could not be had, where the user allowed that."""

    degraded: tuple[str, ...] = ()


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The watch cannot be had, or ended by itself."""

    what: str
    hint: str


class Ended(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """All that was queued has been said."""


Message = Seen | Overflowed | Standing | Failed | Ended


@dataclass(frozen=True, slots=True)
class Watched:
    """A folder to watch; `deep`: with all folders in it that policy scans."""

    folder: Path
    deep: bool = False


def receive(connection: socket.socket) -> Message | None:
    """Take the watcher's next message; None when it is gone."""
    packet = connection.recv(LONGEST)
    return msgspec.msgpack.decode(packet, type=Message) if packet else None


def serve(connection: socket.socket, folders: Sequence[Watched], policy: Policy, *, may_fail: bool) -> int:
    """Be the watcher; returns the process's exit code. `may_fail`: the user allowed a run without a watch.

    It begins when it is told to: `WATCH_REST` leaves out the first of `folders`.
    """
    _import_watchdog()
    first = connection.recv(len(WATCH_REST))
    if not first:
        return 0  # the session was refused
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)

    def tell(message: Message) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody listens: the session is over
            connection.send(msgspec.msgpack.encode(message))

    def failed(error: SafeAgentError) -> None:
        tell(Failed(error.what, error.hint))

    standing: list[WorkspaceWatch] = []
    degraded: list[str] = []
    for number, watched in enumerate(folders):
        if number == 0 and first == WATCH_REST:
            continue
        watch = _watch(number, watched, policy, tell, failed)
        try:
            watch.start()
            standing.append(watch)
        except SafeAgentError as error:
            degraded.append(error.what)
            if not may_fail:
                failed(error)
                return 1
    tell(Standing(tuple(degraded)))
    with contextlib.suppress(ConnectionResetError):  # the session is over
        connection.recv(len(STOP))
    stopping = [threading.Thread(target=watch.stop) for watch in standing]  # each waits for its last events
    for thread in stopping:
        thread.start()
    for thread in stopping:
        thread.join()
    tell(Ended())
    return 0


def _import_watchdog() -> None:
    import wrapper.watch.workspace  # noqa: F401, PLC0415 (42 ms, in this process only)


def _watch(
    number: int,
    watched: Watched,
    policy: Policy,
    tell: Callable[[Message], None],
    failed: Callable[[SafeAgentError], None],
) -> "WorkspaceWatch":
    from wrapper.watch.workspace import WorkspaceWatch  # noqa: PLC0415 (see above)

    return WorkspaceWatch(
        watched.folder,
        is_scanned=policy.is_scanned if watched.deep else lambda _: False,
        on_change=partial(_changed, tell, number),
        on_overflow=lambda: tell(Overflowed(number)),
        on_failed=failed,
    )


def _changed(tell: Callable[[Message], None], number: int, path: str, action: str, target: str) -> None:
    tell(Seen(number, os.fsencode(path), action, os.fsencode(target)))

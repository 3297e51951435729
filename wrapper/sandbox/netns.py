"""Sockets that listen inside the sandbox's network namespace and are served from outside it."""

import contextlib
import fcntl
import os
import signal
import socket
from collections.abc import Sequence
from functools import partial

from wrapper import linux
from wrapper.errors import ProtectionError
from wrapper.processes import fork

_BACKLOG = 128
_IP_FREEBIND = 15  # ip(7); Python 3.11 does not name it
_NS_GET_USERNS = 0xB701  # ioctl_ns(2)


def listen_inside(pid: int, ports: Sequence[int]) -> list[socket.socket]:
    """Listen on 127.0.0.1 at each of `ports` in the network namespace of process `pid`, in the order given.

    A short-lived child joins the namespaces and hands the sockets out (SCM_RIGHTS), so this process stays where it
    is. Raises ProtectionError `network`.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = fork("safe-listen", partial(_listen, theirs, pid, ports), keep=[theirs.fileno()])
    theirs.close()
    with ours:
        message, descriptors = linux.receive_descriptors(ours, len(ports))
    child.wait()
    if len(descriptors) != len(ports):
        raise ProtectionError(
            "network",
            f"cannot listen inside the sandbox: {os.fsdecode(message) or 'the listening process died'}",
            hint="`safe-agent doctor` says what forbids it",
        )
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


def _listen(connection: socket.socket, pid: int, ports: Sequence[int]) -> int:
    signal.alarm(10)  # nothing here waits; a hung child must not hang the start
    try:
        network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        # Its owner, not the user namespace of `pid`: bubblewrap may by now be in a second one, which has no power here
        linux.setns(fcntl.ioctl(network, _NS_GET_USERNS), linux.CLONE_NEWUSER)
        linux.setns(network, linux.CLONE_NEWNET)
        sockets = [_bound(port) for port in ports]
        linux.send_descriptors(connection, b"listening", [opened.fileno() for opened in sockets])
    except OSError as error:
        with contextlib.suppress(OSError):  # a session that was killed meanwhile listens no more
            connection.send(os.fsencode(f"{error.filename or ''}: {error.strerror}".lstrip(": ")))
    return 0


def _bound(port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # bubblewrap tells its child's id before it sets the loopback up, so the address may not be there for a moment
    opened.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    opened.bind(("127.0.0.1", port))
    opened.listen(_BACKLOG)
    return opened

"""Sockets handed out of a network namespace, at the moment when it is not yet set up."""

import fcntl
import os
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from wrapper import linux
from wrapper.errors import ProtectionError
from wrapper.sandbox.netns import listen_inside

_SIOCSIFFLAGS, _SIOCSIFADDR = 0x8914, 0x8916  # linux/sockios.h
_IFF_UP = 1
PORT = 41197


def _set_address(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        where = struct.pack("=H2x4s8x", socket.AF_INET, socket.inet_aton(address))
        fcntl.ioctl(control, _SIOCSIFADDR, struct.pack("16s16s8x", b"lo", where))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))


def _inside(connection: socket.socket, state: str) -> None:
    """Be the sandbox in one of the states in which it can be found; connect when told, and say what is heard."""
    user, group = os.getuid(), os.getgid()
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNET)
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        Path("/proc/self", file).write_text(text)
    _set_address("127.0.0.1")
    if state == "without its address":  # one that never had any lets every address be bound
        _set_address("10.9.8.7")
    elif state == "in a second user namespace":  # as bubblewrap is for an ordinary user, once the mounts are made
        linux.unshare(linux.CLONE_NEWUSER)
    connection.send(b"made")
    connection.recv(1)
    if state == "without its address":
        _set_address("127.0.0.1")
    with socket.create_connection(("127.0.0.1", PORT), timeout=10) as heard:
        connection.send(heard.recv(100))


@pytest.fixture(params=["ready", "without its address", "in a second user namespace"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[tuple[int, socket.socket]]:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            _inside(theirs, request.param)
        finally:
            os._exit(0)
    theirs.close()
    ours.settimeout(10)
    assert ours.recv(10) == b"made"
    yield pid, ours
    ours.close()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_sockets_can_be_had_at_each_moment_of_the_start_and_work_after_it(sandbox: tuple[int, socket.socket]) -> None:
    pid, told = sandbox
    (listening,) = listen_inside(pid, [PORT])
    with listening:
        listening.settimeout(10)
        told.send(b"x")
        connection, _ = listening.accept()
        with connection:
            connection.send(b"from outside")
        assert told.recv(100) == b"from outside"


def test_a_port_that_is_taken_inside_is_an_error_that_names_the_protection(sandbox: tuple[int, socket.socket]) -> None:
    """Promise 5."""
    pid, _ = sandbox
    with listen_inside(pid, [PORT])[0], pytest.raises(ProtectionError, match="cannot listen inside") as caught:
        listen_inside(pid, [PORT])
    assert caught.value.protection == "network"
    assert "in use" in caught.value.what


def test_a_sandbox_that_is_gone_is_an_error(sandbox: tuple[int, socket.socket]) -> None:
    ended = os.fork()
    if ended == 0:
        os._exit(0)
    os.waitpid(ended, 0)
    with pytest.raises(ProtectionError, match="No such file or directory"):
        listen_inside(ended, [PORT])


def test_sockets_come_in_the_order_of_their_ports_and_this_process_stays_where_it_is(
    sandbox: tuple[int, socket.socket],
) -> None:
    pid, _ = sandbox
    before = os.readlink("/proc/self/ns/net")  # noqa: PTH115
    ports = [PORT + 5, PORT, PORT + 3]
    opened = listen_inside(pid, ports)
    try:
        assert [one.getsockname() for one in opened] == [("127.0.0.1", port) for port in ports]
        assert not any(os.get_inheritable(one.fileno()) for one in opened)
    finally:
        for one in opened:
            one.close()
    assert os.readlink("/proc/self/ns/net") == before  # noqa: PTH115
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", PORT + 5), timeout=1)


def test_an_interrupt_in_the_short_lived_child_runs_nothing_of_the_wrapper_twice(
    sandbox: tuple[int, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(linux, "setns", interrupted)
    mine = os.getpid()
    with pytest.raises(ProtectionError, match="the listening process died"):
        listen_inside(sandbox[0], [PORT])
    assert os.getpid() == mine

"""A value that becomes known in one process is known to all that mask, and goes back to nobody who told it."""

import socket
from collections.abc import Iterator

import pytest

from redactors.known import KnownValues
from redactors.vault import Origin, Vault
from wrapper.guard.publishing import Publisher
from wrapper.view.messages import LONGEST, KnownValue, to_view


class Scene:
    def __init__(self) -> None:
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
        self.relay, self.view = (ours for ours, _ in pairs)
        self.theirs = [theirs for _, theirs in pairs]
        for one in (self.relay, self.view):
            one.setblocking(False)
        self.vault = Vault(bytes(32))
        self.vault.issue("KEY", b"from the start", Origin.OUTSIDE)
        self.known = KnownValues(self.vault)
        self.publisher = Publisher(self.vault, self.known, *self.theirs)

    @staticmethod
    def heard(one: socket.socket) -> list[bytes]:
        values: list[bytes] = []
        while True:
            try:
                message = to_view(one.recv(LONGEST))
            except BlockingIOError:
                return values
            assert isinstance(message, KnownValue)
            values.append(message.value)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    for one in (made.relay, made.view, *made.theirs):
        one.close()


def test_what_was_known_at_the_fork_is_not_told_again(scene: Scene) -> None:
    scene.publisher.publish()
    assert scene.heard(scene.relay) == scene.heard(scene.view) == []


def test_a_new_value_is_told_to_both_once(scene: Scene) -> None:
    scene.vault.issue("KEY", b"new", Origin.OUTSIDE)
    scene.publisher.publish()
    scene.publisher.publish()
    assert scene.heard(scene.relay) == scene.heard(scene.view) == [b"new"]


def test_a_value_of_the_inside_is_told_to_nobody(scene: Scene) -> None:
    """Promise 2: the view would restore it into files, and show it masked to who has it."""
    scene.vault.issue("KEY", b"its own", Origin.INSIDE)
    scene.publisher.publish()
    assert scene.heard(scene.relay) == scene.heard(scene.view) == []


def test_a_value_of_the_view_is_known_here_and_told_to_the_relay_alone(scene: Scene) -> None:
    """Promise 1: the wire must know what the view has masked."""
    scene.vault.issue("KEY", b"ours", Origin.OUTSIDE)
    scene.publisher.learn(KnownValue("KEY", b"a-value-of-the-view"))
    assert scene.heard(scene.relay) == [b"ours", b"a-value-of-the-view"]
    assert scene.heard(scene.view) == [b"ours"]
    assert scene.known.find(b"say a-value-of-the-view here")


def test_a_receiver_that_is_gone_harms_nobody(scene: Scene) -> None:
    scene.relay.close()
    scene.vault.issue("KEY", b"new", Origin.OUTSIDE)
    scene.publisher.publish()
    assert scene.heard(scene.view) == [b"new"]

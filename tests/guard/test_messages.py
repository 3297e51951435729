import socket

import msgspec
import pytest

from wrapper.guard.messages import (
    FINISH,
    READY,
    Answered,
    Asked,
    Listening,
    Summary,
    Withdrawn,
    encode,
    from_guard,
    from_session,
)
from wrapper.ports import Answer, Question
from wrapper.view.messages import LONGEST, KnownValue

QUESTION = Question("Go?", ("a", "b"), ("no", "yes"), wants_reason=True, key="ab")


def test_each_message_comes_back_as_it_was_said() -> None:
    for said in (Listening(7, ("anthropic", "5432")), Answered(3, Answer("yes", "because"))):
        assert from_session(encode(said)) == said
    for told in (Asked(3, QUESTION), Withdrawn(3), Summary(1, 2, ("h",), ("w",))):
        assert from_guard(encode(told)) == told
    value = KnownValue("KEY", b"\x00\xff")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=KnownValue) == value


@pytest.mark.parametrize("packet", [FINISH, READY, encode(Summary()), encode(Withdrawn(1))])
def test_the_session_says_nothing_that_the_guard_says(packet: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        from_session(packet)


@pytest.mark.parametrize("packet", [FINISH, READY, encode(Listening(1, ())), encode(Answered(1, Answer("no")))])
def test_the_guard_says_nothing_that_the_session_says(packet: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        from_guard(packet)


def test_the_longest_packet_can_be_sent() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        assert ours.send(bytes(LONGEST)) == LONGEST
        assert len(theirs.recv(LONGEST)) == LONGEST

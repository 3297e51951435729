import socket

import msgspec

from wrapper.guard.messages import FINISH, Listening, Summary
from wrapper.view.messages import LONGEST, KnownValue


def test_each_message_comes_back_as_it_was_said() -> None:
    for message in (KnownValue("KEY", b"\x00\xff"), Listening(7, ("anthropic", "5432")), Summary(1, 2, ("h",), ("w",))):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=type(message)) == message


def test_the_end_is_no_other_message() -> None:
    for kind in (KnownValue, Listening, Summary):
        try:
            msgspec.msgpack.decode(FINISH, type=kind)
        except (msgspec.DecodeError, msgspec.ValidationError):
            continue
        raise AssertionError(kind)


def test_the_longest_packet_can_be_sent() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        assert ours.send(bytes(LONGEST)) == LONGEST
        assert len(theirs.recv(LONGEST)) == LONGEST

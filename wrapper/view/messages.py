"""What the daemon of a FUSE view and the guard say to each other, over a socket pair of kind SOCK_SEQPACKET.

One message is one packet. Values of secrets travel here, between two processes of ours that nobody can read. Paths are
relative to the workspace, as the kernel has them.
"""

import msgspec

LONGEST = 200_000  # bytes of one packet: below the kernel's default send buffer (socket(7), wmem_default)


class KnownValue(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A value that must be masked from now on; said in both directions, and by the guard to the relay.

    `prefix` is what stands before its placeholder.
    """

    kind: str
    value: bytes
    prefix: str = ""


class RefsMoved(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A file by which git finds commits was changed inside."""

    path: bytes


class Appeared(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A file or folder was made inside."""

    path: bytes


class Told(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Something that the user should know."""

    text: str


class Rest(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """To the daemon: nothing runs inside any more; look at what waits, and say `Rested`."""


class Rested(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The daemon has said all that it had to say."""


FromView = KnownValue | RefsMoved | Appeared | Told | Rested
ToView = KnownValue | Rest


def encode(message: FromView | ToView) -> bytes:
    """Make a packet."""
    return msgspec.msgpack.encode(message)


def from_view(packet: bytes) -> FromView:
    """Read what the daemon said. Raises msgspec.DecodeError for anything else."""
    said: FromView = msgspec.msgpack.decode(packet, type=FromView)
    return said


def to_view(packet: bytes) -> ToView:
    """Read what the guard said. Raises msgspec.DecodeError for anything else."""
    said: ToView = msgspec.msgpack.decode(packet, type=ToView)
    return said

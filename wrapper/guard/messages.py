"""What the session and the guard say to each other, over socket pairs of kind SOCK_SEQPACKET.

One message is one packet. Values of secrets travel here, between two processes of ours that nobody can read.
"""

import msgspec

FINISH = b"finish"
LONGEST = 200_000  # bytes of one packet: below the kernel's default send buffer (socket(7), wmem_default)


class KnownValue(msgspec.Struct, frozen=True, array_like=True):
    """A value that the relay must mask from now on."""

    kind: str
    value: bytes


class Listening(msgspec.Struct, frozen=True, array_like=True):
    """The sandbox stands: its first process's id, and what each socket that comes along (SCM_RIGHTS) is for.

    A use is the kind of a gateway (`anthropic`, `openai`), `egress`, or the number of a forwarded loopback port.
    """

    pid: int
    uses: tuple[str, ...]


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """What the guard has to tell at the end."""

    requests: int = 0
    redactions: int = 0
    refused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

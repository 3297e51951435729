"""What the session and the guard say to each other, over socket pairs of kind SOCK_SEQPACKET.

One message is one packet. Values that become known go to the relay as `view.messages.KnownValue`.
"""

import msgspec

FINISH = b"finish"
READY = b"ready"  # of a guard that looks at commits: it knows where refs stood before the client


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

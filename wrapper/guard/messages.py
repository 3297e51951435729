"""What the session and the guard say to each other, over socket pairs of kind SOCK_SEQPACKET.

One message is one packet. Values that become known go to the relay as `view.messages.KnownValue`.
"""

import msgspec

from wrapper.ports import Answer, Question

FINISH = b"finish"
READY = b"ready"  # of a guard that looks at commits: it knows where refs stood before the client


class Listening(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The sandbox stands: its first process's id, and what each socket that comes along (SCM_RIGHTS) is for.

    A use is the kind of a gateway (`anthropic`, `openai`), `egress`, or the number of a forwarded loopback port.
    """

    pid: int
    uses: tuple[str, ...]


class Answered(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """To the guard: what came of the question with this number."""

    number: int
    answer: Answer


class Asked(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """To the session, while the client runs: show this to the user."""

    number: int
    question: Question


class Withdrawn(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """To the session: nobody waits for that answer any more."""

    number: int


class Notice(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """To the session, while the client runs: a line for the user, where the screen can take one."""

    text: str


class Summary(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What the guard has to tell at the end."""

    requests: int = 0
    redactions: int = 0
    refused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


FromSession = Listening | Answered
FromGuard = Asked | Withdrawn | Notice | Summary


def encode(message: FromSession | FromGuard) -> bytes:
    """Make a packet."""
    return msgspec.msgpack.encode(message)


def from_session(packet: bytes) -> FromSession:
    """Read what the session said, but for `FINISH`. Raises msgspec.DecodeError for anything else."""
    said: FromSession = msgspec.msgpack.decode(packet, type=FromSession)
    return said


def from_guard(packet: bytes) -> FromGuard:
    """Read what the guard said, but for `READY`. Raises msgspec.DecodeError for anything else."""
    said: FromGuard = msgspec.msgpack.decode(packet, type=FromGuard)
    return said

"""What a database's protocol offers to a forward: to log in outside, and what to do with the bytes after that."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from wrapper.gateway.databases.account import Account
from wrapper.gateway.tunnel import Streams

Connect = Callable[[], Awaitable[Streams]]
"""Connects to the service once that is on record. Raises OSError or AuditError."""

Tell = Callable[[str], None]
"""Hears what the user should know; never a value."""


class RefusedLoginError(Exception):
    """A connection that comes to nothing: `told` is for the user and the log, `answer` is sent inside, then it ends."""

    def __init__(self, told: str, answer: bytes = b"") -> None:
        super().__init__(told)
        self.told = told
        self.answer = answer


class Filter(Protocol):
    """Bytes on their way in one direction."""

    def feed(self, data: bytes) -> bytes:
        """Give what may go on now. Raises RefusedLoginError where nothing more may."""


class AsItIs:
    """Changes nothing."""

    def feed(self, data: bytes) -> bytes:
        """Give it back."""
        return data


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection to the service that the inside may use from here on."""

    streams: Streams
    outward: Filter
    inward: Filter


class Database(Protocol):
    """One service's protocol with the account that works there."""

    @property
    def title(self) -> str:
        """Read as `postgresql as app`."""

    async def open(self, inside: Streams, connect: Connect, tell: Tell) -> Opened:
        """Speak with both ends until the inside is logged in.

        Raises RefusedLoginError, OSError and EOFError where an end breaks off, AuditError as `connect` does.
        """


async def reached(connect: Connect, refused: Callable[[str], RefusedLoginError]) -> Streams:
    """Connect; RefusedLoginError, as the protocol says it, where nothing answers."""
    try:
        return await connect()
    except OSError as error:
        raise refused(
            "nothing listens on this port of the user's machine at 127.0.0.1 (IPv6 and Unix sockets are not tried)"
        ) from error


MOST_HANDSHAKE: Final = 64 * 2**10
"""Bytes of one message before the log-in: MySQL's attributes may have 64 KiB, PostgreSQL's errors 30,000 bytes."""


def database(protocol: str, account: Account, placeholders: Sequence[bytes]) -> Database:
    """Give the protocol of this name; `placeholders` are all forms in which the inside has the account's password.

    ValueError for a protocol in which no password can be put in.
    """
    # each is imported where it is used: scramp costs 25 ms
    if protocol == "postgresql":
        from wrapper.gateway.databases.postgresql import PostgreSQL  # noqa: PLC0415

        return PostgreSQL(account)
    if protocol == "mysql":
        from wrapper.gateway.databases.mysql import MySQL  # noqa: PLC0415

        return MySQL(account)
    if protocol == "redis":
        from wrapper.gateway.databases.redis import Redis  # noqa: PLC0415

        return Redis(account, placeholders)
    raise ValueError(f"no password can be put into `{protocol}`")

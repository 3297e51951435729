"""PostgreSQL's log-in with the real password, for a client that has none: protocol 3 (its documentation, chapter 55).

Rules of this file:
1. The client is asked for nothing: policy opened the port to the inside, and the placeholder is no secret there, so to
   ask for it would prove nothing.
2. The password is used for the account's user only. Who names another user speaks with the server as it is, and so logs
   in with what that user's password is to the inside, or as the server trusts whoever comes.
3. What a client sends before the server has let it in is not read until then.
4. One way to log in per connection, the one the server asks for first. Where that is SCRAM, the server must prove that
   it knows the password too before the client hears that it is in.
5. After that bytes are moved as they are: what a database holds is its own, also where that is the password.
"""

import asyncio
import hashlib
import struct
from typing import TYPE_CHECKING, Final

from wrapper.gateway.databases.account import Account
from wrapper.gateway.databases.speaking import MOST_HANDSHAKE, AsItIs, Connect, Opened, RefusedLoginError, Tell, reached
from wrapper.gateway.tunnel import Streams

if TYPE_CHECKING:
    from scramp import ScramClient

_TLS, _GSS, _CANCEL = 80877103, 80877104, 80877102  # codes in the place of a version (section 55.7)
_MOST_STARTUP: Final = 10_000  # bytes: MAX_STARTUP_PACKET_LENGTH of the server
_LEAST_STARTUP: Final = 8
_MOST_NEGOTIATIONS: Final = 2  # TLS and GSSAPI
_MOST_MESSAGES: Final = 64  # of the server's before the log-in: notices, and three of SCRAM
_SCRAM: Final = b"SCRAM-SHA-256"
_OK, _CLEARTEXT, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12
_OTHERS: Final = {2: "Kerberos", 7: "GSSAPI", 9: "SSPI"}


class PostgreSQL:
    """One service that speaks PostgreSQL's protocol."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.title = f"postgresql as {account.user or 'any user'}"

    async def open(self, inside: Streams, connect: Connect, tell: Tell) -> Opened:  # noqa: ARG002 (tells by its errors)
        """Take the client's first message and log it in; see `Database.open`."""
        first = await _first(inside)
        service = await reached(connect, _refused)
        try:
            service[1].write(first)
            if _code(first) != _CANCEL and self._is_account(parameters(first)):
                await _LogIn(self._account).run(inside[1], service)
        except BaseException:
            service[1].close()
            raise
        return Opened(service, AsItIs(), AsItIs())

    def _is_account(self, asked: dict[bytes, bytes]) -> bool:
        return self._account.user is None or asked.get(b"user") == self._account.user.encode()


class _LogIn:
    """The server's side of one log-in."""

    def __init__(self, account: Account) -> None:
        self._password = account.password
        self._user = account.user
        self._method = 0
        self._scram: ScramClient | None = None
        self._is_proven = False

    async def run(self, inside: asyncio.StreamWriter, service: Streams) -> None:
        """Answer the server until it lets the client in."""
        reader, writer = service
        for _ in range(_MOST_MESSAGES):
            kind, payload = await _message(reader)
            whole = message(kind, payload)
            if kind == b"E":
                raise RefusedLoginError("the server refused the log-in: its answer went to the client", whole)
            if kind != b"R":  # a notice, or the version that the server has
                inside.write(whole)
            elif (code := _code(payload, at=0)) == _OK:
                self._check_proven()
                inside.write(whole)
                return
            else:
                writer.write(await self._answer(code, payload[4:]))
        raise _refused("the server sends more than a log-in has")

    def _check_proven(self) -> None:
        if self._scram is not None and not self._is_proven:
            raise _refused("the server did not prove that it knows the password")

    async def _answer(self, code: int, data: bytes) -> bytes:
        if code in {_CLEARTEXT, _MD5, _SASL}:
            if self._method:
                raise _refused("the server asks for the password a second time")
            self._method = code
        if code == _CLEARTEXT:
            return message(b"p", self._password + b"\0")
        if code == _MD5 and len(data) == 4:
            return message(b"p", self._md5(data))
        if code in {_SASL, _SASL_CONTINUE, _SASL_FINAL}:
            return await self._sasl(code, data)
        named = _OTHERS.get(code, f"number {code}")
        raise _refused(f"the server wants a way to log in ({named}) in which no password can be put in")

    def _md5(self, salt: bytes) -> bytes:
        if self._user is None:
            raise _refused("the server wants MD5, which needs the user's name: give the password in a URL")
        inner = hashlib.md5(self._password + self._user.encode(), usedforsecurity=False).hexdigest()
        return b"md5" + hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest().encode() + b"\0"

    async def _sasl(self, code: int, data: bytes) -> bytes:
        from scramp import ScramException  # noqa: PLC0415 (25 ms, for one way to log in)

        try:
            if code == _SASL:
                return self._first_of_scram(data)
            if self._scram is None:
                raise _refused("the server goes on with a log-in that it did not begin")
            if code == _SASL_CONTINUE:
                self._scram.set_server_first(data.decode())
                # in a thread: how many rounds it takes is the server's to say, up to ten million
                return message(b"p", (await asyncio.to_thread(self._scram.get_client_final)).encode())
            self._scram.set_server_final(data.decode())
            self._is_proven = True
        except (ScramException, ValueError, KeyError) as error:  # their texts may have pieces of what was exchanged
            raise _refused("the server's SCRAM-SHA-256 is not as it should be, or its password another") from error
        return b""

    def _first_of_scram(self, data: bytes) -> bytes:
        from scramp import ScramClient, ScramException  # noqa: PLC0415 (as above)

        if _SCRAM not in data.split(b"\0"):
            raise _refused("the server offers no SCRAM-SHA-256 without TLS")
        # the user is the startup message's: the server does not read this name (section 55.3.1)
        try:
            self._scram = ScramClient([_SCRAM.decode()], "any", self._password.decode())
        except (ScramException, ValueError) as error:
            raise _refused("the password has characters that SCRAM does not allow (RFC 4013)") from error
        first = self._scram.get_client_first().encode()
        return message(b"p", _SCRAM + b"\0" + struct.pack("!i", len(first)) + first)


def parameters(startup: bytes) -> dict[bytes, bytes]:
    """Read a StartupMessage's names and values, as strictly as the server. RefusedLoginError for another layout."""
    words = startup[_LEAST_STARTUP:].split(b"\0")
    names, values = words[:-2:2], words[1:-2:2]
    if len(words) % 2 or words[-2:] != [b"", b""] or len(names) != len(values) or not all(names):
        raise _refused("the client's first message is broken", "08P01")
    if len(set(names)) < len(names):  # the server would take one of them, and we perhaps the other
        raise _refused("the client's first message names something twice", "08P01")
    return dict(zip(names, values, strict=True))


def message(kind: bytes, payload: bytes) -> bytes:
    """Make a message: its kind, the length of itself and what follows, that."""
    return kind + struct.pack("!i", len(payload) + 4) + payload


async def _first(inside: Streams) -> bytes:
    """Read the message that begins a session or cancels a query; TLS and GSSAPI, which come before it, are declined."""
    reader, writer = inside
    for _ in range(_MOST_NEGOTIATIONS + 1):
        head = await reader.readexactly(_LEAST_STARTUP)
        size, code = struct.unpack("!iI", head)
        if not _LEAST_STARTUP <= size <= _MOST_STARTUP:
            raise _refused("the client's first message is none of PostgreSQL's (TLS is not spoken here)", "08P01")
        whole = head + await reader.readexactly(size - _LEAST_STARTUP)
        if code not in {_TLS, _GSS}:
            if code != _CANCEL and code >> 16 != 3:
                raise _refused(f"version {code >> 16} of the protocol is not spoken here", "0A000")
            return whole
        writer.write(b"N")
    raise _refused("the client asks for TLS again and again", "08P01")


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    kind, size = head[:1], _code(head, at=1)
    if kind not in {b"R", b"E", b"N", b"v"} or not 4 <= size <= MOST_HANDSHAKE:
        raise _refused("what answers there is no PostgreSQL")
    if kind == b"R" and size < _LEAST_STARTUP:  # it says what it wants in four bytes
        raise _refused("what answers there is no PostgreSQL")
    return kind, await reader.readexactly(size - 4)


def _code(data: bytes, *, at: int = 4) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _refused(told: str, state: str = "08001") -> RefusedLoginError:
    """Make the error, with an ErrorResponse for the client (section 55.8). States: appendix A."""
    fields = {"S": "FATAL", "V": "FATAL", "C": state, "M": f"safe-agent: {told}"}
    text = b"".join(name.encode() + value.encode() + b"\0" for name, value in fields.items())
    return RefusedLoginError(told, message(b"E", text + b"\0"))

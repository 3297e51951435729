"""MySQL's and MariaDB's log-in with the real password, for a client that has none: protocol 4.1 and later.

Rules of this file:
1. The greeting goes to the client without TLS and compression among what it offers; its nonce stays, so that a client
   for another user logs in by itself (and one for the account's user has answered with what it has, which nobody reads:
   policy opened the port).
2. The server's questions about the account's password are answered here. The client hears only how it ended, by numbers
   that its own exchange has, and with what its own plugin waits for before that.
3. The password itself goes to the server only as the server's RSA key hides it (`caching_sha2_password` for a user whom
   it has not seen since it started); plugins that want it as it is are refused.
4. After that bytes are moved as they are. A client that would become another user (COM_CHANGE_USER) is refused: it
   proves that by what it knows, and that is the placeholder.
"""

import asyncio
from typing import Final

from wrapper.gateway.databases.account import Account
from wrapper.gateway.databases.mysqlpackets import (
    CHANGE_USER,
    ERROR,
    MORE_DATA,
    OK,
    SWITCH,
    Greeting,
    Response,
    error,
    packet,
    switched,
)
from wrapper.gateway.databases.mysqlscrambles import NATIVE, PLUGINS, SHA2, encrypted, scramble
from wrapper.gateway.databases.speaking import MOST_HANDSHAKE, AsItIs, Connect, Opened, RefusedLoginError, Tell, reached
from wrapper.gateway.tunnel import Streams

_FAST_OK: Final = b"\x01\x03"
_FULL: Final = b"\x01\x04"
_WANT_KEY: Final = b"\x02"
_MOST_PACKETS: Final = 8  # the longest is five: a switch, full, the key, the end
_LAST: Final = 255


class MySQL:
    """One service that speaks MySQL's protocol."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.title = f"mysql as {account.user or 'any user'}"

    async def open(self, inside: Streams, connect: Connect, tell: Tell) -> Opened:  # noqa: ARG002 (tells by its errors)
        """Greet the client for the server and log it in; see `Database.open`."""
        service = await reached(connect, lambda told: _refused(0, told))
        try:
            return await self._opened(inside, service)
        except BaseException as wrong:
            service[1].close()
            if isinstance(wrong, ValueError):
                raise _refused(2, f"a client or server that is not understood: {wrong}") from wrong
            raise

    async def _opened(self, inside: Streams, service: Streams) -> Opened:
        _, said = await _packet(service[0])
        if said[:1] == bytes((ERROR,)):
            raise RefusedLoginError("the server lets nobody in: its answer went to the client", packet(0, said))
        try:
            greeting = Greeting.parse(said, (NATIVE, SHA2))
        except ValueError as wrong:
            raise _refused(0, f"the server is not understood: {wrong}") from wrong
        inside[1].write(packet(0, greeting.offered))
        number, asked = await _packet(inside[0])
        if number != 1:
            raise ValueError("packets out of their order")
        response = Response.parse(asked)
        if self._account.user is not None and response.user != self._account.user.encode():
            service[1].write(packet(1, asked))
            return Opened(service, AsItIs(), AsItIs())
        ended = await _LogIn(self._account.password, greeting, service).run(response)
        await _end(inside, greeting, response, ended)
        return Opened(service, Commands(), AsItIs())


class _LogIn:
    """The server's side of one log-in."""

    def __init__(self, password: bytes, greeting: Greeting, service: Streams) -> None:
        self._password = password
        self._greeting = greeting
        self._reader, self._writer = service
        self._plugin = b""
        self._nonce = b""
        self._is_asked = False  # for its key

    async def run(self, response: Response) -> bytes:
        """Answer the server until it is content, and give the packet that says so."""
        offered = self._greeting.plugin
        self._begin(
            offered if offered in {NATIVE, SHA2} and response.plugin is not None else NATIVE, self._greeting.nonce
        )
        number, answer = 1, response.proving(self._plugin, self._proof()).payload()
        for _ in range(_MOST_PACKETS):
            if answer:
                self._writer.write(packet(number, answer))
            number, said = await _packet(self._reader)
            number += 1
            if not said:
                raise ValueError("a packet that says nothing")
            if said[0] == OK:
                return said
            if said[0] == ERROR:
                whole = packet(2, said)
                raise RefusedLoginError("the server refused the log-in: its answer went to the client", whole)
            answer = await self._answered(said)
        raise _refused(2, "the server sends more than a log-in has")

    def _begin(self, plugin: bytes, nonce: bytes) -> None:
        if plugin not in PLUGINS:
            raise _refused(2, f"the server wants the plugin `{_shown(plugin)}`, for which no password can be put in")
        self._plugin, self._nonce = plugin, nonce

    def _proof(self) -> bytes:
        return scramble(self._plugin, self._password, self._nonce)

    async def _answered(self, said: bytes) -> bytes:
        """Answer one packet; nothing where the server goes on by itself."""
        if said[0] == SWITCH:
            self._begin(*switched(said))
            return self._proof()
        if said[0] == MORE_DATA and self._plugin == SHA2:
            if said == _FAST_OK:
                return b""
            if said == _FULL and not self._is_asked:
                self._is_asked = True
                return _WANT_KEY
            if self._is_asked:
                # in a thread: how large the key is, is the server's to say
                return await asyncio.to_thread(encrypted, self._password, self._nonce, said[1:])
        raise _refused(2, "the server asks for what no password answers")


class Commands:
    """What a client sends after the log-in: looked through for one command, not changed.

    A command's first packet has number 0. So has every 256th of a file that the client loads, but that follows 255.
    """

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self._number = _LAST - 1
        self._is_first = False

    def feed(self, data: bytes) -> bytes:
        """Give the data back. RefusedLoginError for COM_CHANGE_USER."""
        at = 0
        while at < len(data):
            at = self._body(data, at) if self._left else self._headed(data, at)
        return data

    def _headed(self, data: bytes, at: int) -> int:
        took = data[at : at + 4 - len(self._head)]
        self._head += took
        if len(self._head) == 4:
            self._left = int.from_bytes(self._head[:3], "little")
            self._is_first = self._head[3] == 0 and self._number != _LAST
            self._number = self._head[3]
            self._head = b""
        return at + len(took)

    def _body(self, data: bytes, at: int) -> int:
        if self._is_first and data[at] == CHANGE_USER:
            raise _refused(1, "COM_CHANGE_USER is not carried: open a new connection", code=1047, state="08S01")
        self._is_first = False
        took = min(self._left, len(data) - at)
        self._left -= took
        return at + took


async def _end(inside: Streams, greeting: Greeting, response: Response, ended: bytes) -> None:
    """Bring the client's own exchange to its end, as its plugin waits for that.

    A client that begins with another plugin than the greeting's (by its own default) has proved nothing yet: it waits
    for a switch, also to the plugin that it has begun with.
    """
    number, plugin, proof = 2, response.plugin, response.proof
    if plugin is not None and plugin != greeting.plugin:
        plugin = plugin if plugin in {NATIVE, SHA2} else greeting.plugin
        inside[1].write(packet(number, bytes((SWITCH,)) + plugin + b"\0" + greeting.nonce + b"\0"))
        number, proof = await _packet(inside[0])
        number += 1
    if plugin == SHA2 and proof not in {b"", b"\0"}:  # a client without a password waits for nothing more
        inside[1].write(packet(number, _FAST_OK))
        number += 1
    inside[1].write(packet(number, ended))


def _shown(name: bytes) -> str:
    return ascii(name[:64].decode("ascii", "replace"))[1:-1]


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one packet before the log-in. ValueError for one that is too large."""
    head = await reader.readexactly(4)
    size = int.from_bytes(head[:3], "little")
    if size > MOST_HANDSHAKE:
        raise ValueError("a packet of an unusual size")
    return head[3], await reader.readexactly(size)


def _refused(number: int, told: str, *, code: int = 1251, state: str = "08004") -> RefusedLoginError:
    return RefusedLoginError(told, error(number, told, code=code, state=state))

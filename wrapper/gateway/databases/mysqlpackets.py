"""The packets of MySQL's protocol that stand before a log-in: read strictly, written as they were but for what changes.

Sources: MySQL's internals, "Connection Phase Packets" (protocol version 10, HandshakeResponse41), and MariaDB's
"Connecting". Every parser raises ValueError for what is not as it says there.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

# Capability flags.
WITH_DATABASE: Final = 0x8
COMPRESS: Final = 0x20
PROTOCOL_41: Final = 0x200
TLS: Final = 0x800
SECURE_CONNECTION: Final = 0x8000
PLUGIN_AUTH: Final = 0x80000
LENGTH_ENCODED_AUTH: Final = 0x200000
ZSTD: Final = 0x4000000
_NOT_OFFERED: Final = TLS | COMPRESS | ZSTD
"""TLS would hide the log-in, compression the commands after it; on loopback neither gains anything."""

OK, MORE_DATA, NEXT_FACTOR, SWITCH, ERROR = 0x00, 0x01, 0x02, 0xFE, 0xFF
CHANGE_USER: Final = 0x11
_VERSION: Final = 10
_FIXED: Final = 32  # bytes of a HandshakeResponse41 before the user's name
_LONGEST_ONE_BYTE: Final = 250  # the longest length that is one byte in both encodings
_LONGEST_RESPONSE: Final = 0xFFFF


def packet(number: int, payload: bytes) -> bytes:
    """Make a packet: the length in three bytes, its number in the exchange, what it says."""
    return struct.pack("<I", len(payload))[:3] + bytes((number & 255,)) + payload


def error(number: int, text: str, *, code: int = 1251, state: str = "08004") -> bytes:
    """Make an ERR packet. 1251: the ways to log in do not meet (clients take numbers from 2000 on for broken ones)."""
    return packet(number, b"\xff" + struct.pack("<H", code) + f"#{state}safe-agent: {text}".encode())


@dataclass(frozen=True, slots=True)
class Greeting:
    """The server's first packet; `offered` is what the client gets instead, with `plugin` as the one to begin with."""

    nonce: bytes
    plugin: bytes
    offered: bytes

    @classmethod
    def parse(cls, payload: bytes, plugins: Sequence[bytes]) -> Self:
        """Read version 10 of it; where its plugin is none of `plugins`, the first of them stands for it.

        ValueError where a server is older than PLUGIN_AUTH (MySQL 5.5) or lies.
        """
        end = payload.find(b"\0", 1)  # of the server's version
        low = end + 14  # behind the thread's id, 8 bytes of the nonce and a zero
        if payload[:1] != bytes((_VERSION,)) or end < 0 or len(payload) < low + 18:
            raise ValueError("no greeting of protocol version 10")
        high = low + 5
        flags = _word(payload, low) | _word(payload, high) << 16
        if not flags & PROTOCOL_41 or not flags & SECURE_CONNECTION or not flags & PLUGIN_AUTH:
            raise ValueError("a server from before MySQL 5.5")
        behind = high + 13  # the length of the nonce, and 10 bytes of which MariaDB uses four
        second = max(13, payload[high + 2] - 8)
        nonce = payload[end + 5 : end + 13] + payload[behind : behind + second]
        if len(nonce) < 8 + second:
            raise ValueError("a nonce that ends too early")
        named = payload[behind + second :].partition(b"\0")[0]
        plugin = named if named in plugins else plugins[0]
        offered = flags & ~_NOT_OFFERED
        edited = bytearray(payload[: behind + second] + plugin + b"\0")
        edited[low : low + 2] = struct.pack("<H", offered & 0xFFFF)
        edited[high : high + 2] = struct.pack("<H", offered >> 16)
        return cls(nonce.removesuffix(b"\0"), plugin, bytes(edited))


@dataclass(frozen=True, slots=True)
class Response:
    """The client's HandshakeResponse41. `rest` are its attributes and what else may follow, as they came."""

    flags: int
    fixed: bytes
    user: bytes
    proof: bytes
    database: bytes | None
    plugin: bytes | None
    rest: bytes

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read it. ValueError where it is older, asks for TLS or compression, or is broken."""
        if len(payload) < _FIXED:
            raise ValueError("an answer to the greeting that is too short")
        flags = struct.unpack_from("<I", payload)[0]
        if flags & TLS:
            raise ValueError("TLS, which is not spoken here")
        if (
            flags & (COMPRESS | ZSTD)
            or not flags & PROTOCOL_41
            or not flags & (SECURE_CONNECTION | LENGTH_ENCODED_AUTH)
        ):
            raise ValueError("a way to connect that is not offered")
        user, at = _ended(payload, _FIXED)
        proof, at = _measured(payload, at, wide=bool(flags & LENGTH_ENCODED_AUTH))
        database, at = _ended(payload, at) if flags & WITH_DATABASE else (None, at)
        plugin: bytes | None = None
        if flags & PLUGIN_AUTH:
            # some clients end the packet with the name, without its zero
            plugin, at = _ended(payload, at) if b"\0" in payload[at:] else (payload[at:], len(payload))
        return cls(flags, payload[:_FIXED], user, proof, database, plugin, payload[at:])

    def proving(self, plugin: bytes, proof: bytes) -> Self:
        """Give the same with another proof. Clients that name no plugin mean MySQL's native one."""
        return replace(self, plugin=None if self.plugin is None else plugin, proof=proof)

    def payload(self) -> bytes:
        """Write it."""
        if len(self.proof) > _LONGEST_ONE_BYTE:
            raise ValueError("a proof that is too long")
        database = b"" if self.database is None else self.database + b"\0"
        plugin = b"" if self.plugin is None else self.plugin + b"\0"
        named = self.user + b"\0" + bytes((len(self.proof),)) + self.proof + database + plugin
        return self.fixed + named + self.rest


def switched(payload: bytes) -> tuple[bytes, bytes]:
    """Read an AuthSwitchRequest: the plugin and its nonce. ValueError for the one from before MySQL 4.1."""
    plugin, mark, nonce = payload[1:].partition(b"\0")
    if not mark or not plugin:
        raise ValueError("a way to log in from before MySQL 4.1")
    return plugin, nonce


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _ended(data: bytes, at: int) -> tuple[bytes, int]:
    end = data.find(b"\0", at)
    if end < 0:
        raise ValueError("a text without its end")
    return data[at:end], end + 1


def _measured(data: bytes, at: int, *, wide: bool) -> tuple[bytes, int]:
    """Read a string with its length before it: one byte, or (`wide`) a length-encoded integer."""
    if at >= len(data):
        raise ValueError("a proof without its length")
    size, at = data[at], at + 1
    if wide and size > _LONGEST_ONE_BYTE:
        if size != 0xFC:  # nobody proves anything with 16 MB
            raise ValueError("a proof that is too long")
        size, at = _word(data, at), at + 2
    if at + size > len(data) or size > _LONGEST_RESPONSE:
        raise ValueError("a proof that ends too early")
    return data[at : at + size], at + size

"""A MySQL server's log-in, written by MySQL's documentation of its connection phase, for what no server here speaks.

It knows one password, checks what a client proves as MySQL 8 does, and answers each query with OK.
"""

import asyncio
import hashlib
import os
import struct
from dataclasses import dataclass, field
from functools import cache

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.gateway.databases.inside import Serve

FLAGS = 0x00FFF7FF | 0x800 | 0x20  # everything to the plugins' attributes, TLS and compression among it
OK = b"\x00\x00\x00\x02\x00\x00\x00"


@cache
def server_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Fake:
    """`greets` is the plugin of the greeting, `plugin` the account's. `seen` has what clients proved and asked."""

    password: bytes
    plugin: bytes = b"caching_sha2_password"
    greets: bytes = b"caching_sha2_password"
    is_cached: bool = False
    flags: int = FLAGS
    seen: list[bytes] = field(default_factory=list)

    def greeting(self, nonce: bytes) -> bytes:
        low, high = struct.pack("<H", self.flags & 0xFFFF), struct.pack("<H", self.flags >> 16)
        first = b"\x0a8.0.36\0" + struct.pack("<I", 7) + nonce[:8] + b"\0" + low + b"\xff\x02\x00" + high
        return first + b"\x15" + b"\0" * 10 + nonce[8:] + b"\0" + self.greets + b"\0"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = Exchange(reader, writer)
        nonce = os.urandom(20).replace(b"\0", b"\1")
        await exchange.say(self.greeting(nonce))
        proof = await exchange.hear()
        plugin = self.greets
        if plugin != self.plugin or plugin + b"\0" not in proof:
            nonce = os.urandom(20).replace(b"\0", b"\1")
            await exchange.say(b"\xfe" + self.plugin + b"\0" + nonce + b"\0")
            proof = await exchange.hear()
        self.seen.append(proof)
        if not await self._knows(exchange, proof, nonce):
            await exchange.say(b"\xff" + struct.pack("<H", 1045) + b"#28000Access denied for user")
            return
        await exchange.say(OK)
        while True:
            exchange.number = 0
            asked = await exchange.hear()
            if asked == b"\x01":
                return
            self.seen.append(asked)
            await exchange.say(OK)

    async def _knows(self, exchange: "Exchange", proof: bytes, nonce: bytes) -> bool:
        once = hashlib.sha256(self.password).digest()
        mask = hashlib.sha256(hashlib.sha256(once).digest() + nonce).digest()
        if bytes(a ^ b for a, b in zip(once, mask, strict=True)) not in proof:
            return False
        if self.is_cached:
            await exchange.say(b"\x01\x03")
            return True
        await exchange.say(b"\x01\x04")
        assert await exchange.hear() == b"\x02"
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        await exchange.say(b"\x01" + server_key().public_key().public_bytes(serialization.Encoding.PEM, form))
        sha1 = hashes.SHA1()  # noqa: S303 (what the protocol has)
        hidden = server_key().decrypt(await exchange.hear(), padding.OAEP(padding.MGF1(sha1), sha1, None))
        clear = bytes(one ^ nonce[at % 20] for at, one in enumerate(hidden))
        return clear == self.password + b"\0"


@dataclass
class Exchange:
    """Packets of one connection; a number out of its order fails."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int = 0

    async def say(self, payload: bytes) -> None:
        self.writer.write(struct.pack("<I", len(payload))[:3] + bytes((self.number,)) + payload)
        self.number += 1
        await self.writer.drain()

    async def hear(self) -> bytes:
        head = await self.reader.readexactly(4)
        assert head[3] == self.number
        self.number += 1
        return await self.reader.readexactly(int.from_bytes(head[:3], "little"))


def saying(heard: list[bytes], *packets: bytes) -> Serve:
    """Give a server that says these packets one after another, whatever it hears between them."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = Exchange(reader, writer)
        for packet in packets:
            await exchange.say(packet)
            heard.append(await exchange.hear())

    return serve

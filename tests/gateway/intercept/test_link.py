"""One end of TLS over a connection: how it ends."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from tests.fakes.company import Authority
from tests.gateway.intercept.scene import HOST
from wrapper.gateway.intercept import link as module
from wrapper.gateway.intercept.link import Link

_SIZE = 2_000_000  # more than a client and the socket take unread, less than a link lets wait


class _Nobody:
    def received(self, data: bytes) -> None:
        del data

    def ended(self, error: OSError | None) -> None:
        del error


def test_a_slow_reader_gets_all_that_was_written_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LINGERING", 0.05)

    async def run() -> None:
        authority = Authority(tmp_path)
        trusting = ssl.create_default_context(cafile=str(authority.file))
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        reader, writer = await asyncio.open_connection(sock=ours)
        link = Link(writer, authority.context(HOST))
        client = asyncio.open_connection(sock=theirs, ssl=trusting, server_hostname=HOST, limit=4096)
        (their_reader, their_writer), _ = await asyncio.gather(client, link.shake(reader, 5))
        link.attach(_Nobody())
        link.write(b"x" * _SIZE)
        link.close(linger=True)
        await asyncio.sleep(0.3)  # nobody reads, for longer than the end lingers
        async with asyncio.timeout(5):
            assert len(await their_reader.read(-1)) == _SIZE
            their_writer.close()
            await link.gone()

    asyncio.run(run())

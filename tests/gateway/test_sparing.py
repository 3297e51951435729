import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.gateway.wire import in_loop, listening
from wrapper.gateway.metered import MeteredListener
from wrapper.gateway.sparing import SparingListener, allow_descriptors


@contextmanager
def none_left() -> Iterator[None]:
    """Let this process open nothing more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("kind", [SparingListener, MeteredListener])
def test_without_descriptors_connections_are_turned_away_in_silence_and_later_ones_served(
    kind: type[SparingListener], caplog: pytest.LogCaptureFixture
) -> None:
    @in_loop
    async def scenario() -> None:
        served = asyncio.Event()

        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.set()
            writer.close()

        given = listening()
        sock = MeteredListener.on(given) if kind is MeteredListener else SparingListener(fileno=os.dup(given.fileno()))
        clients = [socket.create_connection(given.getsockname()) for _ in range(3)]
        server = await asyncio.start_server(serve, sock=sock)
        loop = asyncio.get_running_loop()
        with none_left():
            for client in clients:
                client.setblocking(False)
                assert await asyncio.wait_for(loop.sock_recv(client, 1), 5) == b""
                client.close()
        assert not served.is_set()
        socket.create_connection(given.getsockname()).close()
        await served.wait()
        server.close()
        given.close()
        assert sock._spare == -1

    scenario()
    assert caplog.messages == []


def test_the_limit_is_raised_as_far_as_it_goes_and_never_lowered() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(900, soft), hard))
        allow_descriptors()
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        assert raised == hard or raised >= 2 * 512
        allow_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == raised
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

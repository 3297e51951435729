"""A provider, a bare proxy before it and the gateway before it, each in a process of its own, on loopback.

The bare proxy does what any proxy of the same library does: it reads a request whole, sends it on, and streams the
answer back.
"""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from redactors import Engine, KnownValues, Origin, Vault, load
from redactors.rules.catalogue import expand
from wrapper.audit import recorder
from wrapper.audit.client import AsyncRecorderClient
from wrapper.audit.keys import Keys
from wrapper.gateway.checkpoint import Terms
from wrapper.gateway.records import Log
from wrapper.gateway.server import Gateway, GatewayConfig, Route
from wrapper.policy.load import load_policy
from wrapper.policy.wire import Place
from wrapper.ports import Answer, Question

_KNOWN = 100
_LIMIT = 64 * 2**20
_EVENT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"<%d>"}}\n\n'
)
_END = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def listening() -> socket.socket:
    """Make a socket that listens on a free port of loopback."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=256)
    sock.setblocking(False)
    return sock


@contextmanager
def process(serve: Callable[[], Coroutine[Any, Any, None]]) -> Iterator[int]:
    """Run an event loop in a process of its own."""
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(serve())
        finally:
            os._exit(0)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


async def provider(sock: socket.socket) -> None:
    """Answer each request with a stream of events, each of which tells when it was written (monotonic clock, ns).

    The target says how many events (`n`) and how many milliseconds between them (`ms`).
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while True:
                await _answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, sock=sock, limit=2**20)
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines = head.lower().split("\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
    if length:
        await reader.readexactly(length)
    query = dict(part.partition("=")[::2] for part in lines[0].split(" ")[1].partition("?")[2].split("&"))
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(int(query.get("n", "1"))):
        await asyncio.sleep(float(query.get("ms", "1")) / 1000)
        _write(writer, _EVENT % time.monotonic_ns())
        await writer.drain()
    _write(writer, _END)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


async def bare_proxy(sock: socket.socket, upstream: str) -> None:
    """Pass everything on as it is."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None), auto_decompress=False
    )

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()  # `request.read` has a limit of 1 MB
        headers = {"Content-Type": request.headers.get("Content-Type", "")}
        async with session.request(request.method, upstream + request.raw_path, headers=headers, data=body) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.SockSite(runner, sock).start()
    await asyncio.Event().wait()


class _NoKey:
    async def headers(self, inside: Mapping[str, str]) -> Mapping[str, str]:
        del inside
        return {"x-api-key": "bench"}

    async def close(self) -> None:
        """Nothing is under way."""


class _Nobody:
    async def ask(self, question: Question) -> Answer:
        return Answer(question.answers[0], by="nobody")


@contextmanager
def gateway(sock: socket.socket, upstream: str, folder: Path) -> Iterator[int]:
    """Serve the real gateway, with a real recorder that writes to `folder`."""
    keys = Keys(folder / "config")
    keys.make()
    ours, theirs = socket.socketpair()
    recipients = keys.load_recipients()
    writer = os.fork()
    if writer == 0:
        ours.close()
        os._exit(recorder.serve([theirs], folder / "sessions" / "bench", recipients))
    theirs.close()
    with process(lambda: _serve(sock, upstream, ours, folder)) as pid:
        ours.close()
        yield pid
    os.waitpid(writer, 0)


async def _serve(sock: socket.socket, upstream: str, audit: socket.socket, folder: Path) -> None:
    finds = engine(folder)
    policy = load_policy(profile="default", workspace=folder, config_home=folder, organisation=folder / "none.toml")
    terms = Terms(policy, Place("claude", str(folder), ()), _Nobody())
    config = GatewayConfig("anthropic", Route(upstream, _NoKey()), body_limit=_LIMIT)
    served = Gateway(config, finds, finds.vault, Log(AsyncRecorderClient(audit)), terms)
    await served.start(sock)
    await asyncio.Event().wait()


def engine(folder: Path) -> Engine:
    """Make an engine that knows values as an environment and some dotenv files hold them; `folder` caches its rules."""
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    for number in range(_KNOWN):
        known.add("VALUE", expand(f"{{base62:24}}{number}").encode(), Origin.OUTSIDE)
    return load(vault, known, cache_dir=folder / "cache")

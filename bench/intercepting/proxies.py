"""What stands between client and host: nothing, a tunnel, ours, mitmproxy; each in a process of its own."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import time
import venv
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.intercepting.ends import HOST
from bench.talking import served
from tests.fakes.company import Authority
from wrapper.audit import recorder
from wrapper.audit.client import AsyncRecorderClient
from wrapper.audit.keys import Keys
from wrapper.gateway.destination import Destination
from wrapper.gateway.egress import EgressProxy
from wrapper.gateway.intercept.exchange import Answer, Handler, Request, Send
from wrapper.gateway.intercept.exchanging import Limits
from wrapper.gateway.intercept.judging import Judge
from wrapper.gateway.intercept.serving import serve
from wrapper.gateway.intercept.upstream import Kept
from wrapper.gateway.records import Log
from wrapper.gateway.tunnel import Streams
from wrapper.policy.load import load_policy
from wrapper.ports import AsyncAuditSink

MITMPROXY = "11.0.2"  # the last one for Python 3.11


class _Allowed:
    action = "allow"
    text = "by the bench"


def _allowed(host: str, port: int) -> _Allowed:
    del host, port
    return _Allowed()


async def _on_loopback(host: str, port: int) -> Sequence[str]:
    del host, port
    return ("127.0.0.1",)


async def passing(request: Request, send: Send) -> Answer:
    """Pass on as it is."""
    return await send(request)


class _Interception:
    def __init__(self, authority: Authority, handle: Callable[[Destination], Handler]) -> None:
        self._authority = authority
        self._handle = handle
        self._kept = Kept(lambda: ssl.create_default_context(cafile=str(authority.file)), Limits())
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(authority.file.parent / f"{HOST}.key-and-certificate")
        self._context.set_alpn_protocols(["h2", "http/1.1"])

    def wants(self, host: str, port: int) -> bool:
        del host
        return port != 80

    async def serve(
        self, streams: Streams, destination: Destination, connect: Callable[[], Awaitable[Streams]]
    ) -> None:
        await serve(
            streams, destination, context=lambda _: self._context, connect=connect, handle=self._handle(destination),
            kept=self._kept, refused=lambda error: print(error, file=sys.stderr),
        )  # fmt: skip


async def serve_proxy(sock: socket.socket, audit: socket.socket, folder: Path, kind: str, authority: Authority) -> None:
    """Be the egress proxy: `tunnel`, `passing` (intercepted, nothing judged) or `judged`."""
    sink: AsyncAuditSink = AsyncRecorderClient(audit)
    interception = None
    if kind == "passing":
        interception = _Interception(authority, lambda _: passing)
    elif kind == "judged":
        policy = load_policy(profile="default", workspace=folder, config_home=folder, organisation=folder / "none.toml")
        judge = Judge(policy, served.engine(folder.parent), sink, numbers=Log(sink).numbers)
        interception = _Interception(authority, judge.handler)
    proxy = EgressProxy(_allowed, sink, resolve=_on_loopback, allow_private=lambda _: True, intercepting=interception)
    await proxy.start(sock)
    await asyncio.Event().wait()


@contextmanager
def ours(folder: Path, kind: str, authority: Authority) -> Iterator[tuple[int, int]]:
    """Give the proxy's port and process."""
    served.engine(folder)  # compiled once, here
    folder = folder / kind
    keys = Keys(folder / "config")
    keys.make()
    recipients = keys.load_recipients()
    near, far = socket.socketpair()
    writer = os.fork()
    if writer == 0:
        near.close()
        os._exit(recorder.serve([far], folder / "sessions" / "bench", recipients))
    far.close()
    sock = served.listening()
    with served.process(lambda: serve_proxy(sock, near, folder, kind, authority)) as pid:
        near.close()
        yield sock.getsockname()[1], pid
    os.waitpid(writer, 0)


def mitmdump(folder: Path) -> Path:
    """Install mitmproxy below `folder`, if it is not there, and give its command."""
    place = folder / f"mitmproxy-{MITMPROXY}"
    command = place / "bin" / "mitmdump"
    if not command.exists():
        venv.create(place, with_pip=True)
        subprocess.run([place / "bin" / "pip", "install", "-q", f"mitmproxy=={MITMPROXY}"], check=True)
    return command


@contextmanager
def mitmproxy(command: Path, folder: Path, authority: Authority) -> Iterator[tuple[int, int, Path]]:
    """Give its port, its process and its authority's certificate. Large bodies stream, as ours do."""
    with served.listening() as free:
        port = free.getsockname()[1]
    options = {
        "confdir": folder, "listen_host": "127.0.0.1", "listen_port": port, "flow_detail": 0,
        "termlog_verbosity": "error", "ssl_verify_upstream_trusted_ca": authority.file, "stream_large_bodies": "64k",
    }  # fmt: skip
    settings = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    process = subprocess.Popen([command, "-q", *settings], stdin=subprocess.DEVNULL)
    try:
        certificate = folder / "mitmproxy-ca-cert.pem"
        for _ in range(300):
            time.sleep(0.1)
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                continue
            if certificate.exists():
                break
        yield port, process.pid, certificate
    finally:
        process.terminate()
        process.wait()

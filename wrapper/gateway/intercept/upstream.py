"""The way to the host: verified TLS, HTTP/2 or HTTP/1.1, connections that are used again.

Rules of this file:
1. The certificate is verified for the host of CONNECT, and that host alone is named to the server (SNI). A context that
   would not verify is refused here.
2. The host is spoken to as the inside speaks: to an HTTP/1.1 client's requests by HTTP/1.1 where the host knows it, so
   little is translated; to an HTTP/2 client's by HTTP/2, or else HTTP/1.1; for an upgrade by HTTP/1.1 only.
3. A request is sent a second time only where the host cannot have begun it, or it has no body and means the same twice
   (RFC 9110 section 9.2.2), and only if it went out on a connection that had been used before.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import Answer, Request
from wrapper.gateway.intercept.exchanging import Limits
from wrapper.gateway.intercept.http1_outside import Http1Outside, UnansweredError
from wrapper.gateway.intercept.http2_outside import Http2Outside, UnprocessedError
from wrapper.gateway.intercept.link import AlertError, Link, words_of
from wrapper.gateway.refusal import RefusedError
from wrapper.gateway.tunnel import Streams

HTTP1: Final = "http/1.1"
HTTP2: Final = "h2"
_MOST_IDLE: Final = 16  # connections to one host that wait for their next request
_TWICE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_CLOCK: Final = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_NAMES: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH

Connect = Callable[[], Awaitable[Streams]]
Connection = Http1Outside | Http2Outside


class Kept:
    """Connections to hosts that wait for their next request; of one session. `trusted` makes what verifies hosts."""

    def __init__(self, trusted: Callable[[], ssl.SSLContext], limits: Limits) -> None:
        self._trusted = trusted
        self._limits = limits
        self._context: ssl.SSLContext | None = None
        self._idle: dict[Destination, list[Http1Outside]] = {}
        self._shared: dict[Destination, list[Http2Outside]] = {}
        self._opening: dict[Destination, asyncio.Lock] = {}
        self._unshared: set[Destination] = set()
        self._sweep: asyncio.TimerHandle | None = None

    def idle(self, destination: Destination, *, for_once: bool) -> Http1Outside | None:
        """Take a connection out. `for_once`: for what cannot be sent again, so only one that was used just now."""
        waiting = self._idle.get(destination, [])
        now = asyncio.get_running_loop().time()
        while waiting:
            one = waiting.pop()
            if one.is_open and (not for_once or now - one.idle_since < self._limits.reuse):
                return one
            one.close()
        return None

    def shared(self, destination: Destination) -> Http2Outside | None:
        """Give a connection that has room for another stream."""
        there = [one for one in self._shared.get(destination, ()) if one.is_open]
        self._shared[destination] = there
        return next((one for one in there if one.has_room), None)

    async def settled(self, destination: Destination) -> None:
        """Wait until each connection knows how many streams the host takes at once."""
        for one in tuple(self._shared.get(destination, ())):
            await one.settled(self._limits.head)

    def share(self, destination: Destination, connection: Http2Outside) -> None:
        """Let others use a connection too."""
        self._shared.setdefault(destination, []).append(connection)
        self._sweep_later()

    def put(self, destination: Destination, connection: Http1Outside) -> None:
        """Keep a connection for the next request."""
        waiting = self._idle.setdefault(destination, [])
        waiting.append(connection)
        if len(waiting) > _MOST_IDLE:
            waiting.pop(0).close()
        self._sweep_later()

    def opening(self, destination: Destination) -> asyncio.Lock:
        """Give what only one opener at a time may hold: the others may share what it gets."""
        return self._opening.setdefault(destination, asyncio.Lock())

    def share_none(self, destination: Destination) -> None:
        """Note that a host does not know HTTP/2: each exchange needs a connection of its own."""
        self._unshared.add(destination)

    def is_unshared(self, destination: Destination) -> bool:
        """Whether it is one of those, so that nobody waits for what another opens."""
        return destination in self._unshared

    async def context(self) -> ssl.SSLContext:
        """Give what hosts are verified with; read once, which takes some 20 ms."""
        if self._context is None:
            context = await asyncio.to_thread(self._trusted)
            if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
                raise RefusedError(500, "hosts would not be verified")
            context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Python sets it: a cut body would look whole
            self._context = context
        return self._context

    def close(self) -> None:
        """Close them all."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for one in self._every():
            one.close()
        self._idle.clear()
        self._shared.clear()

    def _every(self) -> "list[Connection]":
        idle = [one for waiting in self._idle.values() for one in waiting]
        return [*idle, *(one for there in self._shared.values() for one in there)]

    def _sweep_later(self) -> None:
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._limits.kept / 2, self._swept)

    def _swept(self) -> None:
        """Close what nobody has used for long."""
        self._sweep = None
        old = asyncio.get_running_loop().time() - self._limits.kept
        for one in self._every():
            if one.is_unused and one.idle_since < old:
                one.close()
        for destination in self._idle:
            self._idle[destination] = [one for one in self._idle[destination] if one.is_open]
        for destination in self._shared:
            self._shared[destination] = [one for one in self._shared[destination] if one.is_open]
        if self._every():
            self._sweep_later()


class Upstream:
    """The host of one destination, as an inside connection reaches it. `protocols`: to be offered, best first."""

    def __init__(
        self, destination: Destination, connect: Connect, kept: Kept, limits: Limits, protocols: tuple[str, ...]
    ) -> None:
        self._destination = destination
        self._connect = connect
        self._kept = kept
        self._limits = limits
        self._protocols = protocols

    def sending(self) -> "Sent":
        """Open a way out for one request."""
        return Sent(self)

    async def connection(self, request: Request, *, fresh: bool) -> tuple[Connection, bool]:
        """Give a connection, and whether it was used before. Raises RefusedError."""
        if request.head.upgrade:
            return await self._open((HTTP1,)), False
        if not fresh:
            kept = self._reused(request)
            if kept is not None:
                return kept, True
        if self._protocols[0] != HTTP2 or self._kept.is_unshared(self._destination):
            return await self._open(self._protocols), False
        async with self._kept.opening(self._destination):
            await self._kept.settled(self._destination)
            shared = self._kept.shared(self._destination)
            if shared is not None:
                return shared, True
            return await self._open(self._protocols), False

    def _reused(self, request: Request) -> Connection | None:
        once = request.body is not None or request.head.method not in _TWICE
        if self._protocols[0] == HTTP2:
            shared = self._kept.shared(self._destination)
            if shared is not None:
                return shared
        return self._kept.idle(self._destination, for_once=once)

    async def _open(self, protocols: tuple[str, ...]) -> Connection:
        try:
            link = await self._linked(protocols)
        except ssl.SSLError as error:
            if "no application protocol" not in words_of(error) or protocols != (HTTP1,):
                raise self._fault(error) from error
            return await self._open((HTTP2, HTTP1))
        if link.protocol == HTTP2:  # also where HTTP/1.1 alone was not known there
            connection = Http2Outside(link)
            self._kept.share(self._destination, connection)
            return connection
        if HTTP2 in protocols:
            self._kept.share_none(self._destination)
        return Http1Outside(link, lambda one: self._kept.put(self._destination, one))

    async def _linked(self, protocols: tuple[str, ...]) -> Link:
        context = await self._kept.context()
        reader, writer = await self._connect()
        context.set_alpn_protocols(list(protocols))  # taken over when the link is made, in the next line
        link = Link(writer, context, self._destination.host)
        try:
            await link.shake(reader, self._limits.head)
        except ssl.SSLError:
            link.abort(ConnectionAbortedError("no TLS"))
            raise
        except BaseException as error:
            link.abort(ConnectionAbortedError("no TLS"))
            if isinstance(error, OSError):
                raise self._fault(error) from error
            raise
        link.idle_after(self._limits.idle if self._limits.answer is None else self._limits.answer)
        return link

    def fault(self, error: OSError) -> RefusedError:
        """Say why there is no answer."""
        return self._fault(error)

    def _fault(self, error: OSError) -> RefusedError:
        host = f"`{self._destination.host}`"
        if isinstance(error, ssl.SSLCertVerificationError):
            what = f"the certificate of {host} is not trusted: {error.verify_message.rstrip('.').lower()}"
            return RefusedError(502, what, hint=_remedy(error.verify_code), lasting=True)
        if isinstance(error, TimeoutError):
            return RefusedError(504, f"{host} does not answer", hint="check your network, then try again")
        if isinstance(error, AlertError):  # of TLS 1.3 after the handshake
            what = f"{host} has ended TLS: {error}"
            return RefusedError(502, what, hint="a host that asks for a client's certificate gets none", lasting=True)
        if isinstance(error, ssl.SSLError):
            what = f"no TLS with {host}: {words_of(error)}"
            return RefusedError(502, what, hint="check what listens there", lasting=True)
        return RefusedError(502, f"{host} closed the connection before it answered", hint="try again")


class Sent:
    """A Send for one request, which knows what it has opened."""

    __slots__ = ("_upstream", "_used")

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._used: list[tuple[Connection, Request]] = []

    async def __call__(self, request: Request) -> Answer:
        """Send. Raises RefusedError."""
        fresh = False
        while True:
            connection, reused = await self._upstream.connection(request, fresh=fresh)
            self._used.append((connection, request))
            try:
                return await connection.exchange(request)
            except OSError as error:
                if fresh or not reused or not _is_repeatable(request, error):
                    raise self._upstream.fault(error) from error
            fresh = True

    def close(self) -> None:
        """Break off what has not ended."""
        for connection, request in self._used:
            connection.abandon(request)


def _is_repeatable(request: Request, error: OSError) -> bool:
    if request.body is not None:
        return False
    return isinstance(error, UnprocessedError) or (isinstance(error, UnansweredError) and request.head.method in _TWICE)


def _remedy(code: int) -> str:
    if code in _CLOCK:
        return "check this machine's clock; if it is right, only who runs the host can renew its certificate"
    if code in _NAMES:
        return "the server there is another one: check the name, and your network"
    return (
        "if your company looks into TLS, or the host has a certificate of a private authority, point "
        "NODE_EXTRA_CA_CERTS or SSL_CERT_FILE at the CA certificate (PEM), outside, and start again"
    )

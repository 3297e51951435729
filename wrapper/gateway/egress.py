"""The way out to other hosts: an HTTP proxy that knows CONNECT, and only to hosts that the policy allows.

Rules of this file:
1. The decision falls on the name, before it is resolved: a name that is not allowed is not even looked up, so names
   carry nothing out. It is on disk before the look-up (promise 4). A host that no rule names may wait for the user.
2. Where the connection goes to is checked in `wayout`, for each connection anew.
3. A client that is slow, says too much before its CONNECT, speaks something else or is one too many is cut off; so is
   one that has used up what policy grants for a host (`limits`).
4. Hosts that `intercepting` wants are spoken to by it. To others bytes are only moved, once the client has begun TLS
   that names the host (`hello`): on port 443 it must, unless policy names that port (`host.example:443`).
5. What travels inside TLS is not seen: the host that a request names there is up to the allowed server, so an allowed
   host that serves others by name, and an allowed host that is itself a proxy, open a way to those. Allow hosts, not
   content networks; inspect those that serve others.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn, Protocol

import msgspec

from wrapper.audit.events import Connection, Warned
from wrapper.errors import AuditError
from wrapper.gateway.destination import Destination, parse_request
from wrapper.gateway.dialling import Dial, Resolve
from wrapper.gateway.greetings import by_first_byte, by_head
from wrapper.gateway.hello import Beginning, FrontedError
from wrapper.gateway.limits import Limits, Use
from wrapper.gateway.metered import MeteredListener
from wrapper.gateway.moving import move, served
from wrapper.gateway.outward import DIRECT, Outward
from wrapper.gateway.refusal import NO_RULE, RefusedError
from wrapper.gateway.refusing import say
from wrapper.gateway.tunnel import Streams
from wrapper.gateway.wayout import NotPublicError, Patience, WayOut
from wrapper.messages import printable
from wrapper.policy.egress import Terms
from wrapper.ports import AsyncAuditSink

_HEAD = 16 * 2**10  # bytes of request line and headers; common servers stop at 8 KB (RFC 9110 section 4.1 asks 8000)
_PLAIN, _SECURE = 80, 443
_END = b"\r\n\r\n"
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_MOST_TUNNELS = 512  # a package manager opens some 50
_STILL_THERE = 0.5  # seconds: how soon a client is missed that left while it waited for the user
_LONGEST_SHOWN = 300
_OWN_NETWORK = "a host of your own network is listed under `[network] internal` in your policy"
_LOOPBACK = (
    "here it is the sandbox's own: go there without a proxy; a port of the user's machine stands here too where "
    "`[network] loopback` in your policy names it"
)
_ANY_PROTOCOL = "to let anything but TLS for it pass, name the port too, under `[network] allow` in your policy"


class Verdict(Protocol):
    """What the policy, or the user, says about a destination."""

    @property
    def action(self) -> str:
        """`allow` or `deny`."""

    @property
    def text(self) -> str:
        """The rule in words, for the log and the client: what it says and where it stands."""


class Unnamed(Protocol):
    """Who decides about hosts that policy does not allow, where it leaves them to the user."""

    async def heard(self, host: str, port: int) -> Verdict | None:
        """Give the user's verdict, waiting for it; None where it is not the user's to give."""


class Intercepting(Protocol):
    """Where TLS ends outside the sandbox: some hosts are not tunnelled, but spoken to in the inside's stead."""

    def wants(self, host: str, port: int) -> bool:
        """Whether this host's port is one of those."""

    async def serve(
        self, streams: Streams, destination: Destination, connect: Callable[[], Awaitable[Streams]]
    ) -> None:
        """Serve a connection of the inside whose CONNECT was answered with 200, until it ends.

        `connect` opens a connection to the destination, each time with addresses looked up and checked anew, by way of
        the company's proxy where there is one. It raises RefusedError. Who calls it closes what it gives. Bytes are
        counted at the inside's socket; where a limit is met there, reading and writing raise an OSError.
        """


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: for the head of a request, for one attempt to connect, for a tunnel of which one half is closed.

    `own`: for this machine's resolver, where a proxy has its own; `answer`: for a proxy's answer.
    """

    head: float = 10.0
    connect: float = 10.0
    own: float = 2.0
    answer: float = 30.0
    half_closed: float = 120.0


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A connection that may be made: where to, by which rule, and its part of what the host is granted.

    `head` is the length of the request's head, with the empty line.
    """

    destination: Destination
    rule: str
    use: Use
    head: int


class EgressProxy:
    """Serves CONNECT on a listening socket.

    `redact` is given the host name; where it changes it, the name carries a secret and is refused. `is_internal` says
    whether policy has a host of one's own network under this name and port, whose address may be private. `outward`
    says which proxies there are. `intercepting` gets the connections to hosts that it wants, instead of a tunnel; their
    plain port 80 is refused, which would go round it. `terms` are the limits of a host's port, `unnamed` decides where
    policy leaves it to the user, `any_protocol` says whether policy names this port itself, so that not only TLS may be
    spoken there. `resolve`, `dial` and `allow_private` (an address that may be dialled although it is not public) are
    for tests.
    """

    def __init__(  # noqa: PLR0913  what a test replaces comes in by argument
        self,
        decide: Callable[[str, int], Verdict],
        sink: AsyncAuditSink,
        *,
        redact: Callable[[bytes], bytes] | None = None,
        is_internal: Callable[[str, int], bool] | None = None,
        outward: Outward = DIRECT,
        intercepting: Intercepting | None = None,
        terms: Callable[[str, int], Terms] | None = None,
        unnamed: Unnamed | None = None,
        any_protocol: Callable[[str, int], bool] | None = None,
        resolve: Resolve | None = None,
        dial: Dial | None = None,
        allow_private: Callable[[str], bool] | None = None,
        clock: Callable[[], float] = time.time,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._decide = decide
        self._sink = sink
        self._redact = redact or _as_it_is
        self._intercepting = intercepting
        self._unnamed = unnamed
        self._any_protocol = any_protocol or _nothing
        self._limits = Limits(terms)
        self._clock = clock
        self._timeouts = timeouts or Timeouts()
        self._way = WayOut(
            outward,
            Patience(self._timeouts.connect, self._timeouts.own, self._timeouts.answer),
            is_internal=is_internal or _nothing,
            resolve=resolve,
            dial=dial,
            allow_private=allow_private,
        )
        self._given: socket.socket | None = None
        self._listener: MeteredListener | None = None
        self._server: asyncio.Server | None = None
        self._tunnels: set[asyncio.Task[None]] = set()

    async def start(self, sock: socket.socket) -> None:
        """Serve connections accepted from `sock`, which is listening; `close` closes it."""
        self._given, self._listener = sock, MeteredListener.on(sock)
        self._server = await asyncio.start_server(self._accepted, sock=self._listener, limit=_HEAD)

    async def close(self) -> None:
        """End: no new connections, open tunnels are cut and recorded."""
        if self._server is not None and self._given is not None:
            self._server.close()
            self._given.close()
        for tunnel in tuple(self._tunnels):
            tunnel.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)
        await asyncio.sleep(0)  # transports close their sockets in the loop's next round

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._served((reader, writer)))
        self._tunnels.add(task)
        task.add_done_callback(self._tunnels.discard)

    async def _served(self, inner: Streams) -> None:
        try:
            await self._answer(inner)
        except RefusedError as error:
            await say(inner, error)
        except AuditError as error:
            lost = RefusedError(503, f"nothing was sent, because the log cannot be written: {error.what}")
            await say(inner, lost)
        except OSError:
            pass  # the client is gone; there is nobody to tell
        finally:
            inner[1].close()

    async def _answer(self, inner: Streams) -> None:
        if len(self._tunnels) > _MOST_TUNNELS:
            raise RefusedError(503, f"{_MOST_TUNNELS} connections are open already", hint="close some")
        admitted = await self._admitted(inner[0])
        try:
            if self._intercepting is not None and self._intercepting.wants(*admitted.destination):
                await self._handed_over(inner, admitted, self._intercepting)
            else:
                await self._tunnelled(inner, admitted)
        finally:
            admitted.use.leave()

    # Who is let through.

    async def _admitted(self, reader: asyncio.StreamReader) -> _Admitted:
        """Read and decide; the decision is on disk when this returns."""
        destination, size = await self._asked_for(reader)
        host, port = destination
        if self._redact(host.encode()) != host.encode():
            hidden = Destination(self._redact(host.encode()).decode("ascii", "replace"), port)
            self._denied(hidden, "the name holds a secret", "a value is never part of a name; leave it out")
        if port == _PLAIN and self._intercepting is not None and self._intercepting.wants(host, _SECURE):
            rule = "its requests are inspected, and plain text would go round that"
            self._denied(destination, rule, "use `https://`")
        verdict = self._decide(host, port)
        if verdict.action != "allow" and f".{host}".endswith(".localhost"):  # nobody is asked: no answer would open it
            self._denied(destination, verdict.text, _LOOPBACK)
        if verdict.action != "allow":
            verdict = await self._heard(reader, destination) or verdict
        if verdict.action != "allow":
            self._denied(destination, verdict.text)
        try:
            use = self._limits.enter(destination)
        except RefusedError as error:
            self._sink.append(self._decided(destination, allowed=False, rule=f"{verdict.text}, but {error.what}"))
            raise
        try:
            await self._sink.append_durable(self._decided(destination, allowed=True, rule=verdict.text))
        except BaseException:
            use.leave()
            raise
        return _Admitted(destination, verdict.text, use, size)

    async def _asked_for(self, reader: asyncio.StreamReader) -> tuple[Destination, int]:
        head = b""
        try:
            head = await self._head(reader)
            if (foreign := by_head(head)) is not None:
                raise foreign
            return parse_request(head), len(head) + len(_END)
        except RefusedError as error:
            self._sink.append(self._decided(Destination(self._shown(head), 0), allowed=False, rule=error.what))
            raise

    async def _heard(self, reader: asyncio.StreamReader, destination: Destination) -> Verdict | None:
        """Let the user decide where policy leaves it to them, for as long as the client waits for that."""
        if self._unnamed is None:
            return None
        hearing = asyncio.create_task(_verdict(self._unnamed, destination))
        try:
            await _while_there(reader, hearing)
        except (ConnectionResetError, asyncio.CancelledError):
            rule = f"{NO_RULE}, and the client left while it waited for the user"
            self._sink.append(self._decided(destination, allowed=False, rule=rule))
            raise
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
        return hearing.result()

    def _denied(self, destination: Destination, rule: str, hint: str = "") -> NoReturn:
        """Refuse; without another `hint` it says how the user could allow the host."""
        self._sink.append(self._decided(destination, allowed=False, rule=rule))
        host, port = destination
        name = host if port in {_PLAIN, _SECURE} else f"{host}:{port}"
        allowing = (
            f"to allow it, the user runs `safe-agent allow {name}` in another terminal, or lists it under "
            f"`[network] allow` in your policy; `safe-agent explain {name}` shows the rule"
        )
        raise RefusedError(403, f"`{host}:{port}` is not allowed ({rule})", hint=hint or allowing)

    def _shown(self, head: bytes) -> str:
        """Give what a refused request asked for, as the log may hold it."""
        asked = head.partition(b"\r\n")[0].removeprefix(b"CONNECT ").removesuffix(b" HTTP/1.1")[:_LONGEST_SHOWN]
        return self._redact(asked).decode("ascii", "backslashreplace").encode("unicode_escape").decode() or "?"

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(self._timeouts.head):
                first = await reader.readexactly(1)
                if (foreign := by_first_byte(first)) is not None:
                    raise foreign
                if not first.isalpha():  # no method begins so; and the end of the head would not be found behind it
                    raise RefusedError(400, "a proxy request is not valid HTTP")
                return first + (await reader.readuntil(_END)).removesuffix(_END)
        except TimeoutError as error:
            raise RefusedError(408, f"no complete request within {self._timeouts.head:g} seconds") from error
        except asyncio.LimitOverrunError as error:
            raise RefusedError(431, f"the head of the request has more than {_HEAD} bytes") from error
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("the client left") from error

    # What becomes of it.

    async def _open(self, admitted: _Admitted) -> Streams:
        try:
            return await self._way.open(admitted.destination)
        except NotPublicError as error:
            self._denied(admitted.destination, f"{admitted.rule}, but {error}", _OWN_NETWORK)

    async def _handed_over(self, inner: Streams, admitted: _Admitted, intercepting: Intercepting) -> None:
        try:
            await self._way.checked(admitted.destination)
        except NotPublicError as error:
            self._denied(admitted.destination, f"{admitted.rule}, but {error}", _OWN_NETWORK)
        assert self._listener is not None  # noqa: S101 (it gave us this connection)
        use, metered = admitted.use, self._listener.of(inner[1].get_extra_info("socket").fileno())
        try:
            use.on_sent(metered.received - admitted.head)  # what the client sent without waiting for our answer
            metered.count(use.on_sent, use.on_received)
            inner[1].write(_ESTABLISHED)
            with contextlib.suppress(RefusedError):  # it is too late to say so: `serve` has recorded it
                await served(intercepting.serve(inner, admitted.destination, lambda: self._open(admitted)), use)
        finally:
            self._ended(admitted)

    async def _tunnelled(self, inner: Streams, admitted: _Admitted) -> None:
        host, port = admitted.destination
        beginning = Beginning(host, must=port == _SECURE and not self._any_protocol(host, port))
        outer = await self._open(admitted)
        inner[1].write(_ESTABLISHED)
        try:
            await move(inner, outer, admitted.use, beginning, half_closed=self._timeouts.half_closed)
        except FrontedError as error:
            self._fronted(admitted, error)
        finally:
            outer[1].close()
            self._ended(admitted)

    def _fronted(self, admitted: _Admitted, error: FrontedError) -> None:
        said = printable(self._redact(str(error).encode()).decode("utf-8", "replace"))[:_LONGEST_SHOWN]
        hint = "" if error.named else f" ({_ANY_PROTOCOL})"
        rule = f"{admitted.rule}, but {said}{hint}"
        self._sink.append(self._decided(admitted.destination, allowed=False, rule=rule))

    def _ended(self, admitted: _Admitted) -> None:
        """Record what a connection came to, and tell the user of what policy wants to be told."""
        use, (host, port) = admitted.use, admitted.destination
        rule = f"{admitted.rule}, cut: {use.cut}" if use.cut else admitted.rule
        ended = self._decided(admitted.destination, allowed=True, rule=rule)
        self._sink.append(msgspec.structs.replace(ended, sent=use.sent, received=use.received))
        if use.first_told():
            self._sink.append(Warned(at=self._clock(), text=f"a connection to `{host}:{port}` was cut: {use.cut}"))
        if use.terms.inspect == "flag" and use.total:
            text = f"{use.sent} bytes went to `{host}:{port}` unseen, and {use.received} came back"
            self._sink.append(Warned(at=self._clock(), text=text))

    def _decided(self, destination: Destination, *, allowed: bool, rule: str) -> Connection:
        return Connection(at=self._clock(), host=destination.host, port=destination.port, allowed=allowed, rule=rule)


async def _while_there(reader: asyncio.StreamReader, work: "asyncio.Task[Verdict | None]") -> None:
    """Wait for some work. Raises ConnectionResetError where the client leaves before it is done."""
    while not (await asyncio.wait({work}, timeout=_STILL_THERE))[0]:
        if reader.at_eof() or reader.exception() is not None:
            raise ConnectionResetError("the client left")


async def _verdict(unnamed: Unnamed, destination: Destination) -> Verdict | None:
    return await unnamed.heard(*destination)


def _as_it_is(name: bytes) -> bytes:
    return name


def _nothing(host: str, port: int) -> bool:  # noqa: ARG001
    return False

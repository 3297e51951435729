"""The gateway: what the client inside takes for the provider, served from outside.

Rules of this file:
1. One request is: read whole, decoded, cleared (`checkpoint`), written to the log, and only then sent. Nothing of it
   reaches a provider before the record is durable (promise 4); where that fails, nothing is sent, now or later.
2. What is sent is built anew from the parsed request (method, target, headers, one body of known length). No byte of
   the inside's framing goes on, so a request cannot be smuggled behind another one.
3. Credentials are put in last, go into no record and no message, and each goes to its own upstream only.
4. Every answer of the gateway's own has the provider's shape, says that safe-agent speaks and what to do.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from redactors.echoes import Echoes
from redactors.engine import Engine
from redactors.known import KnownValues
from redactors.vault import Origin, Vault
from wrapper.errors import AuditError, SafeAgentError, SessionError
from wrapper.gateway import anthropic, openai
from wrapper.gateway.account import account
from wrapper.gateway.answer import P, Passage, T, Transcript
from wrapper.gateway.arrival import METHODS, check_request, opens_socket, payload, read_body, target_of
from wrapper.gateway.bodies import check_plain, decoded
from wrapper.gateway.checkpoint import Checkpoint, Draft, Terms
from wrapper.gateway.conversation import Opened, Talk
from wrapper.gateway.credential import Credential
from wrapper.gateway.denial import DeniedError, denial
from wrapper.gateway.dialect import Dialect
from wrapper.gateway.handshake import Target, UnreachedError
from wrapper.gateway.incoming import Inward
from wrapper.gateway.listener import Listener
from wrapper.gateway.outgoing import Outgoing, credential_headers, redact_target
from wrapper.gateway.outward import DIRECT, Outward
from wrapper.gateway.proxies import Proxy
from wrapper.gateway.records import Leaving, Log, Records
from wrapper.gateway.refusal import RefusedError
from wrapper.gateway.requests import Asked, is_packed
from wrapper.gateway.tunnel import WANTS_A_USER, proxy_refusal
from wrapper.gateway.upstream import checked_base, upstream_fault
from wrapper.gateway.websocket import relay
from wrapper.policy.egress import Request, is_among

_DIALECTS: Mapping[str, Dialect] = {"anthropic": anthropic.DIALECT, "openai": openai.DIALECT}
# A scan of this many bytes takes a few milliseconds; a longer one would hold up the deltas of every other stream.
_IN_LOOP = 64 * 2**10
_NO_TARGET = "?"
# seconds: while the other thread searches, the loop waits this long for each of its steps (Python's own: 0.005)
_SWITCH = 0.0005


@dataclass(frozen=True, slots=True)
class Route:
    """One upstream: the base URL that path and query are appended to, and what authenticates there.

    `plain_http`: the policy names an `http://` upstream that is not on loopback. `beside` are base URLs of the same
    provider for what is asked below a path, such as `/inference-profiles`; `asks` is all that may be asked there, as in
    policy's `[[hosts]] allow`, and nothing where all may be.
    """

    upstream: str
    credential: Credential
    plain_http: bool = False
    beside: Mapping[str, str] = field(default_factory=dict)
    asks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """One provider's interface and where it is served.

    `routes` are the upstreams that policy may choose instead, by name; `body_limit` bytes bound a request's body
    before and after decoding, and an answer; `connect_timeout` is in seconds.
    """

    kind: Literal["anthropic", "openai"]
    own: Route
    routes: Mapping[str, Route] = field(default_factory=dict)
    body_limit: int = 64 * 2**20
    connect_timeout: float = 30.0


class _Way(NamedTuple):
    """A route that was chosen: its base URL as checked, its credentials for one request, the proxy before it.

    `account` is what the log gets of the credentials.
    """

    base: str
    credentials: Mapping[str, str]
    hop: Proxy | None
    account: str


class Gateway:
    """Serves one provider's interface on a listening socket.

    Needs a running event loop from `start` on. `outward` says through which proxies upstreams are reached, and which
    certificates are trusted. PolicyError where an upstream cannot be used.
    """

    def __init__(
        self,
        config: GatewayConfig,
        engine: Engine,
        vault: Vault,
        log: Log,
        terms: Terms,
        *,
        outward: Outward = DIRECT,
    ) -> None:
        self._config = config
        self._routes = {"": config.own, **config.routes}
        self._bases = {
            name: checked_base(name or config.kind, route.upstream, plain_http=route.plain_http)
            for name, route in self._routes.items()
        }
        self._beside = {
            path: checked_base(config.kind, base, plain_http=False) for path, base in config.own.beside.items()
        }
        self._asks = tuple(Request(*one.split(" ", 1)) for one in config.own.asks)
        self._outward = outward
        self._engine = engine
        self._vault = vault
        self._known = engine.known or KnownValues(vault)
        self._echoes = Echoes(self._known, vault)
        self._numbers = log.numbers
        self._dialect = _DIALECTS[config.kind]
        self._records = Records(log, engine, self._offload)
        self._checkpoint = Checkpoint(self._dialect, engine, vault, terms, self._offload, self._records, log.clock)
        self._passage = Passage(self._dialect, config.body_limit, self._offload)
        self._listener = Listener(self._handle, self._not_http)
        self._scans = ThreadPoolExecutor(1, "gateway-scan")
        self._client: aiohttp.ClientSession | None = None

    async def start(self, sock: socket.socket) -> None:
        """Serve connections accepted from `sock`, which is listening; `close` closes it."""
        sys.setswitchinterval(_SWITCH)
        self._client = aiohttp.ClientSession(
            auto_decompress=True,
            connector=aiohttp.TCPConnector(limit=0, ssl=self._outward.is_plain or self._outward.tls()),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
            # the first also bounds how long a proxy may take to answer
            timeout=aiohttp.ClientTimeout(
                None, 2 * self._config.connect_timeout, sock_connect=self._config.connect_timeout
            ),
            max_line_size=2**16,
            max_field_size=2**16,
        )
        await self._listener.start(sock)

    async def close(self) -> None:
        """End: no new connections, open streams are broken off, what came of them is recorded."""
        await self._listener.close()
        for route in self._routes.values():
            await route.credential.close()
        await self._records.close()
        if self._client is not None:
            await self._client.close()
        self._scans.shutdown(wait=False)

    def forget(self) -> None:
        """Search everything anew from now on: the engine finds what it did not find before. From any thread."""
        self._checkpoint.forget()

    # One request, from the first byte to the last.

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        number = next(self._numbers)
        try:
            self._records.check()
            check_request(request)
            if opens_socket(request):
                return await self._socket(number, request)
            return await self._exchange(number, request)
        except RefusedError as error:
            self._refused(number, request, error.what)
            return self._error(error)
        except DeniedError as error:
            self._refused(number, request, error.text)
            return self._denied(request, None, error)
        except AuditError as error:
            return self._error(_unlogged(error))
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, nothing unredacted may be said about it
            return self._error(self._failed(number, error))

    async def _exchange(self, number: int, request: web.BaseRequest) -> web.StreamResponse:
        if is_packed(target_of(request).decode("latin-1")):
            raise RefusedError(501, "what is to be counted is packed in base64, in which nothing can be redacted")
        body = await read_body(request, self._config.body_limit)
        plain, asked = await self._offload(len(body), self._plain, request, body)
        draft = Draft(number, target_of(request), request.raw_headers, plain, uploads=bool(plain))
        try:
            cleared = await self._checkpoint.clear(draft, asked)
        except DeniedError as error:
            self._refused(number, request, error.text)
            return self._denied(request, asked, error)
        way = await self._way(cleared.upstream, request)
        url = way.base + cleared.outgoing.target
        leaving = Leaving(number, request.method, url, cleared.outgoing, cleared.upstream, cleared.model, way.account)
        await self._records.request(leaving)
        return await self._forward(number, request, cleared.outgoing, way)

    def _plain(self, request: web.BaseRequest, body: bytes) -> tuple[bytes, Asked | None]:
        """Give the decoded body, and what it asks."""
        plain = decoded(body, ",".join(request.headers.getall("Content-Encoding", ())), self._config.body_limit)
        check_plain(plain, request.headers.get("Content-Type", ""))
        self._echoes.prepare()  # here, so that the loop never pays for it
        return plain, self._checkpoint.reads(target_of(request), plain)

    async def _way(self, name: str, request: web.BaseRequest) -> _Way:
        inside = credential_headers(request.raw_headers)
        if name not in self._routes:
            raise RefusedError(403, f"policy routes this to `{name}`, which does not speak this interface")
        base = self._bases[name] if name else self._own_base(request)
        try:
            headers = await self._routes[name].credential.headers(inside)
            return _Way(base, headers, self._outward.proxies.toward(base), account(headers, self._placeholder))
        except SessionError as error:  # a proxy that cannot be used
            raise RefusedError(502, error.what, hint=error.hint, lasting=True) from error
        except SafeAgentError as error:
            raise RefusedError(401, error.what, hint=error.hint) from error

    def _own_base(self, request: web.BaseRequest) -> str:
        """Give the client's own upstream, or the one beside it that serves what is asked."""
        target = target_of(request).decode("latin-1")
        if self._asks and not is_among(self._asks, request.method, target):
            raise RefusedError(403, "this is none of what the client asks its model's provider", lasting=True)
        path = target.partition("?")[0]
        below = (base for start, base in self._beside.items() if f"{path}/".startswith(f"{start}/"))
        return next(below, self._bases[""])

    def _placeholder(self, value: bytes) -> str:
        return self._vault.issue("API-KEY", value, Origin.OUTSIDE)

    def _inward(self, way: _Way) -> Inward:
        return Inward(
            self._vault, self._known, tuple(way.credentials.values()), self._echoes, self._checkpoint.restored
        )

    async def _forward(
        self, number: int, request: web.BaseRequest, outgoing: Outgoing, way: _Way
    ) -> web.StreamResponse:
        headers, hop = _headers(outgoing, way), way.hop
        headers["Accept-Encoding"] = "identity"
        if hop and way.base.startswith("http://"):
            headers.update(hop.headers)  # the request itself goes to the proxy
        try:
            async with self._opened().request(
                request.method,
                URL(way.base + outgoing.target, encoded=True),
                headers=headers,
                data=payload(request.method, outgoing.body),
                allow_redirects=False,
                proxy=hop.url if hop else None,
                proxy_headers=hop.headers if hop else None,
            ) as upstream:
                if hop and upstream.status == WANTS_A_USER:
                    raise proxy_refusal(upstream.status, hop, way.base)
                return await self._passed_on(number, request, upstream, self._inward(way))
        except (aiohttp.ClientError, TimeoutError) as error:
            if isinstance(error, ConnectionResetError):
                raise
            raise self._fault(error, way) from error

    async def _passed_on(
        self, number: int, request: web.BaseRequest, upstream: aiohttp.ClientResponse, inward: Inward
    ) -> web.StreamResponse:
        transcript = Transcript()
        try:
            return await self._passage.run(request, upstream, inward, transcript)
        finally:
            self._records.response(number, transcript, inward)

    # A WebSocket: its handshake is a request without a body, and each of the client's messages is one of its own.

    async def _socket(self, number: int, request: web.BaseRequest) -> web.StreamResponse:
        if self._config.routes:
            raise RefusedError(426, "policy chooses the upstream by model, which a WebSocket tells too late")
        draft = Draft(number, target_of(request), request.raw_headers, b"")
        cleared = await self._checkpoint.clear(draft, None)
        way = await self._way("", request)
        url = way.base + cleared.outgoing.target
        await self._records.request(Leaving(number, request.method, url, cleared.outgoing, account=way.account))
        talk = Talk(
            Opened(number, draft.target, url, way.account),
            self._checkpoint,
            self._records,
            self._numbers,
            self._dialect,
            inward=lambda: self._inward(way),
            limit=self._config.body_limit,
            declined=lambda upstream: self._passed_on(number, request, upstream, self._inward(way)),
        )
        target = Target(URL(url, encoded=True), _headers(cleared.outgoing, way), way.hop)
        try:
            return await relay(request, self._opened(), target, talk, limit=self._config.body_limit)
        except UnreachedError as error:
            raise self._fault(error.reason, way) from error

    # Answers of the gateway's own.

    def _refused(self, number: int, request: web.BaseRequest, reason: str) -> None:
        method = request.method if request.method in METHODS or request.method == "CONNECT" else _NO_TARGET
        url = redact_target(target_of(request), self._engine, [])
        self._records.refused(number, method, url, reason)

    def _denied(self, request: web.BaseRequest, asked: Asked | None, error: DeniedError) -> web.Response:
        answer = denial(self._dialect, target_of(request).decode("latin-1"), asked, error.text)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    def _fault(self, error: Exception, way: _Way) -> RefusedError:
        return upstream_fault(error, way.base, way.hop, unread=self._outward.unread())

    def _failed(self, number: int, error: Exception) -> RefusedError:
        name = type(error).__name__
        self._records.warn(f"request #{number}: the gateway failed with {name}")
        return RefusedError(500, f"the gateway failed with {name}", hint="please report this")

    def _error(self, error: RefusedError) -> web.Response:
        response = web.Response(
            status=error.status,
            body=self._dialect.error(error.status, error.message),
            content_type="application/json",
        )
        if error.is_lasting:
            response.headers["X-Should-Retry"] = "false"  # read by the providers' own client libraries
        return response

    def _not_http(self, status: int) -> web.Response:
        """Answer bytes that are no request (the parser's refusal); they are not quoted."""
        error = RefusedError(status, "this is not a valid HTTP request")
        self._records.refused(next(self._numbers), _NO_TARGET, _NO_TARGET, error.what)
        return self._error(error)

    async def _offload(self, size: int, scan: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a scan of `size` bytes in the loop if it is short, else in the scanning thread."""
        if size <= _IN_LOOP:
            return scan(*args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._scans, lambda: scan(*args, **kwargs))

    def _opened(self) -> aiohttp.ClientSession:
        if self._client is None:
            raise RuntimeError("the gateway was not started")
        return self._client


def _headers(outgoing: Outgoing, way: _Way) -> CIMultiDict[str]:
    headers = CIMultiDict(outgoing.headers)
    headers.update(way.credentials)
    return headers


def _unlogged(error: AuditError) -> RefusedError:
    return RefusedError(503, f"nothing was sent, because the log cannot be written: {error.what}", hint=error.hint)

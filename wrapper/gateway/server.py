"""The gateway: what the client inside takes for the provider, served from outside.

Rules of this file:
1. One request is: read whole, decoded, redacted, written to the log, and only then sent. Nothing of it reaches the
   provider before `append_durable` has returned (promise 4); where that fails, nothing is sent, now or later.
2. What is sent is built anew from the parsed request (method, target, headers, one body of known length). No byte of
   the inside's framing goes on, so a request cannot be smuggled behind another one.
3. Credentials are put in last, go into no record and no message.
4. Every answer of the gateway's own has the provider's error shape, says that safe-agent speaks and what to do.
"""

import asyncio
import itertools
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from redactors.engine import Engine
from redactors.finding import Confidence, Finding
from redactors.vault import Vault
from wrapper.audit.events import Event, Redacted, Refused, Request, Response, Warned
from wrapper.errors import AuditError, SafeAgentError
from wrapper.gateway import anthropic, openai
from wrapper.gateway.answer import P, Passage, T, Transcript
from wrapper.gateway.arrival import METHODS, check_request, payload, read_body, target_of
from wrapper.gateway.bodies import check_plain, decoded
from wrapper.gateway.credential import Credential
from wrapper.gateway.dialect import Dialect
from wrapper.gateway.incoming import Inward
from wrapper.gateway.listener import Listener
from wrapper.gateway.outgoing import Masked, Outgoing, credential_headers, recorded, redact_request, redact_target
from wrapper.gateway.refusal import RefusedError
from wrapper.gateway.upstream import checked_base, upstream_fault
from wrapper.ports import AsyncAuditSink

_DIALECTS: Mapping[str, Dialect] = {"anthropic": anthropic.DIALECT, "openai": openai.DIALECT}
# A scan of this many bytes takes a few milliseconds; a longer one would hold up the deltas of every other stream.
_IN_LOOP = 64 * 2**10
_NO_TARGET = "?"


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """One upstream.

    `upstream` is the base URL that path and query are appended to; `body_limit` bytes bound a request's body before
    and after decoding, and an answer; `plain_http`: the policy names an `http://` upstream that is not on loopback;
    `connect_timeout` is in seconds.
    """

    kind: Literal["anthropic", "openai"]
    upstream: str
    credential: Credential
    body_limit: int = 64 * 2**20
    plain_http: bool = False
    connect_timeout: float = 30.0


class Gateway:
    """Serves one provider's interface on a listening socket.

    Needs a running event loop from `start` on. `numbers` counts requests (one counter per session); `clock` gives
    seconds since the epoch; `tls` is for tests, else the system's trust store is used. PolicyError where the
    upstream cannot be used.
    """

    def __init__(
        self,
        config: GatewayConfig,
        engine: Engine,
        vault: Vault,
        sink: AsyncAuditSink,
        *,
        numbers: Iterator[int] | None = None,
        clock: Callable[[], float] = time.time,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._config = config
        self._base = checked_base(config.kind, config.upstream, plain_http=config.plain_http)
        self._engine = engine
        self._vault = vault
        self._sink = sink
        self._numbers = numbers or itertools.count(1)
        self._clock = clock
        self._tls = tls
        self._dialect = _DIALECTS[config.kind]
        self._passage = Passage(self._dialect, config.body_limit, self._offload)
        self._listener = Listener(self._handle, self._not_http)
        self._scans = ThreadPoolExecutor(1, "gateway-scan")
        self._records: set[asyncio.Task[None]] = set()
        self._client: aiohttp.ClientSession | None = None
        self._log_failed = False

    async def start(self, sock: socket.socket) -> None:
        """Serve connections accepted from `sock`, which is listening; `close` closes it."""
        self._client = aiohttp.ClientSession(
            auto_decompress=True,
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._config.connect_timeout),
            max_line_size=2**16,
            max_field_size=2**16,
        )
        await self._listener.start(sock)

    async def close(self) -> None:
        """End: no new connections, open streams are broken off, what came of them is recorded."""
        await self._listener.close()
        await self._config.credential.close()
        while self._records:
            await asyncio.wait(self._records)
        if self._client is not None:
            await self._client.close()
        self._scans.shutdown(wait=False)

    # One request, from the first byte to the last.

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        number = next(self._numbers)
        try:
            return await self._exchange(number, request)
        except RefusedError as error:
            self._append(self._refused(number, request, error.what))
            return self._error(error)
        except AuditError as error:
            self._log_failed = True
            return self._error(_unlogged(error))
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, nothing unredacted may be said about it
            name = type(error).__name__
            self._append(Warned(at=self._clock(), text=f"request #{number}: the gateway failed with {name}"))
            return self._error(RefusedError(500, f"the gateway failed with {name}", hint="please report this"))

    async def _exchange(self, number: int, request: web.BaseRequest) -> web.StreamResponse:
        if self._log_failed:
            raise AuditError("the log has failed")
        check_request(request)
        body = await read_body(request, self._config.body_limit)
        outgoing = await self._offload(len(body), self._prepared, request, body)
        credentials = await self._credentials(request)
        await self._record_request(number, request.method, outgoing)
        inward = Inward(self._vault, self._engine.known or _NothingKnown(), tuple(credentials.values()))
        return await self._forward(number, request, outgoing, credentials, inward)

    def _prepared(self, request: web.BaseRequest, body: bytes) -> Outgoing:
        plain = decoded(body, ",".join(request.headers.getall("Content-Encoding", ())), self._config.body_limit)
        check_plain(plain, request.headers.get("Content-Type", ""))
        return redact_request(target_of(request), request.raw_headers, plain, self._engine)

    async def _credentials(self, request: web.BaseRequest) -> Mapping[str, str]:
        try:
            return await self._config.credential.headers(credential_headers(request.raw_headers))
        except SafeAgentError as error:
            raise RefusedError(401, error.what, hint=error.hint) from error

    async def _forward(
        self,
        number: int,
        request: web.BaseRequest,
        outgoing: Outgoing,
        credentials: Mapping[str, str],
        inward: Inward,
    ) -> web.StreamResponse:
        headers = CIMultiDict(outgoing.headers)
        headers.update(credentials)
        headers["Accept-Encoding"] = "identity"
        transcript = Transcript()
        try:
            async with self._opened().request(
                request.method,
                URL(self._base + outgoing.target, encoded=True),
                headers=headers,
                data=payload(request.method, outgoing.body),
                allow_redirects=False,
            ) as upstream:
                return await self._passage.run(request, upstream, inward, transcript)
        except (aiohttp.ClientError, TimeoutError) as error:
            if isinstance(error, ConnectionResetError):
                raise
            raise upstream_fault(error, self._base) from error
        finally:
            self._record_response(number, transcript, inward)

    # The log.

    async def _record_request(self, number: int, method: str, outgoing: Outgoing) -> None:
        at = self._clock()
        for note in outgoing.masked:
            self._sink.append(_redacted(at, number, note))
        await self._sink.append_durable(
            Request(
                at=at,
                number=number,
                method=method,
                url=self._base + outgoing.target,
                headers=recorded(outgoing.headers),
                body=outgoing.body,
            )
        )

    def _record_response(self, number: int, transcript: Transcript, inward: Inward) -> None:
        """Record in a task of its own: the client need not wait for it, and may already be gone."""
        if transcript.status:
            task = asyncio.get_running_loop().create_task(self._written_response(number, transcript, inward))
            self._records.add(task)
            task.add_done_callback(self._records.discard)

    async def _written_response(self, number: int, transcript: Transcript, inward: Inward) -> None:
        at = self._clock()
        body = await self._offload(len(transcript.body), self._certainly_redacted, bytes(transcript.body))
        for (kind, placeholder, rule), count in inward.masked.items():
            self._append(
                Redacted(
                    at=at,
                    kind=kind,
                    placeholder=placeholder,
                    place="response",
                    where=f"#{number}",
                    rule=rule,
                    count=count,
                )
            )
        for near in inward.near.found:
            self._append(Warned(at=at, text=f"{near} (answer to request #{number})"))
        self._append(
            Response(
                at=at,
                number=number,
                status=transcript.status,
                headers=transcript.headers,
                body=body,
                complete=transcript.complete,
            )
        )

    def _certainly_redacted(self, data: bytes) -> bytes:
        """Redact what looks like a key for certain, though the model made it up; signatures only look random."""
        return self._engine.redact(data, minimum=Confidence.CERTAIN).data

    def _append(self, event: Event) -> None:
        """Record what has happened already; once that fails, no further request leaves."""
        try:
            self._sink.append(event)
        except AuditError:
            self._log_failed = True

    def _refused(self, number: int, request: web.BaseRequest, reason: str) -> Refused:
        method = request.method if request.method in METHODS or request.method == "CONNECT" else _NO_TARGET
        url = redact_target(target_of(request), self._engine, [])
        return Refused(at=self._clock(), number=number, method=method, url=url, reason=reason)

    # Answers of the gateway's own.

    def _error(self, error: RefusedError) -> web.Response:
        response = web.Response(
            status=error.status,
            body=self._dialect.error(error.status, error.message),
            content_type="application/json",
        )
        if error.status not in {502, 504}:
            response.headers["X-Should-Retry"] = "false"  # read by the providers' own client libraries
        return response

    def _not_http(self, status: int) -> web.Response:
        """Answer bytes that are no request (the parser's refusal); they are not quoted."""
        error = RefusedError(status, "this is not a valid HTTP request")
        number = next(self._numbers)
        self._append(Refused(at=self._clock(), number=number, method=_NO_TARGET, url=_NO_TARGET, reason=error.what))
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


class _NothingKnown:
    """Stands in where the engine has no known values."""

    def find(self, data: bytes) -> list[Finding]:  # noqa: ARG002
        return []


def _unlogged(error: AuditError) -> RefusedError:
    return RefusedError(503, f"nothing was sent, because the log cannot be written: {error.what}", hint=error.hint)


def _redacted(at: float, number: int, note: Masked) -> Redacted:
    return Redacted(
        at=at,
        kind=note.kind,
        placeholder=note.placeholder,
        place="request",
        where=f"#{number}{note.where}",
        rule=note.rule,
        count=note.times,
    )

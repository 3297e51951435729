"""Passes the provider's answer on to the inside as it arrives, and keeps what the log gets of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol, TypeVar

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from wrapper.gateway.dialect import Dialect
from wrapper.gateway.eventstream import MEDIA_TYPE
from wrapper.gateway.incoming import Inward, InwardDocument, InwardFrames, InwardStream
from wrapper.gateway.outgoing import recorded
from wrapper.gateway.refusal import RefusedError

# RFC 9110 section 7.6.1; lengths and codings change with the body; `alt-svc` would send the client around the gateway.
_PER_HOP = frozenset({
    "alt-svc", "connection", "content-encoding", "content-length", "keep-alive", "proxy-authenticate",
    "proxy-authorization", "strict-transport-security", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_READABLE = frozenset({"", "identity", "gzip", "deflate", "br"})  # what the HTTP library undoes while it arrives
_EVENT_STARTS = (b"event:", b"data:", b"id:", b"retry:", b":")
_EVENTS = "text/event-stream"
_NO_BODY = frozenset({204, 304})
_SWITCHING = 101
_SLOW = 2**20  # bytes whose scan takes about as long as preparing for new values: a few milliseconds and more


P = ParamSpec("P")
T = TypeVar("T")


class Offload(Protocol):
    """Runs a scan of `size` bytes where it does not hold up the other streams."""

    async def __call__(self, size: int, scan: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return `scan(…)`."""


@dataclass(slots=True)
class Transcript:
    """What the log gets of an answer; `status` is 0 until there is one."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | bytearray = b""
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """How answers are passed on; `limit` bounds one event, one whole answer and what is kept, in bytes."""

    dialect: Dialect
    limit: int
    offload: Offload

    async def run(
        self, request: web.BaseRequest, upstream: aiohttp.ClientResponse, inward: Inward, transcript: Transcript
    ) -> web.StreamResponse:
        """Answer `request`. RefusedError before the first byte went in; ConnectionError once it is too late.

        The reason phrase of the status is the library's own: the provider's is text that no client reads.
        """
        if upstream.status == _SWITCHING:
            raise RefusedError(502, "the provider switched to another protocol, which was not asked for")
        headers = headers_inward(upstream, inward)
        transcript.status = upstream.status
        transcript.headers = recorded(headers.items())
        coding = upstream.headers.get("content-encoding", "").strip().lower()
        if coding not in _READABLE:
            raise RefusedError(502, f"the provider answered in the coding `{coding[:40]}`, which was not asked for")
        if not inward.is_ready:
            await self.offload(_SLOW, inward.prepare)
        if _has_no_body(request, upstream):
            return await self._whole(upstream, inward, transcript, (headers, b""))
        if upstream.content_type in (_EVENTS, MEDIA_TYPE):
            return await self._stream(request, upstream, inward, transcript, headers)
        first = await _next(upstream)
        if _looks_like_events(upstream, first):
            return await self._stream(request, upstream, inward, transcript, headers, first)
        return await self._whole(upstream, inward, transcript, (headers, first))

    async def _whole(
        self,
        upstream: aiohttp.ClientResponse,
        inward: Inward,
        transcript: Transcript,
        begun: tuple[CIMultiDict[str], bytes],
    ) -> web.StreamResponse:
        headers, chunk = begun
        data = bytearray()
        while chunk:
            data += chunk
            if len(data) > self.limit:
                raise RefusedError(502, f"the provider's answer has more than {self.limit} bytes")
            chunk = await _next(upstream)
        document = InwardDocument(inward, self.dialect)
        body = await self.offload(len(data), document.whole, bytes(data))
        transcript.body, transcript.complete = document.seen, True
        return web.Response(status=upstream.status, headers=headers, body=body or None)

    async def _stream(
        self,
        request: web.BaseRequest,
        upstream: aiohttp.ClientResponse,
        inward: Inward,
        transcript: Transcript,
        headers: CIMultiDict[str],
        begun: bytes = b"",
    ) -> web.StreamResponse:
        """Pass events on; the headers go at once, for a model may think long before its first word."""
        kind = InwardFrames if upstream.content_type == MEDIA_TYPE else InwardStream
        stream = kind(inward, self.dialect, self.limit)
        transcript.body = stream.seen
        response = web.StreamResponse(status=upstream.status, headers=headers)
        await response.prepare(request)
        await _write(response, _fed(stream, begun))
        try:
            while chunk := await _next(upstream):
                await _write(response, _fed(stream, chunk))
        except RefusedError as error:
            # The status is sent: breaking off is how a client learns of it, as it would from the provider.
            await _write(response, stream.end())
            raise ConnectionResetError(error.what) from error
        await _write(response, stream.end())
        transcript.complete = not stream.truncated
        await response.write_eof()
        return response


async def _next(upstream: aiohttp.ClientResponse) -> bytes:
    """Return the next bytes as they arrive, `b""` at the end. RefusedError where the answer breaks off."""
    try:
        return await upstream.content.readany()
    except (aiohttp.ClientError, OSError) as error:
        raise RefusedError(502, "the provider broke its answer off", hint="try again") from error


def _fed(stream: InwardStream | InwardFrames, chunk: bytes) -> bytes:
    try:
        return stream.feed(chunk)
    except (ValueError, RecursionError) as error:
        raise ConnectionResetError("the provider's stream is no event stream") from error


async def _write(response: web.StreamResponse, data: bytes) -> None:
    if data:
        await response.write(data)


def headers_inward(upstream: aiohttp.ClientResponse, inward: Inward) -> CIMultiDict[str]:
    """Headers for the inside: masked, without those of this hop; one whose name would have to be is left out."""
    headers: CIMultiDict[str] = CIMultiDict()
    for raw_name, raw_value in upstream.raw_headers:
        name = raw_name.decode("latin-1")
        if name.lower() not in _PER_HOP and inward.mask(raw_name) == raw_name:
            headers.add(name, inward.mask(raw_value).decode("utf-8", "replace"))
    return headers


def _has_no_body(request: web.BaseRequest, upstream: aiohttp.ClientResponse) -> bool:
    return request.method == "HEAD" or upstream.status in _NO_BODY


def _looks_like_events(upstream: aiohttp.ClientResponse, first: bytes) -> bool:
    """Tell an event stream whose media type was lost on the way; JSON never begins like an event."""
    return "json" not in upstream.content_type and first.startswith(_EVENT_STARTS)

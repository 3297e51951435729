"""A request of the inside as it arrives: which ones are served, and how the body is read."""

import io

import aiohttp
from aiohttp import web

from wrapper.gateway.bodies import too_large
from wrapper.gateway.refusal import RefusedError

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def check_request(request: web.BaseRequest) -> None:
    """Refuse what is no plain request for a path. RefusedError with the status that says so."""
    target = target_of(request)
    if request.method == "CONNECT" or not target.startswith(b"/"):
        raise RefusedError(
            400,
            "this is the provider's gateway, no proxy",
            hint="other hosts are reached through the proxy in HTTPS_PROXY",
        )
    if request.method not in METHODS:
        raise RefusedError(405, "this method is not forwarded")
    if "Upgrade" in request.headers:
        raise RefusedError(426, "WebSocket connections are not forwarded", hint="use plain HTTP with events")
    if request.headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
        raise RefusedError(400, "this transfer coding is not understood")
    if len(request.headers.getall("Content-Type", ())) > 1:
        raise RefusedError(400, "the body has two content types")
    if b".." in target.partition(b"?")[0].lower().replace(b"%2e", b".").replace(b"\\", b"/").split(b"/"):
        raise RefusedError(400, "the path climbs out of the provider's base path")


def target_of(request: web.BaseRequest) -> bytes:
    """Return path and query as they stood in the request line."""
    return request.raw_path.encode("utf-8", "surrogateescape")


def payload(method: str, body: bytes) -> io.BytesIO | None:
    """Wrap a body as a file: it is sent in pieces, with a Content-Length."""
    return io.BytesIO(body) if body or method in _WITH_BODY else None


async def read_body(request: web.BaseRequest, limit: int) -> bytes:
    """Read the body as it is on the wire, but for chunking. RefusedError beyond `limit` bytes or for broken framing."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer proper has not begun
    body = bytearray()
    try:
        while chunk := await request.content.readany():
            body += chunk
            if len(body) > limit:
                raise too_large(limit)
    except (web.RequestPayloadError, aiohttp.ClientPayloadError) as error:
        raise RefusedError(400, "the body's framing is broken") from error
    return bytes(body)

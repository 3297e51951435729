"""A request of the inside as it arrives: which ones are served, and how the body is read."""

import io
from urllib.parse import unquote_to_bytes

import aiohttp
from aiohttp import web

from wrapper.gateway.bodies import too_large
from wrapper.gateway.refusal import RefusedError

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

_MOST_ESCAPED = 8  # times over; whoever writes a path like that wants nobody to read it


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
    if "Upgrade" in request.headers and not opens_socket(request):
        raise RefusedError(426, "this upgrade of the connection is not forwarded", hint="only WebSocket is")
    if request.headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
        raise RefusedError(400, "this transfer coding is not understood")
    if len(request.headers.getall("Content-Type", ())) > 1:
        raise RefusedError(400, "the body has two content types")
    if _climbs(target.partition(b"?")[0]):
        raise RefusedError(400, "the path climbs out of the provider's base path")


def _climbs(path: bytes) -> bool:
    """Tell whether some reader may find `..` in a path: one that undoes escapes again, or drops parameters."""
    for _ in range(_MOST_ESCAPED):
        path, before = unquote_to_bytes(path), path
        if path == before:
            break
    else:
        return True
    return any(part.partition(b";")[0] == b".." for part in path.replace(b"\\", b"/").split(b"/"))


def opens_socket(request: web.BaseRequest) -> bool:
    """Tell whether the request asks for a WebSocket (RFC 6455 section 4.1), and for nothing else."""
    has_body = "Transfer-Encoding" in request.headers or request.headers.get("Content-Length", "0") != "0"
    upgrade = [value.strip().lower() for value in request.headers.getall("Upgrade", ())]
    return request.method == "GET" and upgrade == ["websocket"] and not has_body


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

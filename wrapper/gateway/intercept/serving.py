"""An intercepted connection: TLS ends here, requests go through a handler, and on to the host over TLS of our own.

Rules of this file:
1. Who does not speak TLS, or names another host in it (SNI) than in CONNECT, gets no request through.
2. The inside is served by HTTP/2 or HTTP/1.1, whichever it takes (ALPN); nothing agreed on means HTTP/1.1.
3. With the inside's connection ends all that was begun for it, but for connections to hosts that wait to be used again.

Weighed against this: mitmproxy as a library. See `docs/architecture.md`, "Why not mitmproxy".
"""

import ssl
from collections.abc import Callable
from typing import Final

from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.exchange import Handler
from wrapper.gateway.intercept.exchanging import Exchanging, Limits
from wrapper.gateway.intercept.http1_inside import Http1Inside
from wrapper.gateway.intercept.http2_inside import Http2Inside
from wrapper.gateway.intercept.link import Link, words_of
from wrapper.gateway.intercept.upstream import HTTP1, HTTP2, Connect, Kept, Upstream
from wrapper.gateway.refusal import RefusedError
from wrapper.gateway.tunnel import Streams

_NO_TLS: Final = frozenset({
    "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNEXPECTED_MESSAGE", "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER",
})  # fmt: skip
_BOTH: Final = (HTTP2, HTTP1)
_MIRRORED: Final = {HTTP2: _BOTH, HTTP1: (HTTP1,)}


async def serve(  # noqa: PLR0913  what differs by session comes in by argument
    inner: Streams,
    destination: Destination,
    *,
    context: Callable[[str], ssl.SSLContext],
    connect: Connect,
    handle: Handler,
    kept: Kept,
    refused: Callable[[RefusedError], None],
    limits: Limits | None = None,
    offers: tuple[str, ...] | None = None,
) -> None:
    """Serve a connection whose CONNECT to `destination` was answered, until it ends. Its socket is closed then.

    `context` gives what to shake hands with as a host, `connect` a connection to it, without TLS. `kept` has the
    connections that may be used again. `refused` hears of all that never reached `handle`: no TLS, another name in it,
    no valid request. `offers` are the protocols offered to the host, best first, where they are not the inside's.
    """
    within = limits or Limits()
    reader, writer = inner
    link = Link(writer, _naming_only(context(destination.host), destination.host))
    try:
        await link.shake(reader, within.head)
    except (OSError, TimeoutError) as error:
        refused(_unshaken(error, destination.host))
        link.abort(ConnectionAbortedError("no TLS"))
        return
    link.idle_after(within.idle)
    is_http2 = link.protocol == HTTP2
    protocols = offers or _MIRRORED[HTTP2 if is_http2 else HTTP1]
    upstream = Upstream(destination, connect, kept, within, protocols)
    exchanging = Exchanging(destination, handle, upstream.sending, refused, within)
    end = Http2Inside(link, exchanging) if is_http2 else Http1Inside(link, exchanging)
    try:
        await end.run()
        await link.gone()
    except BaseException:
        link.abort(ConnectionAbortedError("given up"))
        raise


def _naming_only(context: ssl.SSLContext, host: str) -> ssl.SSLContext:
    """Let a context refuse clients that name another host; one that names none is taken (RFC 6066 section 3)."""

    def check(tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> int | None:
        del tls
        if name is None or name.lower() == host:
            return None
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = check
    return context


def _unshaken(error: OSError, host: str) -> RefusedError:
    if not isinstance(error, ssl.SSLError):
        return RefusedError(400, f"a connection to {host} ended before TLS began")
    if error.reason == "CALLBACK_FAILED":
        return RefusedError(421, f"a connection to {host} names another host in TLS (SNI)")
    if error.reason in _NO_TLS:
        return RefusedError(400, f"what came for {host} is no TLS", hint="use `https://`")
    if " alert " in words_of(error):
        hint = "let the client trust the certificates that SSL_CERT_FILE names inside"
        return RefusedError(400, f"the client does not take our certificate for {host}", hint=hint)
    return RefusedError(400, f"TLS with the inside failed for {host}: {words_of(error)}")

"""What some clients say to the proxy's port that is no HTTP/1.1, and how each is told so in its own protocol. Pure.

A SOCKS client that got no answer would wait, and one that got HTTP would report nonsense. Nothing they ask for is read.
"""

import struct
from typing import Final

from wrapper.gateway.refusal import RefusedError

PREFACE: Final = b"PRI * HTTP/2.0"
"""The first line of HTTP/2 with prior knowledge (RFC 9113 section 3.4)."""

# SOCKS4 (the protocol's own memo): 91, request rejected. SOCKS5 (RFC 1928 section 3): no acceptable method.
_SOCKS4_REJECTED: Final = b"\x00\x5b" + bytes(6)
_SOCKS5_NO_METHOD: Final = b"\x05\xff"
_HTTP_1_1_REQUIRED: Final = 0xD  # RFC 9113 section 7
_HINT: Final = "set HTTPS_PROXY to an `http://` URL, as it was when the session began; no other way leads out"


class ForeignError(RefusedError):
    """Somebody speaks another protocol; `reply` is the refusal in that."""

    def __init__(self, what: str, reply: bytes) -> None:
        super().__init__(400, what, hint=_HINT)
        self.reply = reply


def alert(description: int) -> bytes:
    """Give a fatal TLS alert in the clear (RFC 8446 section 6)."""
    return b"\x15\x03\x03\x00\x02\x02" + bytes((description,))


ACCESS_DENIED: Final = alert(49)


def by_first_byte(byte: bytes) -> ForeignError | None:
    """Say what begins with this byte, where it cannot be an HTTP request."""
    if byte == b"\x04":
        return ForeignError("SOCKS4 is not spoken here, only HTTP's CONNECT", _SOCKS4_REJECTED)
    if byte == b"\x05":
        return ForeignError("SOCKS5 is not spoken here, only HTTP's CONNECT", _SOCKS5_NO_METHOD)
    if byte == b"\x16":
        return ForeignError("TLS to the proxy itself is not spoken here, only plain HTTP's CONNECT", ACCESS_DENIED)
    return None


def by_head(head: bytes) -> ForeignError | None:
    """Say whether the head of a request is HTTP/2's preface."""
    if not head.startswith(PREFACE):
        return None
    what = "HTTP/2 is not spoken to the proxy itself, only HTTP/1.1's CONNECT"
    text = f"safe-agent: {what}".encode()
    settings = b"\x00\x00\x00\x04\x00" + bytes(4)  # each end's first frame, here empty (RFC 9113 section 6.5)
    going = struct.pack(">II", 0, _HTTP_1_1_REQUIRED) + text
    return ForeignError(what, settings + len(going).to_bytes(3, "big") + b"\x07\x00" + bytes(4) + going)

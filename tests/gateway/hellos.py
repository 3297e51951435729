"""ClientHellos: real ones of Python's OpenSSL, and ones built field by field."""

import contextlib
import ssl
from collections.abc import Iterable, Sequence


def real(name: str | None, *, alpn: Sequence[str] = (), newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """Give what OpenSSL sends first; `name` None: without SNI."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = newest
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def vector(data: bytes, width: int) -> bytes:
    return len(data).to_bytes(width, "big") + data


def extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2, "big") + vector(data, 2)


def sni(*names: bytes, kind: int = 0) -> bytes:
    return extension(0, vector(b"".join(bytes((kind,)) + vector(name, 2) for name in names), 2))


def hello(extensions: Iterable[bytes] = (), *, bare: bool = False, ciphers: bytes = b"\x13\x01") -> bytes:
    """Build the handshake message; `bare`: without a field of extensions."""
    body = b"\x03\x03" + bytes(32) + vector(b"s" * 32, 1) + vector(ciphers, 2) + vector(b"\0", 1)
    if not bare:
        body += vector(b"".join(extensions), 2)
    return b"\x01" + vector(body, 3)


def record(data: bytes, kind: int = 22) -> bytes:
    return bytes((kind,)) + b"\x03\x01" + vector(data, 2)


def fragmented(message: bytes, size: int) -> bytes:
    return b"".join(record(message[at : at + size]) for at in range(0, len(message), size))

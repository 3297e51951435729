"""What the fake provider hears and says: one request as it came over the wire, one reply as it will go."""

import base64
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

_SWITCHING: Final = 101


@dataclass(frozen=True)
class Request:
    """One HTTP request: `head` (request line and header fields) and `body` are the very bytes received.

    A chunked body is kept without its framing; `wire` holds the framing too. A WebSocket message is kept likewise, with
    the head of its handshake and the method `WEBSOCKET`; `earlier` are the items its `previous_response_id` stands for.
    """

    head: bytes
    body: bytes
    wire: bytes = b""
    earlier: tuple[dict[str, Any], ...] = ()

    @classmethod
    def of_message(cls, handshake: "Request", message: bytes) -> "Request":
        """Return a message that came over the WebSocket that `handshake` opened."""
        return cls(b"WEBSOCKET" + handshake.head.removeprefix(handshake.method.encode()), message)

    @cached_property
    def method(self) -> str:
        """Return the method, upper case as sent."""
        return self._request_line[0]

    @cached_property
    def target(self) -> str:
        """Return path and query as sent."""
        return self._request_line[1]

    @property
    def path(self) -> str:
        """Return the path without the query."""
        return self.target.partition("?")[0]

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """Return the header fields, names in lower case; of a repeated field the last."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.split(":", 1) for line in lines if ":" in line)
        return {name.strip().lower(): value.strip() for name, value in pairs}

    @cached_property
    def decoded(self) -> bytes:
        """Return the body without its content encodings. Raises ValueError for one that is not known."""
        body = self.body
        for encoding in reversed([name.strip() for name in self.headers.get("content-encoding", "").split(",")]):
            body = decode(encoding.lower(), body)
        return body

    @cached_property
    def json(self) -> dict[str, Any]:
        """Return the decoded body as JSON; an empty dict if it is no JSON object."""
        try:
            value = json.loads(self.decoded)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @cached_property
    def whole(self) -> dict[str, Any]:
        """Return `json` with the items of the conversation that came before, as a request over HTTP holds them."""
        if not self.earlier:
            return self.json
        return self.json | {"input": [*self.earlier, *self.json.get("input", ())]}

    @cached_property
    def _request_line(self) -> tuple[str, str]:
        method, target, *_ = [*self.head.split(b"\r\n", 1)[0].decode("latin-1").split(" "), "", ""]
        return method, target

    def record(self) -> bytes:
        """Return the request as one line of JSON, bytes in base64, for a file that another process reads."""
        parts = {"head": self.head, "body": self.body, "wire": self.wire}
        return json.dumps({name: base64.b64encode(part).decode() for name, part in parts.items()}).encode() + b"\n"

    @classmethod
    def of_record(cls, line: bytes) -> "Request":
        """Read back a line of `record`."""
        parts = {name: base64.b64decode(part) for name, part in json.loads(line).items()}
        return cls(parts["head"], parts["body"], parts["wire"])


def decode(encoding: str, body: bytes) -> bytes:
    """Undo one content coding (RFC 9110, 8.4.1; zstd: RFC 8878). Raises ValueError where that fails."""
    try:
        match encoding:
            case "" | "identity":
                return body
            case "gzip" | "x-gzip":
                return gzip.decompress(body)
            case "deflate":
                return zlib.decompress(body)
            case "br":
                import brotli  # type: ignore[import-untyped]  # noqa: PLC0415 (only if such a body comes)

                return bytes(brotli.decompress(body))
            case "zstd":
                import zstandard  # noqa: PLC0415 (the same)

                return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body)).read()
    except Exception as error:
        raise ValueError(f"a body that is not `{encoding}`") from error
    raise ValueError(f"unknown content coding `{encoding}`")


@dataclass(frozen=True)
class Reply:
    """One response; each chunk goes out by itself, chunked, unless `whole` asks for a Content-Length."""

    status: int = 200
    reason: str = "OK"
    headers: tuple[tuple[str, str], ...] = ()
    chunks: tuple[bytes, ...] = ()
    whole: bool = True
    pause: float = field(default=0.0)  # seconds between chunks

    @classmethod
    def of_json(cls, value: object, status: int = 200, reason: str = "OK") -> "Reply":
        """Return a JSON reply."""
        return cls(status, reason, (("Content-Type", "application/json"),), (json.dumps(value).encode(),))

    @classmethod
    def of_events(cls, events: Iterable[bytes]) -> "Reply":
        """Return a stream of server-sent events, one chunk an event."""
        headers = (("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache"))
        return cls(headers=headers, chunks=tuple(events), whole=False)

    def head(self) -> bytes:
        """Return status line and header fields, with the blank line."""
        length = ("Content-Length", str(sum(map(len, self.chunks)))) if self.whole else ("Transfer-Encoding", "chunked")
        framing = () if self.status == _SWITCHING else (length,)
        fields = "".join(f"{name}: {value}\r\n" for name, value in (*self.headers, *framing))
        return f"HTTP/1.1 {self.status} {self.reason}\r\n{fields}\r\n".encode("latin-1")

    def parts(self) -> tuple[bytes, ...]:
        """Return the body's pieces as they go over the wire."""
        if self.whole:
            return self.chunks
        framed = tuple(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in self.chunks if chunk)
        return (*framed, b"0\r\n\r\n")

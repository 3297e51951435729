"""The package's scripted provider with what only tests need: faults on the wire, and proof that a secret is nowhere."""

import base64
import gzip
import json
import random
import re
import socket
import struct
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

from wrapper.demo import messages, responses
from wrapper.demo.exchange import Reply, Request
from wrapper.demo.provider import FakeProvider
from wrapper.demo.script import Call, Edit, Read, Script, Turn, Write, strings
from wrapper.demo.websocket import PING, Channel, frame, wanted

__all__ = ["Call", "Edit", "Fault", "FaultyProvider", "Read", "Script", "Turn", "Write", "assert_absent", "forms"]

_TRIM = 7  # characters; a published incident posted a key without its first characters
_PINGED = 0.2  # how often a ping stands before a fragment


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer; several can be set."""

    status: int = 200
    before: float = 0.0  # seconds of silence before the first byte
    pause: float = 0.0  # seconds between the chunks
    reset_after: int | None = None  # bytes of the answer, then a TCP reset
    split: int | None = None  # seed: cut the answer's bytes at random places, also inside characters
    encoding: str = ""  # `gzip`: the answer is compressed
    # Over WebSocket `status` is an error event, `split` cuts messages into fragments with pings in between.
    close: int | None = None  # a close frame with this code after half of the messages
    oversized: int = 0  # one message more, of so many bytes


class FaultyProvider(FakeProvider):
    """A provider whose answers to model requests go through `faults` in order, then go well.

    `own_headers` (lower-case names) may hold the client's own credential; everything else may hold no secret.
    `handshakes` are the statuses that refuse the next WebSocket handshakes; then they are accepted.
    """

    def __init__(
        self,
        script: Script | None = None,
        faults: Sequence[Fault] = (),
        *,
        websocket: bool = True,
        deflate: bool = True,
        handshakes: Sequence[int] = (),
    ) -> None:
        super().__init__(script, websocket=websocket, deflate=deflate)
        self.faults = list(faults)
        self.handshakes = list(handshakes)
        self.own_headers: tuple[str, ...] = ()
        self._pending: dict[int, Fault] = {}

    def respond(self, request: Request) -> Reply:
        if wanted(request) and self.handshakes:
            return error(request, self.handshakes.pop(0))
        reply = super().respond(request)
        if request.method != "POST" or not self.faults:
            return reply
        fault = self.faults.pop(0)
        self._pending[id(request)] = fault
        if fault.status != 200:
            reply = error(request, fault.status)
        if fault.encoding == "gzip":
            headers = (*reply.headers, ("Content-Encoding", "gzip"))
            reply = replace(reply, headers=headers, chunks=(gzip.compress(b"".join(reply.chunks)),))
        if fault.split is not None:
            reply = replace(reply, chunks=tuple(cut(b"".join(reply.chunks), fault.split)))
        return replace(reply, pause=fault.pause)

    def send(self, connection: socket.socket, request: Request, reply: Reply) -> bool:
        fault = self._pending.pop(id(request), None)
        if fault is None:
            return super().send(connection, request, reply)
        time.sleep(fault.before)
        if fault.reset_after is None:
            return super().send(connection, request, reply)
        connection.sendall((reply.head() + b"".join(reply.parts()))[: fault.reset_after])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def speak(self, channel: Channel, request: Request, texts: Iterable[bytes]) -> bool:
        if not self.faults or not _is_scripted(request):
            return super().speak(channel, request, texts)
        fault = self.faults.pop(0)
        time.sleep(fault.before)
        if fault.status != 200:
            texts = [_failure(request, fault.status)]
        spoken = [*texts, b" " * fault.oversized] if fault.oversized else list(texts)
        if fault.close is not None:
            spoken = spoken[: len(spoken) // 2]
        frames = list(framed(channel, spoken, fault.split))
        if fault.reset_after is not None:
            channel.say(b"".join(frames)[: fault.reset_after])
            return False
        for one in frames:
            channel.say(one)
            time.sleep(fault.pause)
        if fault.close is not None:
            channel.close(fault.close, "scripted fault")
        return True

    def model_requests(self) -> list[Request]:
        """Return the requests that asked the model something with tools on offer, in order; messages likewise."""
        return [one for one in self.requests if one.method in ("POST", "WEBSOCKET") and _is_scripted(one)]

    def said(self) -> str:
        """Return every string that was ever sent in a body, for readable assertions on what the model was shown."""
        return "\n".join(text for one in self.requests for text in strings(one.json))

    def assert_nowhere(self, secrets: Iterable[bytes | str]) -> None:
        """Fail if a secret, or a form it can be read from, is in any byte received: headers, paths, bodies, frames."""
        places = {f"connection {number}": self._without_own(bytes(log)) for number, log in enumerate(self.wire)}
        for number, one in enumerate(self.requests):
            places[f"request {number} {one.method} {one.target} (decoded)"] = one.decoded
            places[f"request {number} {one.method} {one.target} (strings)"] = "\n".join(strings(one.json)).encode()
        for place, data in places.items():
            assert_absent(data, secrets, place)

    def _without_own(self, wire: bytes) -> bytes:
        for name in self.own_headers:
            wire = re.sub(rb"(?im)^(%s: )[^\r\n]*\r\n" % name.encode(), rb"\1-\r\n", wire)
        return wire


def _is_scripted(request: Request) -> bool:
    count = messages.turn_number if request.path.endswith("/messages") else responses.turn_number
    return count(request.whole) is not None and bool(request.json.get("generate", True))


def _failure(request: Request, status: int) -> bytes:
    """Return the error as an event over WebSocket."""
    body = json.loads(b"".join(error(request, status).chunks))
    return json.dumps({"type": "error", "status": status} | body).encode()


def framed(channel: Channel, texts: Iterable[bytes], seed: int | None) -> Iterator[bytes]:
    """Frame messages, with a seed in fragments of 1 to 40 bytes with pings in between."""
    if seed is None:
        for text in texts:
            yield from channel.framed(text)
        return
    dice = random.Random(seed)  # noqa: S311 - places to cut, not secrets
    for text in texts:
        for one in channel.framed(text, (dice.randint(1, 40) for _ in repeat(None))):
            if dice.random() < _PINGED:
                yield frame(PING, b"%x" % dice.getrandbits(32))
            yield one


def error(request: Request, status: int) -> Reply:
    """Return an error in the shape of the API that was asked."""
    kind = {429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error")
    if "/messages" in request.path:
        body: dict[str, object] = {"type": "error", "error": {"type": kind, "message": "scripted fault"}}
    else:
        body = {"error": {"type": kind, "code": kind, "message": "scripted fault", "param": None}}
    return Reply.of_json(body, status, "Scripted Fault")


def cut(data: bytes, seed: int) -> Iterator[bytes]:
    """Cut `data` into pieces of 1 to 40 bytes; the same seed cuts at the same places."""
    dice = random.Random(seed)  # noqa: S311 - places to cut, not secrets
    while data:
        size = dice.randint(1, 40)
        yield data[:size]
        data = data[size:]


def assert_absent(data: bytes, secrets: Iterable[bytes | str], place: str) -> None:
    """Fail if any form of a secret is in `data`; the message names the place and the form, not the secret."""
    for number, secret in enumerate(secrets):
        value = secret.encode() if isinstance(secret, str) else secret
        for form, needle in forms(value).items():
            assert needle not in data, f"secret {number} is in {place} ({form})"


def forms(value: bytes) -> dict[str, bytes]:
    """Return the forms from which `value` can be read back, by name; those too short to mean anything are left out."""
    text = value.decode("utf-8", "surrogateescape")
    found = {
        "raw": value,
        "json": json.dumps(text)[1:-1].encode() if text.isprintable() else value,
        "url": urllib.parse.quote_from_bytes(value, safe="").encode(),
        "hex": value.hex().encode(),
        "HEX": value.hex().upper().encode(),
        "reversed": value[::-1],
    }
    if len(value) >= _TRIM + 12:
        found["trimmed at the start"] = value[_TRIM:]
        found["trimmed at the end"] = value[:-_TRIM]
    for offset in range(3):
        plain = base64.b64encode(b"\0" * offset + value)
        # Whole groups of three bytes only: what stands beside the value changes the first and the last characters.
        core = plain[4 if offset else 0 : (offset + len(value)) // 3 * 4]
        found[f"base64 at {offset}"] = core
        found[f"base64url at {offset}"] = core.translate(bytes.maketrans(b"+/", b"-_"))
    return {name: form for name, form in found.items() if len(form) >= 8}

"""A provider that costs nothing: both wire APIs on loopback, answers from a script, every received byte kept.

Where the real one speaks WebSocket (`GET …/responses`), so does it; `websocket=False` lets it refuse with 426.

`safe-agent demo` runs against it without account or network, and so do the tests. Plain threads and sockets, so that
what is recorded is what came over the wire, and so that a test can break the wire where it likes.

As a process: `python -m wrapper.demo.provider --script FILE --record FILE [--port N]` prints its URL on the first
line of stdout and appends one JSON line per request to the record.
"""

import argparse
import contextlib
import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from wrapper.demo import messages, responses, websocket
from wrapper.demo.exchange import Reply, Request
from wrapper.demo.script import Script, parse

_MODELS = ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5", "gpt-5-codex")
_SWITCHING: Final = 101


class FakeProvider:
    """Listen on 127.0.0.1; `requests` grows by one entry per request or message, `wire` by one per connection.

    `websocket`: whether upgrades are accepted; `deflate`: whether compressed messages are.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        record: Path | None = None,
        port: int = 0,
        websocket: bool = True,
        deflate: bool = True,
    ) -> None:
        self.script = script or Script()
        self.websocket = websocket
        self.deflate = deflate
        self.requests: list[Request] = []
        self.wire: list[bytearray] = []
        self._record = record
        self._port = port
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """Return the base URL, as for ANTHROPIC_BASE_URL; the OpenAI API is below `/v1` of it."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> Self:
        """Listen and serve in threads; returns when connections are accepted."""
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=64)
        self._port = self._listener.getsockname()[1]
        self._spawn(self._accept, self._listener)
        return self

    def stop(self) -> None:
        """Close the listener and every connection; all threads have ended afterwards."""
        with self._lock:
            open_sockets = [*self._connections, *([self._listener] if self._listener else [])]
        for one in open_sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        if self._listener:
            self._listener.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def respond(self, request: Request) -> Reply:
        """Choose the reply to `request`."""
        if self.websocket and websocket.wanted(request) and request.path.endswith("/responses"):
            return websocket.handshake(request, deflate=self.deflate)
        return respond(self.script, request)

    def send(self, connection: socket.socket, request: Request, reply: Reply) -> bool:
        """Write `reply`; return whether the connection may serve a further request."""
        connection.sendall(reply.head())
        if request.method == "HEAD":
            return True
        for part in reply.parts():
            connection.sendall(part)
            if reply.pause:
                time.sleep(reply.pause)
        return True

    def speak(self, channel: websocket.Channel, request: Request, texts: Iterable[bytes]) -> bool:
        """Answer the message `request` with `texts`; return whether the connection may serve a further one."""
        del request
        for text in texts:
            channel.send(text)
        return True

    def _spawn(self, target: Callable[[socket.socket], None], argument: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(argument,), daemon=True)
        with self._lock:
            self._threads = [*(one for one in self._threads if one.is_alive()), thread]
            thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # `stop` shuts the listener down
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._connections.add(connection)
                self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        log = bytearray()
        with self._lock:
            self.wire.append(log)
        with contextlib.suppress(OSError), connection:
            tap = _Tap(connection, log)
            for request in read_requests(tap):
                self._keep(request)
                reply = self.respond(request)
                if not self.send(connection, request, reply):
                    break
                if reply.status == _SWITCHING:
                    self._converse(websocket.Channel.after(tap, reply), request)
                    break
        with self._lock:
            self._connections.discard(connection)

    def _converse(self, channel: websocket.Channel, handshake: Request) -> None:
        memory = responses.Memory()
        for message in channel.messages():
            request = Request.of_message(handshake, message)
            earlier = memory.earlier(request.json)
            request = replace(request, earlier=earlier or ())
            self._keep(request)
            if earlier is None:
                events = iter([responses.unknown(request.json["previous_response_id"])])
            else:
                whole = _response(self.script, request.whole)
                events = responses.events(memory.remember(request.whole, whole))
            if not self.speak(channel, request, (json.dumps(event).encode() for event in events)):
                break

    def _keep(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)
            if self._record:
                with self._record.open("ab") as file:
                    file.write(request.record())


def respond(script: Script, request: Request) -> Reply:
    """Answer one request of either API from the script."""
    match request.method, request.path.rstrip("/"):
        case ("HEAD", _) | ("GET", ""):
            reply = Reply()
        case "POST", "/v1/messages":
            reply = _messages(script, request)
        case "POST", "/v1/messages/count_tokens":
            reply = Reply.of_json({"input_tokens": len(request.decoded) // 4})
        case "POST", path if path.endswith("/responses"):
            reply = _responses(script, request)
        case "GET", _ if request.headers.get("upgrade", "").lower() == "websocket":
            reply = Reply.of_json({"error": {"message": "no WebSocket here"}}, 426, "Upgrade Required")
        case "GET", path if path.endswith("/models"):
            data = [{"id": name, "object": "model", "type": "model", "display_name": name} for name in _MODELS]
            reply = Reply.of_json({"object": "list", "data": data, "models": []})
        case _:
            error = {"type": "not_found_error", "message": f"no {request.method} {request.path} here"}
            reply = Reply.of_json({"type": "error", "error": error}, 404, "Not Found")
    return reply


def _messages(script: Script, request: Request) -> Reply:
    turn = messages.answer(script, request.json)
    number = messages.turn_number(request.json) or 0
    whole = messages.checked(messages.message(turn, number, str(request.json.get("model", ""))), request.json)
    return Reply.of_events(messages.stream(whole)) if request.json.get("stream") else Reply.of_json(whole)


def _responses(script: Script, request: Request) -> Reply:
    whole = _response(script, request.json)
    return Reply.of_events(responses.stream(whole)) if request.json.get("stream") else Reply.of_json(whole)


def _response(script: Script, asked: dict[str, Any]) -> dict[str, Any]:
    number = responses.turn_number(asked) or 0
    items: list[dict[str, Any]] = []
    if asked.get("generate", True):  # a client warms its connection up with a request that wants no answer
        if responses.is_compacting(asked):
            items = responses.compaction(number)
        else:
            items = responses.output(responses.answer(script, asked), number, responses.tools(asked))
    return responses.response(items, number, str(asked.get("model", "")))


class _Tap:
    """A socket's bytes with a buffer, each also written to a log."""

    def __init__(self, connection: socket.socket, log: bytearray) -> None:
        self._connection = connection
        self._log = log
        self._buffer = b""

    def until(self, mark: bytes) -> bytes:
        """Return everything up to and with `mark`; `b""` at the end of the stream."""
        while mark not in self._buffer:
            if not self._more():
                return b""
        found, _, self._buffer = self._buffer.partition(mark)
        return found + mark

    def exactly(self, size: int) -> bytes:
        """Return `size` bytes, fewer at the end of the stream."""
        while len(self._buffer) < size and self._more():
            pass
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def say(self, data: bytes) -> None:
        """Write to the other side."""
        self._connection.sendall(data)

    def _more(self) -> bool:
        data = self._connection.recv(65536)
        self._log += data
        self._buffer += data
        return bool(data)


def read_requests(tap: _Tap) -> Iterator[Request]:
    """Yield the requests of one connection (RFC 9112), until its end or a request that closes it."""
    while head := tap.until(b"\r\n\r\n"):
        request = Request(head, b"")
        if request.headers.get("expect", "").lower() == "100-continue":
            tap.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in request.headers.get("transfer-encoding", "").lower():
            body, wire = _chunked(tap)
        else:
            body = wire = tap.exactly(int(request.headers.get("content-length", "0")))
        yield Request(head, body, head + wire)
        if request.headers.get("connection", "").lower() == "close":
            return


def _chunked(tap: _Tap) -> tuple[bytes, bytes]:
    body, wire = b"", b""
    while line := tap.until(b"\r\n"):
        size = int(line.split(b";")[0], 16)
        piece = tap.exactly(size + 2)
        body, wire = body + piece[:size], wire + line + piece
        if not size:
            break
    return body, wire


def main(arguments: list[str] | None = None, out: BinaryIO | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="wrapper.demo.provider", description="a scripted provider on loopback")
    parser.add_argument("--script", type=Path, help="JSON file with the turns")
    parser.add_argument("--record", type=Path, help="file to which each request is appended as a line of JSON")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    options = parser.parse_args(arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    script = parse(options.script.read_bytes()) if options.script else Script()
    with FakeProvider(script, record=options.record, port=options.port) as provider:
        stream = out or sys.stdout.buffer
        stream.write(provider.url.encode() + b"\n")
        stream.flush()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

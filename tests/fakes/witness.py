"""A witness (C2SP tlog-witness) on loopback, written to the specification; with what a bad one may answer."""

import base64
import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wrapper.audit import notes, proofs
from wrapper.audit.format import TamperedError

Answer = tuple[int, Mapping[str, str], bytes]


class Cosigner:
    """An Ed25519 cosigner: tlog-cosignature, version 1."""

    def __init__(self, name: str = "witness.example/w1") -> None:
        self.name = name
        self._key = Ed25519PrivateKey.generate()
        self._public = b"\x04" + self._key.public_key().public_bytes_raw()
        self._id = hashlib.sha256(name.encode() + b"\n" + self._public).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self._id.hex()}+{base64.b64encode(self._public).decode()}"

    def line(self, text: str, at: int) -> str:
        signature = self._key.sign(f"cosignature/v1\ntime {at}\n{text}".encode())
        data = base64.b64encode(self._id + at.to_bytes(8, "big") + signature).decode()
        return f"— {self.name} {data}\n"


@dataclass
class Seen:
    """One request: its body, and headers in lower case."""

    body: str
    headers: dict[str, str]
    path: str


class FakeWitness:
    """Serves while it is entered. `logs`: origin → vkey. `odd` answers the next requests in place of the protocol."""

    def __init__(self, logs: Mapping[str, str]) -> None:
        self.logs = dict(logs)
        self.cosigner = Cosigner()
        self.signed: dict[str, tuple[int, bytes]] = {}
        self.odd: list[Answer] = []
        self.seen: list[Seen] = []
        self.with_foreign_lines = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/w"

    @property
    def anchor(self) -> str:
        return f"witness:{self.url}#{self.cosigner.vkey}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str, body: str) -> Answer:
        """Do as the specification says of `add-checkpoint`, in its order."""
        if self.odd:
            return self.odd.pop(0)
        if path != "/w/add-checkpoint":
            return 404, {}, b"no such call\n"
        try:
            head, _, note = body.partition("\n\n")
            old, *proof = head.split("\n")
            size = int(old.removeprefix("old "))
            path_of = [base64.b64decode(line, validate=True) for line in proof]
            parsed = notes.parse(note)
        except (ValueError, TamperedError):
            return 400, {}, b"malformed\n"
        return self._judge(parsed, size, path_of)

    def _refusal(self, note: notes.Note, old: int) -> Answer | None:
        if note.checkpoint.origin not in self.logs:
            return 404, {}, b"unknown origin\n"
        try:
            notes.verify(note, self.logs[note.checkpoint.origin])
        except TamperedError:
            return 403, {}, b"not signed by a known key\n"
        return (400, {}, b"old is larger than the checkpoint\n") if old > note.checkpoint.size else None

    def _judge(self, note: notes.Note, old: int, proof: list[bytes]) -> Answer:
        checkpoint = note.checkpoint
        if refusal := self._refusal(note, old):
            return refusal
        known, root = self.signed.get(checkpoint.origin, (0, hashlib.sha256().digest()))
        if old != known or (old == checkpoint.size and root != checkpoint.root):
            return 409, {"Content-Type": "text/x.tlog.size"}, f"{known}\n".encode()
        if old and not proofs.check_consistency(old, root, checkpoint.size, checkpoint.root, proof):
            return 422, {}, b"the proof does not hold\n"
        if not old and proof:
            return 422, {}, b"a proof from nothing\n"
        self.signed[checkpoint.origin] = (checkpoint.size, checkpoint.root)
        text = notes.text(checkpoint)
        lines = self.cosigner.line(text, int(time.time()))
        if self.with_foreign_lines:
            lines = Cosigner("other.example").line(text, 1) + lines + Cosigner(self.cosigner.name).line(text, 2)
        return 200, {}, lines.encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        witness = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                witness.seen.append(Seen(body, headers, self.path))
                status, more, data = witness.answer(self.path, body)
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class says so)
                pass

        return Handler

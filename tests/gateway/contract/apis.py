"""Every way in which the clients speak to their providers: one table, over which the whole suite runs."""

import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import brotli  # type: ignore[import-untyped]  # has neither stubs nor types
import zstandard

from tests.gateway.contract import answers, bodies
from tests.gateway.contract.answers import Answers
from tests.gateway.contract.bodies import Body

Coding = Callable[[bytes], bytes]
CODINGS: Mapping[str, Coding] = {
    "gzip": lambda body: gzip.compress(body, mtime=0),
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": lambda body: zstandard.ZstdCompressor().compress(body),
}


@dataclass(frozen=True)
class Api:
    """One of them. `asks`: a model is asked something."""

    name: str
    kind: Literal["anthropic", "openai"]
    target: str
    body: Body
    answers: Answers
    method: str = "POST"
    content_type: str = "application/json"
    coding: str = ""
    deflate: bool = False
    asks: bool = False

    @property
    def is_socket(self) -> bool:
        """Whether it is spoken over a WebSocket."""
        return self.method == "WEBSOCKET"

    @property
    def agent(self) -> str:
        """The client that speaks it."""
        return "claude" if self.kind == "anthropic" else "codex"


def _claude(name: str, target: str, body: Body, said: Answers, **more: object) -> Api:
    return Api(name, "anthropic", target, body, said, **more)  # type: ignore[arg-type]  # as the fields are


def _openai(name: str, target: str, body: Body, said: Answers, **more: object) -> Api:
    return Api(name, "openai", target, body, said, **more)  # type: ignore[arg-type]  # as the fields are


_MESSAGES = bodies.of_json(bodies.claude_messages(stream=True))
_RESPONSE = bodies.of_json(bodies.codex_response(stream=True))
_MESSAGE = bodies.of_json(bodies.codex_message())
_FORM = f"multipart/form-data; boundary={bodies.BOUNDARY}"
_TEXT = bodies.of_pieces("a note: ", " ü ☀ ", "\nthe end\n")
_BYTES = bodies.of_pieces("\x00\x01 ", " \x7f some text ", " \x00\x03")

APIS: tuple[Api, ...] = (
    _claude("messages, streamed", "/v1/messages?beta=true", _MESSAGES, answers.MESSAGE_EVENTS, asks=True),
    _claude(
        "messages, whole",
        "/v1/messages",
        bodies.of_json(bodies.claude_messages(stream=False)),
        answers.MESSAGE,
        asks=True,
    ),
    _claude(
        "count_tokens",
        "/v1/messages/count_tokens?beta=true",
        bodies.of_json(bodies.claude_count()),
        answers.DOCUMENT,
        asks=True,
    ),
    _claude("batches", "/v1/messages/batches", bodies.of_json(bodies.claude_batch()), answers.DOCUMENT, asks=True),
    _claude("batch results", "/v1/messages/batches/b_1/results", bodies.NONE, answers.RESULT_LINES, method="GET"),
    _claude("files, upload", "/v1/files?beta=true", bodies.form(), answers.DOCUMENT, content_type=_FORM),
    _claude("files, download", "/v1/files/file_1/content", bodies.NONE, answers.BYTES, method="GET"),
    _claude("models", "/v1/models?limit=5", bodies.NONE, answers.DOCUMENT, method="GET"),
    _claude("unknown, bytes", "/v2/odd", _BYTES, answers.BYTES, content_type="application/octet-stream"),
    _openai("responses, streamed", "/v1/responses", _RESPONSE, answers.RESPONSE_EVENTS, asks=True),
    *(
        _openai(f"responses, {coding}", "/v1/responses", _RESPONSE, answers.RESPONSE_EVENTS, asks=True, coding=coding)
        for coding in CODINGS
    ),
    _openai(
        "responses, whole",
        "/v1/responses",
        bodies.of_json(bodies.codex_response(stream=False)),
        answers.RESPONSE,
        asks=True,
    ),
    _openai(
        "responses, ChatGPT login",
        "/backend-api/codex/responses",
        _RESPONSE,
        answers.RESPONSE_EVENTS,
        coding="zstd",
        asks=True,
    ),
    _openai(
        "WebSocket", "/v1/responses", _MESSAGE, answers.RESPONSE_MESSAGES, method="WEBSOCKET", deflate=True, asks=True
    ),
    _openai(
        "WebSocket, ChatGPT login",
        "/backend-api/codex/responses",
        _MESSAGE,
        answers.RESPONSE_MESSAGES,
        method="WEBSOCKET",
        asks=True,
    ),
    _openai(
        "chat, streamed",
        "/v1/chat/completions",
        bodies.of_json(bodies.chat(stream=True)),
        answers.CHAT_EVENTS,
        asks=True,
    ),
    _openai("chat, whole", "/v1/chat/completions", bodies.of_json(bodies.chat(stream=False)), answers.CHAT, asks=True),
    _openai("models of Codex", "/v1/models?client_version=1", bodies.NONE, answers.DOCUMENT, method="GET"),
    _openai(
        "files of OpenAI",
        "/v1/files",
        bodies.of_lines(bodies.codex_response(stream=False), bodies.chat(stream=False)),
        answers.DOCUMENT,
        content_type="application/x-ndjson",
    ),
    _openai("unknown, text", "/v1/odd/one", _TEXT, answers.BYTES, content_type="text/plain; charset=utf-8"),
)

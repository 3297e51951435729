"""The scripted provider as the clouds offer it: Bedrock's frames, Bedrock's Mantle and Foundry's messages, Vertex's paths."""

import json
from dataclasses import replace
from itertools import pairwise

from tests.fakes.provider import FaultyProvider
from wrapper.demo.exchange import Reply, Request
from wrapper.demo.provider import respond
from wrapper.gateway.eventstream import MEDIA_TYPE, chunk
from wrapper.gateway.sse import EventParser


class Cloud(FaultyProvider):
    """Serves each cloud below a path of its own: `/bedrock`, `/mantle`, `/foundry`, `/vertex`."""

    def respond(self, request: Request) -> Reply:
        cloud, path = request.path.lstrip("/").split("/", 1)
        match cloud, path.rpartition("/")[2].rpartition(":")[2]:
            case "bedrock", "inference-profiles":
                return Reply.of_json({"inferenceProfileSummaries": []})
            case "bedrock", "invoke":
                return respond(self.script, _message(request, stream=False))
            case "bedrock", "invoke-with-response-stream":
                return _framed(respond(self.script, _message(request, stream=True)))
            case "vertex", "streamRawPredict" | "rawPredict":
                return respond(self.script, _message(request, stream=bool(request.json.get("stream"))))
            case "mantle" | "foundry", _:
                return respond(self.script, _at(request, f"/{path}"))
            case _:
                return Reply.of_json({"message": f"no {request.method} {request.path} here"}, 404, "Not Found")


def _message(request: Request, *, stream: bool) -> Request:
    """Make of a cloud's request the one that the provider's own API takes."""
    body = request.json | {"model": "claude-sonnet-4-5", "stream": stream}
    return replace(_at(request, "/v1/messages"), body=json.dumps(body).encode())


def _at(request: Request, path: str) -> Request:
    rest = request.head.split(b"\r\n", 1)[1]
    return Request(f"{request.method} {path} HTTP/1.1\r\n".encode() + rest, request.decoded)


def _framed(reply: Reply) -> Reply:
    """Put each event into a frame, of which the last byte comes with the next one."""
    events = EventParser().feed(b"".join(reply.chunks))
    data = b"".join(bytes(chunk(event.data)) for event in events)
    borders = [*range(0, len(data), 700), len(data)]
    pieces = tuple(data[start:end] for start, end in pairwise(borders))
    return replace(reply, headers=(("Content-Type", MEDIA_TYPE),), chunks=pieces)

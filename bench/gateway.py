"""What the gateway costs: searching a growing conversation, and what a request and its answer wait for.

    python bench/gateway.py [--quick]

Search: a conversation of 200 turns that grows to 3.5 MB, sent whole in each turn, in the shapes of both clients; what
remembers the last turns against searching each body whole; likewise, reading what is asked of which model. Processor
time.
Latency: the real gateway, with a recorder that writes to disk, against a bare reverse proxy of the same library, turn
by turn, in one run. Provider, proxies and client are processes of their own: with two cores, they wait for each other.
Streams: 50 answers at once while a body of 3.5 MB that nobody has seen goes through the same proxy.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import statistics
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.talking import conversation, served
from redactors import Engine
from redactors.context import Context, ContextRule
from redactors.fingerprint import Fingerprints
from redactors.nesting import is_json
from wrapper.gateway.requests import asked
from wrapper.gateway.rereading import Reader
from wrapper.gateway.unfold import Unfolding, remembering

_TURNS, _TURN = 200, 16_500  # characters that a turn adds
_WARM = 430_000  # characters said, which make a body of 560 KB: half of all real requests are smaller
_GROWING = 10  # turns that one conversation is measured for
_STREAMS = 50
_STAMP = re.compile(rb"<(\d+)>")


class Turn(NamedTuple):
    """What a client waited for, in milliseconds: the first byte of the answer, and that byte since it was written."""

    answer: float
    byte: float


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer turns and rounds")
    quick = parser.parse_args().quick
    said = conversation.texts(_TURNS + 60, _TURN)
    with tempfile.TemporaryDirectory() as folder:
        heard = said[: _TURNS // 5 if quick else _TURNS]
        engine = served.engine(Path(folder))
        for shape in (conversation.claude, conversation.codex):
            _searching("default policy", engine, shape, heard)
        _searching("terms, closed code", _strict(engine), conversation.claude, heard)
        _reading("anthropic", "/v1/messages", conversation.claude, heard)
        _reading("openai", "/v1/responses", conversation.codex, heard)
        _through(Path(folder), said, rounds=15 if quick else 60, seconds=2 if quick else 6)


def _searching(policy: str, engine: Engine, shape: conversation.Shape, said: Sequence[str]) -> None:
    whole, memory = Unfolding(engine), remembering(engine)
    whole.find(b"warm " * 1000)
    searched, remembered = [], []
    for body in conversation.turns(shape, said):
        searched.append(_milliseconds(lambda: (is_json(body), whole.find(body))))  # noqa: B023  (called at once)
        remembered.append(_milliseconds(lambda: memory.find(body)))  # noqa: B023
    _print_turns(f"search, {policy}, {shape.__name__}", len(body), searched, remembered)


def _reading(dialect: str, target: str, shape: conversation.Shape, said: Sequence[str]) -> None:
    reader = Reader()
    whole, remembered = [], []
    for body in conversation.turns(shape, said):
        whole.append(_milliseconds(lambda: asked(dialect, target, body)))  # noqa: B023  (called at once)
        remembered.append(_milliseconds(lambda: reader.asked(dialect, target, body)))  # noqa: B023
    _print_turns(f"what is asked, {shape.__name__}", len(body), whole, remembered)


def _print_turns(what: str, size: int, whole: Sequence[float], remembered: Sequence[float]) -> None:
    ratio = sum(whole) / sum(remembered)
    print(
        f"{what}, {len(whole)} turns to {size / 1e6:.1f} MB: "
        f"whole {sum(whole):.0f} ms, remembering {sum(remembered):.0f} ms, {ratio:.1f} times less; "
        f"a turn {statistics.median(whole):.2f} and {statistics.median(remembered):.2f} ms (median)"
    )


def _strict(engine: Engine) -> Engine:
    """Give an engine that finds a list of names and the text of closed files too."""
    closed = Fingerprints()
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("email/*.py")):
        closed.add(path.name, path.read_bytes())
    names = ContextRule("NAME", terms=tuple(f"Project Heron{number}" for number in range(50)))
    return engine.with_sources(Context([names]), closed)


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.process_time_ns()
    work()
    return (time.process_time_ns() - start) / 1e6


def _through(folder: Path, said: Sequence[str], *, rounds: int, seconds: int) -> None:
    sockets = [served.listening() for _ in range(3)]
    provider, bare, gateway = sockets
    ports = [sock.getsockname()[1] for sock in sockets]
    upstream = f"http://127.0.0.1:{ports[0]}"
    with (
        served.process(lambda: served.provider(provider)),
        served.process(lambda: served.bare_proxy(bare, upstream)),
        served.gateway(gateway, upstream, folder),
    ):
        _turns(ports[1:], said, rounds)
        _streams(ports[1:], said, seconds)


def _turns(ports: Sequence[int], said: Sequence[str], rounds: int) -> None:
    """Send the same growing conversation through both, by turns."""
    clients = [socket.create_connection(("127.0.0.1", port)) for port in ports]
    taken: list[list[Turn]] = [[], []]
    sizes: list[int] = []
    for turn in range(rounds + 2 * -(-rounds // _GROWING)):
        talk, at = divmod(turn, _GROWING + 2)  # the first two turns of a conversation are new to the gateway
        body = conversation.body(conversation.claude, said[talk * 5 :][: _WARM // _TURN - _GROWING // 2 + at])
        for which in (0, 1) if turn % 2 else (1, 0):
            one = _asked(clients[which], body)
            if at >= 2:
                taken[which].append(one)
                sizes.append(len(body))
    for client in clients:
        client.close()
    size = statistics.median(sizes) / 1000
    for what, at in (("first byte of the answer", 0), ("a streamed byte", 1)):
        bare, gateway = (statistics.median(one[at] for one in some) for some in taken)
        print(
            f"{what:26} turns of {size:.0f} KB: bare {bare:6.2f} ms, gateway {gateway:6.2f} ms, "
            f"added {gateway - bare:5.2f} ms (median)"
        )


def _asked(client: socket.socket, body: bytes) -> Turn:
    begun = time.monotonic_ns()
    client.sendall(_head("n=1&ms=2", len(body)) + body)
    answer = b""
    while not (stamp := _STAMP.search(answer)):
        answer += _received(client)
    arrived = time.monotonic_ns()
    while not answer.endswith(b"0\r\n\r\n"):
        answer += _received(client)
    return Turn((arrived - begun) / 1e6 - 2, (arrived - int(stamp[1])) / 1e6)


def _received(client: socket.socket) -> bytes:
    chunk = client.recv(65536)
    if not chunk:
        raise SystemExit("a proxy broke its answer off")
    return chunk


def _head(query: str, size: int) -> bytes:
    lines = (
        f"POST /v1/messages?{query} HTTP/1.1",
        "Host: bench",
        "Content-Type: application/json",
        "X-Api-Key: inside",
        f"Content-Length: {size}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def _streams(ports: Sequence[int], said: Sequence[str], seconds: int) -> None:
    """Read many streams while a large body goes through."""
    for name, port in zip(("bare", "gateway"), ports, strict=True):
        cold = conversation.body(conversation.claude, [text[::-1] for text in said[:_TURNS]])
        alone = asyncio.run(_waits(port, seconds, b""))
        beside = asyncio.run(_waits(port, seconds, cold))
        for what, waits in (("alone", alone), ("with a cold 3.5 MB body", beside)):
            waits.sort()
            print(
                f"{_STREAMS} streams, {name:7} {what:24}: median {statistics.median(waits):5.2f} ms, "
                f"99th of 100 {waits[len(waits) * 99 // 100]:6.2f} ms, longest {waits[-1]:6.2f} ms"
            )


async def _waits(port: int, seconds: int, cold: bytes) -> list[float]:
    waits: list[float] = []
    streams = [asyncio.create_task(_read(port, seconds * 50, waits)) for _ in range(_STREAMS)]
    await asyncio.sleep(seconds / 2)
    waits.clear()
    posting = _posting(port, cold) if cold else 0
    await asyncio.gather(*streams)
    if posting:
        _, code = await asyncio.to_thread(os.waitpid, posting, 0)
        assert code == 0, "the cold body got no answer"
    return waits


def _posting(port: int, body: bytes) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                _asked(client, body)
            code = 0
        finally:
            os._exit(code)
    return pid


async def _read(port: int, events: int, waits: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"model": "m", "messages": []}).encode()
    writer.write(_head(f"n={events}&ms=20", len(body)) + body)
    rest = b""
    while not rest.endswith(b"0\r\n\r\n"):
        chunk = await reader.read(65536)
        now = time.monotonic_ns()
        if not chunk:
            break
        rest = (rest + chunk)[-300:]
        waits.extend((now - int(stamp)) / 1e6 for stamp in _STAMP.findall(chunk))
    writer.close()


if __name__ == "__main__":
    main()

"""What an intercepted connection costs, beside peers: `python bench/egress.py [--quick] [--peers FOLDER]`.

Requests per second and milliseconds per kept-alive request (median, 99th percentile), by HTTP/1.1 and HTTP/2, on one
connection and on 16; MB/s of one large body each way. Ways: straight to the host; through our egress proxy as a tunnel;
intercepted by it, passing all on; intercepted and judged, with a recorder that writes to disk; through mitmproxy
without add-ons. The ways take turns in one run, on the same host and client, which cost next to nothing. Processor time
per request is the proxy's own, so it holds on a busy machine too. What is judged waits for a record on disk (promise
4): what this machine takes for one durable write is printed too, and mitmproxy makes none.
"""

import argparse
import asyncio
import os
import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.intercepting import proxies
from bench.intercepting.ends import HOST, PIECE, Bulk, Client, Way, serve_host
from bench.talking import served
from tests.fakes.company import Authority

_TICK = os.sysconf("SC_CLK_TCK")
_DIRECT, _TUNNEL, _PASSING, _JUDGED, _PEER = "direct", "tunnel", "passing", "judged", "mitmproxy"


class Figures(NamedTuple):
    """Requests a second; milliseconds of a request, median and 99th percentile; of the proxy's processor for one."""

    rate: float
    median: float
    slow: float
    busy: float


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="install mitmproxy there and keep it")
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    rounds, seconds, size = (3, 0.7, 2**25) if options.quick else (7, 2.0, 2**28)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        command = None if options.no_peers else proxies.mitmdump(options.peers or folder)
        ways = _ways(stack, folder, command)
        for alpn in ("http/1.1", "h2"):
            for connections in (1, 16):
                _table(f"{alpn}, {connections} at once", _measured(ways, alpn, connections, rounds, seconds))
        _bulk(ways, size, rounds)
        print(f"a durable write of 400 bytes on this machine: {_durable(folder):.2f} ms")
        if command is not None:
            print(_weight(command))


def _ways(stack: ExitStack, folder: Path, command: Path | None) -> list[Way]:
    authority = Authority(folder)
    context = authority.context(HOST)
    sock = served.listening()
    port = sock.getsockname()[1]
    stack.enter_context(served.process(lambda: serve_host(sock, context)))
    verified = ssl.create_default_context(cafile=str(authority.file))
    ways = [Way(_DIRECT, port, port, verified)]
    for kind in (_TUNNEL, _PASSING, _JUDGED):
        at, pid = stack.enter_context(proxies.ours(folder, kind, authority))
        ways.append(Way(kind, at, port, verified, [pid]))
    if command is not None:
        at, pid, certificate = stack.enter_context(proxies.mitmproxy(command, folder / "mitmproxy", authority))
        ways.append(Way(_PEER, at, port, ssl.create_default_context(cafile=str(certificate)), [pid]))
    return ways


def _measured(ways: Sequence[Way], alpn: str, connections: int, rounds: int, seconds: float) -> dict[str, Figures]:
    """Take turns; a first round, which warms up, does not count."""
    taken: dict[str, list[Figures]] = {way.name: [] for way in ways}
    for _ in range(rounds + 1):
        for way in ways:
            taken[way.name].append(asyncio.run(_asked(way, alpn, connections, seconds)))
    return {name: Figures(*map(statistics.median, zip(*one[1:], strict=True))) for name, one in taken.items()}


async def _asked(way: Way, alpn: str, connections: int, seconds: float) -> Figures:
    end = time.perf_counter() + seconds
    clients = [Client(way, alpn) for _ in range(connections)]
    busy, begun = _busy(way.pids), time.perf_counter()
    await asyncio.gather(*(client.run(lambda: time.perf_counter() > end) for client in clients))
    passed = time.perf_counter() - begun
    times = sorted(one for client in clients for one in client.times)
    slow = times[int(len(times) * 0.99)]
    spent = (_busy(way.pids) - busy) / len(times)
    return Figures(len(times) / passed, statistics.median(times) * 1e3, slow * 1e3, spent * 1e3)


def _busy(pids: Sequence[int]) -> float:
    """Give the processor time of processes, in seconds."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(one[11]) + int(one[12]) for one in fields) / _TICK


def _table(title: str, figures: dict[str, Figures]) -> None:
    straight, peer = figures[_DIRECT], figures.get(_PEER)
    print(f"{title:<22}{'req/s':>9}{'over peer':>11}{'median ms':>11}{'added':>8}{'p99 ms':>9}{'CPU ms':>9}")
    for name, one in figures.items():
        over = f"{one.rate / peer.rate:.1f}x" if peer else "-"
        added = one.median - straight.median
        print(f"  {name:<20}{one.rate:>9.0f}{over:>11}{one.median:>11.2f}{added:>8.2f}{one.slow:>9.2f}{one.busy:>9.3f}")


def _bulk(ways: Sequence[Way], size: int, rounds: int) -> None:
    size -= size % PIECE
    down: dict[str, list[float]] = {way.name: [] for way in ways}
    up: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(min(rounds, 3)):
        for way in ways:
            down[way.name].append(size / 1e6 / asyncio.run(_moved(way, size, up=False)))
            up[way.name].append(size / 1e6 / asyncio.run(_moved(way, size, up=True)))
    print(f"{f'a body of {size // 2**20} MB':<22}{'down MB/s':>11}{'up MB/s':>11}")
    for name, rates in down.items():
        print(f"  {name:<20}{statistics.median(rates):>11.0f}{statistics.median(up[name]):>11.0f}")


async def _moved(way: Way, size: int, *, up: bool) -> float:
    bulk = Bulk(way)
    return await (bulk.upload(size) if up else bulk.download(size))


def _weight(command: Path) -> str:
    """Tell what mitmproxy would bring along as a library."""
    python = command.parent / "python"
    code = (
        "import asyncio, ssl, time; at = time.process_time(); "
        "import mitmproxy.addons, mitmproxy.master; "
        "print(time.process_time() - at)"
    )
    seconds = [float(subprocess.check_output([python, "-c", code])) for _ in range(5)]
    listed = subprocess.check_output([python, "-m", "pip", "list", "--format=freeze"], text=True).split()
    others = [one for one in listed if not one.startswith(("pip=", "setuptools="))]
    took = statistics.median(seconds) * 1e3
    return f"mitmproxy as a library: {len(others)} packages, {took:.0f} ms of processor time to import"


def _durable(folder: Path) -> float:
    """Give the milliseconds that this machine's disk takes for a record: what is judged waits for at least one."""
    taken = []
    with (folder / "durable").open("wb") as file:
        for _ in range(100):
            file.write(bytes(400))
            file.flush()
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1e3


if __name__ == "__main__":
    main()

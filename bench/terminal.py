"""What the relay costs: throughput and the echo of one key, against script(1) and against no relay at all, in one run.

usage: python bench/terminal.py [--megabytes N] [--keys N] [--rounds N] [--json]

The outer terminal is a pseudo-terminal that this program reads. Rounds take turns, so that a busy machine is busy for
all. Targets: the echo's 99th percentile at most 1 ms above direct, throughput at least script's.
"""

import argparse
import json
import os
import pty
import select
import signal
import statistics
import sys
import tempfile
import time
import tty
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = b"".join(b"%06d the quick brown fox jumps over the lazy dog\n" % line for line in range(2000))
PAUSE = 0.001  # seconds between two keys


class Null:
    """A redactor that has nothing to mask: what is measured is the relay."""

    held = False

    def feed(self, data: bytes) -> bytes:
        """Give back what came."""
        return data

    def flush(self) -> bytes:
        """Nothing is ever held."""
        return b""


def relay(argv: list[str], *, masking: bool) -> int:
    """Run `argv` under our relay on this process's descriptors."""
    sys.path.insert(0, str(ROOT))
    from wrapper.terminal.flow import Redactor  # noqa: PLC0415 - the bench's other half needs none of it
    from wrapper.terminal.pty import Stdio, spawn  # noqa: PLC0415
    from wrapper.terminal.relay import Relay  # noqa: PLC0415

    def redactor() -> Redactor:
        if not masking:
            return Null()
        from redactors.known import KnownValues  # noqa: PLC0415
        from redactors.stream import StreamRedactor  # noqa: PLC0415
        from redactors.vault import Origin, Vault  # noqa: PLC0415

        vault = Vault(os.urandom(32))
        known = KnownValues(vault)
        for number in range(50):
            known.add("TEST", os.urandom(20).hex().encode(), Origin.OUTSIDE, name=f"VALUE_{number}")
        return StreamRedactor(known, vault)

    env = {"PATH": os.environ["PATH"], "TERM": "xterm"}
    child = spawn(argv, env, cwd="/", before_exec=lambda: None, interactive=Stdio.of_process())
    return Relay(child, redactor_for=redactor, on_output=lambda _stream, _data: None).run()


def commands(script: str) -> dict[str, list[str]]:
    """Name each way to run a shell script on a terminal."""
    mine = [sys.executable, __file__]
    return {
        "direct": ["sh", "-c", script],
        "script(1)": ["script", "-q", "-e", "-c", script, "/dev/null"],
        "relay": [*mine, "--relay", "sh", "-c", script],
        "relay, masking": [*mine, "--relay-masking", "sh", "-c", script],
    }


class Terminal:
    """The outer terminal with a command on it; ready once the command has said so."""

    def __init__(self, argv: list[str]) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            tty.setraw(0)
            os.execvpe(argv[0], argv, {"PATH": os.environ["PATH"], "TERM": "xterm", "SHELL": "/bin/sh"})  # noqa: S606
        seen = b""
        while b"READY" not in seen:
            seen += os.read(self.fd, 65536)
        time.sleep(0.2)
        while select.select([self.fd], [], [], 0.05)[0]:
            os.read(self.fd, 65536)

    def close(self) -> None:
        """Hang up, and do not trust that this ends it: script(1) waits for its child."""
        os.close(self.fd)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def throughput(argv: list[str], size: int) -> float:
    """Return megabytes per second for `size` bytes that the command prints after a line is typed."""
    terminal = Terminal(argv)
    left = size
    os.write(terminal.fd, b"\n")
    start = time.perf_counter()
    while left > 0:
        left -= len(os.read(terminal.fd, 65536))
    seconds = time.perf_counter() - start
    terminal.close()
    return size / 1e6 / seconds


def echoes(argv: list[str], keys: int) -> list[float]:
    """Return the milliseconds between a key and its echo, one for each key."""
    terminal = Terminal(argv)
    times = []
    for _ in range(keys):
        start = time.perf_counter()
        os.write(terminal.fd, b"k")
        os.read(terminal.fd, 16)
        times.append((time.perf_counter() - start) * 1e3)
        time.sleep(PAUSE)
    terminal.close()
    return times


def available(names: Sequence[str]) -> list[str]:
    """Leave out the masking relay where its redactor is not installed."""
    masking = (ROOT / "redactors" / "stream.py").exists()
    return [name for name in names if masking or name != "relay, masking"]


def measure(megabytes: int, keys: int, rounds: int) -> dict[str, dict[str, float]]:
    """Run all ways in turns; medians over the rounds, percentiles over all keys."""
    size = megabytes * 1_000_000 // len(BLOCK) * len(BLOCK)
    with tempfile.NamedTemporaryFile() as file:
        file.write(BLOCK * (size // len(BLOCK)))
        file.flush()
        printing = commands(f"stty raw -echo; echo READY; head -c 1 >/dev/null; cat {file.name}; sleep 1")
        echoing = commands("stty raw -echo; echo READY; exec cat")
        names = available(list(printing))
        rates: dict[str, list[float]] = {name: [] for name in names}
        times: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                rates[name].append(throughput(printing[name], size))
                times[name] += echoes(echoing[name], keys // rounds)
    return {name: figures(rates[name], times[name]) for name in names}


def figures(rates: list[float], times: list[float]) -> dict[str, float]:
    """Reduce one way's measurements to its figures."""
    percentiles = statistics.quantiles(times, n=100)
    return {
        "megabytes_per_second": statistics.median(rates),
        "echo_p50_ms": percentiles[49],
        "echo_p99_ms": percentiles[98],
    }


def table(result: dict[str, dict[str, float]]) -> str:
    """Lay the figures out, with the ratios that the targets speak of."""
    direct, other = result["direct"], result["script(1)"]
    lines = [f"{'':16}{'MB/s':>8}{'of script':>11}{'echo p50':>11}{'p99':>9}{'p99 over direct':>17}"]
    for name, row in result.items():
        share = row["megabytes_per_second"] / other["megabytes_per_second"]
        over = row["echo_p99_ms"] - direct["echo_p99_ms"]
        lines.append(
            f"{name:16}{row['megabytes_per_second']:8.0f}{share:10.2f}x{row['echo_p50_ms']:8.3f} ms"
            f"{row['echo_p99_ms']:6.3f} ms{over:+14.3f} ms"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    if sys.argv[1:2] in (["--relay"], ["--relay-masking"]):
        return relay(sys.argv[2:], masking=sys.argv[1] == "--relay-masking")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--keys", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options.megabytes, options.keys, options.rounds)
    print(json.dumps(result, indent=2) if options.json else table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

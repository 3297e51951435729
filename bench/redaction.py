"""How fast the engine is: `python bench/redaction.py [FOLDER]`. One core, processor time, median of several runs.

Block scan: the Python sources beneath FOLDER (default: the standard library of this Python), file by file. JSON body:
a conversation of such sources, as a client sends it, one block of text per file, with four secrets spread over it;
"again" is the same body once more, as in the next turn. `one block` puts the same text into four blocks; `masked` has
200 placeholders in it, as what the agent reads through the view. Bad input: one line of 100 MB. Load: a new process
that imports the package, loads the cached rules and redacts one line.

Each figure stands beside a bare `bytes.count` over the same bytes in the same run: the ratio tells how far from memory
speed it is on the machine at hand.
"""

import functools
import json
import os
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from redactors import Engine, KnownValues, Origin, Vault, load
from redactors.rules.catalogue import expand

_RUNS = 41
_MEGABYTE = 1_000_000
_LOAD = (
    "import redactors, pathlib, sys;"
    "redactors.load(redactors.Vault(bytes(32)), cache_dir=pathlib.Path(sys.argv[1])).redact(b'nothing')"
)


def milliseconds(work: Callable[[], object], runs: int = _RUNS) -> float:
    """Give the median processor time of `work`."""
    times = []
    for _ in range(runs):
        start = time.process_time_ns()
        work()
        times.append(time.process_time_ns() - start)
    return statistics.median(times) / 1e6


def secrets(seed: int = 0) -> tuple[str, ...]:
    """Make four secrets of four kinds; others for each seed."""
    return (
        expand(["gh", "p_{base62:30}{crc32}"]) if not seed else _github(seed),
        "postgres://app:" + expand(f"{{base62:14}}{seed}") + "@db/x",
        "api_key = '" + expand(f"{{base62:32}}{seed}") + "'",
        expand(["-----BEGIN PRIVATE ", "KEY-----\n{base64:64}\n{base64:64}\n-----END PRIVATE ", "KEY-----\n"]),
    )


def _github(seed: int) -> str:
    return expand(["gh", f"p_{{base62:24}}{seed:06}", "{crc32}"])


def body(texts: Sequence[str], planted: Sequence[str]) -> bytes:
    """Make a request body of one block per text, with the secrets spread over the blocks."""
    blocks = list(texts)
    for number, secret in enumerate(planted):
        blocks[(number * 2 + 1) * len(blocks) // (2 * len(planted))] += "\n" + secret
    content = [{"type": "text", "text": block} for block in blocks]
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode()


def of_size(texts: Sequence[str], size: int) -> list[str]:
    """Take texts until they have about `size` characters."""
    taken: list[str] = []
    for text in texts:
        if sum(map(len, taken)) + len(text) <= size:
            taken.append(text)
    return taken


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else sysconfig.get_path("stdlib"))
    files = [path.read_bytes() for path in sorted(folder.rglob("*.py"))]
    texts = [file.decode("utf-8", "replace") for file in files]
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name)
        cold = milliseconds(lambda: load(Vault(bytes(32)), cache_dir=cache), 1)
        engine = load(Vault(bytes(32)), cache_dir=cache)
        _block_scan(engine, files)
        for size in (200_000, 600_000):
            _bodies(engine, of_size(texts, size))
        _known(cache, of_size(texts, 200_000))
        _bad_input(engine)
        _load(name, cold)


def _block_scan(engine: Engine, files: Sequence[bytes]) -> None:
    size = sum(map(len, files))
    bare = milliseconds(lambda: [file.count(b"\xff\xfe") for file in files], 7)
    taken = milliseconds(lambda: [engine.find(file) for file in files], 7)
    speed = f"{size / taken / 1e3:8.0f} MB/s of {size / 1e6:.1f} MB"
    print(f"block scan       {speed}, {taken / bare:.1f} times `bytes.count`")


def _bodies(engine: Engine, texts: Sequence[str]) -> None:
    fresh = iter([body(texts, secrets(seed)) for seed in range(1, _RUNS + 1)])
    data = body(texts, secrets())
    _print_body("first sight", data, milliseconds(lambda: engine.redact_json(next(fresh))))
    _print_body("again", data, _redact(engine, data))
    whole = "\n".join(texts)
    step = len(whole) // 4
    blocks = body([whole[at : at + step] for at in range(0, 4 * step, step)], secrets())
    _print_body("four blocks", blocks, _redact(engine, blocks))
    masked = body(_with_placeholders(texts), secrets())
    _print_body("masked", masked, _redact(engine, masked))


def _redact(engine: Engine, data: bytes) -> float:
    redaction = engine.redact_json(data)
    assert len(redaction.findings) == 4, redaction.findings
    json.loads(redaction.data)
    return milliseconds(lambda: engine.redact_json(data))


def _with_placeholders(texts: Sequence[str]) -> list[str]:
    placeholder = _placeholder()
    each = -(-200 // len(texts))
    return [text + f"\ntoken = '{placeholder}'" * each for text in texts]


def _placeholder() -> str:
    """Give a placeholder as another session issued it."""
    return Vault(bytes(range(32))).issue("TOKEN", b"some value", Origin.OUTSIDE)


def _print_body(what: str, data: bytes, taken: float) -> None:
    bare = milliseconds(lambda: data.count(b"\xff\xfe"))
    print(
        f"JSON body        {taken:8.2f} ms, {len(data) / 1000:.0f} KB, {what}, {taken / bare:.1f} times `bytes.count`"
    )


def _known(cache: Path, texts: Sequence[str]) -> None:
    vault = Vault(bytes(32))
    known = KnownValues(vault)
    for number in range(1000):
        known.add("VALUE", expand(f"{{base62:24}}{number}").encode(), Origin.OUTSIDE)
    data = body(texts, secrets())
    _print_body("again, 1000 known values", data, _redact(load(vault, known, cache_dir=cache), data))


def _bad_input(engine: Engine) -> None:
    """Search one line of 100 MB of each kind; peak memory beyond the data is that of all together."""
    fills = {
        "words": b"lorem ipsum dolor sit amet ",
        "zeros": b"0",
        "bytes": os.urandom(_MEGABYTE),
        "quotes": b'\\"',
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for what, fill in fills.items():
        line = fill * (100 * _MEGABYTE // len(fill))
        taken = milliseconds(functools.partial(engine.find, line), 1)
        print(f"100 MB, one line {len(line) / taken / 1e3:8.1f} MB/s of {what}")
    line = b"token=" * 100_000
    taken = milliseconds(lambda: engine.find(line), 1)
    print(f"worst line       {len(line) / taken / 1e3:8.1f} MB/s, a candidate every six bytes")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"100 MB, memory   {peak / 1000:8.0f} MB above what stood before, the line included")


def _load(cache: str, cold: float) -> None:
    print(f"load, no cache   {cold:8.0f} ms")
    loaded = _processor_time([sys.executable, "-c", _LOAD, cache])
    empty = _processor_time([sys.executable, "-c", "pass"])
    print(f"import and load  {loaded - empty:8.0f} ms over an empty Python ({empty:.0f} ms)")


def _processor_time(command: Sequence[str]) -> float:
    times = []
    for _ in range(15):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times) * 1e3


if __name__ == "__main__":
    main()

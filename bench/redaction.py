"""How fast the engine is: `python bench/redaction.py [FOLDER]`. One core, best and median of several runs.

Block scan: the Python sources beneath FOLDER (default: the standard library of this Python), file by file. JSON body:
a conversation of such sources, as a client sends it, with four secrets in it. Load: a new process that imports the
package, loads the cached rules and redacts one line. The ratio to a bare `bytes.count` over the same text tells how
far from memory speed that is on the machine at hand.
"""

import json
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from redactors import Engine, KnownValues, Origin, Vault, load
from redactors.rules.catalogue import expand

_RUNS = 15
_SECRETS = (
    expand(["gh", "p_{base62:30}{crc32}"]),
    "postgres://app:" + expand("{base62:14}") + "@db/x",
    "api_key = '" + expand("{base62:32}") + "'",
    expand(["-----BEGIN PRIVATE ", "KEY-----\n{base64:64}\n{base64:64}\n-----END PRIVATE ", "KEY-----\n"]),
)
_LOAD = (
    "import redactors, pathlib, sys;"
    "redactors.load(redactors.Vault(bytes(32)), cache_dir=pathlib.Path(sys.argv[1])).redact(b'nothing')"
)


def seconds(work: Callable[[], object], runs: int = _RUNS) -> list[float]:
    """Time `work` several times."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def body(texts: list[bytes], size: int) -> bytes:
    """Make a request body of about `size` bytes with the secrets spread over it."""
    text = b"\n".join(texts)[:size].decode("utf-8", "replace")
    step = len(text) // len(_SECRETS)
    parts = [text[at * step : (at + 1) * step] + "\n" + secret for at, secret in enumerate(_SECRETS)]
    messages = [{"role": "user", "content": [{"type": "text", "text": part}]} for part in parts]
    return json.dumps({"model": "m", "messages": messages}).encode()


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else sysconfig.get_path("stdlib"))
    texts = [path.read_bytes() for path in sorted(folder.rglob("*.py"))]
    size = sum(map(len, texts))
    with tempfile.TemporaryDirectory() as cache:
        vault = Vault(bytes(32))
        cold = seconds(lambda: load(vault, cache_dir=Path(cache)), 1)[0]
        engine = load(vault, cache_dir=Path(cache))
        bare = min(seconds(lambda: [text.count(b"\xff\xfe") for text in texts], 5))
        find = min(seconds(lambda: [engine.find(text) for text in texts], 5))
        print(f"block scan      {size / find / 1e6:8.0f} MB/s of {size / 1e6:.1f} MB ({find / bare:.1f} `bytes.count`)")
        for kilobytes in (200, 600):
            _time_body(engine, body(texts, kilobytes * 1000), "rules only")
        known = KnownValues(vault)
        for number in range(1000):
            known.add("VALUE", expand(f"{{base62:24}}{number}").encode(), Origin.OUTSIDE)
        with_known = load(vault, known, cache_dir=Path(cache))
        _time_body(with_known, body(texts, 200_000), "and 1000 known values")
        print(f"load, no cache  {cold * 1e3:8.0f} ms")
        command = [sys.executable, "-c", _LOAD, cache]
        loaded = statistics.median(seconds(lambda: subprocess.run(command, check=True)))
        empty = statistics.median(seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)))
        print(f"import and load {(loaded - empty) * 1e3:8.0f} ms over an empty Python ({empty * 1e3:.0f} ms)")


def _time_body(engine: Engine, data: bytes, what: str) -> None:
    redaction = engine.redact_json(data)
    assert len(redaction.findings) >= len(_SECRETS), redaction.findings
    json.loads(redaction.data)
    times = seconds(lambda: engine.redact_json(data), 41)
    print(f"JSON body       {statistics.median(times) * 1e3:8.2f} ms median, {len(data) / 1000:.0f} KB, {what}")


if __name__ == "__main__":
    main()

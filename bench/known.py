"""How fast known values are added and found: `python bench/known.py [FOLDER]`. One core, processor time.

Values: random keys, 1,000 if not said otherwise. Source: the Python files beneath FOLDER (default: the standard library
of this Python), one by one and put together. JSON body: a conversation of such sources, as a client sends it; "with
hints" means that it speaks of hex dumps and of terminal sequences, as a transcript of this work does. The ratio to a
bare `bytes.count` over the same text in the same run tells how far from memory speed that is on the machine at hand.
Before values are added, `load` takes from its cache what depends on none, as in every session.
"""

import json
import random
import string
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from redactors import KnownValues, Origin, Vault, load

_RUNS = 21
_FEW_RUNS = 3
_ALPHABET = (string.ascii_letters + string.digits).encode()
_HINTS = b'00000000: 2320 5468  "\\x1b[0m" and \\u001b[1m, a key is 73:6b:2d:61:6e:74\n'
_PART = 1_000_000
_EVERY = 20_000  # bytes of a body between two lines with hints


def milliseconds(work: Callable[[], object], runs: int = _RUNS) -> float:
    """Give the best processor time of several runs: what else runs on the machine only ever adds."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times) * 1e3


def keys(number: int, seed: int) -> list[bytes]:
    """Make random keys of 20 to 64 letters and digits."""
    chance = random.Random(seed)  # noqa: S311  (fakes)
    return [bytes(chance.choices(_ALPHABET, k=chance.randint(20, 64))) for _ in range(number)]


def filled(number: int) -> KnownValues:
    """Give known values with `number` keys, compiled."""
    known = KnownValues(Vault(bytes(32)))
    grow(known, keys(number, 1))
    return known


def grow(known: KnownValues, values: list[bytes]) -> None:
    """Add `values` and make them usable."""
    for value in values:
        known.add("KEY", value, Origin.OUTSIDE)
    known.find(b"x")


def body(text: bytes, *, hints: bool) -> bytes:
    """Make a request body of `text`."""
    parts = [text[at : at + _EVERY] + (_HINTS if hints else b"") for at in range(0, len(text), _EVERY)]
    blocks = [{"type": "text", "text": part.decode("utf-8", "replace")} for part in parts]
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": blocks}]}).encode()


def time_adding() -> None:
    """Print what 100 more values cost, at once and on average while many come."""
    with tempfile.TemporaryDirectory() as cache:
        load(Vault(bytes(32)), cache_dir=Path(cache))
    for number in (0, 1_000, 10_000):
        known = filled(number)
        print(f"add 100 to {number:6}   {milliseconds(lambda: grow(known, keys(100, 2)), 1):8.1f} ms")  # noqa: B023
    known = filled(0)
    batches = [keys(100, seed) for seed in range(3, 23)]
    total = sum(milliseconds(lambda: grow(known, batch), 1) for batch in batches)  # noqa: B023  (called at once)
    print(f"add 100, 20 times over {total / len(batches):8.1f} ms each")


def time_finding(name: str, known: KnownValues, texts: list[bytes], runs: int) -> None:
    """Print how long it takes to search `texts`."""
    size = sum(map(len, texts))
    found = milliseconds(lambda: [known.find(text) for text in texts], runs)
    bare = milliseconds(lambda: [text.count(b"\xff\xfe") for text in texts], runs)
    print(f"{name:22} {found:8.2f} ms, {size / found / 1e3:6.0f} MB/s, {found / bare:5.1f} `bytes.count`, {size} bytes")


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else sysconfig.get_path("stdlib"))
    texts = [path.read_bytes() for path in sorted(folder.rglob("*.py"))]
    text = b"\n".join(texts)
    parts = [text[at : at + _PART] for at in range(0, len(text), _PART)]
    time_adding()
    for number in (30, 1_000, 10_000):
        known = filled(number)
        print(f"{number} values")
        time_finding("  source", known, texts, _FEW_RUNS)
        time_finding("  source, 1 MB at once", known, parts, _FEW_RUNS)
        for size in (200_000, 600_000):
            for hints in (False, True):
                what = f"  JSON {size // 1000} KB{', hints' if hints else ''}"
                time_finding(what, known, [body(text[:size], hints=hints)], _RUNS)


if __name__ == "__main__":
    main()

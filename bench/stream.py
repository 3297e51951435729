"""How fast the stream redactor is: `python bench/stream.py [--megabytes N] [--rounds N]`. One core, process time.

Texts: sources of the standard library as a pager shows them, and the same coloured word by word, as a dense terminal
program does. Each is fed in chunks of 64 KiB, 4 KiB and 256 bytes to the redactor of a screen (50 and 1,000 known
values with all their encodings) and to that of a log (50 known values and all rules). The ratio is to a loop that only
takes and joins the same chunks. `held` is the greatest number of bytes that were fed and not given out.

Medians of several rounds in turns, so that a busy machine is busy for all. Targets: 150 MB/s and 80 MB/s.
"""

import argparse
import random
import re
import statistics
import string
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from redactors import KnownValues, Origin, Vault, load
from redactors.stream import StreamRedactor

_CHUNKS = {"64 KiB": 65536, "4 KiB": 4096, "256 B": 256}
_WORD = re.compile(rb"\w{3,}")


class Redactor(Protocol):
    """What is measured."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes, give bytes."""


class Copy:
    """The bare loop: bytes come and go."""

    def feed(self, data: bytes) -> bytes:
        """Give a copy."""
        return b"".join((data, b""))


def ordinary(size: int) -> bytes:
    """Join sources of the standard library, with the line ends of a terminal."""
    texts = (path.read_bytes() for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")))
    return b"".join(texts).replace(b"\n", b"\r\n")[:size]


def coloured(text: bytes) -> bytes:
    """Colour each word."""
    return _WORD.sub(lambda word: b"\x1b[3%dm%b\x1b[0m" % (len(word[0]) % 8, word[0]), text)[: len(text)]


def known_values(number: int, vault: Vault) -> KnownValues:
    """Make random values, the same in each run."""
    chance = random.Random(number)  # noqa: S311  (a bench's data)
    known = KnownValues(vault)
    for _ in range(number):
        known.add("VALUE", "".join(chance.choices(string.ascii_letters + string.digits, k=36)).encode(), Origin.OUTSIDE)
    return known


def seconds(redactor: Redactor, chunks: list[bytes]) -> float:
    """Feed all chunks."""
    feed = redactor.feed
    start = time.process_time()
    for chunk in chunks:
        feed(chunk)
    return time.process_time() - start


def longest_hold(redactor: StreamRedactor, chunks: list[bytes]) -> int:
    """Bytes held back at most, between two chunks."""
    fed = shown = most = 0
    for chunk in chunks:
        fed += len(chunk)
        shown += len(redactor.feed(chunk))  # a placeholder is about as long as what it stands for
        most = max(most, fed - shown)
    return most


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    vault = Vault(bytes(32))
    few, many = known_values(50, vault), known_values(1000, vault)
    with tempfile.TemporaryDirectory() as cache:
        engine = load(vault, few, cache_dir=Path(cache))
    makers: dict[str, Callable[[], StreamRedactor]] = {
        "50 known values": lambda: StreamRedactor(few, vault),
        "1,000 known values": lambda: StreamRedactor(many, vault),
        "50 and all rules": lambda: StreamRedactor(few, vault, engine=engine),
    }
    text = ordinary(int(options.megabytes * 1e6))
    print(f"{'':42}{'MB/s':>8}{'of a bare copy':>16}{'held':>10}")
    for kind, data in {"ordinary text": text, "every word coloured": coloured(text)}.items():
        for size, step in _CHUNKS.items():
            chunks = [data[at : at + step] for at in range(0, len(data), step)]
            table(f"{kind}, {size}", makers, chunks, options.rounds)


def table(title: str, makers: dict[str, Callable[[], StreamRedactor]], chunks: list[bytes], rounds: int) -> None:
    """Measure one text in chunks of one size, and print a line for each redactor."""
    times: dict[str, list[float]] = {name: [] for name in ("", *makers)}
    for _ in range(rounds):
        times[""].append(seconds(Copy(), chunks))
        for name, make in makers.items():
            redactor = make()
            redactor.feed(b"\x1b[0m.\r\n")  # what is compiled at the first use
            times[name].append(seconds(redactor, chunks))
    total = sum(map(len, chunks)) / 1e6
    bare = statistics.median(times.pop(""))
    print(title)
    for name, taken in times.items():
        middle = statistics.median(taken)
        held = longest_hold(makers[name](), chunks)
        print(f"    {name:38}{total / middle:8.0f}{bare / middle:15.3f}x{held:8} B")


if __name__ == "__main__":
    main()

"""Context rules on the wire: what thousands of terms, shapes and expressions cost, and near-misses of placeholders.

    python bench/context.py

The text is the standard library of the running Python, as it stands and as one JSON body of 600 KB; every figure is the
median of process time over several passes, beside one bare pass of `bytes.count` in the same run. Terms are drawn from
syllables with a fixed seed, so that none of them stands in the text: what is measured is the search.
"""

import json
import random
import statistics
import sysconfig
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from redactors.context import Context, ContextRule
from redactors.shapes import SHAPES
from redactors.vault import Origin, Vault

PASSES = 9
BODY = 600_000
SYLLABLES = ["ba", "ker", "lo", "mi", "tan", "ves", "dor", "quil", "fra", "zen", "pol", "ri", "sta", "mo", "nel", "gar"]
CYRILLIC = "абвгдежзиклмнопрст"


def median(work: Callable[[], object]) -> float:
    """Time one call, in seconds of process time."""
    times = []
    for _ in range(PASSES):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def rules() -> dict[str, tuple[ContextRule, ...]]:
    """Make the sets of rules to compare."""
    dice = random.Random(2)  # noqa: S311 - names, not secrets

    def word() -> str:
        return "".join(dice.choices(SYLLABLES, k=dice.randint(3, 5)))

    words = sorted({word() for _ in range(5200)})[:5000]
    companies = [f"{word().title()} {word().title()} GmbH" for _ in range(5000)]
    cyrillic = ["".join(dice.choices(CYRILLIC, k=8)) for _ in range(5000)]
    shapes = tuple(ContextRule(name.upper(), shape=name) for name in SHAPES)
    return {
        "5,000 words": (ContextRule("A", terms=tuple(words)),),
        "5,000 companies of three words": (ContextRule("A", terms=tuple(companies)),),
        "5,000 words outside ASCII": (ContextRule("A", terms=tuple(cyrillic)),),
        "every shape": shapes,
        "every shape and 5,000 words": (*shapes, ContextRule("A", terms=tuple(words))),
        "one expression": (ContextRule("A", regex="KD-[0-9]{8}"),),
    }


def main() -> None:
    """Print the table."""
    library = Path(sysconfig.get_paths()["stdlib"])
    text = b"".join(path.read_bytes() for path in sorted(library.glob("*.py")))
    body = json.dumps(text[:BODY].decode("utf-8", "ignore")).encode()
    bare = median(lambda: body.count(b"falcon"))
    print(f"{'':32} {'compile':>10} {'text MB/s':>10} {'body ms':>9} {'findings':>9} {'/ bare':>8}")
    for name, chosen in rules().items():
        start = time.process_time()
        context = Context(chosen)
        context.find(b"")
        compiled = time.process_time() - start
        by_text, by_body = median(partial(context.find, text)), median(partial(context.find, body))
        print(
            f"{name:32} {compiled * 1e3:>7.0f} ms {len(text) / by_text / 1e6:>10.0f} {by_body * 1e3:>9.2f}"
            f" {len(context.find(text)):>9} {by_body / bare:>8.1f}"
        )
    vault = Vault(bytes(32))
    for number in range(2000):
        vault.issue("CODE-NAME", b"value %d" % number, Origin.INSIDE)
    speed = len(text) / median(lambda: vault.near_misses(text)) / 1e6
    print(f"{'near-misses, 2,000 placeholders':32} {'':>10} {speed:>10.0f}")


if __name__ == "__main__":
    main()

"""Python code of agents, found again under other names in another layout: `python bench/disguised.py FOLDER`.

FOLDER holds packages of many projects (a `site-packages`). By its name each is on one of three sides: what *agents*
wrote, what was there *before* (the baseline), and *unseen* documents. From the agents' side come pieces of functions.
They are looked for as they are, and as Python's own grammar writes them anew (`ast.unparse`: other line breaks,
brackets and quotes, no comments) with every name changed that an author could have chosen otherwise, each within a
stranger's module. *found*: a span lies on the piece; *half*: spans cover half of it. Projects that bundle one
another's code are on two sides at once: what the baseline takes away of untouched pieces is that.
"""

import argparse
import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tests.provenance.disguises import disguised, pieces
from wrapper.provenance.baselines import Baseline
from wrapper.provenance.key import Key
from wrapper.provenance.matching import Matcher
from wrapper.provenance.model import Emission, Kind, Sheet
from wrapper.provenance.pack import Pack
from wrapper.provenance.prints import printed

_MOST_FILES = 40  # of a project
_AROUND = 4000  # characters of strangers' code on either side of a piece
_KEY = Key(bytes(range(32)))


def sides(folder: Path) -> list[list[str]]:
    """Deal the modules of all projects."""
    dealt: list[list[str]] = [[], [], []]
    for project in sorted(path for path in folder.iterdir() if path.is_dir() and path.suffix != ".dist-info"):
        modules = list(_modules(project))
        random.Random(1).shuffle(modules)  # noqa: S311 (a sample)
        dealt[hashlib.sha256(b"x" + project.name.encode()).digest()[0] % 3] += modules[:_MOST_FILES]
    return dealt


def _modules(project: Path) -> Iterator[str]:
    for path in sorted(project.rglob("*.py")):
        if "test" not in str(path.relative_to(project)) and 2_000 < path.stat().st_size < 200_000:
            yield path.read_text(errors="replace")


def sample(modules: Sequence[str], lines: int, most: int) -> list[tuple[str, str]]:
    """Give pieces of so many lines, as they are and disguised."""
    found: dict[str, str] = {}
    for module in modules:
        try:
            found.update({piece: disguised(piece) for piece in pieces(module, lines)})
        except (SyntaxError, RecursionError, ValueError):
            continue  # of another version of the language
    return random.Random(9).sample(sorted(found.items()), min(most, len(found)))  # noqa: S311 (a sample)


def pack_of(texts: Sequence[str]) -> Pack:
    """Make an index of texts, each an emission."""
    parts = [printed(text.encode(), _KEY.coder()) for text in texts]
    for number, part in enumerate(parts):
        for rows in (part.lines, part.shapes, part.words):
            rows["emission"] = number
    lines, shapes, words = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("lines", "shapes", "words")
    )
    emissions = [Emission(kind=Kind.INPUT, session="s", at=1.0)] * len(parts)
    return Pack.of([Sheet("s", 1, emissions, lines, shapes, words, blobs=shapes[:0], reads=())])


def recall(matcher: Matcher, texts: Sequence[str], strangers: Sequence[str]) -> tuple[float, float]:
    """Give the shares that are found, and covered by half."""
    documents, places = [], []
    for number, text in enumerate(texts):
        before, after = (strangers[(number + more) % len(strangers)][:_AROUND] for more in (0, 1))
        documents.append(f"{before}\n{text}\n{after}".encode())
        start = len(before.encode()) + 1
        places.append((start, start + len(text.encode())))
    covered = [
        sum(max(0, min(end, one.end) - max(start, one.start)) for one in spans) / (end - start)
        for spans, (start, end) in zip(matcher.spans(documents), places, strict=True)
    ]
    return sum(share > 0 for share in covered) / len(texts), sum(share >= 0.5 for share in covered) / len(texts)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pieces", type=int, default=600)
    given = parser.parse_args()
    agents, before, unseen = sides(given.folder)
    documents = [text.encode() for text in unseen]
    size = sum(map(len, documents)) / 1e6
    print(f"modules: {len(agents)} agents', {len(before)} before, {len(unseen)} unseen ({size:.1f} MB)")
    print("lines  baseline  untouched: found, half  disguised: found, half  flagged of unseen  MB/s of processor")
    for lines in (20, 10):
        chosen = sample(agents, lines, given.pieces)
        pack = pack_of([piece for piece, _ in chosen])
        baseline = Baseline.of((text.encode() for text in before), _KEY.coder(), within=pack)
        for name, taken in (("none", None), ("half", baseline)):
            matcher = Matcher(pack, _KEY.coder(), baseline=taken)
            plain = recall(matcher, [piece for piece, _ in chosen], unseen)
            other = recall(matcher, [piece for _, piece in chosen], unseen)
            start = time.process_time()
            flagged = sum(bool(spans) for spans in matcher.spans(documents)) / len(documents)
            speed = size / (time.process_time() - start)
            shares = f"{plain[0]:12.3f} {plain[1]:9.3f} {other[0]:13.3f} {other[1]:9.3f} {flagged:16.2%} {speed:19.0f}"
            print(f"{lines:5}  {name:8}{shares}")


if __name__ == "__main__":
    main()

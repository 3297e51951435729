"""How much is found and how much is touched wrongly, beside peers: `python bench/detection.py [SETS…] [options]`.

SETS are gzipped files of JSON lines with `text`, `secrets`, `label` (`pos`, `neg`, `pos_nospan`), as `bench/unseen.py`
writes them; by default, and always with `--shared` (or SAFE_AGENT_CASES), the shared cases beside the repository.

A positive counts if every byte of every secret is covered wherever it stands (of a private key: its body), or, where
the secret's place is not told, if anything is found. A negative is touched if anything is found. All scanners are
scored by this one rule; a peer that tells only values is taken to cover each place where they stand.

The shared cases are split by the SHA-256 of their text: held out is a quarter, those whose first two bytes are odd.
Rules are tuned by looking at the other three quarters; what is held out is the more honest figure, the sets named
`sealed-*` the most honest one. The split was moved once: at first half of the cases was held out (first byte odd), and
half of these were opened later. `tidied`: without negatives that hold, byte for byte, a secret of one of the positives,
and without filler. Clean text (`--clean`, default: the standard library of this Python; and terminal logs recorded now)
holds no secrets: what is found there, per MB, is noise. Slow peers see a part of it (`--sample`), and ours is shown on
that part too.
"""

import argparse
import gzip
import hashlib
import json
import os
import re
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.origins.case import Case, tidied
from bench.peers.scanners import Ours, Scanner, installed
from bench.peers.worker import Found
from bench.terminal_logs import record

_SHARED = Path(__file__).parents[2] / "shared" / "data" / "secret_cases.jsonl.gz"
_TESTS = {"test", "tests", "__tests__", "fixtures", "site-packages", "dist-packages", "__pycache__"}  # keys stand there
_PEM = re.compile(rb"^-----BEGIN [^-]+-----(?:\\[rn]|\s)*|(?:\\[rn]|\s)*-----END [^-]+-----(?:\\[rn]|\s)*$")


class Score(NamedTuple):
    """Shares of positives covered and of negatives touched; None where there are none."""

    covered: float | None
    touched: float | None


def read_cases(path: Path) -> list[Case]:
    """Read the labelled texts."""
    with gzip.open(path) as lines:
        rows = [json.loads(line) for line in lines]
    return [Case(row["text"], tuple(row["secrets"]), row["label"], row["rule"]) for row in rows]


def is_held_out(case: Case) -> bool:
    """Tell whether a shared case belongs to the quarter that nobody looks at."""
    first, second = hashlib.sha256(case.text.encode()).digest()[:2]
    return bool(first % 2 and second % 2)


def is_covered(case: Case, found: Found) -> bool:
    """Tell whether all secrets of a positive are hidden, wherever they stand."""
    if not case.secrets:
        return bool(found)
    text = case.text.encode()
    hidden = bytearray(len(text))
    for start, end in (span for spans in found for span in spans):
        hidden[start:end] = b"\1" * (end - start)
    return all(_is_hidden(text, _PEM.sub(b"", secret.encode()), hidden) for secret in case.secrets)


def _is_hidden(text: bytes, secret: bytes, hidden: bytes | bytearray) -> bool:
    at = text.find(secret)
    while at >= 0:
        if 0 in hidden[at : at + len(secret)]:
            return False
        at = text.find(secret, at + 1)
    return True


def score(cases: Sequence[Case], scanner: Scanner) -> Score:
    """Score one scanner on one set."""
    judged = list(zip(cases, scanner.scan([case.text for case in cases]).found, strict=True))
    covered = [is_covered(case, found) for case, found in judged if case.holds_secret]
    touched = [bool(found) for case, found in judged if not case.holds_secret]
    return Score(_share(covered), _share(touched))


def _share(outcomes: Sequence[bool]) -> float | None:
    return sum(outcomes) / len(outcomes) if outcomes else None


def sets_of(shared: Path | None, paths: Sequence[Path]) -> dict[str, list[Case]]:
    """Name the sets to score; what is sealed also together."""
    sets: dict[str, list[Case]] = {}
    if shared:
        cases = read_cases(shared)
        sets["shared, looked at"] = [case for case in cases if not is_held_out(case)]
        sets["shared, held out"] = [case for case in cases if is_held_out(case)]
        sets["held out, tidied"] = [case for case in tidied(cases) if is_held_out(case)]
    for path in paths:
        sets[path.name.partition(".")[0]] = read_cases(path)
    for group in ("dev", "sealed"):
        names = [name for name in sets if name.startswith(f"{group}-")]
        if len(names) > 1:
            sets[f"all {group}"] = [case for name in names for case in sets[name]]
    return sets


def clean_texts(folder: Path) -> Iterator[str]:
    """Give the text files beneath a folder, but those of tests, in an order that has nothing to do with their names."""
    paths = [path for path in folder.rglob("*") if not _TESTS & set(path.relative_to(folder).parts)]
    for path in sorted(paths, key=lambda path: hashlib.sha256(str(path).encode()).digest()):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            if b"\0" not in data[:4096]:
                yield data.decode(errors="replace")


def first(texts: Sequence[str], size: float) -> list[str]:
    """Give as many texts as make up `size` bytes."""
    chosen: list[str] = []
    for text in texts:
        if size <= 0:
            break
        chosen.append(text)
        size -= len(text)
    return chosen


def noise(texts: Sequence[str], scanner: Scanner) -> float:
    """Give findings per MB of clean text."""
    return sum(map(len, scanner.scan(texts).found)) / sum(map(len, texts)) * 1e6


def main() -> None:
    """Print the tables."""
    options = _options()
    with ExitStack() as stack:
        scanners: list[Scanner] = [Ours()]
        if not options.no_peers:
            folder = options.peers or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            scanners += installed(folder)
        _print_scores(sets_of(options.shared if options.shared.exists() else None, options.sets), scanners)
        logs = stack.enter_context(tempfile.TemporaryDirectory())
        clean = {str(folder): list(clean_texts(folder)) for folder in options.clean}
        clean["terminal logs"] = [log.decode(errors="replace") for log in record(Path(logs))]
        _print_noise(clean, scanners, options.sample * 1e6)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sets", type=Path, nargs="*")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SAFE_AGENT_CASES", _SHARED)))
    parser.add_argument("--clean", type=Path, nargs="*", default=[Path(sysconfig.get_path("stdlib"))])
    parser.add_argument("--sample", type=float, default=2, metavar="MB", help="of each clean text, for the peers")
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="install them there and keep them")
    parser.add_argument("--no-peers", action="store_true")
    return parser.parse_args()


def _print_scores(sets: dict[str, list[Case]], scanners: Sequence[Scanner]) -> None:
    print("positives covered / negatives touched, in %")
    print(f"{'set':<20}{'pos':>5}{'neg':>5}" + "".join(f"{scanner.name:>18}" for scanner in scanners))
    for name, cases in sets.items():
        positives = sum(case.holds_secret for case in cases)
        row = f"{name:<20}{positives:>5}{len(cases) - positives:>5}"
        for scanner in scanners:
            shares = ("-" if share is None else f"{share:.1%}"[:-1] for share in score(cases, scanner))
            row += f"{' / '.join(shares):>18}"
        print(row, flush=True)


def _print_noise(clean: dict[str, list[str]], scanners: Sequence[Scanner], sample: float) -> None:
    print("\nfindings per MB of clean text: ours on all of it, then all on a sample")
    print(f"{'text':<36}{'MB':>6}{'ours':>8}" + f"{'MB':>8}" + "".join(f"{scanner.name:>16}" for scanner in scanners))
    for name, texts in clean.items():
        part = first(texts, sample)
        row = f"{name[-35:]:<36}{sum(map(len, texts)) / 1e6:>6.1f}{noise(texts, scanners[0]):>8.2f}"
        row += f"{sum(map(len, part)) / 1e6:>8.1f}"
        print(row + "".join(f"{noise(part, scanner):>16.2f}" for scanner in scanners), flush=True)


if __name__ == "__main__":
    main()

"""How much is found and how much is touched wrongly: `python bench/detection.py [CASES] [CLEAN-FOLDER…]`.

CASES (or the environment variable SAFE_AGENT_CASES) is a gzipped file of JSON lines with `text`, `secrets`, `label`
(`pos`, `neg`, `pos_nospan`); default: `../shared/data/secret_cases.jsonl.gz` beside the repository. A positive counts
if every byte of every secret is covered (of a private key: its body); a negative is touched if anything is found.

The cases are split by the first bit of the SHA-256 of their text: rules are tuned by looking at the first half only;
the second is the honest figure. Clean folders (default: the standard library of this Python) hold no secrets: what is
found there, per MB, is noise.
"""

import gzip
import hashlib
import json
import os
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from redactors import Engine, Finding, Vault, load

_DEFAULT = Path(__file__).parents[2] / "shared" / "data" / "secret_cases.jsonl.gz"


class Case(NamedTuple):
    """One labelled text."""

    text: bytes
    secrets: tuple[bytes, ...]
    positive: bool
    held_out: bool


def read_cases(path: Path) -> list[Case]:
    """Read the labelled texts."""
    with gzip.open(path) as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Case(
            text := row["text"].encode(),
            tuple(secret.encode() for secret in row["secrets"]),
            row["label"] != "neg",
            bool(hashlib.sha256(text).digest()[0] % 2),
        )
        for row in rows
    ]


def is_covered(case: Case, found: list[Finding]) -> bool:
    """Tell whether all secrets of a positive are hidden, wherever they stand."""
    if not case.secrets:
        return bool(found)
    return all(_is_hidden(case.text, secret, found) for secret in case.secrets)


def _is_hidden(text: bytes, secret: bytes, found: list[Finding]) -> bool:
    at = text.find(secret)
    while at >= 0:
        end = at + len(secret)
        open_bytes = len(secret) - sum(max(0, min(one.end, end) - max(one.start, at)) for one in found)
        if secret.startswith(b"-----BEGIN"):
            open_bytes = 0 if any(at <= one.start and one.end <= end for one in found) else open_bytes
        if open_bytes:
            return False
        at = text.find(secret, at + 1)
    return True


def clean_texts(folders: list[Path]) -> Iterator[bytes]:
    """Give the text files beneath some folders."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                if b"\0" not in data[:4096]:
                    yield data


def main() -> None:
    """Print the table."""
    arguments = [Path(argument) for argument in sys.argv[1:]]
    path = arguments[0] if arguments else Path(os.environ.get("SAFE_AGENT_CASES", _DEFAULT))
    engine = load(Vault(bytes(32)))
    cases = read_cases(path)
    for name, held_out in (("tuned on", False), ("held out", True)):
        print(name, _figures(engine, [case for case in cases if case.held_out is held_out]))
    print("clean", _noise(engine, arguments[1:] or [Path(sysconfig.get_path("stdlib"))]))


def _figures(engine: Engine, cases: list[Case]) -> str:
    found = [(case, list(engine.find(case.text))) for case in cases]
    positives = [is_covered(case, findings) for case, findings in found if case.positive]
    negatives = [bool(findings) for case, findings in found if not case.positive]
    covered, touched = sum(positives) / len(positives), sum(negatives) / len(negatives)
    return f"{len(positives)} positives {covered:.1%} covered, {len(negatives)} negatives {touched:.1%} touched"


def _noise(engine: Engine, folders: list[Path]) -> str:
    rules: Counter[str] = Counter()
    size = 0
    for data in clean_texts(folders):
        size += len(data)
        rules.update(one.rule for one in engine.find(data))
    return f"{size / 1e6:.1f} MB, {rules.total() / size * 1e6:.2f} findings per MB {dict(rules.most_common(5))}"


if __name__ == "__main__":
    main()

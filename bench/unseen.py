"""Makes labelled texts from projects that no rule was tuned on: `python bench/unseen.py FOLDER [--against CASES…]`.

Fetches each origin (`bench/origins/`) by name and pinned version with go, cargo and pip, takes the texts of its tests
with that project's own judgement of them, and writes `FOLDER/dev-NAME.jsonl.gz` and `FOLDER/sealed-NAME.jsonl.gz`,
which `bench/detection.py` reads. `dev` may be looked at when rules are written; `sealed` may not, or the figure on it
means nothing. Left out: values that are filler to anybody, texts with a secret shorter than six characters, more than
three texts of a rule and label, and near copies of each other or of the texts in CASES (files in the same format).
Origins that were added later come after the sealed ones: these stay the same, and their copies are never looked at.
The texts have the licences of their projects and are not part of this repository.
"""

import argparse
import gzip
import hashlib
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.origins import ggshield, gitleaks, kingfisher, ripsecrets, trivy, trufflehog, veles
from bench.origins.case import Case, tidied

DEV = (kingfisher, ripsecrets, trivy)
SEALED = (ggshield, veles)
LATER = (trufflehog, gitleaks)
_PER_RULE = 3
_NEAR = 0.8  # shared fraction of runs of five letters and digits from which two texts are copies


class Seen:
    """The texts met so far, to keep near copies out; a negative may well be a positive but for one character."""

    def __init__(self) -> None:
        self._runs: list[frozenset[str]] = []
        self._holders: defaultdict[tuple[bool, str], list[int]] = defaultdict(list)

    def add(self, text: str, *, positive: bool) -> None:
        """Remember a text."""
        runs = _runs(text)
        for run in runs:
            self._holders[positive, run].append(len(self._runs))
        self._runs.append(runs)

    def has_near(self, text: str, *, positive: bool) -> bool:
        """Tell whether a text is, but for little, one of those remembered with the same label."""
        runs = _runs(text)
        shared = Counter(number for run in runs for number in self._holders[positive, run])
        return any(count >= _NEAR * len(runs | self._runs[number]) for number, count in shared.items())


def _runs(text: str) -> frozenset[str]:
    letters = "".join(filter(str.isalnum, text.lower()))
    return frozenset(letters[at : at + 5] for at in range(max(1, len(letters) - 4)))


def chosen(cases: Iterable[Case], seen: Seen) -> Iterator[Case]:
    """Leave out what would distort a figure; the choice among many of a rule is by hash, so that it stays the same."""
    counts: Counter[tuple[str, bool]] = Counter()
    for case in sorted(cases, key=lambda case: hashlib.sha256(case.text.encode()).digest()):
        place = (case.rule, case.holds_secret)
        if counts[place] < _PER_RULE and not seen.has_near(case.text, positive=case.holds_secret):
            counts[place] += 1
            seen.add(case.text, positive=case.holds_secret)
            yield case


def write(path: Path, cases: Iterable[Case], source: str, licence: str) -> None:
    """Write one file of labelled texts, and tell how many."""
    counts: Counter[str] = Counter()
    with gzip.open(path, "wt") as file:
        for case in cases:
            counts[case.label] += 1
            row = {"source": source, "licence": licence, **case._asdict()}
            file.write(json.dumps(row) + "\n")
    print(f"{path.name:<28}", dict(sorted(counts.items())))


def main() -> None:
    """Fetch, choose, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--against", type=Path, nargs="*", default=[], metavar="CASES")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    seen = Seen()
    for path in options.against:
        with gzip.open(path) as lines:
            for row in map(json.loads, lines):
                seen.add(row["text"], positive=row["label"] != "neg")
    for group, origins in (("dev", DEV), ("sealed", SEALED), ("dev", LATER)):
        for origin in origins:
            name = origin.__name__.rpartition(".")[2]
            with tempfile.TemporaryDirectory() as folder:
                cases = chosen(tidied(origin.cases(Path(folder))), seen)
                write(options.folder / f"{group}-{name}.jsonl.gz", cases, name, origin.LICENCE)


if __name__ == "__main__":
    main()

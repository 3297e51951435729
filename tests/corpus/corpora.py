"""A small corpus in several forms, of which it is known which documents hold an agent's text; and a run over it."""

import gzip
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tests.corpus.packed import code, pack
from wrapper.corpus.engines import Outcome
from wrapper.corpus.judging import Judging
from wrapper.corpus.policyfile import built_in

EMITTED = 6
_PIECES = 8
_DOCUMENTS = 12  # of a piece
_PROSE = (
    "It rained in the valley of {0} for {1} days, and nobody at station {2} cared.",
    "Take {1} grams of {0}, stir them slowly, and wait until number {2} is called.",
    "The {2}th meeting about {0} ended after {1} minutes without a vote.",
)


class Corpus(NamedTuple):
    """A folder of sources, and what they are judged by. `tainted`: ids of documents that hold an agent's text."""

    sources: Path
    judging: Judging
    tainted: frozenset[str]


def make(folder: Path) -> Corpus:
    """Write a corpus: JSONL, packed JSONL, Parquet with two row groups, plain files."""
    emitted = [code(seed) for seed in range(EMITTED)]
    pack_file, key = pack(folder, emitted)
    sources = folder / "sources"
    sources.mkdir()
    rows = list(_rows(emitted))
    for piece in range(_PIECES - 1):
        own = [row for row in rows if row["id"].startswith(f"p{piece}-")]
        lines = "".join(json.dumps(row) + "\n" for row in own)
        if piece % 3 == 0:
            (sources / f"{piece}.jsonl").write_text(lines)
        elif piece % 3 == 1:
            (sources / f"{piece}.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
        else:
            pq.write_table(pa.Table.from_pylist(own), sources / f"{piece}.parquet", row_group_size=_DOCUMENTS // 2)
    (sources / "plain.py").write_bytes(emitted[0])
    (sources / "empty.txt").write_bytes(b"")
    judging = Judging(pack=str(pack_file), key=str(key), policy=built_in())
    tainted = {row["id"] for row in rows if "def " in row["text"]} | {"plain.py"}
    return Corpus(sources, judging, frozenset(tainted))


def table(outcome: Outcome) -> pa.Table:
    """All verdicts, sorted by what names a document."""
    found = pq.read_table(outcome.parts)
    return found.sort_by([(name, "ascending") for name in ("source", "row", "id")])


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A minimal environment for a process of ours."""
    return {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(path for path in sys.path if path), **(extra or {})}


def _rows(emitted: list[bytes]) -> Iterator[dict[str, str]]:
    for piece in range(_PIECES - 1):
        for number in range(_DOCUMENTS):
            place = piece * _DOCUMENTS + number
            prose = "\n".join(_PROSE[line % 3].format(f"name{place}", line, place) for line in range(8))
            agents = emitted[place // 4 % EMITTED].decode() if number % 4 == 1 else ""
            yield {"id": f"p{piece}-{number}", "text": f"{prose}\n{agents}{prose}\n"}

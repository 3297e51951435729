"""The manifest of a run: which documents were judged, by which index and policy, and one hash over all of it.

`judged.json` says by what was judged; each line of `manifest.jsonl` is one document, in the order in which the corpus
was read. The root is that of an RFC 6962 tree whose first leaf is the content of `judged.json` and whose other leaves
are the lines, each without its line feed. Nothing in either depends on the engine, the number of workers or the time:
the same corpus, index and policy give the same root. What it proves, and what not, stands in `docs/corpus.md`.
"""

from collections import Counter
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Final, NamedTuple

import msgspec

from wrapper.audit.format import Tree, leaf_hash
from wrapper.corpus.policy import CorpusPolicy
from wrapper.errors import ProvenanceError

if TYPE_CHECKING:
    import pyarrow as pa

VERSION: Final = 1
JUDGED: Final = "judged.json"
MANIFEST: Final = "manifest.jsonl"
COLUMNS: Final = ("id", "source", "row", "size", "sha256", "normalised", "stage", "coverage", "sessions", "decision")
"""What the manifest says of a document. `sha256` and `normalised` are of its text as it was judged: of a row, its texts
joined by line feeds; of a file, its bytes; empty where it could not be read. Of `normalised` blanks are left out."""


class IndexSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The index that documents were compared with. `faults`: what it lacks, as (session, why); "" : of all sessions."""

    sha256: str  # of the joined index, as it lay on the disk
    key: str  # id of the key
    emissions: int
    lines: int
    complete: bool
    faults: tuple[tuple[str, str], ...]


class JudgedBy(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `judged.json`."""

    version: int
    tool: str
    sources: tuple[str, ...]
    index: IndexSeen
    policy: CorpusPolicy
    policy_sha256: str
    baseline_sha256: str
    documents: int


class Manifest:
    """Writes lines, and hashes them as they are written."""

    def __init__(self, head: bytes, file: IO[bytes]) -> None:
        self._file = file
        self._tree = Tree()
        self._tree.add(leaf_hash(head, b""))

    def add(self, batch: "pa.RecordBatch") -> None:
        """Write a line for each verdict of a batch."""
        encode = msgspec.json.Encoder().encode
        for values in zip(*(batch.column(name).to_pylist() for name in COLUMNS), strict=True):
            line = encode(dict(zip(COLUMNS, values, strict=True)))
            self._file.write(line + b"\n")
            self._tree.add(leaf_hash(line, b""))

    @property
    def documents(self) -> int:
        """How many lines were written."""
        return self._tree.size - 1

    def root(self) -> str:
        """Give the root over all of it, hexadecimal."""
        return self._tree.root().hex()


class Recomputed(NamedTuple):
    """What a manifest says: how many documents it has, how many of each decision, and its root."""

    documents: int
    decisions: Counter[str]
    root: str


class _Line(msgspec.Struct):
    decision: str


def verified(head: bytes, lines: Iterator[bytes]) -> Recomputed:
    """Recompute what a manifest says. Raises ProvenanceError where it is none."""
    try:
        judged = msgspec.json.decode(head)
    except msgspec.DecodeError as error:
        raise ProvenanceError(f"`{JUDGED}` is damaged") from error
    if not isinstance(judged, dict) or judged.get("version") != VERSION:
        raise ProvenanceError(f"`{JUDGED}` is of another version", hint="verify it with the safe-agent that made it")
    tree = Tree()
    tree.add(leaf_hash(head, b""))
    decisions: Counter[str] = Counter()
    decode = msgspec.json.Decoder(_Line).decode
    for line in lines:
        tree.add(leaf_hash(line.removesuffix(b"\n"), b""))
        try:
            decisions[decode(line).decision] += 1
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ProvenanceError(f"line {tree.size - 1:,} of `{MANIFEST}` is damaged") from error
    if tree.size - 1 != judged.get("documents"):
        raise ProvenanceError(
            f"the manifest has {tree.size - 1:,} documents, `{JUDGED}` knows {judged.get('documents'):,}",
            hint="lines were lost or added: run the check again",
        )
    return Recomputed(tree.size - 1, decisions, tree.root().hex())

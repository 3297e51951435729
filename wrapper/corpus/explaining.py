"""One document again: where in it text of agents stands, and which emission each piece came from."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from wrapper.corpus.against import Against
from wrapper.corpus.documents import Form, pieces
from wrapper.corpus.policy import CorpusPolicy
from wrapper.corpus.reading import rows
from wrapper.corpus.rows import Row, record_batch
from wrapper.corpus.storage import Folder, Storage, is_remote
from wrapper.errors import ProvenanceError

_HINT: Final = "name a file, `FILE:LINE` of JSONL, `FILE:ROW` of Parquet, `REPOSITORY:NUMBER`, or an id with --result"


class Place(NamedTuple):
    """Where a document stands; `row` None: whatever the source has, if that is one document."""

    source: str
    row: int | None


class Explained(NamedTuple):
    """A document and the verdict on it, a row of `batch.VERDICTS`."""

    text: bytes
    verdict: dict[str, Any]


def place_of(named: str, result: str, storage: Storage) -> Place:
    """Find what is named: a source, a source and a row, or the id of a document in a result.

    Raises ProvenanceError where that is nothing, or the id stands for several documents.
    """
    if result:
        return _judged(named, result, storage)
    if is_remote(named) or not os.path.lexists(named):
        source, colon, row = named.rpartition(":")
        if colon and row.isdigit() and not source.endswith(":/"):
            return Place(source, int(row))
    return Place(named, None)


def explained(
    place: Place, against: Against, policy: CorpusPolicy, baseline: str, storage: Storage
) -> Explained:  # fmt: skip
    """Read a document and judge it anew. Raises ProvenanceError where it is not there."""
    import pyarrow as pa  # noqa: PLC0415 (heavy, and an extra)

    from wrapper.corpus.batch import judged  # noqa: PLC0415 (as above)
    from wrapper.corpus.found import Judge  # noqa: PLC0415 (loads numpy)
    from wrapper.provenance.baselines import Baseline  # noqa: PLC0415 (as above)
    from wrapper.provenance.key import load  # noqa: PLC0415 (loads cryptography)
    from wrapper.provenance.matching import Matcher  # noqa: PLC0415 (as above)
    from wrapper.provenance.pack import Pack  # noqa: PLC0415 (as above)

    key = load(against.key)
    prior = Baseline.open(Path(baseline), key) if baseline else None
    matcher = Matcher(Pack.open(against.pack, key), key.coder(), baseline=prior)
    judge = Judge(matcher, policy, is_incomplete=bool(against.faults))
    parts = list(_document(place, policy, storage))
    verdicts = judged(pa.Table.from_batches([record_batch(parts)]), judge).to_pylist()
    text = b"".join((part.text or b"")[part.overlap :] for part in parts)
    return Explained(text, verdicts[0])


def _document(place: Place, policy: CorpusPolicy, storage: Storage) -> Iterator[Row]:
    """Read the parts of one document."""
    found: Place | None = None
    for piece in pieces([place.source], policy, storage):
        if place.row is not None and piece.form is Form.GIT and place.row - piece.first not in range(len(piece.names)):
            continue
        for row in rows(piece, policy, storage):
            here = Place(row.source, row.row)
            if found is not None and here != found:
                if place.row is not None:
                    return
                raise ProvenanceError(f"`{place.source}` holds many documents", hint=_HINT)
            if place.row is None or (row.row == place.row and piece.source == row.source):
                found = here
                yield row
    if found is None:
        raise ProvenanceError(f"`{place.source}` has no row {place.row}", hint=_HINT)


def _judged(named: str, result: str, storage: Storage) -> Place:
    """Look a document up in the verdicts of a run, by its id or its place."""
    import pyarrow.compute as pc  # noqa: PLC0415 (heavy, and an extra)

    from wrapper.corpus.summary import verdicts  # noqa: PLC0415 (as above)

    parts = Folder(result, storage).below("parts")
    names = sorted(name for name in parts.names() if name.endswith(".parquet"))
    if not names:
        raise ProvenanceError(f"`{result}` holds no verdicts", hint="name the folder that `--out` of a check named")
    source, _, row = named.rpartition(":")
    found: list[Place] = []
    for batch in verdicts(parts, names):
        wanted = pc.equal(batch.column("id"), named)
        if row.isdigit():
            is_there = pc.and_(pc.equal(batch.column("source"), source), pc.equal(batch.column("row"), int(row)))
            wanted = pc.or_(wanted, is_there)
        found += [Place(one["source"], one["row"]) for one in batch.filter(wanted).to_pylist()]
    if not found:
        raise ProvenanceError(f"`{result}` has no document `{named}`", hint="`quarantine.jsonl` there names ids")
    if len(set(found)) > 1:
        some = ", ".join(f"`{one.source}:{one.row}`" for one in found[:3])
        raise ProvenanceError(f"`{named}` names {len(found)} documents: {some}", hint="name one by its place")
    return found[0]

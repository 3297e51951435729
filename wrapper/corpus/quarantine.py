"""The list of documents that are not accepted, with what was found in each: `quarantine.jsonl`; pure."""

from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from wrapper.corpus.policy import Decision

if TYPE_CHECKING:
    import pyarrow as pa

FILE: Final = "quarantine.jsonl"
COLUMNS: Final = (
    "id", "source", "row", "decision", "stage", "because", "coverage", "size", "sha256", "sessions", "spans",
)  # fmt: skip
"""`spans`: bytes `start` to `end` and lines `first_line` to `last_line` of the document (from 1), how many `tokens`; of
which emission: `session`, `kind`, `model`, `at` (seconds since the epoch, UTC), `request`; `exact`: mostly word for
word."""


def write(batch: "pa.RecordBatch", file: IO[bytes]) -> list[dict[str, Any]]:
    """Write a line for each document of a batch that is not accepted; gives what it wrote."""
    import pyarrow.compute as pc  # noqa: PLC0415 (heavy, and an extra)

    held = batch.filter(pc.not_equal(batch.column("decision"), str(Decision.ACCEPT)))
    encode = msgspec.json.Encoder().encode
    rows: list[dict[str, Any]] = held.select(COLUMNS).to_pylist()
    file.writelines(encode(row) + b"\n" for row in rows)
    return rows

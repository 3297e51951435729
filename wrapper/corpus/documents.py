"""Documents out of whatever a corpus is stored in: files, data sets, trees, git repositories, objects in a store.

`pieces` lists what there is to read without reading it, and `read` gives the documents of one piece in Arrow record
batches, in any process that reaches the same storage. Nothing is held whole but one row; what cannot be read becomes a
row with a `fault`, and nothing that was named is left out silently.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from wrapper.corpus import reading
from wrapper.corpus.listing import Form, Piece, listed
from wrapper.corpus.policy import CorpusPolicy
from wrapper.corpus.rows import batched
from wrapper.corpus.storage import Storage

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Form", "Piece", "pieces", "read"]


def pieces(sources: Sequence[str], policy: CorpusPolicy, storage: Storage | None = None) -> Iterator[Piece]:
    """List what there is to read below `sources` (paths or addresses), always in the same order.

    Raises ProvenanceError where one of `sources` is not there or cannot be listed.
    """
    for source in sources:
        yield from listed(source, policy, storage)


def read(piece: Piece, policy: CorpusPolicy, storage: Storage | None = None) -> "Iterator[pa.RecordBatch]":
    """Give the documents of a piece, in order, in batches of some 8 MiB of text (`rows.document_schema`).

    `id` string; `text` large_binary, null where it cannot be read or is not to be compared; `source` string and `row`
    int64 name it again: a line of JSONL (from 1), a row of Parquet (from 0), the number of a repository's content, 0
    for a file; `fault` string says why `text` is null; `binary` bool: only whole contents are to be compared. Documents
    over `policy.limits.part_bytes` come in parts, which may stand in several batches: `offset` and `line` int64 count
    what stands before the part, `more` bool says that another follows, and of `overlap` int64 bytes at its beginning
    the part before has had them. A document that breaks off ends with a row whose text is null.
    """
    return batched(reading.rows(piece, policy, storage))

"""What one worker does, whichever engine it belongs to: read a piece, judge it, write its part."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wrapper.corpus.batch import VERDICTS, Stream
from wrapper.corpus.documents import read
from wrapper.corpus.found import Judge
from wrapper.corpus.judging import Judging
from wrapper.corpus.policy import Decision
from wrapper.corpus.resuming import PARTS, Done, Task
from wrapper.corpus.storage import Folder
from wrapper.provenance.baselines import Baseline
from wrapper.provenance.key import load
from wrapper.provenance.matching import Matcher
from wrapper.provenance.pack import Pack


def opened(judging: Judging) -> Judge:
    """Open pack, key and baseline; the two files are mapped, so that all workers of a machine share them.

    Raises ProvenanceError where one of them cannot be used.
    """
    key = load(Path(judging.key))
    baseline = Baseline.open(Path(judging.baseline), key) if judging.baseline else None
    matcher = Matcher(Pack.open(Path(judging.pack), key), key.coder(), baseline=baseline)
    return Judge(matcher, judging.policy, is_incomplete=judging.is_incomplete)


class Worker:
    """Judges pieces, one after the other."""

    def __init__(self, judging: Judging, folder: Folder) -> None:
        pa.set_cpu_count(1)  # there is a worker for each core
        self._judge = opened(judging)
        self._parts = folder.below(PARTS)

    def do(self, task: Task) -> Done:
        """Judge a piece; its part is written when this returns. Raises ProvenanceError."""
        documents = refused = 0
        with self._parts.draft(task.part) as draft, pq.ParquetWriter(draft, VERDICTS, compression="zstd") as writer:
            stream = Stream(self._judge)
            for batch in read(task.piece, self._judge.policy, self._parts.storage):
                verdicts = stream.feed(pa.table(batch))
                writer.write_table(verdicts)
                documents += len(verdicts)
                refused += pc.sum(pc.equal(verdicts.column("decision"), str(Decision.REFUSE))).as_py() or 0
            stream.close()
        return Done(documents, refused)

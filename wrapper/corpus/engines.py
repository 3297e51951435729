"""Judge a corpus by one of two engines that give the same results: processes of this machine, or a Ray cluster.

Both take the sources apart into pieces, judge each piece by the same pure function (`batch.judged`) in a worker, and
write one Parquet file of verdicts for each piece into the folder `out`, with a journal beside them: what was judged
once is not judged again by a run that resumes. Nothing heavy is imported before `run` is called.
"""

import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from wrapper.corpus.documents import pieces
from wrapper.corpus.judging import Judging
from wrapper.corpus.resuming import PARTS, Binding, Done, Task, begin, digest_of, tasks
from wrapper.corpus.storage import Folder, Storage
from wrapper.corpus.summary import counted
from wrapper.errors import ProvenanceError
from wrapper.provenance.key import load

Engine = Literal["local", "ray"]


class Progress(msgspec.Struct, frozen=True):
    """How far a run is.

    `pieces` of `all_pieces` are done, `size` of `total` bytes as the sources store them. `documents`: judged by this
    run, `refused`: of those.
    """

    pieces: int
    all_pieces: int
    size: int
    total: int
    documents: int
    refused: int


class SourceCount(msgspec.Struct, frozen=True):
    """What was found in one source. `size`: bytes of text."""

    source: str
    documents: int
    size: int
    accepted: int
    refused: int
    quarantined: int


class SessionCount(msgspec.Struct, frozen=True):
    """In how many documents text of one session was found."""

    session: str
    documents: int
    refused: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a whole run found. `parts`: the folder of Parquet files, one row a document (`batch.VERDICTS`).

    `coverage`: documents by tenth of coverage, the first number those from 0 (but with spans) to 0.1. `sessions`: those
    in most documents first. `resumed`: pieces that an earlier run had judged already.
    """

    parts: str
    documents: int
    size: int
    accepted: int
    refused: int
    quarantined: int
    stages: dict[str, int]
    coverage: tuple[int, ...]
    sources: tuple[SourceCount, ...]
    sessions: tuple[SessionCount, ...]
    pieces: int
    resumed: int


def run(  # noqa: PLR0913 (each is a choice of the user's)
    sources: Sequence[str],
    judging: Judging,
    out: str,
    *,
    engine: Engine = "local",
    workers: int = 0,
    address: str = "local",
    resume: bool = False,
    storage: Storage | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Judge all documents of `sources` (paths, folders, addresses; see `documents`); results go to the folder `out`.

    `workers` 0: one for each core. `address`: of a Ray cluster, `local` starts one for this run only. `resume`: go on
    where an earlier run into `out` was ended; without it `out` must hold no run. Raises ProvenanceError where sources,
    pack, key, policy or `out` cannot be used, where what is resumed was begun with other ones, where a worker died
    twice of the same piece, and where a needed package is missing; KeyboardInterrupt ends a run cleanly.
    """
    check_packages()
    judging = judging.absolute()
    everything = tasks(list(pieces(sources, judging.policy, storage)))
    folder = Folder(out, storage)
    folder.make()
    with folder.held():
        before = begin(folder, _binding(judging), everything, resume=resume)
        todo = [task for task in everything if task.part not in before]
        done = _Reporter(everything, before, progress)
        if engine == "ray":
            from wrapper.corpus import cluster  # noqa: PLC0415 (heavy, and an extra)

            cluster.judge_all(todo, judging, folder, workers, address, done)
        else:
            from wrapper.corpus import local  # noqa: PLC0415 (starts Arrow's threads in workers only)

            local.judge_all(todo, judging, folder, workers, done)
    return _outcome(folder, everything, len(before))


class _Reporter:
    """Counts what is done, and tells it."""

    def __init__(
        self, everything: Sequence[Task], before: set[str], progress: Callable[[Progress], None] | None
    ) -> None:
        self._progress = progress
        self._done = Progress(
            pieces=len(before),
            all_pieces=len(everything),
            size=sum(task.piece.size for task in everything if task.part in before),
            total=sum(task.piece.size for task in everything),
            documents=0,
            refused=0,
        )
        self._tell()

    def __call__(self, task: Task, done: Done) -> None:
        """Count a piece."""
        self._done = msgspec.structs.replace(
            self._done,
            pieces=self._done.pieces + 1,
            size=self._done.size + task.piece.size,
            documents=self._done.documents + done.documents,
            refused=self._done.refused + done.refused,
        )
        self._tell()

    def _tell(self) -> None:
        if self._progress:
            self._progress(self._done)


def check_packages() -> None:
    """Make sure that what a corpus is read and judged with is installed. Raises ProvenanceError with the pip line."""
    missing = [name for name in ("pyarrow", "duckdb", "fsspec") if importlib.util.find_spec(name) is None]
    if missing:
        hint = "`./install.sh --corpus` brings it"
        raise ProvenanceError(f"checking a corpus needs {' and '.join(missing)}", hint=hint)


def _binding(judging: Judging) -> Binding:
    return Binding(
        pack=_file_digest(judging.pack),
        key=load(Path(judging.key)).id,
        policy=digest_of(msgspec.json.encode(judging.policy)),
        baseline=_file_digest(judging.baseline) if judging.baseline else "",
        index="incomplete" if judging.is_incomplete else "whole",
    )


def _file_digest(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ProvenanceError(f"cannot read `{path}`: {error.strerror}") from error


def _outcome(folder: Folder, everything: Sequence[Task], resumed: int) -> Outcome:
    counts = counted(folder.below(PARTS), [task.part for task in everything])
    totals = [sum(column) for column in list(zip(*counts.sources, strict=True))[1:]] or [0] * 5
    return Outcome(
        parts=folder.below(PARTS).address,
        documents=totals[0],
        size=totals[1],
        accepted=totals[2],
        refused=totals[3],
        quarantined=totals[4],
        stages=counts.stages,
        coverage=counts.coverage,
        sources=tuple(SourceCount(*row) for row in counts.sources),
        sessions=tuple(SessionCount(*row) for row in counts.sessions),
        pieces=len(everything),
        resumed=resumed,
    )

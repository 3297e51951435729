"""A check from beginning to end: what is judged, by what, and what comes of it."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from wrapper.corpus import policyfile, verdicts
from wrapper.corpus.against import Against
from wrapper.corpus.judging import Judging
from wrapper.corpus.manifest import VERSION as MANIFEST_VERSION
from wrapper.corpus.manifest import IndexSeen, JudgedBy
from wrapper.corpus.policy import CorpusPolicy
from wrapper.corpus.storage import Folder, Storage, is_remote, shown
from wrapper.corpus.verdicts import Summary
from wrapper.errors import PolicyError, ProvenanceError
from wrapper.policy.load import read
from wrapper.version import VERSION

if TYPE_CHECKING:
    from wrapper.corpus.engines import Engine, Progress


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be checked, and how. `baseline`: a path, "" for none; `workers` 0: one for each core."""

    sources: tuple[str, ...]
    policy: CorpusPolicy
    out: str
    baseline: str = ""
    engine: "Engine" = "local"
    address: str = "local"
    workers: int = 0
    resume: bool = False
    storage: Storage = Storage()


def load_policy(path: Path | None) -> CorpusPolicy:
    """Read the policy's file; none: the built-in one. Raises PolicyError."""
    if path is None:
        return policyfile.built_in()
    content = read(path)
    if content is None:
        raise PolicyError(f"{path}: no such file", hint="`safe-agent corpus policy` prints one to begin with")
    return policyfile.parse(content, str(path))


def check(asked: Asked, against: Against, progress: "Callable[[Progress], None] | None", date: str) -> Summary:
    """Judge everything and write what comes of it; `date` is now, ISO 8601. Raises ProvenanceError."""
    from wrapper.corpus import engines  # noqa: PLC0415 (heavy)

    _must_stand_apart(asked.out, asked.sources)
    with _held(str(against.pack)) as pack, _held(asked.baseline) as baseline:
        judging = Judging(
            pack=pack.path, key=str(against.key), policy=asked.policy, baseline=baseline.path,
            is_incomplete=bool(against.faults),
        )  # fmt: skip
        outcome = engines.run(
            asked.sources, judging, asked.out, engine=asked.engine, workers=asked.workers, address=asked.address,
            resume=asked.resume, storage=asked.storage, progress=progress,
        )  # fmt: skip
    if not outcome.documents:
        what = "there is no document in what was named"
        raise ProvenanceError(what, hint="is it empty, or do `paths` of the policy leave nothing of it?")
    judged = _judged_by(asked, against, outcome.documents, (pack.digest, baseline.digest))
    with Folder(asked.out, asked.storage).held():
        return verdicts.write(asked.out, outcome, judged, asked.storage, date=date)


class _Held(NamedTuple):
    """A file that stays as it is while it is read, and the SHA-256 of its content; both empty: there is none."""

    path: str
    digest: str


@contextmanager
def _held(path: str) -> Iterator[_Held]:
    """Hold a file open: whoever replaces it, all workers read this one. Raises ProvenanceError if it is written to."""
    if not path:
        yield _Held("", "")
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise ProvenanceError(f"cannot read `{path}`: {error.strerror}") from error
    with file:
        held = _Held(f"/proc/{os.getpid()}/fd/{file.fileno()}", _digest(file))
        try:
            yield held
        except ProvenanceError as error:  # people know it by its own name
            raise ProvenanceError(error.what.replace(held.path, path), hint=error.hint) from error
        if _digest(file) != held.digest:
            raise ProvenanceError(f"`{path}` was written to while it was compared with", hint="judge everything anew")


def _judged_by(asked: Asked, against: Against, documents: int, digests: tuple[str, str]) -> JudgedBy:
    from wrapper.provenance.key import load  # noqa: PLC0415 (loads cryptography)

    index = IndexSeen(
        sha256=digests[0],
        key=load(against.key).id,
        emissions=against.emissions,
        lines=against.lines,
        complete=not against.faults,
        faults=tuple((fault.session, fault.why) for fault in against.faults),
    )
    return JudgedBy(
        version=MANIFEST_VERSION,
        tool=f"safe-agent {VERSION}",
        sources=tuple(shown(source) for source in asked.sources),
        index=index,
        policy=asked.policy,
        policy_sha256=hashlib.sha256(msgspec.json.encode(asked.policy)).hexdigest(),
        baseline_sha256=digests[1],
        documents=documents,
    )


def _digest(file: BufferedReader) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _must_stand_apart(out: str, sources: Sequence[str]) -> None:
    """Make sure that results are not read as documents. Raises ProvenanceError."""
    for source in sources:
        if is_remote(out) == is_remote(source) and _place(out).is_relative_to(_place(source)):
            raise ProvenanceError(f"`{out}` lies in `{source}`, which is checked", hint="put results elsewhere")


def _place(address: str) -> PurePath:
    return PurePosixPath(address) if is_remote(address) else Path(address.removeprefix("file://")).resolve()

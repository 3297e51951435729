"""A check from beginning to end: what is judged, by what, and what comes of it."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from wrapper.corpus import policyfile, verdicts
from wrapper.corpus.against import Against
from wrapper.corpus.judging import Judging
from wrapper.corpus.manifest import VERSION as MANIFEST_VERSION
from wrapper.corpus.manifest import IndexSeen, JudgedBy
from wrapper.corpus.policy import CorpusPolicy
from wrapper.corpus.storage import Storage, is_remote, shown
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
    judging = Judging(
        pack=str(against.pack), key=str(against.key), policy=asked.policy, baseline=asked.baseline,
        is_incomplete=bool(against.faults),
    )  # fmt: skip
    outcome = engines.run(
        asked.sources, judging, asked.out, engine=asked.engine, workers=asked.workers, address=asked.address,
        resume=asked.resume, storage=asked.storage, progress=progress,
    )  # fmt: skip
    judged = _judged_by(asked, against, outcome.documents)
    return verdicts.write(asked.out, outcome, judged, asked.storage, date=date)


def _judged_by(asked: Asked, against: Against, documents: int) -> JudgedBy:
    from wrapper.provenance.key import load  # noqa: PLC0415 (loads cryptography)

    index = IndexSeen(
        sha256=_digest(against.pack),
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
        baseline_sha256=_digest(Path(asked.baseline)) if asked.baseline else "",
        documents=documents,
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _must_stand_apart(out: str, sources: Sequence[str]) -> None:
    """Make sure that results are not read as documents. Raises ProvenanceError."""
    for source in sources:
        if is_remote(out) == is_remote(source) and _place(out).is_relative_to(_place(source)):
            raise ProvenanceError(f"`{out}` lies in `{source}`, which is checked", hint="put results elsewhere")


def _place(address: str) -> PurePath:
    return PurePosixPath(address) if is_remote(address) else Path(address.removeprefix("file://")).resolve()

"""What a run leaves behind, made of its verdicts in one pass: manifest, quarantine, metadata, report."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wrapper.corpus import croissant, manifest, quarantine, reports
from wrapper.corpus.croissant import Written
from wrapper.corpus.manifest import IndexSeen, JudgedBy, Manifest
from wrapper.corpus.policy import Decision, Stage
from wrapper.corpus.storage import Folder, Storage, filesystem
from wrapper.corpus.summary import verdicts
from wrapper.errors import ProvenanceError

if TYPE_CHECKING:
    from wrapper.corpus.engines import Outcome

SUMMARY: Final = "summary.json"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to: `summary.json`, and what `--json` prints. `root`: of the manifest; `made`: when, ISO 8601.

    `first`: some documents that are not accepted, in the order of the corpus, refused ones before others. `size`: bytes
    of text. `sources` and `sessions`: those in which most was found first, at most `reports.MOST` each;
    `coverage`: documents by tenth of coverage, of those in which something was found.
    """

    version: int
    verdict: str
    root: str
    made: str
    documents: int
    size: int
    accepted: int
    quarantined: int
    refused: int
    stages: dict[str, int]
    coverage: tuple[int, ...]
    first: tuple[dict[str, Any], ...]
    sources: tuple[dict[str, Any], ...]
    sessions: tuple[dict[str, Any], ...]
    index: IndexSeen
    policy_sha256: str
    out: str


def verdict_of(decisions: Mapping[Decision, int], stages: Mapping[str, int], judged: JudgedBy) -> str:
    """Say in a word what a run came to.

    `refused`: refused text was found; `undecided`: something could not be judged, and the policy does not accept that;
    `quarantined`: suspected text was found; `clean`: nothing was found, and nothing stands in the way of saying so;
    `accepted`: nothing was found, but something that the policy accepts stands in the way.
    """
    policy, is_whole = judged.policy, judged.index.complete
    unreadable = stages.get(Stage.UNREADABLE, 0)
    if decisions.get(Decision.REFUSE, 0):
        return "refused"
    if (unreadable and policy.unreadable is not Decision.ACCEPT) or not (
        is_whole or policy.incomplete_index is Decision.ACCEPT
    ):
        return "undecided"
    if decisions.get(Decision.QUARANTINE, 0):
        return "quarantined"
    return "clean" if is_whole and not unreadable else "accepted"


def write(out: str, outcome: "Outcome", judged: JudgedBy, storage: Storage | None, *, date: str) -> Summary:
    """Write all files of a result into the folder of its run. Raises ProvenanceError where that fails."""
    folder = Folder(out, storage)
    head = msgspec.json.format(msgspec.json.encode(judged), indent=1)
    folder.write(manifest.JUDGED, head)
    root, files, first = _lists(folder, head, outcome)
    decisions = {
        Decision.ACCEPT: outcome.accepted,
        Decision.QUARANTINE: outcome.quarantined,
        Decision.REFUSE: outcome.refused,
    }
    found = croissant.metadata(
        judged, {str(one): count for one, count in decisions.items()}, root,
        [Written(manifest.JUDGED, len(head), hashlib.sha256(head).hexdigest()), *files], date=date,
    )  # fmt: skip
    folder.write(croissant.FILE, msgspec.json.format(msgspec.json.encode(found), indent=1))
    summary = _summary(out, outcome, judged, root, first, date)
    folder.write(SUMMARY, msgspec.json.format(msgspec.json.encode(summary), indent=1))
    folder.write(reports.TEXT, "".join(f"{line}\n" for line in reports.lines(summary)).encode())
    folder.write(reports.PAGE, "".join(reports.page(summary)).encode())
    return summary


def _lists(folder: Folder, head: bytes, outcome: "Outcome") -> tuple[str, list[Written], list[dict[str, Any]]]:
    """Write the manifest and the list of what is not accepted, in one pass over the verdicts."""
    first: dict[str, list[dict[str, Any]]] = {Decision.REFUSE: [], Decision.QUARANTINE: []}
    parts = folder.below("parts")
    names = _parts(parts)
    with ExitStack() as stack:
        drafts = [stack.enter_context(folder.draft(name)) for name in (manifest.MANIFEST, quarantine.FILE)]
        files = [stack.enter_context(draft.open("w+b")) for draft in drafts]
        listed = Manifest(head, files[0])
        for batch in verdicts(parts, names):
            listed.add(batch)
            for row in quarantine.write(batch, files[1]):
                if len(some := first[row["decision"]]) < reports.MOST:
                    some.append({name: row[name] for name in ("id", "source", "row", "decision", "because")})
        for file in files:
            file.flush()
        written = [
            _written(name, draft) for name, draft in zip((manifest.MANIFEST, quarantine.FILE), drafts, strict=True)
        ]
    if listed.documents != outcome.documents:
        raise AssertionError(f"{listed.documents} documents are listed, {outcome.documents} were judged")
    return listed.root(), written, [*first[Decision.REFUSE], *first[Decision.QUARANTINE]][: reports.MOST]


def _written(name: str, path: Path) -> Written:
    with path.open("rb") as file:
        return Written(name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _summary(
    out: str, outcome: "Outcome", judged: JudgedBy, root: str, first: Sequence[dict[str, Any]], date: str
) -> Summary:  # fmt: skip
    decisions = {Decision.REFUSE: outcome.refused, Decision.QUARANTINE: outcome.quarantined}
    most = sorted(outcome.sources, key=lambda one: (-one.refused, -one.quarantined, one.source))
    return Summary(
        version=1,
        verdict=verdict_of(decisions, outcome.stages, judged),
        root=root,
        made=date,
        documents=outcome.documents,
        size=outcome.size,
        accepted=outcome.accepted,
        quarantined=outcome.quarantined,
        refused=outcome.refused,
        stages=dict(outcome.stages),
        coverage=tuple(outcome.coverage),
        first=tuple(first),
        sources=tuple(msgspec.to_builtins(one) for one in most[: reports.MOST]),
        sessions=tuple(msgspec.to_builtins(one) for one in outcome.sessions[: reports.MOST]),
        index=judged.index,
        policy_sha256=judged.policy_sha256,
        out=out,
    )


class _Told(msgspec.Struct):
    """What `summary.json` tells of what the manifest proves."""

    root: str
    documents: int
    accepted: int
    quarantined: int
    refused: int


def verified(out: str, storage: Storage | None, root: str) -> tuple[int, str]:
    """Recompute the manifest's root, also out of `parts`: how many documents it has, and the root.

    `root`: what it must be; empty: what stands beside it. Raises ProvenanceError where it is another one, where counts
    or verdicts beside it are not the manifest's, or something is missing or damaged.
    """
    folder = Folder(out, storage)
    head, summary = folder.read(manifest.JUDGED), folder.read(SUMMARY)
    if head is None or summary is None:
        raise ProvenanceError(f"`{out}` holds no manifest", hint="it is written when a check has ended")
    files, path = filesystem(f"{folder.address}/{manifest.MANIFEST}", storage)
    if not files.exists(path):
        raise ProvenanceError(f"`{out}` has lost its {manifest.MANIFEST}")
    with files.open(path, "rb") as file:
        documents, decisions, found = manifest.verified(head, iter(file))
    try:
        told = msgspec.json.decode(summary, type=_Told)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProvenanceError(f"`{out}/{SUMMARY}` is damaged") from error
    expected = root.lower() or told.root
    if found != expected:
        raise ProvenanceError(f"the manifest has the root {found}, not {expected}", hint="it is not what was made")
    counts = tuple(decisions[one] for one in (Decision.ACCEPT, Decision.QUARANTINE, Decision.REFUSE))
    if (documents, *counts) != (told.documents, told.accepted, told.quarantined, told.refused):
        raise ProvenanceError(f"`{out}/{SUMMARY}` tells other counts than the manifest", hint="it was changed")
    if _of_parts(folder.below("parts"), head) not in {"", found}:
        raise ProvenanceError(f"the verdicts in `{out}/parts` are not those of the manifest", hint="they were changed")
    return documents, found


def _of_parts(parts: Folder, head: bytes) -> str:
    """Compute the root out of the verdicts; empty: there are none, as where only the manifest was kept."""
    names = _parts(parts)
    if not names:
        return ""
    with Path(os.devnull).open("wb") as nowhere:
        listed = Manifest(head, nowhere)
        try:
            for batch in verdicts(parts, names):
                listed.add(batch)
        except (OSError, ValueError) as error:  # Arrow's are one of both
            raise ProvenanceError("the verdicts in `parts` are damaged") from error
        return listed.root()


def _parts(parts: Folder) -> list[str]:
    return sorted(name for name in parts.names() if name.endswith(".parquet") and not name.startswith("."))

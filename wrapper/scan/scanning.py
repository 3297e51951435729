"""The scan, told from top to bottom: which texts there are, which are known to hold nothing, what the others hold.

Rules of this file:
- Workers give back bits, as in the inventory; only this process reads values, from the texts that hold something.
- The cache speaks for a file only while inode, size, mtime and ctime are all as they were, and rules, policy and code
  are the same. Findings are never stored.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from redactors.baseline import Baseline, parse_baseline
from redactors.engine import Engine
from redactors.finding import Confidence
from redactors.vault import Origin
from wrapper.errors import PolicyError, WorkspaceError
from wrapper.plan.cachekey import cache_key
from wrapper.plan.contents import MOST_BYTES, read_regular, scan_all
from wrapper.plan.gitinfo import git_layout
from wrapper.plan.judge import BASELINE
from wrapper.plan.scancache import Code
from wrapper.policy.model import Policy
from wrapper.scan import baselines
from wrapper.scan.content import Located, examine, opened
from wrapper.scan.git import Blob, Repository
from wrapper.scan.hits import Counts, Hit, Result
from wrapper.scan.listing import Listing
from wrapper.scan.progress import Progress
from wrapper.scan.remembered import Remembered, Seen

_FORMAT: Final = b"scan 1"
_FOUND: Final = {Confidence.LIKELY: Code.LIKELY | Code.CERTAIN, Confidence.CERTAIN: Code.CERTAIN}
_TAG: Final = 8  # the last characters of a placeholder

Source = Literal["files", "staged", "history"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to scan. `paths` are absolute and resolved; `every`: also what git ignores.

    `baseline` is a file whose findings are accepted; None: the one at the root, for what was audited there. `update`
    is a baseline that will be written: then none is accepted.
    """

    paths: tuple[Path, ...]
    source: Source = "files"
    every: bool = False
    minimum: Confidence = Confidence.LIKELY
    baseline: Path | None = None
    update: Path | None = None


def find_root(paths: Iterable[Path]) -> Path:
    """Give the top of the git working tree that holds all of `paths`, else the folder that does."""
    folders = [path if path.is_dir() else path.parent for path in paths]
    layout = git_layout(folders[0])
    if layout is not None and all(folder.is_relative_to(layout.toplevel) for folder in folders):
        return layout.toplevel
    return Path(os.path.commonpath(folders))


class Scan:
    """One scan of what lies at or below `root`, with what it needs of the outside."""

    def __init__(
        self, root: Path, policy: Policy, engine: Engine, *, cache: Path, environ: Mapping[str, str], progress: Progress
    ) -> None:
        self._root = root
        self._policy = policy
        self._engine = engine
        self._cache = cache
        self._environ = environ
        self._progress = progress
        self._accepted = 0

    def run(self, wanted: Wanted) -> tuple[Result, frozenset[str]]:
        """Scan; the second answer are the paths that were looked at.

        Raises PolicyError for a baseline that is none, WorkspaceError where git is needed and cannot be had.
        """
        allowed = Baseline() if wanted.update else self._baseline(wanted.baseline)
        try:
            return self._files(wanted, allowed) if wanted.source == "files" else self._blobs(wanted, allowed)
        finally:
            self._progress.clear()

    def _files(self, wanted: Wanted, allowed: Baseline) -> tuple[Result, frozenset[str]]:
        started_ns = time.time_ns()
        listing = Listing(self._root, self._policy, self._environ, every=wanted.every)
        skipped = self._baseline_names(wanted)
        names = [name for name in listing.files(wanted.paths) if name not in skipped]
        remembered = Remembered(self._cache, self._root, self._key())
        seen, failed = remembered.look(self._root, names)
        codes = self._codes(seen)
        if any(one.code is None for one in seen):
            found = {one.path: (one.row, codes[one.path]) for one in seen}
            remembered.store(found, started_ns, whole=wanted.paths == (self._root,) and not wanted.every)
        unreadable = [*listing.unreadable, *failed]
        unreadable += [(path, self._why(path)) for path, code in codes.items() if code & Code.UNREADABLE]
        dirty = [path for path, code in codes.items() if code & _FOUND[wanted.minimum]]
        hits = [hit for path in dirty for hit in self._hits_of_file(path, wanted.minimum, allowed)]
        counts = Counts(
            files=len(seen),
            scanned=sum(one.code is None for one in seen),
            cached=sum(one.code is not None for one in seen),
            binary=sum(bool(code & Code.BINARY) for code in codes.values()),
            accepted=self._accepted,
        )
        return self._result(hits, unreadable, counts), frozenset(codes)

    def _codes(self, seen: list[Seen]) -> dict[str, int]:
        """Give each file's bits, reading what the cache did not know."""
        pending = [one for one in seen if one.code is None]
        if pending:
            self._engine.find(b"")  # whatever is made at first use is made before the workers part
            self._progress.begin("scanning files:", len(pending))
        new = scan_all([self._place(one.path) for one in pending], [one.row[2] for one in pending], self._code_of)
        fresh = dict(zip((one.path for one in pending), new, strict=True))
        return {one.path: fresh[one.path] if one.code is None else one.code for one in seen}

    def _code_of(self, place: str) -> int:
        self._progress.step()
        try:
            with opened(place) as read:
                return examine(self._engine, read).code()
        except OSError:
            return Code.UNREADABLE

    def _hits_of_file(self, path: str, minimum: Confidence, allowed: Baseline) -> Iterator[Hit]:
        try:
            with opened(self._place(path)) as read:
                yield from self._hits(path, examine(self._engine, read).findings, minimum, allowed)
        except OSError:
            return  # it went away, or changed, since its bits were read

    def _blobs(self, wanted: Wanted, allowed: Baseline) -> tuple[Result, frozenset[str]]:
        repository = self._repository()
        every = repository.staged() if wanted.source == "staged" else repository.history()
        blobs = self._wanted_blobs(every, wanted)
        hits: list[Hit] = []
        unreadable: list[tuple[str, str]] = []
        binary = 0
        self._progress.begin(f"scanning {'the index' if wanted.source == 'staged' else 'history'}:", len(blobs))
        for blob, read in repository.contents(blobs):
            self._progress.step()
            if read is None:
                unreadable.append((blob.path, f"git has no object {blob.id}"))
                continue
            content = examine(self._engine, read)
            hits += self._hits(blob.path, content.findings, wanted.minimum, allowed, commit=blob.commit)
            binary += content.is_binary
        counts = Counts(files=len(blobs), scanned=len(blobs), binary=binary, accepted=self._accepted)
        return self._result(hits, unreadable, counts), frozenset(blob.path for blob in blobs)

    def _hits(
        self, path: str, findings: Iterable[Located], minimum: Confidence, allowed: Baseline, *, commit: str = ""
    ) -> Iterator[Hit]:
        for found in findings:
            finding = found.finding
            if finding.confidence.value < minimum.value:
                continue
            if baselines.accepts(allowed, path, found):
                self._accepted += 1
                continue
            yield Hit(
                path=path,
                place=found.place,
                kind=finding.kind,
                confidence=finding.confidence,
                rule=finding.rule,
                placeholder=self._engine.vault.issue(finding.kind, finding.value, Origin.INSIDE),
                commit=commit,
                hashed=baselines.hashed(finding.value),
            )

    def _result(self, hits: Iterable[Hit], unreadable: Iterable[tuple[str, str]], counts: Counts) -> Result:
        ordered = tuple(sorted(hits, key=lambda hit: (hit.path, hit.place.line, hit.place.column)))
        return Result(self._root, ordered, tuple(sorted(unreadable)), counts)

    def _repository(self) -> Repository:
        layout = git_layout(self._root)
        if layout is None or layout.toplevel != self._root:
            raise WorkspaceError(
                f"`{self._root}` is not in a git working tree",
                hint="`cd` to a project of git; files anywhere: `safe-agent scan PATH`",
            )
        return Repository(self._root, self._environ)

    def _baseline(self, named: Path | None) -> Baseline:
        file = named or self._root / BASELINE
        try:
            data = read_regular(os.path.realpath(file), MOST_BYTES)
            return parse_baseline(data, audited_only=named is None)
        except OSError as error:
            if named is None:
                return Baseline()
            raise PolicyError(f"cannot read the baseline `{named}`: {error.strerror or error}") from error
        except ValueError as error:
            raise PolicyError(
                f"`{file}` is no baseline of detect-secrets: {error}", hint="make one: `--update-baseline FILE`"
            ) from error

    def _baseline_names(self, wanted: Wanted) -> frozenset[str]:
        """Name the files that hold nothing but hashes of what was found."""
        named = [file.resolve() for file in (wanted.baseline, wanted.update) if file is not None]
        return frozenset((BASELINE, *(os.path.relpath(file, self._root) for file in named)))

    def _wanted_blobs(self, blobs: Iterable[Blob], wanted: Wanted) -> list[Blob]:
        skipped = self._baseline_names(wanted)
        below = tuple("" if path == self._root else os.path.relpath(path, self._root) for path in wanted.paths)
        return [
            blob
            for blob in blobs
            if blob.path not in skipped and any(not one or f"{blob.path}/".startswith(f"{one}/") for one in below)
        ]

    def _key(self) -> bytes:
        tags = sorted(issued.placeholder[-_TAG:] for issued in self._engine.vault.issued())
        return hashlib.sha256(
            b"\0".join((_FORMAT, cache_key(self._root, self._policy), *map(str.encode, tags)))
        ).digest()

    def _place(self, path: str) -> str:
        return f"{str(self._root).rstrip('/')}/{path}"

    def _why(self, path: str) -> str:
        try:
            with opened(self._place(path)) as read:
                read(1)
        except OSError as error:
            return error.strerror or str(error)
        return "could not be read"

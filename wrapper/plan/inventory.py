"""What in the workspace must not be seen as it is; and every secret found on the way becomes known.

The story: learn the credential files of HOME; walk the workspace against the cache; learn the files that policy masks
by name; scan the content of what is new or changed, now that all those values are known; turn the bits into verdicts,
reading again only files that hold something; spread verdicts over hard links; store the cache.

Rules of this file:
- The cache holds for one key: detection code and rules, policy, baseline, user. A value that was not searched for by
  then is searched for in every file by itself; the rules do not run again.
- Unreadable files are noted, never fatal: the inside runs as the same user and cannot read them either.
- A cache that cannot be written costs the next start time, not protection.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from redactors.engine import Engine
from redactors.known import KnownValues
from wrapper.plan import scancache
from wrapper.plan.cachekey import cache_key
from wrapper.plan.contents import scan_all, scan_file
from wrapper.plan.credentials import learn_home
from wrapper.plan.findings import Verdicts
from wrapper.plan.gitinfo import GitLayout, git_layout
from wrapper.plan.judge import FileVerdict, Judge
from wrapper.plan.learning import learner
from wrapper.plan.scancache import Code, Folder, ScanCache
from wrapper.plan.walk import Walked, walk
from wrapper.policy.model import Policy

_TAG: Final = 8  # the last characters of a placeholder
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there was: `scanned` files were read for their content, `cached` ones were not."""

    files: int
    folders: int
    scanned: int
    cached: int
    bytes_scanned: int
    likely: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """The workspace as it was found; paths are relative to it, with `/`.

    `files` are sorted by path; what lies in a folder with a verdict has none of its own. `protected` are existing
    paths that are read-only inside (a folder's ends in `/` and stands for all beneath). `learned` are the credential
    files of HOME that held values. `changed` are files that the cache did not know as they are. `unmatched` are values
    too short or common to be known: name to reason. `seconds` maps a step's name to how long it took. `folders` is what
    the walk saw: rows and codes of all files by folder. `frozen` are those of `protected` that are frozen mounts.
    """

    workspace: Path
    files: tuple[FileVerdict, ...]
    protected: tuple[str, ...]
    unreadable: tuple[str, ...]
    learned: tuple[str, ...]
    changed: tuple[str, ...]
    unmatched: Mapping[str, str]
    git: GitLayout | None
    counts: Counts
    seconds: Mapping[str, float]
    judge: Judge = field(repr=False, compare=False)
    folders: Mapping[str, Folder] = field(repr=False, compare=False)
    frozen: tuple[str, ...] = ()

    @property
    def by_path(self) -> Mapping[str, FileVerdict]:
        """The verdicts by path."""
        return MappingProxyType({verdict.path: verdict for verdict in self.files})


def take_inventory(
    workspace: Path,
    *,
    policy: Policy,
    engine: Engine,
    cache: Path,
    home: Path,
    same: Callable[[], Collection[str]] = tuple,
) -> Inventory:
    """Take stock of `workspace` (absolute, resolved). `cache` is the user's cache folder, `home` their HOME.

    `same` gives what `rows.unchanged` has found; it is asked for as late as possible. The environment's values must
    already be known to `engine`. Raises ValueError for an engine without known values.
    """
    started_ns = time.time_ns()
    clock = _Clock()
    judge = Judge(workspace, policy, engine)
    learned = clock.time("home", lambda: learn_home(home, learner(engine)))
    key = cache_key(workspace, policy)
    file = scancache.place(cache, workspace)
    old = clock.time("cache", lambda: scancache.load(file, key))
    walked = clock.time("walk", lambda: walk(judge, old, started_ns, same()))
    found = Verdicts(judge, walked)
    clock.time("names", found.judge_names)
    tags = _tags(engine)
    scanned = clock.time("scan", lambda: _scan(judge, walked, tags - old.known))
    clock.time("contents", found.judge_contents)
    clock.time("links", found.spread)
    if walked.changed or not tags <= old.known:
        clock.time("store", lambda: _store(file, ScanCache(key, tags, walked.folders)))
    codes = [code for folder in walked.folders.values() for code in folder.codes if code]
    return Inventory(
        workspace=workspace,
        files=found.files(),
        protected=found.protected(),
        unreadable=tuple(sorted((*walked.unreadable, *found.unreadable))),
        learned=learned,
        changed=tuple(item.path for item in walked.pending),
        unmatched=_unmatched(engine),
        git=git_layout(workspace),
        counts=Counts(
            files=walked.files,
            folders=len(walked.folders),
            scanned=scanned,
            cached=walked.files - scanned,
            bytes_scanned=sum(item.size for item in walked.pending),
            likely=sum(bool(code & Code.LIKELY) for code in codes),
        ),
        seconds=MappingProxyType(clock.seconds),
        judge=judge,
        folders=walked.folders,
    )


def rescan(judge: Judge, paths: Iterable[str]) -> dict[str, FileVerdict | None]:
    """Judge changed paths anew, learning what they hold; None: may be seen as it is, or is gone."""
    return {path: judge.judge(path) for path in paths}


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, step: str, work: Callable[[], _T]) -> _T:
        before = time.perf_counter()
        done = work()
        self.seconds[step] = time.perf_counter() - before
        return done


def _unmatched(engine: Engine) -> Mapping[str, str]:
    return MappingProxyType({} if engine.known is None else dict(engine.known.unmatched))


def _tags(engine: Engine) -> frozenset[str]:
    return frozenset(issued.placeholder[-_TAG:] for issued in engine.vault.issued())


def _scan(judge: Judge, walked: Walked, new_tags: frozenset[str]) -> int:
    """Scan the pending files, and the others for values that the cache did not know; give how many were read."""
    engine, limit = judge.engine, judge.policy.scan_max_bytes
    pending = walked.pending
    if pending:
        engine.find(b"")  # whatever is made at first use is made before the workers part
    codes = scan_all(
        [judge.absolute(item.path) for item in pending],
        [item.size for item in pending],
        lambda path: scan_file(path, limit, engine.find, judge.find_known),
    )
    for item, code in zip(pending, codes, strict=True):
        item.codes[item.place] |= code
    return len(pending) + _search(judge, walked, new_tags)


def _search(judge: Judge, walked: Walked, new_tags: frozenset[str]) -> int:
    """Search the files that the cache spoke for, for the values of `new_tags` alone."""
    rest = walked.unsearched() if new_tags else []
    if not rest:
        return 0
    fresh = KnownValues(judge.engine.vault)
    for issued in judge.engine.vault.issued():
        if issued.placeholder[-_TAG:] in new_tags:
            fresh.add(issued.kind, issued.value, issued.origin)
    if not fresh.generation:
        return 0
    limit = judge.policy.scan_max_bytes
    fresh.find(b"")
    rest = [item for item in rest if judge.wants_scan(item.path, item.codes[item.place], item.size)]
    codes = scan_all(
        [judge.absolute(item.path) for item in rest],
        [item.size for item in rest],
        lambda path: scan_file(path, limit, fresh.find, fresh.find),
    )
    for item, code in zip(rest, codes, strict=True):
        item.codes[item.place] |= code
    return len(rest)


def _store(file: Path, cache: ScanCache) -> None:
    with suppress(OSError):
        scancache.store(file, cache)

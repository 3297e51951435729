"""Commits made inside, looked at from outside as refs move: none keeps a placeholder in place of a value (promise 3).

What holds:
1. As long as anything runs inside, no value that git does not have goes into its objects: the inside can read them,
   and would only have to commit a placeholder to learn what stands behind it (promise 2). Until then commits are told
   of, or taken back; real values are put in when nothing is left inside.
2. Nothing of the repository's settings runs a program, reaches a network or leads out of it: `plumbing`, `objects`,
   `gitfolder`.
3. Refs move together and only from where they were seen; who is quicker wins, and we look again.
4. What else names a commit that was made anew names the new one in the end: logs of refs, pseudo-refs, what is under
   way (`traces`); its notes are the new one's, too. Where refs are taken back, it is found there with its values.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import SubprocessError
from typing import Final, Literal

from wrapper.errors import WorkspaceError
from wrapper.guard.gitfolder import GitFolder, Stamp
from wrapper.guard.objectforms import ObjectFormError
from wrapper.guard.objects import Objects, ObjectsError
from wrapper.guard.refs import STASH, Refs, RefsError, Standing
from wrapper.guard.rewriting import Finds, Rewriting
from wrapper.guard.traces import Traces
from wrapper.plan.gitinfo import layout_at
from wrapper.plan.indexformat import IndexFormatError, object_id_bytes
from wrapper.view.gitindex import find, patched

LOGS: Final = "logs"
"""What an outcome is about that is about no ref: see `traces`."""
_MOST: Final = 10_000  # commits in one look
_TRIES: Final = 5
_UNSIGNED: Final = "signatures of what was made anew are gone"
_BINARY: Final = "binary: the placeholder stays"
_FAILURES: Final = (ObjectFormError, ObjectsError, RefsError, IndexFormatError, OSError, SubprocessError)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one ref, of an index (`ref` is its path in the repository's folder), or of `LOGS`, without ids.

    `old` is where the inside had put it, `new` where it stands now, empty if it is gone. `waiting`: it will be made
    anew when nothing is left inside. `failed`: it is as it was, and `why` says why; an empty `ref` means all.
    """

    ref: str
    old: str
    new: str
    paths: tuple[str, ...]
    done: Literal["rewritten", "taken back", "waiting", "failed"]
    why: str = ""


class Commits:
    """Watches over one repository, that of the working tree `toplevel`, from where its refs stand now on.

    `restored` as the view has it. `refuse`: refs do not move to commits with placeholders. `is_new`: it was made during
    the session, all in it counts. Raises WorkspaceError where there is no repository, or it cannot be read.
    """

    def __init__(
        self, toplevel: Path, restored: Callable[[bytes], bytes], *, refuse: bool, is_new: bool = False
    ) -> None:
        layout = layout_at(toplevel)
        if layout is None:
            raise WorkspaceError(f"`{toplevel}` is not a git working tree")
        self._restored = restored
        self._refuse = refuse
        try:
            self._common = GitFolder(layout.common_dir)
            self._objects = Objects(self._common, object_id_bytes(self._common.read("config") or b""))
            self._refs = Refs(self._common)
            self._before = Standing({}, (), frozenset()) if is_new else self._refs.read()
            self._staged = {} if is_new else self._stamps()
            self._traces = Traces(self._common, is_new=is_new)
        except (OSError, RefsError) as error:
            hint = f"run `git -C {toplevel} for-each-ref` to see why"
            raise WorkspaceError(f"cannot read the repository of `{toplevel}`", hint=hint) from error
        self._told: set[Outcome] = set()

    def check(self, *, ended: bool = False) -> list[Outcome]:
        """Look at refs that have moved since; `ended`: nothing runs inside any more.

        What is told once is not told again. Raises nothing: what fails is told.
        """
        outcomes: list[Outcome] = []
        try:
            if not any(self._look(outcomes, ended=ended) for _ in range(_TRIES)):
                outcomes.append(Outcome("", "", "", (), "failed", "the refs kept moving"))
        except _FAILURES as error:
            outcomes.append(Outcome("", "", "", (), "failed", str(error)))
        new = [one for one in dict.fromkeys(outcomes) if one not in self._told]
        self._told.update(new)
        return new

    def _look(self, outcomes: list[Outcome], *, ended: bool) -> bool:
        """Look once; False: refs have moved meanwhile."""
        now = self._refs.read()
        moved = {name: tip for name, tip in now.refs.items() if self._before.refs.get(name) != tip}
        stashed = [tip for tip in now.stashed if tip not in self._before.stashed]
        if not moved and not stashed and not (ended and self._stamps() != self._staged):
            self._before = now
            return True
        with self._objects.opened():
            work = Rewriting(self._objects, self._restored)
            for commit in self._objects.new_commits([*moved.values(), *stashed], self._before.reachable, _MOST):
                work.commit(commit)
            tips = {name: (tip, *work.tip(tip)) for name, tip in moved.items()}
            look = _Look(now, tips, _affected(now, tips, stashed, work), work)
            outcomes.extend(look.binary())
            if ended:
                return self._finish(look, outcomes)
            return self._refused(look, outcomes) if self._refuse else self._waiting(look, outcomes)

    def _waiting(self, look: "_Look", outcomes: list[Outcome]) -> bool:
        outcomes.extend(look.outcome(name, tip, "waiting") for name, (tip, _, _) in look.affected.items())
        self._before = look.settled(self._before)
        return True

    def _refused(self, look: "_Look", outcomes: list[Outcome]) -> bool:
        """Put refs back; the stash is no ref that anybody publishes: it waits."""
        affected = dict(look.affected)
        stash = affected.pop(STASH, None)
        back = {name: (tip, self._back(look, name, tip)) for name, (tip, _, _) in affected.items()}
        if back and not self._refs.move(back):
            return False
        outcomes.extend(look.outcome(name, new, "taken back") for name, (_, new) in back.items())
        if stash is not None:
            outcomes.append(look.outcome(STASH, stash[0], "waiting"))
        self._before = look.settled(self._before)
        return True

    def _back(self, look: "_Look", name: str, tip: str) -> str:
        """Say where a ref goes back to: nowhere for a new one; a HEAD that left its branch, to the last old commit."""
        before = self._before.refs.get(name, "")
        if before or not name.endswith("HEAD") or name.startswith("refs/"):
            return before
        old = look.work.old_ancestor(tip)
        if not old:
            raise RefsError(f"`{name}` stands on a history that is all new, and cannot be put back")
        return old

    def _finish(self, look: "_Look", outcomes: list[Outcome]) -> bool:
        """Put real values in: refs first, then what hangs on them."""
        self._objects.store()
        moves = {name: (tip, new) for name, (tip, new, _) in look.affected.items() if name != STASH}
        if self._refuse:
            moves = {name: (tip, self._back(look, name, tip)) for name, (tip, _) in moves.items()}
        if moves and not self._refs.move(moves):
            return False
        done: Literal["taken back", "rewritten"] = "taken back" if self._refuse else "rewritten"
        outcomes.extend(look.outcome(name, new, done) for name, (_, new) in moves.items())
        if not self._restash(look, outcomes):
            return False
        self._before = self._refs.read()
        for name, head in self._indexes():
            outcomes.extend(self._restage(look.work, name, head))
        outcomes.extend(self._retrace(look.work))
        return True

    def _retrace(self, work: Rewriting) -> Iterator[Outcome]:
        """Let what else names commits name those that were made anew; what only that leads to is made anew before."""
        try:
            found = self._objects.new_commits(self._traces.new_ids(), self._before.reachable, _MOST)
            alone = [one for one in found if one not in work.commits]
            for commit in alone:
                work.commit(commit)
            self._objects.store()
            changed = {old: new for old, new in work.commits.items() if old != new}
            if not changed:
                return
            if not self._refuse:
                self._refs.copy_notes(changed)
            finds = Finds()
            for one in alone:
                finds |= work.finds[one]
            self._traces.rename(changed)
            if finds.text:  # of the others it has been told
                yield Outcome(LOGS, "", "", _named(finds.text), "rewritten")
        except FileExistsError as error:
            yield Outcome(LOGS, "", "", (), "failed", f"{error}: another git is at work, or was")
        except _FAILURES as error:
            yield Outcome(LOGS, "", "", (), "failed", str(error))

    def _restash(self, look: "_Look", outcomes: list[Outcome]) -> bool:
        changed = {old: new for old, new in look.work.commits.items() if old != new}
        top = look.now.refs.get(STASH, "")
        if not top or changed.keys().isdisjoint((top, *look.now.stashed)):
            return True
        if not self._refs.restash(top, changed):
            return False
        finds = Finds()
        for one in look.now.stashed:
            finds |= look.work.finds.get(one, Finds())
        outcomes.append(Outcome(STASH, top, changed.get(top, top), _named(finds.text), "rewritten"))
        return True

    def _indexes(self) -> Iterator[tuple[str, str]]:
        """Yield the path of each index, and the ref of the commit that it is compared with."""
        yield "index", "HEAD"
        for one in self._common.names("worktrees"):
            yield f"worktrees/{one}/index", f"worktrees/{one}/HEAD"

    def _stamps(self) -> Mapping[str, Stamp | None]:
        """Say which versions of each index, and of the log beside it, stand there: git writes what is done to both."""
        names = [name for name, _ in self._indexes()]
        logs = [f"{name.removesuffix('index')}logs/HEAD" for name in names]
        return {name: self._common.stamp(name) for name in (*names, *logs)}

    def _restage(self, work: Rewriting, name: str, head: str) -> Iterator[Outcome]:
        """Let an index name the blobs with values: of what was made anew, and of what is only staged."""
        try:
            data = self._common.read(name)
            if data is None or self._changed(work, data, head)[0] == data:
                return
            self._objects.store()
            with self._common.locked(name) as lock:
                data, finds = self._changed(work, self._common.read(name) or b"", head)
                self._objects.store()
                lock.replace(data)
        except FileExistsError:
            yield Outcome(name, "", "", (), "failed", f"`{name}.lock` is there: another git is at work, or was")
        except _FAILURES as error:
            yield Outcome(name, "", "", (), "failed", str(error))
        else:
            yield Outcome(name, "", "", _named(finds.text), "rewritten")

    def _changed(self, work: Rewriting, data: bytes, head: str) -> tuple[bytes, Finds]:
        staged = self._objects.staged(data, self._commit(head))
        blobs, finds = work.staged(staged)
        id_bytes = self._objects.id_bytes
        changes = []
        for entry in find(data, {path for path, blob in staged if blob in blobs}, object_id_bytes=id_bytes):
            new = blobs.get(entry.object_id.hex())
            if new is not None:  # git reads a file anew whose size and times the entry does not have
                unknown = replace(entry, ctime=(0, 0), mtime=(0, 0), inode=0, size=0, object_id=bytes.fromhex(new))
                changes.append((entry, unknown))
        return (patched(data, changes, object_id_bytes=id_bytes) if changes else data), finds

    def _commit(self, head: str) -> str:
        try:
            return self._common.ask("rev-parse", "--verify", "--quiet", head).decode().strip()
        except SubprocessError:
            return ""  # nothing committed yet


_Tip = tuple[str, str, Finds]


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found: where refs stand `now`; of those that `moved`, where to, what stands for that, and the finds.

    `affected` are those that lead to something that must be made anew.
    """

    now: Standing
    moved: Mapping[str, _Tip]
    affected: Mapping[str, _Tip]
    work: Rewriting

    def binary(self) -> Iterator[Outcome]:
        """Tell of files that keep their placeholders."""
        for name, (tip, new, finds) in self.moved.items():
            if finds.binary:
                yield Outcome(name, tip, new, _named(finds.binary), "failed", _BINARY)

    def outcome(self, name: str, new: str, done: Literal["rewritten", "taken back", "waiting"]) -> Outcome:
        """Tell what became of a ref."""
        tip, _, finds = self.affected[name]
        why = _UNSIGNED if done != "taken back" and tip in self.work.unsigned else ""
        return Outcome(name, tip, new, _named(finds.text), done, why)

    def settled(self, before: Standing) -> Standing:
        """Give where to look from next time: what is in order counts as seen, the rest is where it was."""
        affected = self.affected
        refs = {name: tip for name, tip in self.now.refs.items() if name not in affected}
        refs.update((name, before.refs[name]) for name in affected if name in before.refs)
        stashed = before.stashed if STASH in affected else self.now.stashed
        seen = {tip for name, (tip, _, _) in self.moved.items() if name not in affected}
        return Standing(refs, stashed, {*before.reachable, *seen})


def _affected(now: Standing, moved: Mapping[str, _Tip], stashed: list[str], work: Rewriting) -> Mapping[str, _Tip]:
    found = {name: one for name, one in moved.items() if one[0] != one[1]}
    if STASH not in found and any(work.commits.get(one, one) != one for one in stashed):
        top = now.refs.get(STASH, "")
        found[STASH] = top, top, Finds()  # what is made anew lies further down in its list
    return found


def _named(paths: frozenset[bytes]) -> tuple[str, ...]:
    return tuple(os.fsdecode(path) for path in sorted(paths))

"""What names commits in a repository besides its refs: logs of refs, pseudo-refs, what is under way.

By these a user comes back to what was there before a rebase or a reset (`git reset --hard ORIG_HEAD`, `HEAD@{1}`,
`git rebase --continue`). Where a commit is made anew they name the new one, or the placeholders of the old one would be
checked out over values. Only ids of such commits are changed, all else stays byte for byte. With reftables the logs of
refs are no files, and stay.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from wrapper.guard.gitfolder import GitFolder, Stamp

_MOST_FILES: Final = 10_000
_ID: Final = re.compile(rb"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{40})(?![0-9a-f])")
_PSEUDO: Final = re.compile(r"[A-Z][A-Z_]*\Z")  # ORIG_HEAD, MERGE_HEAD, BISECT_LOG (gitrevisions(7))
_ELSEWHERE: Final = frozenset(("HEAD", "FETCH_HEAD"))  # a ref; what another repository had
_STATE: Final = ("rebase-merge", "rebase-apply", "sequencer")  # of git-rebase(1), git-cherry-pick(1) under way
_OF_WORK_TREE: Final = ("logs", "refs")  # what each has for itself (git-worktree(1)) is never packed
_REMOTES: Final = "remotes"  # there stands what another repository had


class Traces:
    """Such files of one repository; `common` is its folder. What is there is old, but where `is_new` says otherwise."""

    def __init__(self, common: GitFolder, *, is_new: bool = False) -> None:
        self._common = common
        self._before = {} if is_new else dict(self._stamped())

    def new_ids(self) -> set[str]:
        """Give the ids that stand in what was written since."""
        found: set[str] = set()
        for name, stamp in self._stamped():
            before = self._before.get(name)
            if stamp == before:
                continue
            content = self._common.read(name) or b""
            has_grown = before is not None and before[0] == stamp[0] and before[1] <= stamp[1]
            old = before[1] if before is not None and has_grown and _is_log(name) else 0
            found.update(one.decode() for one in _ID.findall(content[old:]) if one.strip(b"0"))
        return found

    def rename(self, changed: Mapping[str, str]) -> None:
        """Put new ids in the place of old ones; a file that was not written since has none. Raises OSError.

        FileExistsError where another git is at work, or was.
        """
        new = {old.encode(): made.encode() for old, made in changed.items()}
        for name, stamp in self._stamped():
            if stamp != self._before.get(name) and self._has_old(name, new):
                with contextlib.ExitStack() as held:
                    if _is_log(name):  # git adds lines while it holds the lock of the ref
                        with contextlib.suppress(FileNotFoundError):  # of one that is packed, in a folder that is gone
                            held.enter_context(self._common.locked(name.replace("logs/", "", 1)))
                    file = held.enter_context(self._common.locked(name))
                    content = self._common.read(name)
                    if content is not None:
                        file.replace(_ID.sub(lambda one: new.get(one[0], one[0]), content))

    def _has_old(self, name: str, new: Mapping[bytes, bytes]) -> bool:
        return not new.keys().isdisjoint(_ID.findall(self._common.read(name) or b""))

    def _stamped(self) -> Iterator[tuple[str, Stamp]]:
        """Yield each file and which version of it stands there."""
        return islice(self._all(), _MOST_FILES)

    def _all(self) -> Iterator[tuple[str, Stamp]]:
        for place in ("", *(f"worktrees/{one}/" for one in self._common.names("worktrees"))):
            pseudo = [one for one in self._common.names(f"{place}.") if _PSEUDO.match(one) and one not in _ELSEWHERE]
            for name in (*pseudo, "logs/HEAD"):
                stamp = self._common.stamp(place + name)
                if stamp is not None:
                    yield place + name, stamp
            for folder in (*_STATE, *(_OF_WORK_TREE if place else self._logs())):
                for name, stamp in self._common.stamped(place + folder):
                    if not name.endswith((".lock", "logs/HEAD")):
                        yield name, stamp

    def _logs(self) -> Iterator[str]:
        yield from (f"logs/refs/{one}" for one in self._common.names("logs/refs") if one != _REMOTES)


def _is_log(name: str) -> bool:
    return name.startswith("logs/") or "/logs/" in name

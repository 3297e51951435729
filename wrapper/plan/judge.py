"""One file, one verdict: the decision that the inventory makes for all files and the watcher for those that change.

Rules of this file:
1. Policy decides by name first; where it says nothing, the content decides, and only a *certain* finding masks.
2. What cannot be masked without breaking it or leaving a part unread (a binary, more than 16 MiB) is denied.
3. A link is judged by what policy says of the link's own name, too: the verdict then falls on the file behind it, if
   that lies in the workspace. Another name of a covered inode is covered likewise.
4. Every secret behind a verdict becomes a known value (Origin.OUTSIDE), so that the wire knows it as well.
"""

import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from redactors.baseline import Baseline, parse_baseline
from redactors.documents import is_dotenv, mask_document, mask_known
from redactors.engine import Engine
from redactors.finding import Finding, Redaction
from wrapper.errors import WorkspaceError
from wrapper.plan.contents import MOST_BYTES, SNIFFED, read_regular, scan
from wrapper.plan.gitinfo import GitLayout, git_layout, layout_at, tracked
from wrapper.plan.learning import Learned, learn_file, learner
from wrapper.plan.scancache import ACTIONS, Code
from wrapper.policy.model import Policy

Mode = Literal["mask", "deny", "hide"]
Inode = tuple[int, int]
"""Device and inode number."""

STRENGTH: Final[dict[Mode, int]] = {"mask": 0, "hide": 1, "deny": 2}
"""Which verdict holds where two fall on one file."""

_CLOSED: Final = frozenset(("deny", "hide", "store"))
BASELINE: Final = ".secrets.baseline"  # detect-secrets' name for it
_ANYTHING: Final = "\x01"  # a name that no pattern has, so what matches it matches every name
_LEARNED_OF_CLOSED: Final = 256 << 10  # key files are small; what is denied for its context is not read for values


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """A path in the workspace that must not be seen as it is; `path` is relative, with `/`.

    `mode`: `mask` (placeholders stand for the secrets), `deny` (listed, refuses to open), `hide` (not there).
    `whole`: the file is one of credentials, masked by its structure; else only certain findings are. `folder`: the
    verdict covers all beneath. `reason` is the rule or finding that decided. `kinds` are those of the secrets found;
    a `mask` without any means that there is nothing to hide in the file as it is now.
    """

    path: str
    mode: Mode
    reason: str
    kinds: tuple[str, ...] = ()
    whole: bool = False
    folder: bool = False


class Judge:
    """Judges paths of one workspace; `judge` may be called at any time, also for paths that are gone.

    `inodes` are covered files with more than one name, `aliases` files that a link gives a name which policy knows:
    both gathered on the way, for the judgements to come.
    """

    def __init__(self, workspace: Path, policy: Policy, engine: Engine) -> None:
        self._learner = learner(engine)
        self.workspace = workspace
        self.policy = policy
        self.engine = engine
        self.inodes: dict[Inode, FileVerdict] = {}
        self.aliases: dict[str, str] = {}
        self._base = f"{workspace}/"
        self._baseline = _baseline(f"{workspace}/{BASELINE}")
        self._layouts: dict[str, GitLayout | None] = {}
        self._tracked: dict[GitLayout, frozenset[str] | None] = {}

    def absolute(self, path: str) -> str:
        """Give the host's path of a workspace path."""
        return self._base + path

    def relative(self, place: str) -> str | None:
        """Give the workspace path of a host path (both without `/` at the end); None outside."""
        return place[len(self._base) :] if f"{place}/".startswith(self._base) else None

    def judge(self, path: str) -> FileVerdict | None:
        """Judge one path anew, learning the values in it; None: it may be seen as it is, or is not there."""
        try:
            about = os.lstat(self._base + path)
        except OSError:
            return None
        if stat.S_ISDIR(about.st_mode):
            return self.folder_verdict(path, self.by_folder_name(path))
        if stat.S_ISLNK(about.st_mode):
            return self.behind_link(path)
        code = self.by_name(path)
        if not stat.S_ISREG(about.st_mode):
            code |= Code.SPECIAL
        elif self.wants_scan(path, code, about.st_size):
            code |= self._scan_now(path)
        verdict = self.verdict(path, code)
        if path in self.aliases:
            verdict = stricter(verdict, self.behind_link(self.aliases[path]))
        if about.st_nlink > 1:
            verdict = stricter(verdict, self._by_inode(path, (about.st_dev, about.st_ino), verdict))
        return verdict

    def mask_file(self, verdict: FileVerdict, data: bytes) -> bytes:
        """Give what the inside sees of a file with this content. Raises ValueError for a file it may not open."""
        if verdict.mode != "mask":
            raise ValueError(f"`{verdict.path}` is not shown")
        return mask_document(verdict.path, data, self.engine, whole=verdict.whole, baseline=self._baseline).data

    def shown(self, path: str, data: bytes, *, whole: bool) -> bytes | None:
        """Give what the inside sees of a file with this content; None where it cannot be shown.

        `data` are its first `MOST_BYTES` and one more at most. `whole` as in a verdict.
        """
        redaction = self._redacted(path, data, whole=whole)
        return None if redaction is None else redaction.data

    def hidden(self, path: str, data: bytes, *, whole: bool) -> list[tuple[int, int]] | None:
        """Give where in it stands what is masked then, in order."""
        redaction = self._redacted(path, data, whole=whole)
        return None if redaction is None else _spans(redaction)

    def _redacted(self, path: str, data: bytes, *, whole: bool) -> Redaction | None:
        if whole:
            if b"\0" in data or len(data) > MOST_BYTES:
                return None
        elif b"\0" in data[:SNIFFED] or len(data) > self.policy.scan_max_bytes:
            code = scan(data, self.policy.scan_max_bytes, self.engine.find, self.find_known)
            if not code & Code.CERTAIN:
                return Redaction(data, (), ())
            if code & (Code.BINARY | Code.PARTIAL):
                return None
        return mask_document(path, data, self.engine, whole=whole, baseline=self._baseline)

    def shown_known(self, data: bytes) -> bytes | None:
        """Give what the inside sees where nothing but values that are known already is looked for."""
        masked = mask_known(data, self.engine).data
        return None if masked != data and b"\0" in data[:SNIFFED] else masked

    def hidden_known(self, data: bytes) -> list[tuple[int, int]]:
        """Give where in it stands what is masked then, in order."""
        return _spans(mask_known(data, self.engine))

    def by_name(self, path: str) -> int:
        """Say by `Code` bits what policy says of a path; a folder's ends in `/`."""
        code = ACTIONS.index(self.policy.file(path).action)
        # a `.git` file names the folder whose settings git obeys (gitrepository-layout(5)); a folder's name ends in `/`
        is_protected = self.policy.is_protected(path).action or f"/{path}".endswith("/.git")
        return code | Code.PROTECTED if is_protected else code

    def by_folder_name(self, path: str) -> int:
        """Do the same for a folder: what holds for it, or for anything that may ever be in it (`secrets/**`)."""
        own, beneath = self.by_name(f"{path}/"), self.by_name(f"{path}/{_ANYTHING}")
        action = own if ACTIONS[own & Code.ACTION] in _CLOSED else beneath
        return action & Code.ACTION | (own | beneath) & Code.PROTECTED

    def wants_scan(self, path: str, code: int, size: int) -> bool:
        """Say whether a regular file's content has a say in its verdict, or values to learn."""
        action = ACTIONS[code & Code.ACTION]
        if action in _CLOSED:
            return size <= _LEARNED_OF_CLOSED
        return action == "" and size > 0 and self.policy.scan_enabled and self.policy.is_scanned(path)

    def verdict(self, path: str, code: int) -> FileVerdict | None:
        """Turn the bits of a file into a verdict, reading the file for its values where it has any."""
        action = ACTIONS[code & Code.ACTION]
        if action == "pass":
            return None
        if code & Code.SPECIAL:
            return FileVerdict(path, "hide", "not a file: a pipe, socket or device")
        if action == "mask":
            return self._masked(path, whole=True, reason=self._rule(path))
        if action in _CLOSED:
            whole = is_dotenv(path)
            kinds = self._learn(path, whole=whole).kinds if whole or code & Code.CERTAIN else ()
            return FileVerdict(path, self.closed_as(path, action), self._rule(path), kinds)
        return self._by_content(path, code) if code & Code.CERTAIN else None

    def _by_content(self, path: str, code: int) -> FileVerdict | None:
        if code & (Code.BINARY | Code.PARTIAL):
            what = "a binary file" if code & Code.BINARY else "too large to be masked"
            return FileVerdict(path, "deny", f"{what} that holds a secret")
        learned = self._learn(path, whole=False)
        if not learned.kinds:  # a known value, or nothing any more: a value of an earlier start
            learned = learn_file(self._base + path, self.engine, path=path, whole=False, baseline=self._baseline)
        if not learned.kinds:
            return None
        return FileVerdict(path, "mask", f"holds a secret: {', '.join(learned.kinds)}", learned.kinds)

    def folder_verdict(self, path: str, code: int) -> FileVerdict | None:
        """Judge a folder (no `/` at its end) by its name; only one that is closed as a whole gets a verdict."""
        action = ACTIONS[code & Code.ACTION]
        if action not in _CLOSED:
            return None
        rule = self._rule(f"{path}/{_ANYTHING}")
        return FileVerdict(path, self.closed_as(f"{path}/", action), rule, folder=True)

    def behind_link(self, path: str) -> FileVerdict | None:
        """Judge what a symbolic link leads to by the link's own name; a file outside is only learned from."""
        action = self.policy.file(path).action
        if action in {"", "pass"}:
            return None
        target = os.path.realpath(self._base + path)
        if not os.path.isfile(target):  # noqa: PTH113 - a string, as all paths here
            return None
        inside = self.relative(target)
        if inside is None:
            learn_file(target, self._learner, path=path, whole=action == "mask")
            return None
        reason = f"{self._rule(path)}, by the link `{path}`"
        self.aliases[inside] = path
        if action == "mask":
            return self._masked(inside, whole=True, reason=reason)
        return FileVerdict(inside, self.closed_as(inside, action), reason, self._learn(inside, whole=False).kinds)

    def find_known(self, data: bytes) -> list[Finding]:
        """Find known values alone."""
        return [] if self.engine.known is None else self.engine.known.find(data)

    def _scan_now(self, path: str) -> int:
        try:
            data = read_regular(self._base + path, MOST_BYTES + 1)
        except OSError:
            return Code.UNREADABLE
        return scan(data, self.policy.scan_max_bytes, self.engine.find, self.find_known)

    def _masked(self, path: str, *, whole: bool, reason: str) -> FileVerdict:
        learned = self._learn(path, whole=whole)
        if learned.is_maskable:
            return FileVerdict(path, "mask", reason, learned.kinds, whole)
        return FileVerdict(path, "deny", f"{reason}; too large or not text, so it cannot be masked", learned.kinds)

    def _learn(self, path: str, *, whole: bool) -> Learned:
        return learn_file(self._base + path, self._learner, path=path, whole=whole, baseline=self._baseline)

    def _rule(self, path: str) -> str:
        rule = self.policy.file(path).rule
        return "default" if rule is None else str(rule)

    def closed_as(self, path: str, action: str) -> Mode:
        """Say what becomes of a file or folder that policy closes: `deny`, `hide` or `store` is its action."""
        if action == "store":
            return "deny" if self._is_tracked(path) else "hide"
        return "hide" if action == "hide" else "deny"

    def _is_tracked(self, path: str) -> bool:
        """Ask the index of the innermost repository; where it cannot be read, yes: denied is as safe as hidden."""
        layout = self._layout_of(path.rstrip("/").rpartition("/")[0])
        if layout is None:
            return False
        if layout not in self._tracked:
            try:
                self._tracked[layout] = tracked(layout)
            except WorkspaceError:
                self._tracked[layout] = None
        names = self._tracked[layout]
        relative = os.path.relpath(self._base + path, layout.toplevel)
        if names is None or relative in names:
            return True
        return path.endswith("/") and any(name.startswith(f"{relative}/") for name in names)

    def _layout_of(self, folder: str) -> GitLayout | None:
        if folder not in self._layouts:
            if not folder:
                self._layouts[folder] = git_layout(self.workspace)
            else:
                own = layout_at(Path(self._base + folder))
                self._layouts[folder] = own or self._layout_of(folder.rpartition("/")[0])
        return self._layouts[folder]

    def _by_inode(self, path: str, inode: Inode, verdict: FileVerdict | None) -> FileVerdict | None:
        other = self.inodes.get(inode)
        if verdict is not None:
            self.inodes[inode] = verdict if other is None else stricter(verdict, other) or verdict
        return None if other is None else another_name(other, path)


def _spans(redaction: Redaction) -> list[tuple[int, int]]:
    return [(one.start, one.end) for one in redaction.findings]


def _baseline(place: str) -> Baseline:
    """Read the workspace's baseline; one that is missing or none allows nothing."""
    try:
        return parse_baseline(read_regular(place, MOST_BYTES))
    except (OSError, ValueError):
        return Baseline()


def stricter(one: FileVerdict | None, other: FileVerdict | None) -> FileVerdict | None:
    """Give the verdict that holds where two fall on one file: `deny`, `hide`, `mask` whole, `mask`."""
    if one is None or other is None:
        return one or other
    first, second = (STRENGTH[one.mode], one.whole), (STRENGTH[other.mode], other.whole)
    return one if first >= second else other


def another_name(verdict: FileVerdict, path: str) -> FileVerdict:
    """Give the same verdict for another name of the file."""
    if verdict.path == path:
        return verdict
    return replace(verdict, path=path, reason=f"{verdict.reason}, the same file as `{verdict.path}`")

r"""Which of many ordered patterns match a name or a path; pure, and quick over tens of thousands of paths.

Rules, those of gitignore(5) with two differences that are named here:
- A pattern without `/` (but at its end) matches at any depth; one with `/` counts from the workspace's root.
- `*` and `?` stop at `/`; `**/` is any number of folders, `/**` everything beneath; `[…]` is a set, `\` escapes.
- `/` at the end: folders only. A path that is a folder is asked for with `/` at its end.
- A pattern that matches a folder matches everything beneath it.
- `!` before a pattern takes back what earlier patterns matched. Difference: also beneath a folder that matched.
- Difference: no `#` comments, and blanks count; the patterns stand in TOML strings.

The answer is the position of the last pattern of each list that matches, so "the last match wins" is a maximum, and
what is true of a folder is computed once for all that lies in it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec

SegmentTest = Callable[[str], bool]
Best = tuple[int, ...] | None

_SPECIAL: Final = re.compile(r"[*?\[\]\\]")
_PLAIN: Final = re.compile(r"[\w.*/-]+")  # nothing in these can be wrong
_FOLDERS_REMEMBERED: Final = 100_000  # far more than a checkout has; bounds the memory of a session of weeks


class Pattern(msgspec.Struct, frozen=True):
    """One pattern without its `!`, the number of the list it belongs to, and its place among all patterns."""

    text: str
    list: int
    place: int


class Matcher(Protocol):
    """What both kinds of matcher offer."""

    def best(self, subject: str) -> Best:
        """Give the place of the last match in each list (-1: none), or None where nothing at all matches."""


def problem(text: str) -> str:
    """Say what is wrong with a pattern (without its `!`), or return an empty string."""
    if _PLAIN.fullmatch(text):
        return ""
    if not text or text.strip() != text:
        return "is empty" if not text.strip() else "begins or ends with a blank"
    bare = re.sub(r"\\.", "", text)
    if "{" in bare and "}" in bare:
        return "has braces, which are not expanded: write one entry for each"
    if text.endswith("\\") and not text.endswith("\\\\"):
        return "ends with a lone backslash"
    try:
        segment_regex(text)
    except ValueError as error:
        return str(error)
    return "" if text.isprintable() else "holds a control character"


def segment_regex(glob: str) -> str:
    """Translate a glob that stays within one path segment to a regex for `fullmatch`.

    Every `*` but the last takes the first fit and never tries another (an atomic group, as `fnmatch` does it): a
    hostile pattern cannot make matching exponential. Raises ValueError for a set that is not closed or not valid.
    """
    chunks = [""]
    at = 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            chunks.append("")
        elif char == "[":
            piece, at = _set_regex(glob, at)
            chunks[-1] += piece
        elif char == "\\" and at < len(glob):
            chunks[-1] += re.escape(glob[at])
            at += 1
        else:
            chunks[-1] += "[^/]" if char == "?" else re.escape(char)
    first, *middle = chunks
    last = f"[^/]*{middle.pop()}" if middle else ""
    return first + "".join(f"(?>[^/]*?{chunk})" for chunk in middle) + last


def _set_regex(glob: str, at: int) -> tuple[str, int]:
    """Translate the set whose `[` stands before `at`; the second value is the place after its `]`."""
    start = at + 1 if glob[at : at + 1] in ("!", "^") else at
    end = glob.find("]", start + 1)
    if end < 0:
        raise ValueError("has a `[` without its `]`")
    inner = re.sub(r"([\\\[&~|^])", r"\\\1", glob[start:end])
    piece = f"(?!/)[{'^' if start > at else ''}{inner}]"
    try:
        re.compile(piece)
    except re.error as error:
        raise ValueError(f"has a set that is not valid ({error.msg})") from error
    return piece, end + 1


def _test(glob: str) -> SegmentTest:
    """Make the test of one segment; the common shapes need no regex, whose compilation is what start-up feels."""
    if not _SPECIAL.search(glob):
        return glob.__eq__
    head, star, tail = glob.partition("*")
    if star and not _SPECIAL.search(head + tail):
        least = len(glob) - 1
        return lambda name: len(name) >= least and name.startswith(head) and name.endswith(tail)
    inner = glob[1:-1]
    if glob[0] == glob[-1] == "*" and inner and not _SPECIAL.search(inner):
        return lambda name: inner in name
    compiled = re.compile(segment_regex(glob), re.DOTALL)
    return lambda name: compiled.fullmatch(name) is not None


def _merge(one: Best, other: Best) -> Best:
    if one is None or other is None:
        return other if one is None else one
    return tuple(map(max, one, other))


class NameMatcher:
    """Patterns over plain names (environment variables): the whole name, case counts."""

    def __init__(self, patterns: Iterable[Pattern], lists: int) -> None:
        self._lists = lists
        self._literal: dict[str, list[Pattern]] = {}
        self._globs: list[tuple[SegmentTest, Pattern]] = []
        for pattern in patterns:
            if _SPECIAL.search(pattern.text):
                self._globs.append((_test(pattern.text), pattern))
            else:
                self._literal.setdefault(pattern.text, []).append(pattern)

    def best(self, subject: str) -> Best:
        """See `Matcher.best`."""
        hits = self._literal.get(subject, []) + [pattern for test, pattern in self._globs if test(subject)]
        return _places(hits, self._lists)


def _places(hits: Sequence[Pattern], lists: int) -> Best:
    if not hits:
        return None
    best = [-1] * lists
    for hit in hits:
        best[hit.list] = max(best[hit.list], hit.place)
    return tuple(best)


_Run = tuple[SegmentTest, ...]


class _Glob(msgspec.Struct, frozen=True):
    """A path pattern cut at `/`: `above` are the runs of segments over `last`, cut again at `**`.

    `folder` is the name right over `last` where it is a literal one, else empty.
    """

    pattern: Pattern
    above: tuple[_Run, ...]
    folder: str
    last: str
    folders_only: bool


def _glob(pattern: Pattern) -> _Glob:
    text = pattern.text.rstrip("/")
    segments = [segment for segment in text.split("/") if segment] or ["**"]
    if "/" not in text:
        segments.insert(0, "**")
    if segments[-1] == "**" and pattern.text.endswith("/"):  # `a/**/`: every folder in it, and so what they hold
        segments.append("*")
    runs: list[_Run] = [()]
    for segment in segments[:-1]:
        if segment == "**":
            runs.append(())
        else:
            runs[-1] += (_test(segment),)
    over = segments[-2] if len(segments) > 1 and not _SPECIAL.search(segments[-2]) else ""
    return _Glob(pattern, tuple(runs), over, segments[-1], pattern.text.endswith("/"))


def _fits(run: _Run, folders: Sequence[str], at: int) -> bool:
    return at >= 0 and all(test(folders[at + offset]) for offset, test in enumerate(run))


def _leads(runs: tuple[_Run, ...], folders: Sequence[str]) -> bool:
    """Whether the runs, with any number of folders between them, match all of `folders`."""
    first, *between = runs
    if len(first) > len(folders) or not _fits(first, folders, 0):
        return False
    if not between:
        return len(first) == len(folders)
    last = between.pop()
    end = len(folders) - len(last)
    if end < len(first) or not _fits(last, folders, end):
        return False
    for run in reversed(between):  # the rightmost fit leaves the most room, so no other need be tried
        end = next((at for at in range(end - len(run), len(first) - 1, -1) if _fits(run, folders, at)), -1)
        if end < 0:
            return False
    return True


class PathMatcher:
    """Patterns over workspace-relative posix paths; a path that ends in `/` is a folder."""

    def __init__(self, patterns: Iterable[Pattern], lists: int) -> None:
        self._lists = lists
        self._named: dict[str, list[_Glob]] = {}
        self._suffixed: list[tuple[str, _Glob]] = []
        self._prefixed: list[tuple[str, _Glob]] = []
        self._other: list[tuple[SegmentTest, _Glob]] = []
        self._within_named: dict[str, list[_Glob]] = {}
        self._within_any: list[_Glob] = []
        for pattern in patterns:
            self._file_away(_glob(pattern))
        self._suffixes = tuple(suffix for suffix, _ in self._suffixed)
        self._prefixes = tuple(prefix for prefix, _ in self._prefixed)
        self._folders: dict[str, Best] = {}

    def _file_away(self, glob: _Glob) -> None:
        last = glob.last
        if last == "**" or (last == "*" and not glob.folders_only):
            group = self._within_named.setdefault(glob.folder, []) if glob.folder else self._within_any
            group.append(glob)
        elif not _SPECIAL.search(last):
            self._named.setdefault(last, []).append(glob)
        elif last[0] == "*" and not _SPECIAL.search(last[1:]):
            self._suffixed.append((last[1:], glob))
        elif last[-1] == "*" and not _SPECIAL.search(last[:-1]):
            self._prefixed.append((last[:-1], glob))
        else:
            self._other.append((_test(last), glob))

    def best(self, subject: str) -> Best:
        """See `Matcher.best`."""
        folder = subject.endswith("/")
        parent, _, name = (subject[:-1] if folder else subject).rpartition("/")
        around = self._folders[parent] if parent in self._folders else self._inside(parent)
        if name in self._named or name.endswith(self._suffixes) or name.startswith(self._prefixes) or self._other:
            return _merge(around, self._own(parent, name, folder=folder))
        return around

    def _inside(self, folder: str) -> Best:
        """Find what is true of everything in `folder` (written without a `/` at its end; empty for the root)."""
        if len(self._folders) >= _FOLDERS_REMEMBERED:
            self._folders.clear()
        parts = folder.split("/") if folder else []
        found = self._folders.get("")
        if found is None:
            found = self._folders[""] = self._within([])
        for depth, name in enumerate(parts):
            path = "/".join(parts[: depth + 1])
            if path in self._folders:
                found = self._folders[path]
                continue
            own = self._own("/".join(parts[:depth]), name, folder=True)
            found = self._folders[path] = _merge(found, _merge(own, self._within(parts[: depth + 1])))
        return found

    def _within(self, parts: Sequence[str]) -> Best:
        """Find what patterns that end in `/**` or `/*` say of everything in a folder."""
        named = self._within_named.get(parts[-1]) if parts else None
        globs = self._within_any + named if named else self._within_any
        return _places([glob.pattern for glob in globs if _leads(glob.above, parts)], self._lists) if globs else None

    def _own(self, parent: str, name: str, *, folder: bool) -> Best:
        """Find what matches the path itself, whatever its folder says."""
        globs = list(self._named.get(name, ()))
        if name.endswith(self._suffixes):
            globs += [glob for suffix, glob in self._suffixed if name.endswith(suffix)]
        if name.startswith(self._prefixes):
            globs += [glob for prefix, glob in self._prefixed if name.startswith(prefix)]
        globs += [glob for test, glob in self._other if test(name)]
        if not globs:
            return None
        parts = parent.split("/") if parent else []
        hits = [glob.pattern for glob in globs if (folder or not glob.folders_only) and _leads(glob.above, parts)]
        return _places(hits, self._lists)

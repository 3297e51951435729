"""What `left` looks for: files as they were named, each with every content that it has, or had in git.

Rules of this file:
- A name that exists is a path; else `REV:PATH` is read as git reads it (gitrevisions(7)): `HEAD:src/a.py` from the top
  of the working tree, `HEAD:./a.py` from here, `:a.py` in the index. What is neither may be a file that is gone.
- A folder stands for the files below it, those that are gone or that git ignores included; `everything` for all files
  that git tracks, and those that it does not but does not ignore either, with their history.
- A link to a file stands for itself and that file, one to a folder for that folder.
- Contents of one file are given in full. Of many, no more than `Bounds` says is held in memory; the rest is counted.
"""

import codecs
import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from wrapper.errors import WorkspaceError
from wrapper.plan.gitinfo import GitLayout, git_layout
from wrapper.review.revisions import INDEX, WORKING, Version, git, history, sizes, stored, versions

AS_TEXT: Final = "as text"
"""Behind a version's name: its text, where that is stored with other line ends, as UTF-16, or in a notebook."""

_CHUNK: Final = 16 << 20  # bytes asked of git at once
_OWN_REPOSITORY: Final = "that lie in a repository of their own"
_STAGE: Final = re.compile(r"[0-3]:")
_ID: Final = re.compile(r"[0-9a-f]{40,64}")


class Bounds(NamedTuple):
    """Bytes of one content, and of all, that are looked for where many files are."""

    one: int = 16 << 20
    all: int = 128 << 20


class File(NamedTuple):
    """One file: `name` as it is shown, `paths` where it lies and lay (absolute), its contents, the newest first.

    `omitted` says in words which of its contents are not looked for.
    """

    name: str
    paths: frozenset[str]
    versions: tuple[Version, ...]
    omitted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sought:
    """All files, and each different content once: `owners` has its files and versions, by their places."""

    files: tuple[File, ...]
    contents: tuple[bytes, ...]
    owners: tuple[tuple[tuple[int, int], ...], ...]

    @classmethod
    def of(cls, files: Iterable[File]) -> "Sought":
        """Put equal contents together; those of now come first."""
        files = tuple(file._replace(versions=tuple(_as_text(file.versions))) for file in files)
        owners: dict[bytes, list[tuple[int, int]]] = {}
        pairs = [(version, number) for number, file in enumerate(files) for version in range(len(file.versions))]
        for version, number in sorted(pairs):
            owners.setdefault(files[number].versions[version].data, []).append((number, version))
        return cls(files, tuple(owners), tuple(tuple(each) for each in owners.values()))


def _as_text(versions: Sequence[Version]) -> Iterator[Version]:
    """Yield contents, and behind them those that clients send otherwise than they are stored, as they send them.

    Line ends become line feeds, UTF-16 with its mark becomes UTF-8 (as editors and clients read both), a notebook the
    text of its cells and of what they put out.
    """
    yield from versions
    there = {one.data for one in versions}
    for one in versions:
        text = _plain(one.data)
        if text not in there:
            there.add(text)
            yield one._replace(name=f"{one.name} {AS_TEXT}", data=text)


def _plain(data: bytes) -> bytes:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode(errors="replace")
    if b'"nbformat"' in data:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            cells = msgspec.json.decode(data, type=_Notebook).cells
            data = "\n".join(text for cell in cells for text in _texts(cell)).encode(errors="replace")
    return data.replace(b"\r\n", b"\n")


class _Notebook(msgspec.Struct):
    """As of nbformat 4; a text is one string, or a list of its lines."""

    cells: list[object]


def _texts(part: object) -> Iterator[str]:
    """Yield what stands in a cell: each text whole, however it is cut into lines."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, list) and all(isinstance(line, str) for line in part):
        yield "".join(part)
    elif isinstance(part, list | dict):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _texts(inner)


def sought(
    names: Sequence[str],
    here: Path,
    *,
    revision: str = "",
    everything: bool = False,
    bounds: Bounds | None = None,
) -> Sought:
    """Find what `names` mean in the folder `here` (absolute), at `revision` only where one is given.

    Raises WorkspaceError where a name means nothing, or git fails.
    """
    bounds = bounds or Bounds()
    files: dict[str, File] = {}
    for name in names:
        for file in _named(name, here, revision, bounds):
            files.setdefault(file.name, file)
    if everything:
        top = _top(here)
        found = _at(revision, top, here, bounds) if revision else _below(top, here, bounds)
        files = {file.name: file for file in found}
    if not files:
        raise WorkspaceError("there is no file to look for", hint="name one, or a folder with files")
    return Sought.of(files.values())


def since(text: str, here: Path) -> float:
    """Return when a revision was committed, in seconds since the epoch. Raises WorkspaceError where it is none."""
    layout = git_layout(here)
    wrong = WorkspaceError(
        f"`{text}` is no date, no time ago (`7d`) and no revision", hint="write 2026-01-31, 12h, or a commit's name"
    )
    if layout is None:
        raise wrong
    try:
        said = git(layout, ["rev-list", "--max-count=1", "--timestamp", "--end-of-options", text, "--"])
    except WorkspaceError as error:
        raise wrong from error
    if not said.strip():
        raise wrong
    return float(said.split(b" ")[0])


def split_revision(text: str) -> tuple[str, str] | None:
    """Split `REV:PATH` at the colon that git takes: the first outside of braces; None where there is none."""
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if letter == ":" and depth <= 0:
            rest = text[at + 1 :]
            if not at and _STAGE.match(rest):  # `:2:path`: a stage of the index
                return text[:2], rest[2:]
            return text[:at], rest
    return None


def _top(here: Path) -> Path:
    layout = git_layout(here)
    return here if layout is None else layout.toplevel


def _named(name: str, here: Path, revision: str, bounds: Bounds) -> Iterator[File]:
    path = _placed(here / name)
    if revision:
        yield from _at(revision, path, here, bounds)
    elif path.is_dir():
        yield from _below(path.resolve(), here, bounds, ignored=True)
    elif os.path.lexists(path):
        yield _one(path, here)
        if path.is_symlink() and path.is_file():
            yield _one(path.resolve(), here)
    else:
        yield from _absent(name, path, here, bounds)


def _placed(path: Path) -> Path:
    """Give where a path leads, without links on the way: repositories are found by that; a link at its end stays."""
    return path.resolve() if path.name == ".." else path.parent.resolve() / path.name


def _absent(name: str, path: Path, here: Path, bounds: Bounds) -> list[File]:
    """Read what does not exist as `REV:PATH`, or else as a file that is gone, whose name may have a colon."""
    parts = split_revision(name)
    if parts is None:
        return list(_gone(path, here, bounds))
    try:
        return list(_at(parts[0], _inner(parts[1], here), here, bounds))
    except WorkspaceError:
        with contextlib.suppress(WorkspaceError):
            return list(_gone(path, here, bounds))
        raise


def _inner(path: str, here: Path) -> Path:
    if path.startswith("/"):
        raise WorkspaceError(f"`:{path}` names no file", hint="write REV:PATH, the path from the top of the repository")
    relative = path in (".", "..") or path.startswith(("./", "../"))
    return Path(os.path.abspath((here if relative else _top(here)) / path))  # noqa: PTH100 (as above)


def _one(path: Path, here: Path) -> File:
    layout, found = git_layout(path.parent), versions(path)
    top = layout.toplevel if layout is not None else path.parent
    return File(_shown(path, here), frozenset({str(path), *(str(top / one.path) for one in found)}), found)


def _gone(path: Path, here: Path, bounds: Bounds) -> Iterator[File]:
    layout = git_layout(path.parent)
    inner = "" if layout is None else str(path.relative_to(layout.toplevel))
    was_folder = layout is not None and any(change.path != inner for change in history(layout, inner))
    yield from _below(path, here, bounds) if was_folder else (_one(path, here),)


def _shown(path: Path, here: Path) -> str:
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


@dataclass(slots=True)
class _Gathering:
    """Contents by path, while they are looked for; `left` bytes may still be added."""

    bounds: Bounds
    left: int
    names: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # path: version's name, blob
    working: dict[str, bytes] = field(default_factory=dict)
    omitted: dict[str, dict[str, int]] = field(default_factory=dict)  # path: why, how often

    def takes(self, size: int) -> str:
        """Say why a content of `size` bytes is not looked for, "" where it is."""
        if size > self.bounds.one:
            return f"of more than {self.bounds.one >> 20} MiB"
        if size > self.left:
            return f"past the {self.bounds.all >> 20} MiB that are looked for at once"
        self.left -= size
        return ""

    def omit(self, path: str, why: str) -> None:
        """Note that a content of a path is not looked for."""
        reasons = self.omitted.setdefault(path, {})
        reasons[why] = reasons.get(why, 0) + 1


def _below(folder: Path, here: Path, bounds: Bounds, *, ignored: bool = False) -> Iterator[File]:
    """Give the files below a folder: working copies first, then what git has of them; `ignored`: what it ignores, too.

    What is ignored comes last: it may be more than all the rest, and is left out first.
    """
    layout = git_layout(folder)
    gathering = _Gathering(bounds, bounds.all)
    if layout is None or not folder.is_relative_to(layout.toplevel):
        _read(sorted(_walked(folder, gathering)), gathering)
        yield from _files(gathering, {}, Path("/"), here)
        return
    inner = "" if folder == layout.toplevel else str(folder.relative_to(layout.toplevel))
    where = ["--", inner] if inner else []
    wanted = [["--cached", "--others"], *([["--others", "--ignored"]] if ignored else [])]
    listed = (git(layout, ["ls-files", "-z", *each, "--exclude-standard", *where], work_tree=True) for each in wanted)
    paths = dict.fromkeys(os.fsdecode(name) for part in listed for name in part.split(b"\0") if name)
    _read([str(layout.toplevel / path) for path in paths], gathering)
    gathering.names = {str(layout.toplevel / path): [] for path in paths}
    for name, path, blob in (*_staged(layout, where), *_committed(layout, inner)):
        gathering.names.setdefault(str(layout.toplevel / path), []).append((name, blob))
    yield from _files(gathering, _blobs(layout, gathering), layout.toplevel, here)


def _walked(folder: Path, gathering: _Gathering) -> Iterator[str]:
    """Yield the files below a folder outside of any repository; those in repositories below it are asked for there."""
    unread: Callable[[OSError], None] = lambda error: gathering.omit(  # noqa: E731
        str(error.filename), f"that cannot be read ({error.strerror})"
    )
    for at, folders, names in os.walk(folder, onerror=unread):
        if ".git" in (*folders, *names) and at != str(folder):
            gathering.omit(at, _OWN_REPOSITORY)
            folders.clear()
        else:
            yield from (os.path.join(at, name) for name in names)  # noqa: PTH118 (two thousand Paths are slow)


def _read(paths: Sequence[str], gathering: _Gathering) -> None:
    for path in paths:
        try:
            if os.path.islink(path) or not os.path.isfile(path):  # noqa: PTH113, PTH114 (two thousand Paths are slow)
                if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114 (as above)
                    gathering.omit(path, _OWN_REPOSITORY)
                continue
            why = gathering.takes(os.path.getsize(path))  # noqa: PTH202 (as above)
            if why:
                gathering.omit(path, why)
            else:
                gathering.working[path] = Path(path).read_bytes()
        except OSError as error:
            gathering.omit(path, f"that cannot be read ({error.strerror})")


def _staged(layout: GitLayout, where: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for entry in git(layout, ["ls-files", "--stage", "-z", *where], work_tree=True).split(b"\0"):
        if entry.startswith(b"100"):
            head, _, path = entry.partition(b"\t")
            yield INDEX, os.fsdecode(path), head.split(b" ")[1].decode("ascii", "replace")


def _committed(layout: GitLayout, inner: str) -> Iterator[tuple[str, str, str]]:
    for change in history(layout, inner):
        if change.status != "D":
            yield change.name, change.path, change.blob


def _blobs(layout: GitLayout, gathering: _Gathering) -> dict[str, bytes]:
    """Read what is to be looked for, the index before history; what is not is noted for each of its paths."""
    users: dict[str, list[str]] = {}
    for path, entries in gathering.names.items():
        for _, blob in entries:
            users.setdefault(blob, []).append(path)
    lengths, wanted = sizes(layout, list(users)), list[str]()
    for blob, paths in users.items():
        why = gathering.takes(lengths[blob]) if blob in lengths else "that the repository lacks"
        if not why:
            wanted.append(blob)
        for path in paths if why else ():
            gathering.omit(path, why)
    read = (pair for part in _parts(wanted, lengths) for pair in zip(part, stored(layout, part), strict=True))
    return {blob: data for blob, data in read if data is not None}


def _parts(blobs: Sequence[str], lengths: dict[str, int]) -> Iterator[list[str]]:
    part, size = list[str](), 0
    for blob in blobs:
        part.append(blob)
        size += lengths[blob]
        if size >= _CHUNK:
            yield part
            part, size = [], 0
    if part:
        yield part


def _files(gathering: _Gathering, blobs: dict[str, bytes], top: Path, here: Path) -> Iterator[File]:
    for path in dict.fromkeys((*gathering.names, *gathering.working, *gathering.omitted)):
        inner = os.path.relpath(path, top)
        once: dict[bytes, Version] = {}
        if path in gathering.working:
            once[gathering.working[path]] = Version(WORKING, path, gathering.working[path])
        for name, blob in gathering.names.get(path, ()):
            if blob in blobs:
                once.setdefault(blobs[blob], Version(name, inner, blobs[blob]))
        reasons = gathering.omitted.get(path, {})
        if once or reasons:
            omitted = tuple(f"{count} content{'' if count == 1 else 's'} {why}" for why, count in reasons.items())
            yield File(_shown(Path(path), here), frozenset({path}), tuple(once.values()), omitted)


def _at(revision: str, path: Path, here: Path, bounds: Bounds) -> Iterator[File]:
    """Give the file, or the files of the folder, as a revision has them."""
    layout = git_layout(here)
    if layout is None:
        raise WorkspaceError(f"`{here}` is in no git repository, so it has no revision `{revision}`")
    if not path.is_relative_to(layout.toplevel):
        raise WorkspaceError(f"`{path}` is not in the repository `{layout.toplevel}`")
    inner = "" if path == layout.toplevel else str(path.relative_to(layout.toplevel))
    try:
        found = git(layout, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}:{inner}"])
        blob = found.decode("ascii", "replace").strip()
        kind = git(layout, ["cat-file", "-t", blob]).strip() if _ID.fullmatch(blob) else b""
    except WorkspaceError as error:
        raise WorkspaceError(
            f"git has no `{inner}` in `{revision or INDEX}`", hint="`git log -- FILE` names commits"
        ) from error
    name = INDEX if not revision or revision.startswith(":") else revision
    entries = {inner: blob} if kind == b"blob" else dict(_tree(layout, blob, inner))
    gathering = _Gathering(bounds, bounds.all)
    gathering.names = {str(layout.toplevel / one): [(name, blob)] for one, blob in entries.items()}
    shown: Callable[[str], str] = lambda one: f"{revision}:{os.path.relpath(one, layout.toplevel)}"  # noqa: E731
    for file in _files(gathering, _blobs(layout, gathering), layout.toplevel, here):
        yield file._replace(name=shown(next(iter(file.paths))))


def _tree(layout: GitLayout, tree: str, inner: str) -> Iterator[tuple[str, str]]:
    for entry in git(layout, ["ls-tree", "-r", "-z", "--full-tree", "--end-of-options", tree]).split(b"\0"):
        head, _, path = entry.partition(b"\t")
        if head.startswith(b"100"):
            yield os.path.join(inner, os.fsdecode(path)), head.split(b" ")[2].decode("ascii", "replace")  # noqa: PTH118

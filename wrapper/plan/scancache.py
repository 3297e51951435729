"""What the last scan of a workspace found, kept so that the next start reads only what changed.

Rules of this file:
- No secret and nothing derived from file content is stored: paths, stat fields, verdict bits, and the tags of the
  values that were searched for (a tag is part of a placeholder and says nothing about its value).
- A row counts only while inode, size, mtime and ctime are all as they were. ctime cannot be set back without setting
  the clock; a row so young that a later write could bear the same ctime is stored as one that never matches (the
  "racily clean" entries of git's index, gitformat-index and racy-git.txt).
- A file that is damaged, foreign or of another version is no cache, never an error: the scan is made anew.
- The file lies in the user's cache folder, which the inside never sees; who can write there is the user. One that
  somebody else owns or may write is ignored.
"""

import hashlib
import os
import stat
import sys
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from typing import Final

from wrapper.plan.caching import replace_file

_FOLDER: Final = "scans"

FileRow = tuple[str, int, int, int, int]
"""Name, inode, size in bytes, mtime and ctime in nanoseconds."""

NEVER: Final = -1
"""A ctime that no file has: the row is kept but never matches."""

_MAGIC: Final = b"sascan\0\1"
_HEADER: Final = Struct("<8sII6Q")  # magic and version, CRC-32 of the rest, reserved, six section lengths
_TICK_NS: Final = 50_000_000  # the kernel stamps files with a clock of 1 to 10 ms; five times the worst
_COARSE_NS: Final = 2_000_000_000  # FAT has 2 s; whole seconds betray such a file system
_FILE_COLUMNS: Final = "QQqqH"
_FOLDER_COLUMNS: Final = "HIIQqq"


class Code:
    """The bits of a verdict. The low three are the place in ACTIONS of what policy says of the name."""

    ACTION: Final = 7
    PROTECTED: Final = 1 << 3
    CERTAIN: Final = 1 << 4  # the content holds a certain finding
    LIKELY: Final = 1 << 5  # only likely ones
    BINARY: Final = 1 << 6
    PARTIAL: Final = 1 << 7  # too large to be read whole
    UNREADABLE: Final = 1 << 8
    SPECIAL: Final = 1 << 9  # FIFO, socket or device
    SYMLINK: Final = 1 << 10
    LINKED: Final = 1 << 11  # the inode has other names
    NAMES_ONLY: Final = 1 << 12  # a folder that the scan does not read


ACTIONS: Final = ("", "pass", "mask", "deny", "hide", "store")


@dataclass(slots=True)
class Folder:
    """One folder as it was seen; `files` in the order of the directory, `codes` parallel to them.

    `code` is that of the folder itself, `stamp` its inode, mtime and ctime. Under `Code.NAMES_ONLY` only files with a
    code are listed, their stat fields are zero, and the stamp alone says whether the list still holds.
    """

    code: int
    stamp: tuple[int, int, int]
    folders: Sequence[str]
    files: Sequence[FileRow]
    codes: list[int]


@dataclass(frozen=True, slots=True)
class ScanCache:
    """All folders by their path relative to the workspace (empty for itself, no `/` at the end).

    `key` names everything that decided besides the files (rules, policy, baseline, user); `known` are the tags of
    the values that were searched for.
    """

    key: bytes = b""
    known: frozenset[str] = frozenset()
    folders: Mapping[str, Folder] = field(default_factory=dict)


def is_racy(ctime_ns: int, started_ns: int) -> bool:
    """Say whether a write after `started_ns` (wall clock) could leave a file with this very ctime."""
    window = _TICK_NS if ctime_ns % 1_000_000_000 else _COARSE_NS
    return ctime_ns > started_ns - window


def load(path: Path, key: bytes) -> ScanCache:
    """Read a cache made under the same `key`; an empty one where there is none to trust."""
    found = load_any(path)
    return found if found is not None and found.key == key else ScanCache(key)


def load_any(path: Path) -> ScanCache | None:
    """Read a cache whatever key it was made under: its rows are facts about files, its codes are not to be used."""
    try:
        return decode(_read_own(path))
    except (OSError, ValueError):
        return None


def place(cache: Path, workspace: Path) -> Path:
    """Say where the cache of a workspace lies below the user's cache folder."""
    return cache / _FOLDER / hashlib.sha256(os.fsencode(str(workspace))).hexdigest()[:32]


def store(path: Path, cache: ScanCache) -> None:
    """Replace the file at `path` in one step, mode 0600. Raises OSError."""
    replace_file(path, encode(cache))


def encode(cache: ScanCache) -> bytes:
    """Write as columns: one array per field, names joined by NUL (which no name holds)."""
    folders = cache.folders.values()
    rows = [row for folder in folders for row in folder.files]
    names, *stats = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    codes = [code for folder in folders for code in folder.codes]
    files = b"".join(array(kind, column).tobytes() for kind, column in zip(_FILE_COLUMNS, (*stats, codes), strict=True))
    about = [(folder.code, len(folder.files), len(folder.folders), *folder.stamp) for folder in folders]
    columns = zip(*about, strict=True) if about else ((),) * len(_FOLDER_COLUMNS)
    shape = b"".join(array(kind, column).tobytes() for kind, column in zip(_FOLDER_COLUMNS, columns, strict=True))
    sections = (
        cache.key,
        _text(sorted(cache.known)),
        _text(cache.folders),
        _text([name for folder in folders for name in folder.folders]),
        _text(names),
        shape + files,
    )
    body = b"".join(sections)
    return _HEADER.pack(_MAGIC, zlib.crc32(body), _LAYOUT, *map(len, sections)) + body


def decode(data: bytes) -> ScanCache:
    """Read what `encode` wrote. Raises ValueError for anything else."""
    if len(data) < _HEADER.size:
        raise ValueError("too short")
    magic, checksum, layout, *lengths = _HEADER.unpack_from(data)
    body = memoryview(data)[_HEADER.size :]
    if magic != _MAGIC or layout != _LAYOUT or sum(lengths) != len(body) or zlib.crc32(body) != checksum:
        raise ValueError("damaged, or of another version or machine")
    sections: list[bytes] = []
    at = 0
    for length in lengths:
        sections.append(bytes(body[at : at + length]))
        at += length
    key, known, paths, subfolders, names, columns = sections
    return ScanCache(key, frozenset(_names(known)), _folders(_names(paths), _names(subfolders), _names(names), columns))


def _folders(paths: list[str], subfolders: list[str], names: list[str], columns: bytes) -> dict[str, Folder]:
    about, at = _columns(_FOLDER_COLUMNS, columns, 0, len(paths))
    stats, end = _columns(_FILE_COLUMNS, columns, at, len(names))
    if end != len(columns):
        raise ValueError("columns of the wrong length")
    files: list[FileRow] = list(zip(names, *stats[:4], strict=True))
    codes: list[int] = stats[4].tolist()
    folders: dict[str, Folder] = {}
    file_at = folder_at = 0
    for path, code, file_count, folder_count, *stamp in zip(paths, *about, strict=True):
        file_end, folder_end = file_at + file_count, folder_at + folder_count
        folders[path] = Folder(
            code,
            (stamp[0], stamp[1], stamp[2]),
            subfolders[folder_at:folder_end],
            files[file_at:file_end],
            codes[file_at:file_end],
        )
        file_at, folder_at = file_end, folder_end
    if file_at != len(names) or folder_at != len(subfolders):
        raise ValueError("counts that do not add up")
    return folders


def _columns(kinds: str, data: bytes, at: int, count: int) -> tuple[list["array[int]"], int]:
    columns: list[array[int]] = []
    for kind in kinds:
        column = array(kind)
        end = at + count * column.itemsize
        column.frombytes(data[at:end])
        if len(column) != count:
            raise ValueError("a column is cut")
        columns.append(column)
        at = end
    return columns, at


def _text(names: Sequence[str] | Mapping[str, Folder] | tuple[object, ...]) -> bytes:
    """Join names, each ended by NUL; names that are not UTF-8 come back as they were."""
    joined = "\0".join(str(name) for name in names)
    return (joined + "\0").encode("utf-8", "surrogateescape") if names else b""


def _names(section: bytes) -> list[str]:
    return section.decode("utf-8", "surrogateescape").split("\0")[:-1]


def _read_own(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, so that what was checked is what is read
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o022:
            raise ValueError("not the user's own file")
        return file.read()


# native byte order and item sizes are part of the format: a cache that moved to another machine is made anew
_LAYOUT: Final = zlib.crc32(
    f"1 {sys.byteorder} {[array(kind).itemsize for kind in _FILE_COLUMNS + _FOLDER_COLUMNS]}".encode()
)

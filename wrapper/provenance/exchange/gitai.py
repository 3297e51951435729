"""Git AI's authorship log, `authorship/3.0.0`: the text of a note under `refs/notes/ai`, read and written; pure.

The source is the Git AI Standard v3.0.0 (`specs/git_ai_standard_v3.0.0.md` of git-ai, Apache-2.0), and where that is
silent its implementation. Rules of this file:
- Two parts stand around a line `---`: files with who wrote which of their lines; a JSON object that says who is who.
- What is read is written again without loss, fields that are not known here included; a note in the standard's own form
  comes out byte for byte.
- A newer minor version is read, another major one is refused: version 4 renames fields (the standard's erratum E-001).
- Notes come from strangers: what is too large, cut, or of wrong types is refused with the reason, never half taken.
- A key for a person's lines says what only git-ai can know: it is kept here, and is nobody's evidence.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

import msgspec

from wrapper.errors import ProvenanceError
from wrapper.provenance.exchange.ranges import MOST, Range

REF: Final = "refs/notes/ai"
VERSION: Final = "authorship/3.0.0"
LARGEST: Final = 8 << 20
"""Bytes of a note. Notes of old versions hold whole conversations: megabytes are known, more is an attack."""

_DIVIDER: Final = "---"
_MAJOR: Final = 3
_VERSION: Final = re.compile(r"authorship/(\d{1,6})\.(\d{1,6})\.(\d{1,6})", re.ASCII)
_LINES: Final = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?", re.ASCII)
_DIGITS: Final = 14  # of ids that are made here; the standard says that the length may change, so any is read

_Record = TypeVar("_Record")
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Entry(NamedTuple):
    """Lines of a file, sorted, and the key of who wrote them."""

    key: str
    ranges: tuple[Range, ...]


class File(NamedTuple):
    """A file of the commit, path from the repository's top, with its entries; of two for a line the last one counts."""

    path: str
    entries: tuple[Entry, ...]


class Agent(NamedTuple):
    """A session of an agent, out of `sessions` or the older `prompts`. `raw`: its record as JSON."""

    tool: str
    id: str
    model: str
    raw: bytes

    @classmethod
    def made(cls, tool: str, identity: str, model: str, attributes: Mapping[str, str]) -> "Agent":
        """Make the record of a session, of which `attributes` is a git-ai user's own to fill."""
        record = {"agent_id": {"tool": tool, "id": identity, "model": model}, "custom_attributes": dict(attributes)}
        return cls(tool, identity, model, msgspec.json.encode(record))

    def attributes(self) -> Mapping[str, str]:
        """Give `custom_attributes`; none where they are not what the standard says."""
        try:
            return msgspec.json.decode(self.raw, type=_Attributed).custom_attributes or {}
        except msgspec.MsgspecError:
            return {}


class Person(NamedTuple):
    """A record of `humans`, `Name <address>`, and the same as JSON."""

    author: str
    raw: bytes

    @classmethod
    def made(cls, author: str) -> "Person":
        """Make the record."""
        return cls(author, msgspec.json.encode({"author": author}))


class _Attributed(msgspec.Struct):
    custom_attributes: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """A whole authorship log: made by `read` or `made` only. `metadata`: all fields of its second part, as JSON."""

    files: tuple[File, ...]
    prompts: Mapping[str, Agent]
    humans: Mapping[str, Person]
    sessions: Mapping[str, Agent]
    metadata: tuple[tuple[str, bytes], ...]

    def agent(self, key: str) -> Agent | None:
        """Give the record that a key of an entry leads to; None for a person's key, or where there is none."""
        if key.startswith("s_"):
            return self.sessions.get(key.partition("::")[0])
        return None if is_persons(key) else self.prompts.get(key)


def is_persons(key: str) -> bool:
    """Say whether a key names a person: `h_…`, or the plain `human` of notes that are around."""
    return key.startswith("h_") or key == "human"


def session_key(tool: str, conversation: str) -> str:
    """Give the id under which an agent's session stands in `sessions`."""
    return "s_" + _digest(f"{tool}:{conversation}")


def trace_key(session: str, of: str) -> str:
    """Give the key of an entry: a session's id and a trace's, which here follows from what the lines are `of`."""
    return f"{session}::t_{_digest(f'{session}:{of}')}"


def person_key(author: str) -> str:
    """Give the id under which a person, `Name <address>`, stands in `humans`."""
    return "h_" + _digest(author)


def made(files: Iterable[File], commit: str, sessions: Mapping[str, Agent], humans: Mapping[str, Person]) -> Log:
    """Make a log of `commit`, in the order of fields of the standard's examples.

    It has no `git_ai_version`: git-ai did not write it.
    """
    metadata: dict[str, object] = {"schema_version": VERSION, "base_commit_sha": commit, "prompts": {}}
    if humans:
        metadata["humans"] = {key: msgspec.Raw(person.raw) for key, person in sorted(humans.items())}
    if sessions:
        metadata["sessions"] = {key: msgspec.Raw(agent.raw) for key, agent in sorted(sessions.items())}
    raw = tuple((name, msgspec.json.encode(value)) for name, value in metadata.items())
    return Log(tuple(files), MappingProxyType({}), humans, sessions, raw)


def read(note: bytes) -> Log:
    """Parse a note. Raises ProvenanceError, which says where it is no authorship log of version 3."""
    if len(note) > LARGEST:
        raise _wrong(f"it has {len(note)} bytes, more than {LARGEST}")
    try:
        lines = note.decode().split("\n")
    except UnicodeDecodeError as error:
        raise _wrong(f"byte {error.start} is not UTF-8") from error
    lines = [line.removesuffix("\r") for line in lines]
    if _DIVIDER not in lines:
        raise _wrong("it has no line `---`")
    at = lines.index(_DIVIDER)
    fields = _object("\n".join(lines[at + 1 :]).encode(), "what follows `---`")
    _check(_text(fields.get("schema_version"), "schema_version"))
    return Log(
        _files(lines[:at]),
        _records(fields.get("prompts"), "prompts", _agent),
        _records(fields.get("humans"), "humans", _person),
        _records(fields.get("sessions"), "sessions", _agent),
        tuple(fields.items()),
    )


def write(log: Log) -> bytes:
    """Give the note. Raises ValueError for a path that the format cannot hold (`can_hold`)."""
    parts: list[str] = []
    for file in log.files:
        if not can_hold(file.path):
            raise ValueError(f"the format cannot hold the path {file.path!r}")
        parts.append(_quoted(file.path))
        parts += [f"  {entry.key} {_written(entry.ranges)}" for entry in file.entries]
    metadata = msgspec.json.encode({name: msgspec.Raw(value) for name, value in log.metadata})
    return "\n".join([*parts, _DIVIDER, ""]).encode() + msgspec.json.format(metadata, indent=2)


def can_hold(path: str) -> bool:
    """Say whether a file of this path can be named: the format is UTF-8 and has no escapes, so no line ends."""
    return bool(path) and "\n" not in path and not any("\ud800" <= one <= "\udfff" for one in path)


def _wrong(why: str) -> ProvenanceError:
    return ProvenanceError(f"not an authorship log that can be read: {why}")


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogateescape")).hexdigest()[:_DIGITS]


def _check(version: str) -> None:
    match = _VERSION.fullmatch(version)
    if match is None:
        raise _wrong(f"`schema_version` is {version[:40]!r}")
    if int(match[1]) != _MAJOR:
        is_newer = int(match[1]) > _MAJOR
        raise ProvenanceError(
            f"a note of version `{version}`, {'newer' if is_newer else 'older'} than what is read here (`{VERSION}`)",
            hint="look for a newer safe-agent" if is_newer else "the standard tells not to read notes before 3.0.0",
        )


def _files(lines: Sequence[str]) -> tuple[File, ...]:
    files: list[tuple[str, list[Entry]]] = []
    for number, line in enumerate(lines, 1):
        text = line.rstrip()
        if not text.startswith("  "):
            if text:
                files.append((_unquoted(text), []))
            continue
        if not files:
            raise _wrong(f"line {number} stands before any file")
        key, _, ranges = text[2:].partition(" ")
        files[-1][1].append(Entry(key, _ranges(ranges, number)))
    return tuple(File(path, tuple(entries)) for path, entries in files if entries)


def _ranges(text: str, number: int) -> tuple[Range, ...]:
    found = []
    for part in text.split(","):
        match = _LINES.fullmatch(part)
        if match is None:
            raise _wrong(f"line {number} has {part[:40]!r} where line numbers belong")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= MOST:
            raise _wrong(f"line {number} has {part!r}: not ascending, or not from 1 to {MOST}")
        found.append(Range(first, last))
    return tuple(sorted(found))


def _written(ranges: Iterable[Range]) -> str:
    return ",".join(str(one.first) if one.first == one.last else f"{one.first}-{one.last}" for one in sorted(ranges))


def _quoted(path: str) -> str:
    needs = path[0] == '"' or path == _DIVIDER or any(one.isspace() for one in path)
    return f'"{path}"' if needs else path


def _unquoted(line: str) -> str:
    is_quoted = len(line) > 1 and line[0] == line[-1] == '"'
    return line[1:-1] if is_quoted else line


def _records(data: bytes | None, name: str, make: Callable[[bytes, str], _Record]) -> Mapping[str, _Record]:
    records = {} if data is None else _object(data, f"`{name}`")
    return MappingProxyType({key: make(raw, f"`{key[:40]}` in `{name}`") for key, raw in records.items()})


def _agent(raw: bytes, where: str) -> Agent:
    who = _object(_object(raw, where).get("agent_id"), f"`agent_id` of {where}")
    tool, identity, model = (_text(who.get(name, b'""'), f"{name} of {where}") for name in ("tool", "id", "model"))
    return Agent(tool, identity, model, raw)


def _person(raw: bytes, where: str) -> Person:
    return Person(_text(_object(raw, where).get("author"), f"author of {where}"), raw)


def _object(data: bytes | None, what: str) -> dict[str, bytes]:
    try:
        return {key: bytes(value) for key, value in _OBJECT.decode(data or b"").items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(f"{what} is no JSON object: {error}") from error


def _text(data: bytes | None, what: str) -> str:
    try:
        return msgspec.json.decode(data or b"", type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(f"{what} is no text: {error}") from error

"""Which call of an agent's wrote a line, who asked for it, and what changed the file; pure.

Rules of this file:
- A call wrote the line if its text has it: the new text of an edit, a file's whole content, a patch's added line, a
  command. Of a line that is short, or is there twice, a neighbour must be there, too. Where the log has a placeholder,
  the line may have any value. A call that failed wrote nothing; of several the last one counts.
- What a program wrote (a formatter, `sed`) is in no call. A change that brought the file, by its hashes, from a content
  known not to have the line to one known to have it says as much; the call that ran then is named.
- Changes by the host are the user's own, made with what ran outside.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Final, NamedTuple

from redactors.vault import PLACEHOLDER
from wrapper.audit.events import FileChange, SessionStart
from wrapper.audit.reader import Record
from wrapper.review.forms import unescaped
from wrapper.review.turns import Call, Prompt, Result, Turns

_SHORT: Final = 12  # letters of a line that many files have: `return None` has 11
_LEVELS: Final = 3  # of escapes in a command: JavaScript in JSON in JSON
_PATHS: Final = ("file_path", "path", "notebook_path", "filename")
_REPLACED: Final = (("old_string", "new_string"), ("old_str", "new_str"))
_WHOLE: Final = ("content", "new_source", "file_text")
_OURS: Final = ("masked", "restored")  # what safe-agent does to a file for the inside, and undoes
_FILE: Final = re.compile(r"^\*\*\* (?:Add|Update) File: (.+)$|^\*\*\* Move to: (.+)$|^\+\+\+ (?:b/)?(.+)$")
_PLACEHOLDER: Final = re.compile(PLACEHOLDER.decode())


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is looked for, with those around it (empty: the file's edge); `is_alone`: no other line says that."""

    text: str
    before: str = ""
    after: str = ""
    is_alone: bool = True

    @property
    def is_weak(self) -> bool:
        """Say that the text alone does not tell the line from others."""
        return not self.is_alone or len(self.text.strip()) < _SHORT


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the file; `by` is `agent`, `host` or empty: not known; the content's hashes are in hex."""

    session: str
    sequence: int
    at: float
    action: str
    by: str
    process: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Origin:
    """A call that wrote the line, or ran when the file changed: by `user`, who had asked for `prompt` before."""

    session: str
    sequence: int
    at: float
    agent: str
    user: str
    tool: str
    prompt: str
    prompt_sequence: int
    change: Change | None = None


@dataclass(slots=True)
class _Said:
    """A call of which it is not known yet whether it failed."""

    id: str
    origin: Origin
    is_named: bool  # the file is, by the call


class Text(NamedTuple):
    """A line in a call, and whether the call added it, or only names it to say where."""

    text: str
    is_new: bool = True


def line(lines: Sequence[str], number: int, text: str = "") -> Line:
    """Return line `number` (from 1) of a file to look for; with `text`, as it was before."""
    own = text or lines[number - 1]
    before = lines[number - 2] if number > 1 else ""
    after = lines[number] if number < len(lines) else ""
    return Line(own, before, after, is_alone=sum(other.strip() == own.strip() for other in lines) <= 1)


def digest(content: bytes) -> str:
    """Return the hash by which changes name a content."""
    return hashlib.sha256(content).hexdigest()


class Search:
    """Takes the records of a session in order, and looks for who wrote `wanted` into the file at `path` (absolute)."""

    def __init__(self, path: str, wanted: Sequence[Line]) -> None:
        self._path = PurePath(path)
        self._wanted = tuple(wanted)
        self._turns = Turns()
        self._start: SessionStart | None = None
        self._prompt: Prompt | None = None
        self._said: list[tuple[int, _Said]] = []
        self._calls: list[Origin] = []
        self.changes: list[Change] = []
        self.calls = 0

    def feed(self, record: Record) -> None:
        """Look at one record."""
        match record.event:
            case SessionStart():
                self._start = record.event
            case FileChange():
                self._changed(record.sequence, record.event)
            case _:
                for turn in self._turns.feed(record):
                    self._turn(turn)

    def origin(self, which: int) -> Origin | None:
        """Return the last call that wrote line `which` of those wanted, with the change that followed."""
        found = [said for number, said in self._said if number == which]
        named = [said.origin for said in found if said.is_named]
        if named:
            return self._with_change(named[-1])
        commands = [self._with_change(said.origin) for said in found]  # one that only reads the line changes nothing
        return next((origin for origin in reversed(commands) if origin.change), None)

    def during(self, change: Change) -> Origin | None:
        """Return the last call before `change`, in which a program may have made it."""
        calls = [call for call in self._calls if call.at <= change.at]
        return replace(calls[-1], change=change) if calls else None

    def _turn(self, turn: object) -> None:
        match turn:
            case Prompt(aside=False):
                self._prompt = turn
            case Call():
                self._call(turn)
            case Result(is_error=True):
                self._said = [(number, said) for number, said in self._said if said.id != turn.id]

    def _call(self, call: Call) -> None:
        self.calls += 1
        start, prompt = self._start, self._prompt
        origin = Origin(
            session=start.session if start else "",
            sequence=call.sequence,
            at=call.at,
            agent=start.agent if start else "",
            user=start.user if start else "",
            tool=call.tool,
            prompt=prompt.text if prompt else "",
            prompt_sequence=prompt.sequence if prompt else 0,
        )
        self._calls.append(origin)
        written = [(path, lines) for path, lines in added(call) if not path or self._is_it(path)]
        for number, wanted in enumerate(self._wanted):
            holding = [bool(path) for path, lines in written if _holds(lines, wanted, in_command=not path)]
            if holding:
                self._said.append((number, _Said(call.id, origin, any(holding))))

    def _is_it(self, path: str) -> bool:
        """Say whether a path that a call names is the file: relative ones are, from wherever it was."""
        named = PurePath(path)
        if named.is_absolute():
            return named == self._path
        return self._path.parts[-len(named.parts) :] == tuple(part for part in named.parts if part != ".")

    def _changed(self, sequence: int, event: FileChange) -> None:
        if event.action in _OURS:
            return
        base = PurePath(self._start.workspace if self._start else "/")
        if self._path in (base / event.path, base / (event.target or event.path)):
            session = self._start.session if self._start else ""
            self.changes.append(
                Change(session, sequence, event.at, event.action, event.by, event.process, event.before, event.after)
            )

    def _with_change(self, origin: Origin) -> Origin:
        later = [change for change in self.changes if change.at >= origin.at and change.by != "host"]
        return replace(origin, change=later[0] if later else None)


def added(call: Call) -> Iterator[tuple[str, list[Text]]]:
    """Yield what a call writes: the file's path and the lines; an empty path: a command, and its text."""
    if isinstance(call.input, str):
        yield from _of_command(call.input)
        return
    path = next((value for name in _PATHS if isinstance(value := call.input.get(name), str)), "")
    edits = call.input.get("edits")
    for edit in (call.input, *(edits if isinstance(edits, list) else ())):
        if path and isinstance(edit, Mapping):
            yield from ((path, lines) for lines in _of_edit(edit))
    for text in () if path else _strings(call.input):
        yield from _of_command(text)


def _of_edit(edit: Mapping[str, Any]) -> Iterator[list[Text]]:
    for old, new in _REPLACED:
        if isinstance(edit.get(new), str):
            yield _new_lines(str(edit.get(old) or ""), edit[new])
    for name in _WHOLE:
        if isinstance(edit.get(name), str):
            yield [Text(text) for text in edit[name].splitlines()]


def _new_lines(old: str, new: str) -> list[Text]:
    had = Counter(old.splitlines())
    lines = []
    for text in new.splitlines():
        lines.append(Text(text, is_new=not had[text]))
        had[text] -= bool(had[text])
    return lines


def _of_command(text: str) -> Iterator[tuple[str, list[Text]]]:
    level = text
    for _ in range(_LEVELS):
        if "*** Begin Patch" in level or "\n+++ " in level:
            yield from _of_patch(level)
        else:
            yield "", [Text(text) for text in level.splitlines()]
        if "\\" not in level:
            return
        level = unescaped(level.encode(errors="surrogateescape")).decode(errors="replace")


def _of_patch(patch: str) -> Iterator[tuple[str, list[Text]]]:
    path, lines = "", list[Text]()
    for text in patch.splitlines():
        file = _FILE.match(text)
        if file:
            if path:
                yield path, lines
            path, lines = next(name for name in file.groups() if name), []
        elif text[:1] in ("+", " "):
            lines.append(Text(text[1:], is_new=text[0] == "+"))
    if path:
        yield path, lines


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for part in value.values():
                yield from _strings(part)
        case list():
            for part in value:
                yield from _strings(part)


def _holds(lines: Sequence[Text], wanted: Line, *, in_command: bool) -> bool:
    """Say whether the lines hold the one that is wanted; a command may have more on it: `echo '…' >> FILE`."""
    if in_command:
        text = wanted.text.strip()
        return len(text) >= _SHORT and any(text in said.text for said in lines)
    for at, said in enumerate(lines):
        if not said.is_new or not _same(said.text, wanted.text):
            continue
        above = at > 0 and _same(lines[at - 1].text, wanted.before)
        below = at + 1 < len(lines) and _same(lines[at + 1].text, wanted.after)
        if above or below or not wanted.is_weak:
            return True
    return False


def _same(said: str, real: str) -> bool:
    """Compare a line in the log with a real one: spaces at its ends do not count, placeholders stand for anything."""
    said, real = said.strip(), real.strip()
    if said == real:
        return bool(said)
    parts = _PLACEHOLDER.split(said)
    return len(parts) > 1 and re.fullmatch(".+".join(map(re.escape, parts)), real) is not None

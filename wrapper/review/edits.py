"""Says what a tool is to do to which files, and which command it is to run, by the shape of its input; pure.

Read are inputs with a path and old and new text (Edit, MultiEdit, NotebookEdit, editors of text), with a path and the
whole content (Write), and patches in the form of apply_patch wherever they stand: as the input itself, in a shell's
heredoc, in a string of JavaScript. Nothing raises.

Source of the patch's form: the instructions that codex-cli gives to its models.
"""

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

_BEGIN: Final = "*** Begin Patch"
_END: Final = "*** End Patch"
_FILE: Final = re.compile(r"\*\*\* (Add|Update|Delete) File: (.*)")
_MOVE: Final = "*** Move to: "
_ACTIONS: Final = {"Add": "created", "Update": "modified", "Delete": "deleted"}
_PATHS: Final = ("file_path", "path", "notebook_path", "filename")
_OLD: Final = ("old_string", "old_str", "old_source")
_NEW: Final = ("new_string", "new_str", "new_source", "insert_text")
_WHOLE: Final = ("content", "file_text", "contents")
_COMMANDS: Final = ("command", "cmd")
_IN_SCRIPT: Final = re.compile(r"""["']?(?:command|cmd)["']?\s*:\s*("(?:[^"\\]|\\.)*")""")
_MOST_COMPARED: Final = 500  # lines; comparing takes a time that grows with their square
_MOST_IN_ALL: Final = 10_000  # lines compared of one input
_AROUND: Final = 3  # lines that are the same, shown before and after a change
_string: Final = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class Edit:
    """One file that is to change: `lines` are those of a unified diff, without a header."""

    path: str
    action: str
    lines: tuple[str, ...] = ()
    target: str = ""


def edits(given: Mapping[str, Any] | str) -> tuple[Edit, ...]:
    """Return which files a tool with this input is to change, and how."""
    if isinstance(given, str):
        return tuple(_patched(given))
    path = path_of(given)
    if path and (changed := tuple(_replaced(given))):
        return (Edit(path, "modified", changed),)
    if path and (whole := _first(given, _WHOLE)) is not None:
        return (Edit(path, "written", tuple(f"+{line}" for line in _lines(whole))),)
    return tuple(edit for text in _texts(given) for edit in _patched(text))


def path_of(given: Mapping[str, Any] | str) -> str:
    """Return the path that an input names; empty where there is none."""
    return "" if isinstance(given, str) else _first(given, _PATHS) or ""


def command(given: Mapping[str, Any] | str) -> str:
    """Return the shell command in a tool's input, also in a script that runs one; empty where there is none."""
    if isinstance(given, str):
        found = [_unquoted(one) for one in _IN_SCRIPT.findall(given)]
        return "\n".join(filter(None, found))
    if path_of(given):  # editors of text call what they are to do a command
        return ""
    for name in _COMMANDS:
        value = given.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value:
            words = [word for word in value if isinstance(word, str)]
            return words[-1] if len(words) == 3 and words[1] in ("-c", "-lc") else " ".join(words)
    return ""


def beside(given: Mapping[str, Any] | str) -> str:
    """Return what an input holds besides what `edits`, `path_of` and `command` tell: nothing may hide behind that.

    In a script, `[patch]` and `[command]` stand for what they told.
    """
    if isinstance(given, str):
        told = _IN_SCRIPT.sub(lambda one: one[0].replace(one[1], "[command]"), _without_patches(given))
        return "" if told.strip() == "[patch]" else told.strip()
    left: dict[str, Any] = {}
    told_names = _told(given)
    for name, value in given.items():
        kept = _without_patches(value).strip() if isinstance(value, str) else value
        if name not in told_names and kept not in ("", "[patch]") and kept is not None and kept is not False:
            left[name] = kept
    return msgspec.json.encode(left).decode() if left else ""


def difference(old: Sequence[str], new: Sequence[str], most: int = _MOST_COMPARED) -> Iterator[str]:
    """Yield the lines of a unified diff without its header; above `most` lines all between what is the same."""
    before = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    rest = min(len(old), len(new)) - before
    pairs = zip(reversed(old[before:]), reversed(new[before:]), strict=False)
    after = min(rest, sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))
    gone, come = old[before : len(old) - after], new[before : len(new) - after]
    yield from (f" {line}" for line in old[max(0, before - _AROUND) : before])
    if max(len(gone), len(come)) > most:
        yield from (f"-{line}" for line in gone)
        yield from (f"+{line}" for line in come)
    else:
        changed = difflib.unified_diff(gone, come, lineterm="", n=_AROUND)
        yield from (line for line in itertools.islice(changed, 3, None) if not line.startswith("@@"))
    yield from (f" {line}" for line in old[len(old) - after : len(old) - after + _AROUND])


def _told(given: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the members that are told; `description` is the model's own word for a command."""
    if not path_of(given):
        name = next((name for name in _COMMANDS if name in given), "") if command(given) else ""
        return frozenset({name, "description"})
    names = [next((name for name in kind if isinstance(given.get(name), str)), "") for kind in (_PATHS, _OLD, _NEW)]
    if any(_replaced(given)):
        return frozenset({*names, "edits"})
    return frozenset({names[0], next((name for name in _WHOLE if isinstance(given.get(name), str)), "")})


def _without_patches(text: str) -> str:
    kept: list[str] = []
    at = 0
    while (begin := text.find(_BEGIN, at)) >= 0:
        kept += (text[at:begin], "[patch]")
        end = text.find(_END, begin)
        at = len(text) if end < 0 else end + len(_END)
    return "".join((*kept, text[at:]))


def _replaced(given: Mapping[str, Any]) -> Iterator[str]:
    several, left = given.get("edits"), _MOST_IN_ALL
    for number, one in enumerate(several if isinstance(several, list) else [given]):
        if not isinstance(one, dict | Mapping):
            continue
        old, new = _first(one, _OLD), _first(one, _NEW)
        if old is None and new is None:
            continue
        if number:
            yield "@@"
        before, after = _lines(old or ""), _lines(new or "")
        left -= len(before) + len(after)
        yield from difference(before, after, _MOST_COMPARED if left > 0 else 0)


def _patched(text: str) -> Iterator[Edit]:
    at = 0
    while (begin := text.find(_BEGIN, at)) >= 0:
        end = text.find(_END, begin)
        at = len(text) if end < 0 else end
        yield from _files(_plain(text[begin:at]).splitlines())


def _plain(patch: str) -> str:
    r"""Undo the escapes of a string of JSON or JavaScript: there no line ends but by `\n`."""
    return _unquoted(f'"{patch}"') or patch if patch.startswith(_BEGIN + "\\n") else patch


def _files(lines: Iterable[str]) -> Iterator[Edit]:
    path = action = target = ""
    changed: list[str] = []
    for line in lines:
        header = _FILE.match(line)
        if header:
            if path:
                yield Edit(path, action, tuple(changed), target)
            action, path, target, changed = _ACTIONS[header[1]], header[2].strip(), "", []
        elif line.startswith(_MOVE):
            action, target = "moved", line[len(_MOVE) :].strip()
        elif line.startswith(("+", "-", " ", "@@")):
            changed.append(line)
    if path:
        yield Edit(path, action, tuple(changed), target)


def _texts(given: Mapping[str, Any]) -> Iterator[str]:
    for value in given.values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (word for word in value if isinstance(word, str))


def _first(given: Mapping[str, Any], names: Iterable[str]) -> str | None:
    return next((value for name in names if isinstance(value := given.get(name), str)), None)


def _lines(text: str) -> list[str]:
    return text.split("\n")[: -1 if text.endswith("\n") else None] if text else []


def _unquoted(text: str) -> str:
    try:
        return _string.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return ""

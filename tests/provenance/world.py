"""A world in which it is known of every line who wrote it: agents in sessions, people beside them, and git.

The model knows nothing of the code under test. Each line that matters has a mark of its own, made once: whoever finds the
mark later, wherever and in whatever company, knows whose line it was and what it said. What the sessions of this world
leave are events as a log has them; what git does is done by git.
"""

import hashlib
import json
import os
import random
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wrapper.audit import events
from wrapper.audit.touched import touched

_START: Final = 1_700_000_000  # seconds since the epoch; the world's clock goes by minutes
_MARK: Final = re.compile(r"m[0-9a-f]{5}z|[\u4e00-\u9fff]")
_WORDS: Final = """
account address amount archive author balance batch border bucket budget buffer cache caller cell chapter client clock
cluster colour column comment cookie corner counter country credit cursor customer deadline degree delivery depth device
discount distance document domain draft driver edge editor email engine entry error event factor feature field filter
folder footer format frame future gateway gauge header height history host image income index invoice item journal kernel
label language layer ledger letter level limit link list locale margin market mask member menu message method metric month
mount name network node note number object offset option order origin owner package page panel parcel parent password
patch path payment period person phone pixel place player point policy pool port price printer process product profile
project prompt proof quarter query queue quota range rate reader reason receipt record region release reply report request
""".split()  # noqa: SIM905 (reads best)
_MARKS: Final = ("+", "-", "*", "/", "%", "//", "==", "!=", ">", "<=", "and", "or", "in", "|", "&", "<<")
_DULL: Final = ("", "}", "    else:", "        pass", ")", "    try:")


@dataclass(frozen=True)
class Known:
    """What is known of a mark: who wrote its line, and what it said."""

    by_agent: bool
    text: str


@dataclass
class World:
    """A repository, its people and its agents. `events`: of each session, in order."""

    folder: Path
    chance: random.Random
    lines: dict[str, Known] = field(default_factory=dict)
    sessions: dict[str, list[events.Event]] = field(default_factory=dict)
    edited: set[str] = field(default_factory=set)
    files: dict[str, list[str]] = field(default_factory=dict)
    _now: int = _START
    _made: int = 0
    _calls: int = 0

    def tick(self) -> float:
        """Let a minute pass."""
        self._now += 60
        return float(self._now)

    def new_lines(self, count: int, *, by_agent: bool) -> list[str]:
        """Write lines that nobody has written before; between them some that say nothing."""
        made: list[str] = []
        while len(made) < count:
            made.append(self._line(by_agent=by_agent))
            if self.chance.random() < 0.2:
                made.append(self.chance.choice(_DULL))
        return made

    def _line(self, *, by_agent: bool) -> str:
        self._made += 1
        mark, char = f"m{self._made * 7919 % 0x100000:05x}z", chr(0x4E00 + self._made)
        pad = " " * self.chance.choice((0, 4, 8))
        is_short = self.chance.random() < 0.1
        text = pad + (char if is_short else self._statement(mark))
        self.lines[char if is_short else mark] = Known(by_agent, text)
        return text

    def _statement(self, mark: str) -> str:
        """Write a line as code of any language may have it; no two are alike but by chance."""
        pick = self.chance.choice
        shapes = (
            f"{mark} = {self._value(2)}",
            f"{pick(('if', 'while', 'elif', 'return', 'assert'))} {mark} {pick(_MARKS)} {self._value(2)}:",
            f"{pick(_WORDS)}.{mark}({', '.join(self._value(1) for _ in range(self.chance.randint(1, 4)))})",
            f"# {mark}: {' '.join(self.chance.choices(_WORDS, k=self.chance.randint(4, 9)))}",
            f"const {{ {pick(_WORDS)}, {mark} }} = {self._value(2)};",
            f"{{'{mark}': {self._value(1)}, \"{pick(_WORDS)}\": {self._value(1)}}},",
            mark,
        )
        return pick(shapes)

    def _value(self, depth: int) -> str:
        pick = self.chance.choice
        kind = self.chance.randrange(5 if depth else 3)
        if kind == 0:
            return f"{pick(_WORDS)}_{pick(_WORDS)}"
        if kind == 1:
            return str(self.chance.randrange(1000))
        if kind == 2:
            return f"'{pick(_WORDS)} {pick(_WORDS)}'"
        if kind == 3:
            return f"{pick(_WORDS)}({self._value(depth - 1)}, {self._value(depth - 1)})"
        return f"{self._value(depth - 1)} {pick(_MARKS)} {pick(_WORDS)}[{self._value(depth - 1)}]"

    # What a person does outside.

    def git(self, *arguments: str, given: bytes | None = None) -> bytes:
        """Run git as a person would, at the world's time."""
        moment = f"{int(self.tick())} +0000"
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
            "GIT_AUTHOR_DATE": moment,
            "GIT_COMMITTER_DATE": moment,
            "GIT_EDITOR": "true",
            "FILTER_BRANCH_SQUELCH_WARNING": "1",
        }
        command = ["git", "-c", "init.defaultBranch=main", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environ, input=given, capture_output=True, check=False)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    def commit(self, message: str) -> None:
        """Commit all that is there."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def put(self, path: str, lines: Sequence[str]) -> None:
        """Make a file hold these lines."""
        self.files[path] = list(lines)
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(f"{line}\n" for line in lines))

    def person_edits(self, path: str) -> None:
        """Insert some lines, change a word or two in others, delete some."""
        lines = self.files[path]
        for _ in range(self.chance.randint(1, 3)):
            at = self.chance.randint(0, len(lines))
            lines[at:at] = self.new_lines(self.chance.randint(1, 5), by_agent=False)
        for _ in range(self.chance.randint(1, 3)):
            at = self.chance.randrange(len(lines))
            if mark := _MARK.search(lines[at]):
                lines[at] = f"{lines[at]} {self.chance.choice(_MARKS)} {self.chance.choice(_WORDS)}"
                self.edited.add(mark[0])
        if len(lines) > 20:
            del lines[self.chance.randrange(len(lines))]
        self.put(path, lines)

    def moved(self, source: str, target: str) -> None:
        """Rename a file, as git does."""
        (self.folder / target).parent.mkdir(parents=True, exist_ok=True)
        self.git("mv", source, target)
        self.files[target] = self.files.pop(source)

    def reindented(self, path: str) -> None:
        """Indent all by a tab more, as a formatter would after a new block."""
        self.put(path, [f"\t{line}" if line else line for line in self.files[path]])

    def read_back(self) -> None:
        """Take over what git has left in the working tree."""
        tracked = self.git("ls-files", "-z").decode().split("\0")
        self.files = {path: (self.folder / path).read_text().split("\n")[:-1] for path in tracked if path}

    # What agents do inside.

    def session(self, name: str, *, agent: str = "claude") -> "Session":
        """Begin a session in this repository."""
        return Session(self, name, agent)

    # What is true in the end.

    def truth(self, line: str) -> tuple[str, bool] | None:
        """Say of a line whose mark it has, and whether it says what it said at first; None: no mark."""
        marks = [mark for mark in _MARK.findall(line) if mark in self.lines]
        if not marks:
            return None
        return marks[0], self.lines[marks[0]].text.strip() == line.strip()


class Session:
    """An agent at work: each edit is a request, an answer with a tool's input, and a change that the view saw."""

    def __init__(self, world: World, name: str, agent: str) -> None:
        self._world = world
        self._agent = agent
        self._number = 0
        self._said: list[dict[str, object]] = [{"role": "user", "content": f"do what {name} is for"}]
        self._name = name
        self._log: list[events.Event] = world.sessions.setdefault(name, [])
        start = events.SessionStart(
            at=world.tick(), session=name, user="ada", host="box", workspace=str(world.folder), agent=agent,
            agent_version="1", version="1", argv=(agent,), policy="ab" * 32, plan="{}", view="fuse",
        )  # fmt: skip
        self._log.append(start)

    def end(self) -> None:
        """End it."""
        self._log.append(events.SessionEnd(at=self._world.tick(), exit_code=0))

    def edits(self, path: str) -> None:
        """Put new lines into a file, in place of others or beside them; the agent has read it before, as clients do."""
        world = self._world
        old = list(world.files[path])
        self._reads(path, old)
        at = world.chance.randint(0, len(old))
        gone = old[at : at + world.chance.randint(0, 2)]
        come = world.new_lines(world.chance.randint(3, 25), by_agent=True)
        before = old[max(0, at - 2) : at]
        self._uses(self._edit(path, [*before, *gone], [*before, *come]))
        self._writes(path, old, [*old[:at], *come, *old[at + len(gone) :]])

    def rewrites(self, path: str) -> None:
        """Give the whole file anew, with some lines of its own in it."""
        world = self._world
        old = list(world.files[path])
        self._reads(path, old)
        new = list(old)
        for _ in range(3):
            at = world.chance.randint(0, len(new))
            new[at:at] = world.new_lines(world.chance.randint(1, 6), by_agent=True)
        self._uses(self._whole(path, new))
        self._writes(path, old, new)

    def creates(self, path: str, count: int) -> None:
        """Write a new file."""
        lines = self._world.new_lines(count, by_agent=True)
        self._uses(self._whole(path, lines))
        self._writes(path, [], lines)

    def generates(self, path: str, count: int) -> None:
        """Have a program write what the model has not said."""
        lines = self._world.new_lines(count, by_agent=True)
        self._writes(path, [], lines)

    def says(self, count: int) -> list[str]:
        """Give lines in an answer only: a person may copy them."""
        lines = self._world.new_lines(count, by_agent=True)
        self._answers({"type": "text", "text": "Try this:\n```\n" + "\n".join(lines) + "\n```\n"})
        return lines

    def moves(self, path: str, target: str) -> None:
        """Copy a person's lines to another file, by a program: they stay the person's."""
        lines = list(self._world.files[path])
        self._writes(target, [], lines)

    def watches(self, path: str) -> None:
        """See how a person edits a file meanwhile."""
        world = self._world
        old = list(world.files[path])
        world.person_edits(path)
        self._changed(path, old, world.files[path], by="host")

    def _edit(self, path: str, old: Sequence[str], new: Sequence[str]) -> dict[str, object]:
        if self._agent == "codex":
            body = [f"*** Update File: {path}", "@@", *(f"-{one}" for one in old), *(f"+{one}" for one in new)]
            return _patch(body)
        where = str(self._world.folder / path)
        given = {"file_path": where, "old_string": "\n".join(old), "new_string": "\n".join(new)}
        return {"type": "tool_use", "name": "Edit", "input": given}

    def _whole(self, path: str, new: Sequence[str]) -> dict[str, object]:
        if self._agent == "codex":
            return _patch([f"*** Add File: {path}", *(f"+{one}" for one in new)])
        given = {"file_path": str(self._world.folder / path), "content": "\n".join([*new, ""])}
        return {"type": "tool_use", "name": "Write", "input": given}

    def _reads(self, path: str, lines: Sequence[str]) -> None:
        shown = "\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines, 1))
        if self._agent == "codex":
            command = json.dumps({"command": ["cat", "-n", path]})
            self._uses({"type": "function_call", "name": "shell", "arguments": command}, shown)
        else:
            self._uses({"type": "tool_use", "name": "Read", "input": {"file_path": path}}, shown)

    def _uses(self, call: dict[str, object], result: str = "done") -> None:
        world = self._world
        world._calls += 1
        identity = f"call_{world._calls}"
        if self._agent == "codex":
            call = {**call, "call_id": identity, "id": identity}
            self._answers(call)
            kind = "custom_tool_call_output" if call["type"] == "custom_tool_call" else "function_call_output"
            self._said += [call, {"type": kind, "call_id": identity, "output": result}]
        else:
            call = {**call, "id": identity}
            self._answers(call)
            self._said += [
                {"role": "assistant", "content": [call]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": identity, "content": result}]},
            ]

    def _answers(self, part: dict[str, object]) -> None:
        world = self._world
        self._number += 1
        is_claude = self._agent != "codex"
        said = {"messages" if is_claude else "input": self._said, "model": "m-1", "tools": [{"name": "Edit"}]}
        url = "https://api.example/v1/messages" if is_claude else "https://api.example/v1/responses"
        self._log.append(
            events.Request(
                at=world.tick(), number=self._number, method="POST", url=url, headers={}, body=_json(said), model="m-1"
            )
        )
        if is_claude:
            body = {"id": f"msg_{self._name}_{self._number}", "type": "message", "role": "assistant", "model": "m-1"}
            body["content"] = [part]  # type: ignore[assignment]
        else:
            text = {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": part.get("text")}],
            }
            body = {"id": f"resp_{self._name}_{self._number}", "object": "response", "model": "m-1"}
            body["output"] = [text if part["type"] == "text" else part]  # type: ignore[assignment]
        headers = {"content-type": "application/json"}
        self._log.append(
            events.Response(at=world.tick(), number=self._number, status=200, headers=headers, body=_json(body))
        )

    def _writes(self, path: str, old: Sequence[str], new: Sequence[str]) -> None:
        self._world.put(path, new)
        self._changed(path, old, new, by="agent")

    def _changed(self, path: str, old: Sequence[str], new: Sequence[str], *, by: str) -> None:
        was, now = ("".join(f"{line}\n" for line in lines).encode() for lines in (old, new))
        self._log.append(
            events.FileChange(
                at=self._world.tick(), path=path, action="modified" if old else "created", by=by,
                process="node[77]" if by == "agent" else "", before=_sha(was) if old else "", after=_sha(now),
                ranges=((0, len(now)),), diff=touched(was, now).decode(),
            )
        )  # fmt: skip


def _patch(lines: Sequence[str]) -> dict[str, object]:
    text = "\n".join(["*** Begin Patch", *lines, "*** End Patch", ""])
    return {"type": "custom_tool_call", "name": "apply_patch", "input": text}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

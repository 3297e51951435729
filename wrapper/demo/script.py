"""What the scripted model says: a list of turns, each with a text and actions, the same for every client.

A script is JSON: `{"turns": [{"text": "I look", "calls": [{"run": "env"}]}, {"text": "done"}]}`. An action names what
the model wants; `tools_anthropic` and `tools_openai` turn it into the tool that the client offers. Texts may hold
`{{seen:REGEX}}`: the last match of REGEX (its first group, if it has one) in what the client has sent in the
conversation so far, so that a script can write a placeholder that it has been shown, as a model would.

Which turn answers a request is decided by the conversation in it, never by counting requests: clients repeat
requests, send side requests (titles, summaries) and resume old conversations.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

_SEEN = re.compile(r"\{\{seen:(?P<regex>.+?)\}\}(?!\})", re.DOTALL)


class Read(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Show the file at `path`."""

    path: str


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Replace the only occurrence of `old` in the file at `path` by `new`; both hold whole lines."""

    path: str
    old: str
    new: str


class Write(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Make the file at `path` with `content`."""

    path: str
    content: str


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One action; exactly one field is set. `run` is a shell command; `tool` goes to the client with `input` as is."""

    run: str | None = None
    read: Read | None = None
    edit: Edit | None = None
    write: Write | None = None
    tool: str | None = None
    input: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.run, self.read, self.edit, self.write, self.tool)) != 1:
            raise ValueError("a call is exactly one of run, read, edit, write, tool")


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer of the model. With calls, the client runs them and asks again; without, it is the user's turn."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    thinking: str = ""


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The turns in order; past the last one the model says `rest`. `side` answers requests outside the script."""

    turns: tuple[Turn, ...] = ()
    rest: str = "done"
    side: str = "scripted"

    def turn(self, number: int) -> Turn:
        """Return turn `number`, counted from 0."""
        return self.turns[number] if number < len(self.turns) else Turn(text=self.rest)


def parse(data: bytes) -> Script:
    """Read a script from JSON. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Script)


def fill(turn: Turn, conversation: object) -> Turn:
    """Return `turn` with each `{{seen:REGEX}}` replaced by what `conversation` (decoded JSON) last showed of it.

    What was never seen becomes `UNSEEN`, so that a test that looks for the replacement fails readably.
    """
    if b"{{seen:" not in msgspec.json.encode(turn):
        return turn
    seen = "\n".join(strings(conversation))
    return msgspec.convert(_fill(msgspec.to_builtins(turn), seen), type=Turn)


def _fill(value: Any, seen: str) -> Any:
    if isinstance(value, str):
        return _SEEN.sub(lambda found: _last(found["regex"], seen), value)
    if isinstance(value, dict):
        return {key: _fill(item, seen) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_fill(item, seen) for item in value]
    return value


def _last(regex: str, seen: str) -> str:
    matches = list(re.finditer(regex, seen))
    if not matches:
        return "UNSEEN"
    return matches[-1].group(1 if matches[-1].re.groups else 0)


def strings(value: object) -> Iterator[str]:
    """Yield every string in decoded JSON, keys left out, in document order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)

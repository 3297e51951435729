"""What the user wrote in a conversation, told apart from what clients and tools wrote in it; pure.

Who asks is the user. What clients put around the user's words by themselves (reminders, memory files, the editor's
state, output of commands) is left out, but only in the shapes in which they send it: a block of its own. A block that
holds anything else counts with all of it, and so does what has no shape that is known. Neither tool results, files, nor
system prompts are read, but for what a user typed while tools ran or on refusing one: that is where it stands.

Sources: the providers' API references, and what Claude Code 2.1 and codex-cli 0.169 send.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

_THE_MODEL: Final = frozenset({"assistant", "tool", "function", "model"})
_NOT_THE_USER: Final = frozenset({"system", "developer"})
_SAID: Final = frozenset({None, "message", "input_text", "text"})  # types of items that need no role to be said
# Blocks that clients write by themselves.
_WRAPPED: Final = re.compile(
    r"\s*(?:# AGENTS\.md instructions for [^\n]*\s*)?"
    r"<(system-reminder|local-command-(?:caveat|stdout|stderr)|bash-(?:stdout|stderr|exit-code)|task-notification"
    r"|ide_opened_file|ide_selection|environment_context|user_instructions|INSTRUCTIONS|skill|user_shell_command"
    r"|turn_aborted|subagent_notification|context_window_reminder|recommended_plugins)(?:\s[^>]*)?>.*?</\1>",
    re.DOTALL,
)
_INTERRUPTED: Final = re.compile(r"\s*\[Request interrupted by user[^\]\n]*\]\s*")
_EDITOR: Final = re.compile(r"\s*# Context from my IDE setup:.*?\n## My request for Codex:\n", re.DOTALL)
SUMMARY: Final = "This session is being continued from a previous conversation that ran out of context."
"""How Claude Code begins what stands in place of a conversation that had grown too long."""

# What the user types while tools run arrives as a reminder or a system message; what is typed on refusing a tool, as
# the tool's result.
_QUEUED: Final = "The user sent a new message while you were working:\n"
_QUEUED_END: Final = "\n\nIMPORTANT: After completing your current task"
_REFUSED: Final = "To tell you how to proceed, the user said:\n"
_REFUSED_IN_JSON: Final = json.dumps(_REFUSED)[1:-1].encode()


class Told(NamedTuple):
    """What the item at one place of a conversation says: what the user wrote, what the client wrote in the user's name.

    Only the bytes of the item say what.
    """

    place: int
    users: str
    clients: str


class _Part(msgspec.Struct, frozen=True):
    type: str | None = None
    text: str | None = None


class _Item(msgspec.Struct, frozen=True):
    role: str | None = None
    type: str | None = None
    text: str | None = None
    content: str | list[_Part | str] | None = None


_raws: Final = msgspec.json.Decoder(list[msgspec.Raw])
_one: Final = msgspec.json.Decoder(_Item | str)
_many: Final = msgspec.json.Decoder(list[_Item | str] | str)
_anything: Final = msgspec.json.Decoder()


def prompts(conversation: msgspec.Raw, before: Iterable[Told] = ()) -> list[str]:
    """Return the user's texts in order; `before` is what items say that stood before these.

    Raises msgspec.DecodeError for what is no JSON.
    """
    everything = [*before, *told(conversation)]
    written = [one.users for one in everything if one.users]
    wrapped = [one.clients for one in everything if one.clients]
    # With nothing else in it, what looks like the client's own is what is asked.
    return written or (["\n".join(wrapped)] if wrapped else [])


def told(conversation: msgspec.Raw) -> Iterator[Told]:
    """Give what items of a conversation say, in order; items that say nothing are left out, as in `prompts`."""
    for place, item in _items(conversation):
        users, clients = _told_apart(item)
        if users or clients:
            yield Told(place, users, clients)


def holds(raw: msgspec.Raw, mark: bytes) -> bool:
    """Whether `mark` stands anywhere in the JSON; one in quotes is a string, since within others they are escaped."""
    return mark in bytes(raw)


def strings(value: object) -> Iterator[str]:
    """Yield the strings of decoded JSON in document order, names left out."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case list() as items:
                waiting += reversed(items)
            case dict() as members:
                waiting += reversed(members.values())


def _items(conversation: msgspec.Raw) -> Iterator[tuple[int, _Item | str]]:
    """Give what each item reads as, with its place; some read as several."""
    try:
        read = _many.decode(conversation)
    except msgspec.DecodeError:
        yield from _singly(conversation)
        return
    if isinstance(read, str):
        yield 0, read
    elif holds(conversation, _REFUSED_IN_JSON) or any(map(_is_odd, read)):
        yield from _singly(conversation)
    else:
        yield from enumerate(read)


def _singly(conversation: msgspec.Raw) -> Iterator[tuple[int, _Item | str]]:
    """Read one item after the other: some have no shape that is known, and there every string is the user's."""
    try:
        items = _raws.decode(conversation)
    except msgspec.DecodeError:
        items = [conversation]
    for place, item in enumerate(items):
        try:
            read = _one.decode(item)
        except msgspec.DecodeError:
            read = None
        if read is None or _is_odd(read):
            yield place, "\n".join(strings(_anything.decode(item)))
        else:
            yield place, read
            yield from ((place, text) for text in _on_refusing(item))


def _is_odd(item: _Item | str) -> bool:
    """Whether it is the user's by role and type, and its text stands under another name, as a prompt's variables do."""
    if isinstance(item, str) or item.text is not None or item.content is not None:
        return False
    if item.role in _THE_MODEL or item.role in _NOT_THE_USER:
        return False
    return item.role is not None or item.type in _SAID


def _told_apart(item: _Item | str) -> tuple[str, str]:
    """Return what the user wrote in one item of a conversation, and what the client wrote in the user's name."""
    if isinstance(item, str):
        return _sorted([item])
    if item.role in _THE_MODEL or (item.role is None and item.type not in _SAID):
        return "", ""
    blocks = [text for part in _parts(item) if (text := part if isinstance(part, str) else part.text)]
    if not blocks:  # nothing but results of tools
        return "", ""
    if item.role in _NOT_THE_USER:
        return "\n".join(text for block in blocks if (text := _queued(block))), ""
    return _sorted(blocks)


def _parts(item: _Item) -> Iterable[_Part | str]:
    if isinstance(item.content, list):
        return item.content
    return [text for text in (item.text, item.content) if text]


def _sorted(blocks: Iterable[str]) -> tuple[str, str]:
    users: list[str] = []
    clients: list[str] = []
    for block in blocks:
        text = _queued(block) or _own_words(block)
        (users if text else clients).append(text or block)
    return "\n".join(users).strip(), "\n".join(clients).strip()


def _own_words(block: str) -> str:
    """Return the block without the editor's state; empty where the client wrote all of it."""
    at = 0
    while wrapped := _WRAPPED.match(block, at):
        at = wrapped.end()
    if (at and not block[at:].strip()) or block.startswith(SUMMARY) or _INTERRUPTED.fullmatch(block):
        return ""
    context = _EDITOR.match(block)
    return block[context.end() :] if context else block


def _queued(block: str) -> str:
    """Return what the user typed while tools ran."""
    _, found, text = block.partition(_QUEUED)
    return text.rpartition(_QUEUED_END)[0] or text if found else ""


def _on_refusing(item: msgspec.Raw) -> Iterator[str]:
    """Give what the user typed on refusing a tool in Claude Code."""
    if holds(item, _REFUSED_IN_JSON):
        yield from (text.partition(_REFUSED)[2] for text in strings(_anything.decode(item)) if _REFUSED in text)

r"""What Claude Code adds to its requests by itself. Pure.

Seen with 2.1.197 and 2.1.330 (`claude -p` and on the screen) against a recording server, and read in its program where
a request showed none (`userEmail`, `Additional working directories`). Prompts are looked at only where the client
writes them: in `system`, in messages of role `system`, and in `<system-reminder>`. In auto mode the newer one tells the
server that is to check tool calls where it works: `safeguards`, with a `classifier_context`.
"""

import re
from collections.abc import Iterator
from typing import Final

from redactors.jsonbytes import closing_quote
from wrapper.gateway.fields import VALUE, Client, Place, emptied, lines

_END: Final = b"</system-reminder>"
_LINES: Final = (
    ("workspace", re.compile(rb"\\n(?: - )?(?:Primary w|W)orking directory: (" + VALUE + rb")")),
    ("platform", re.compile(rb"\\n(?: - )?(?:Platform|OS Version): (" + VALUE + rb")")),
    ("shell", re.compile(rb"\\n(?: - )?Shell: (" + VALUE + rb")")),
    ("branch", re.compile(rb"\\n(?:Current branch|Main branch \([^)\\\"]*\)): (" + VALUE + rb")(?:\\n(?=\\n))?")),
    ("git-user", re.compile(rb"\\nGit user: (" + VALUE + rb")(?:\\n(?=\\n))?")),
    ("git-status", re.compile(rb"\\nStatus:\\n(" + VALUE + rb"(?:\\n(?!\\n)" + VALUE + rb")*)(?:\\n(?=\\n))?")),
    ("commits", re.compile(rb"\\nRecent commits:\\n(" + VALUE + rb"(?:\\n(?!\\n)" + VALUE + rb")*)(?:\\n(?=\\n))?")),
    ("date", re.compile(rb"(?:\\n# currentDate)?\\nToday's date(?: is|:) ([0-9][0-9/-]*)\.?")),
    ("email", re.compile(rb"(?:\\n# userEmail)?\\nThe user's email address is (" + VALUE + rb")\.(?=\\n|\")")),
    ("attribution", re.compile(rb'(?<=")x-anthropic-billing-header: (' + VALUE + rb")")),
)
_ATTRIBUTION: Final = re.compile(
    rb'\{"type":"text","text":"x-anthropic-billing-header: (' + VALUE + rb')"(?:,"cache_control":\{[^{}]*\})?\}'
)
_MEMORY: Final = re.compile(rb"\\nContents of (?:[^\"\\]|\\[\"\\/])*:\\n\\n")
# What may follow the last file of memory; each is searched from behind, so a file that quotes one ends no sooner.
_BEHIND_MEMORY: Final = (
    rb"\n# userEmail\nThe user's email address is ",
    rb"\n# attachedProject\n",
    rb"\n# currentDate\nToday's date is ",
    rb"\n\n      IMPORTANT: this context may or may not be relevant",
    rb"\n</system-reminder>",
)
_IDS: Final = (
    ("device-id", re.compile(rb'\\"device_id\\":\\"([^"\\]*)')),
    ("account", re.compile(rb'\\"account_uuid\\":\\"([^"\\]*)')),
    ("session", re.compile(rb'\\"session_id\\":\\"([^"\\]*)')),
)
_OLD_IDS: Final = re.compile(rb"user_([0-9a-f]*)_account_([0-9a-f-]*)_session_([0-9a-f-]*)(?=\")")
_OF_CHECKS: Final = (
    ("branch", re.compile(rb'"(?:default_)?branch":"')),
    ("git-status", re.compile(rb'"porcelain":"')),
    ("git-remote", re.compile(rb'"(?:host|remote)":"')),
    ("git-user", re.compile(rb'"user_identity":"')),
    ("platform", re.compile(rb'"platform":"')),
)
_STRUCTURE: Final = re.compile(rb'[\[\]{}"]')


def _user(data: bytes, start: int) -> Iterator[Place]:
    """Look at `metadata.user_id`: JSON text, of older versions three ids joined."""
    end = closing_quote(data, start, len(data))
    for field, rule in _IDS:
        for found in rule.finditer(data, start, end):
            yield emptied(field, found)
    old = _OLD_IDS.match(data, start, end + 1)
    if old:
        yield from (emptied(field, old, group) for group, (field, _) in enumerate(_IDS, 1))


def _reminder(data: bytes, start: int) -> Iterator[Place]:
    end = data.find(_END, start)
    end = closing_quote(data, start, len(data) if end < 0 else end + len(_END))
    return _prompt(data, start - len(rb"\n"), end)


def _text(data: bytes, start: int) -> Iterator[Place]:
    return _prompt(data, start, closing_quote(data, start, len(data)) + 1)


def _system(data: bytes, start: int) -> Iterator[Place]:
    """Look at the blocks of `system`."""
    end = _end(data, start)
    for block in _ATTRIBUTION.finditer(data, start, end):
        yield Place("attribution", *block.span(1), _with_comma(data, *block.span()))
    yield from (place for place in _prompt(data, start, end) if place.field != "attribution")


def _checks(data: bytes, start: int) -> Iterator[Place]:
    """Look at what the server is told that is to check tool calls."""
    end = _end(data, start)
    for field, rule in _OF_CHECKS:
        for found in rule.finditer(data, start, end):
            value = found.end(), closing_quote(data, found.end(), end)
            yield Place(field, *value, value)


def _end(data: bytes, start: int) -> int:
    """Give where the list or object ends that was opened before `start`."""
    end, depth = start, 1
    while depth and (found := _STRUCTURE.search(data, end)):
        end = found.end()
        match found.group():
            case b'"':
                end = closing_quote(data, end, len(data)) + 1
            case bracket:
                depth += 1 if bracket in b"[{" else -1
    return end


def _prompt(data: bytes, start: int, end: int) -> Iterator[Place]:
    yield from _memory(data, start, end)
    yield from lines(_LINES, data, start, end)


def _memory(data: bytes, start: int, end: int) -> Iterator[Place]:
    heads = list(_MEMORY.finditer(data, start, end))
    for number, head in enumerate(heads):
        behind = heads[number + 1].start() if number + 1 < len(heads) else _behind_memory(data, head.end(), end)
        body = behind - 2 if data[behind - 2 : behind] == rb"\n" else behind
        yield Place("memory", head.end(), max(body, head.end()), (head.start(), behind))


def _behind_memory(data: bytes, start: int, end: int) -> int:
    found = [at for at in (data.rfind(mark, start - 2, end) for mark in _BEHIND_MEMORY) if at >= 0]
    return max(start, min(found, default=closing_quote(data, start, end)))


def _with_comma(data: bytes, start: int, end: int) -> tuple[int, int]:
    if data[end : end + 1] == b",":
        return start, end + 1
    return (start - 1 if data[start - 1 : start] == b"," else start), end


CLIENT: Final = Client(
    fields=(
        "account", "application", "attribution", "branch", "commits", "date", "device-id", "email", "git-remote",
        "git-status", "git-user", "home", "library", "memory", "platform", "session", "shell", "user-agent",
        "workspace",
    ),
    headers={
        "user-agent": "user-agent",
        "x-app": "application",
        "x-client-app": "application",
        "x-claude-code-session-id": "session",
        "x-claude-code-agent-id": "session",
        "x-claude-code-parent-agent-id": "session",
        "x-claude-remote-session-id": "session",
        "x-claude-remote-container-id": "device-id",
        "x-stainless-arch": "library",
        "x-stainless-helper-method": "library",
        "x-stainless-lang": "library",
        "x-stainless-os": "library",
        "x-stainless-package-version": "library",
        "x-stainless-runtime": "library",
        "x-stainless-runtime-version": "library",
    },
    members={},
    marks={
        b'"metadata":{"user_id":"': _user,
        rb"<system-reminder>\n": _reminder,
        b'"role":"system","content":"': _text,
        b'"system":"': _text,
        b'"system":[': _system,
        b'"classifier_context":{': _checks,
    },
    opaque=(b'"thinking":"', b'"signature":"', b'"encrypted_content":"', b'"redacted_thinking","data":"'),
    between=b'},{"role":"',
)  # fmt: skip

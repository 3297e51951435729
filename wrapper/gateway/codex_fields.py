r"""What Codex adds to its requests and WebSocket messages by itself. Pure.

Seen with codex-cli 0.169.0 (`codex exec`, in code mode and with tools of its own) against a recording server. Its turn
metadata is JSON in a header, and JSON text in `client_metadata`: quotation marks have a backslash there.
"""

import re
from collections.abc import Iterator
from typing import Final

from redactors.jsonbytes import closing_quote
from wrapper.gateway.fields import VALUE, Client, Place, emptied, lines

_LINES: Final = tuple(
    (field, re.compile(rb"(?:\\n +)?<%b>([^<\"\\]*)</%b>" % (tag, tag)))
    for field, tag in (("workspace", b"cwd"), ("shell", b"shell"), ("date", b"current_date"), ("timezone", b"timezone"))
)
_ENVIRONMENT_END: Final = b"</environment_context>"
_INSTRUCTIONS: Final = rb"\n\n<INSTRUCTIONS>\n"
_INSTRUCTIONS_END: Final = rb"\n</INSTRUCTIONS>"
_HEADING: Final = re.compile(VALUE)

_TURN_METADATA: Final = re.compile(rb'"x-codex-turn-metadata":"((?:[^"\\]|\\.)*)"')
_SESSION: Final = rb"(?:session|thread|turn|root_turn|parent_thread|window|context_window)_id"
_METADATA: Final = (  # members of `client_metadata` itself: no backslash before the mark
    ("session", re.compile(rb'(?<!\\)"(?:' + _SESSION + rb'|x-codex-(?:window|parent-thread)-id)":"([^"\\]*)"')),
    ("device-id", re.compile(rb'(?<!\\)"x-codex-installation-id":"([^"\\]*)"')),
)
_TURN: Final = (  # members of turn metadata, in whichever of its two places
    ("device-id", re.compile(rb'"installation_id\\?":\\?"([^"\\]*)')),
    ("session", re.compile(rb'"' + _SESSION + rb'\\?":\\?"([^"\\]*)')),
    ("commits", re.compile(rb'"latest_git_commit_hash\\?":\\?"([^"\\]*)')),
)
_REMOTES: Final = re.compile(rb'"associated_remote_urls\\?":\{([^{}]*)\}')
_URL: Final = re.compile(rb':\\?"([^"\\]*)')
_TURN_ID: Final = re.compile(rb'"turn_id":"([^"\\]*)"')
_TIME: Final = re.compile(rb'"create_time":([0-9.eE+-]+)')


def turn_metadata(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Place]:
    """Look at turn metadata: a header's whole value, or a piece of a body."""
    end = len(data) if end is None else end
    for field, rule in _TURN:
        yield from (emptied(field, found) for found in rule.finditer(data, start, end))
    for remotes in _REMOTES.finditer(data, start, end):
        yield from (emptied("git-remote", found) for found in _URL.finditer(data, *remotes.span(1)))


def _client_metadata(data: bytes, start: int) -> Iterator[Place]:
    end = _end_of_object(data, start)
    for turn in _TURN_METADATA.finditer(data, start, end):
        yield emptied("turn-metadata", turn)
        yield from turn_metadata(data, *turn.span(1))
    for field, rule in _METADATA:
        yield from (emptied(field, found) for found in rule.finditer(data, start, end))


def _end_of_object(data: bytes, start: int) -> int:
    """Find where a flat object of strings ends."""
    while (quote := data.find(b'"', start)) >= 0 and data.find(b"}", start, quote) < 0:
        start = closing_quote(data, quote + 1, len(data)) + 1
    end = data.find(b"}", start)
    return len(data) if end < 0 else end


def _cache_key(data: bytes, start: int) -> Iterator[Place]:
    end = closing_quote(data, start, len(data))
    yield Place("cache-key", start, end, (start - 1, end + 1), b"null")


def _passed_through(data: bytes, start: int) -> Iterator[Place]:
    """Look at an item's own metadata: which turn it is of, and when it was written."""
    end = data.find(b"}", start)
    turn, time = _TURN_ID.search(data, start, end), _TIME.search(data, start, end)
    if turn:
        yield emptied("session", turn)
    if time:
        yield Place("times", *time.span(1), time.span(1), b"0", is_text=False)


def _environment(data: bytes, start: int) -> Iterator[Place]:
    end = data.find(_ENVIRONMENT_END, start)
    return lines(_LINES, data, start - len(rb"\n"), closing_quote(data, start, len(data) if end < 0 else end))


def _memory(data: bytes, start: int) -> Iterator[Place]:
    heading = _HEADING.match(data, start)
    begin = heading.end() if heading else start
    if data.startswith(_INSTRUCTIONS, begin):
        begin += len(_INSTRUCTIONS)
        closing = closing_quote(data, begin, len(data))
        end = data.rfind(_INSTRUCTIONS_END, begin, closing)
        end = closing if end < 0 else end
        yield Place("memory", begin, end, (begin, end))


CLIENT: Final = Client(
    fields=(
        "application", "cache-key", "commits", "date", "device-id", "git-remote", "home", "memory", "session", "shell",
        "times", "timezone", "turn-metadata", "user-agent", "workspace",
    ),
    headers={
        "user-agent": "user-agent",
        "originator": "application",
        "version": "application",
        "conversation_id": "session",
        "session-id": "session",
        "session_id": "session",
        "thread-id": "session",
        "x-client-request-id": "session",
        "x-codex-parent-thread-id": "session",
        "x-codex-window-id": "session",
        "x-codex-installation-id": "device-id",
        "x-codex-turn-metadata": "turn-metadata",
    },
    members={"x-codex-turn-metadata": turn_metadata},
    marks={
        b'"client_metadata":{': _client_metadata,
        b'"prompt_cache_key":"': _cache_key,
        b'"internal_chat_message_metadata_passthrough":{': _passed_through,
        rb"<environment_context>\n": _environment,
        b'"# AGENTS.md instructions for ': _memory,
    },
    opaque=(b'"encrypted_content":"',),
    between=b'},{"type":"',
)  # fmt: skip

"""Turns the requests and answers of a session into what was said: by the user, by the model, by its tools; pure.

A client sends the whole conversation with every request. Rules of this file, for what is said only once:
1. What the model says is taken from its answers. From a request only what no answer in this session has brought: a
   conversation that was begun in an earlier session.
2. A tool's result belongs to a call. Once it was said, another one for the same call is not: clients shorten old
   results. A call of the same id makes it open again.
3. The user's prompts are compared in order with those of the last request that began with the same prompt. From the
   first that differs on they are new; where there are fewer than before, the last one is asked anew.
4. What clients write in the user's name is left out: a block that is nothing but text in tags, whose names no HTML
   has (`system-reminder`, `environment_context`, `INSTRUCTIONS`). Commands that the user typed are not.
5. Shapes decide, no client's version; an unknown shape gives nothing; nothing raises.

Memory does not grow with the bodies: kept are hashes of parts and ids of calls, the latest of them.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from wrapper.audit.events import Request, Response
from wrapper.audit.reader import Record
from wrapper.review.answers import Called, Returned, answered, block, decoded, item, text_of
from wrapper.review.bounded import put
from wrapper.review.turntypes import Answer, Call, Prompt, Result, Turn, Usage

__all__ = ["Answer", "Call", "Prompt", "Result", "Turn", "Turns", "Usage"]

_MOST_KNOWN: Final = 1 << 16  # parts of conversations, answers, calls: some MB each
_MOST_CONVERSATIONS: Final = 256
_MOST_WAITING: Final = 1024  # requests without an answer yet
_THE_MODEL: Final = ("assistant", "model")
_HEADING: Final = re.compile(r"\s*(?:# [^\n]*\n)?\s*")
_SPACE: Final = re.compile(r"\s*")
_TAG: Final = re.compile(r"<(?!command-)([A-Za-z]+[-_][\w-]*|[A-Z]+)(?:\s[^<>]*)?>")
_QUEUED: Final = "The user sent a new message while you were working:\n"  # how Claude Code passes on what is typed then
_QUEUED_END: Final = "\n\nIMPORTANT: After completing your current task"
_raws: Final = msgspec.json.Decoder(list[msgspec.Raw])
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_Value = TypeVar("_Value")


class _Part(NamedTuple):
    """What one part of a conversation holds."""

    prompts: tuple[str, ...] = ()
    results: tuple[Returned, ...] = ()
    models: tuple[str | Called, ...] = ()


class _Marks(NamedTuple):
    """What is kept of a part: hashes of its prompts, ids of its results."""

    prompts: tuple[int, ...]
    results: tuple[str, ...]


class _Waiting(NamedTuple):
    """What is known of a request when its answer comes."""

    model: str
    conversation: int
    aside: bool


class Turns:
    """Takes a session's records in order and gives what was said in each."""

    def __init__(self) -> None:
        self._marks: dict[int, _Marks] = {}
        self._conversations: dict[int, tuple[int, ...]] = {}
        self._ids: dict[str, int] = {}  # of answers: the conversation that goes on from them
        self._said: dict[int, None] = {}  # hashes of what the model said
        self._calls: dict[str, bool] = {}  # whether a call still waits for its result
        self._waiting: dict[int, _Waiting] = {}

    def feed(self, record: Record) -> list[Turn]:
        """Return what is new in `record`, in order; nothing for what is no request and no answer to one."""
        match record.event:
            case Request():
                return list(self._request(record.sequence, record.event))
            case Response():
                return list(self._response(record.sequence, record.event))
            case _:
                return []

    def _response(self, sequence: int, event: Response) -> Iterator[Turn]:
        waiting = self._waiting.pop(event.number, _Waiting("", 0, aside=False))
        answer = answered(event.body)
        if answer.id:
            put(self._ids, answer.id, waiting.conversation, _MOST_CONVERSATIONS)
        place = (sequence, event.at, event.number)
        for part in answer.parts:
            match part:
                case str():
                    put(self._said, hash(part.strip()), None, _MOST_KNOWN)
                    yield Answer(*place, part, waiting.aside)
                case Called():
                    put(self._calls, part.id, True, _MOST_KNOWN)
                    yield Call(*place, *part)
                case Returned():
                    put(self._calls, part.id, False, _MOST_KNOWN)
                    yield Result(*place, *part)
        if answer.tokens is not None:
            model, *counts = answer.tokens
            yield Usage(*place, model or waiting.model, *counts)

    def _request(self, sequence: int, event: Request) -> Iterator[Turn]:
        members = _decoded(_members, event.body) or {}
        raws = _parts(members.get("messages") or members.get("input"))
        follows = decoded(bytes(members.get("previous_response_id", b"null")))
        goes_on = self._ids.get(follows) if isinstance(follows, str) else None
        known = [self._known(raw) for raw in raws]
        first = self._first_new(tuple(key for _, marks in known for key in marks.prompts), goes_on)
        model = decoded(bytes(members.get("model", b"null")))
        aside = goes_on is None and not _has_tools(members, raws)
        conversation = goes_on or next((marks.prompts[0] for _, marks in known if marks.prompts), 0)
        waiting = _Waiting(model if isinstance(model, str) else "", conversation, aside)
        put(self._waiting, event.number, waiting, _MOST_WAITING)
        prompts = 0
        for raw, (part, marks) in zip(raws, known, strict=True):
            asked = prompts + len(marks.prompts) > first
            again = asked or any(self._calls.get(one) for one in marks.results)
            new = _part(decoded(bytes(raw))) if part is None and again else part
            if new is not None:
                yield from self._new(new, (sequence, event.at, event.number), max(0, first - prompts), aside=aside)
            prompts += len(marks.prompts)

    def _new(self, part: _Part, place: tuple[int, float, int], first: int, *, aside: bool) -> Iterator[Turn]:
        for text in part.prompts[first:]:
            yield Prompt(*place, text, aside)
        for result in part.results:
            if self._calls.get(result.id, True):
                put(self._calls, result.id, False, _MOST_KNOWN)
                yield Result(*place, *result)
        if any(isinstance(said, Called) and said.id in self._calls for said in part.models):
            return
        for said in part.models:
            if isinstance(said, Called):
                put(self._calls, said.id, True, _MOST_KNOWN)
                yield Call(*place, *said)
            elif hash(said.strip()) not in self._said:
                put(self._said, hash(said.strip()), None, _MOST_KNOWN)
                yield Answer(*place, said, aside)

    def _known(self, raw: msgspec.Raw) -> tuple[_Part | None, _Marks]:
        """Return what a part holds; only its marks where it was read before."""
        key = hash(bytes(raw))
        marks = self._marks.get(key)
        if marks is not None:
            return None, marks
        part = _part(decoded(bytes(raw)))
        marks = _Marks(tuple(hash(text) for text in part.prompts), tuple(one.id for one in part.results))
        put(self._marks, key, marks, _MOST_KNOWN)
        return part, marks

    def _first_new(self, prompts: tuple[int, ...], goes_on: int | None) -> int:
        """Return the number of the first prompt that was not asked before, and remember them all."""
        if goes_on is not None:
            earlier = self._conversations.get(goes_on, ())
            put(self._conversations, goes_on, earlier + prompts, _MOST_CONVERSATIONS)
            return 0
        if not prompts:
            return 0
        earlier = self._conversations.get(prompts[0], ())
        put(self._conversations, prompts[0], prompts, _MOST_CONVERSATIONS)
        same = next((at for at, pair in enumerate(zip(earlier, prompts, strict=False)) if pair[0] != pair[1]), None)
        if same is not None:
            return same
        return len(earlier) if len(earlier) <= len(prompts) else len(prompts) - 1


def _decoded(decoder: "msgspec.json.Decoder[_Value]", data: bytes) -> _Value | None:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _parts(conversation: msgspec.Raw | None) -> Sequence[msgspec.Raw]:
    if conversation is None:
        return ()
    parts = _decoded(_raws, bytes(conversation))
    return (conversation,) if parts is None else parts


def _has_tools(members: dict[str, msgspec.Raw], raws: Sequence[msgspec.Raw]) -> bool:
    """Say whether the model was given tools: in the body, or (Codex's code mode) in the conversation."""
    if bytes(members.get("tools", b"[]")) not in (b"[]", b"null"):
        return True
    return any(b'"additional_tools"' in bytes(raw) for raw in raws[:2])


def _part(value: object) -> _Part:
    if isinstance(value, str):
        return _Part(prompts=(value,) if value else ())
    if not isinstance(value, dict):
        return _Part()
    role = value.get("role")
    said = list(_said(value))
    results = tuple(one for one in said if isinstance(one, Returned))
    calls = tuple(one for one in said if isinstance(one, Called))
    if calls or role in _THE_MODEL:
        return _Part(results=results, models=tuple(one for one in said if not isinstance(one, Returned)))
    texts = [one for one in said if isinstance(one, str)]
    if role != "user":
        queued = tuple(text for one in texts if (text := _queued(one)))
        return _Part(prompts=queued, results=results)
    users = "\n".join(text for one in texts if (text := _queued(one) or ("" if _is_wrapped(one) else one)))
    return _Part(prompts=(users,) if users.strip() else (), results=results)


def _said(value: dict[str, Any]) -> Iterator[str | Called | Returned]:
    kind, content = value.get("type"), value.get("content")
    if isinstance(kind, str) and kind != "message":
        yield from item(value)
    elif isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for one in content:
            read = list(block(one)) if isinstance(one, dict) else []
            yield from read or ([text] if (text := text_of([one])) else [])


def _is_wrapped(text: str) -> bool:
    """Say whether a text is nothing but texts in tags, perhaps below a heading; in a time linear in its length."""
    heading = _HEADING.match(text)
    at = begin = heading.end() if heading else 0
    while tag := _TAG.match(text, at):
        close = f"</{tag[1]}>"
        end = text.find(close, tag.end())
        if end < 0:
            return False
        rest = _SPACE.match(text, end + len(close))
        at = rest.end() if rest else end + len(close)
    return begin < at == len(text)


def _queued(text: str) -> str:
    """Return what the user typed while tools ran."""
    _, found, typed = text.partition(_QUEUED)
    return typed.rpartition(_QUEUED_END)[0] or typed if found else ""

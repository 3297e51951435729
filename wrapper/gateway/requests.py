"""What a request asks of which model, read out of its body; pure.

Rules of this file:
1. Nothing raises, and nothing hides what is asked: what cannot be read as its interface says is taken as asking the
   model `?`, which whatever is strict in a policy covers, and all of its text is the prompt. So is a body whose model
   or conversation stands there twice: two readers could read it differently.
2. Who asks is the user (`prompts`). Who puts an order into a file, a tool's result or a system prompt is not noticed.

Sources: the providers' API references (Messages, Message Batches, Responses, Chat Completions, Completions), those of
self-hosted servers that speak the same, and what Claude Code 2.1 and codex-cli 0.169 send.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote

import msgspec

from wrapper.gateway.prompts import SUMMARY, Told, holds, prompts, strings, told
from wrapper.policy.wire import UNKNOWN_MODEL

# Parts of paths that ask a model. They matter where the body does not say so: of a readable one its members do.
_ASKING: Final = frozenset({
    "batches", "chat", "compact", "complete", "completion", "completions", "converse", "converse-stream",
    "count-tokens", "count_tokens", "edits", "embeddings", "generate", "generations", "infill", "input_tokens",
    "invoke", "invoke-with-response-stream", "messages", "rawpredict", "rerank", "responses", "speech",
    "streamrawpredict", "transcriptions", "translations",
})  # fmt: skip
_COUNTING: Final = frozenset({"count-tokens", "count_tokens", "input_tokens"})
_CONVERSATIONS: Final = ("messages", "input", "prompt", "inputs", "contents", "item")
_NESTED: Final = ("response", "session")  # of messages of the Realtime interface
_PACKED: Final = ("params", "body")  # of one request of a batch
_NAMED_IN_PATH: Final = re.compile(r"/(?:deployments|engines|models?)/([^/:]+)", re.IGNORECASE)
_MOST_ITEMS: Final = 1 << 16  # of a conversation of which more than the texts is told; long ones have thousands
_MEMBER: Final = re.compile(rb'\s*[{,]\s*"(?:[^"\\]|\\.)*"\s*:\s*', re.DOTALL)
_BLANKS: Final = re.compile(rb"[ \t\r\n]*")
_COMMA: Final = re.compile(rb"[ \t\r\n]*,")

# What clients ask for when the conversation grows too long: the answer will stand in its place.
_COMPACTING: Final = (
    "Your task is to create a detailed summary of",
    "You are performing a CONTEXT CHECKPOINT COMPACTION",
)
_COMPACTING_ITEM: Final = b'"compaction_trigger"'
_TOOLS_ITEM: Final = b'"additional_tools"'
MARKED: Final = "input"
MARKS: Final = (_COMPACTING_ITEM, _TOOLS_ITEM)
"""What is looked for anywhere in the conversation of this name, each within one item."""
# What clients ask so that a conversation gets a title; Codex with tools on offer.
_TITLE: Final = "Generate a concise, single-line task title"
_TITLED: Final = (
    re.compile(r"\s*<session>\n(.*)\n</session>\s+Write the title [^\n]*", re.DOTALL),
    re.compile(_TITLE + r"[^\n]*\n\nUser prompt:\n(.*)", re.DOTALL),
)


class Asked(msgspec.Struct, frozen=True):
    """What one request asks.

    `model` is asked for `prompt`, what the user wrote last; `stream`: the answer is wanted in events. `others` are
    further models that the same request asks: of batches, of tools of the provider's own, to fall back on. `earlier`
    are the user's other texts in the conversation, the oldest first. `repeats`: a job of the client's own, which quotes
    the user (titles, summaries, counting); `summary`: its answer will stand in the conversation's place.
    """

    model: str
    prompt: str
    stream: bool
    others: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    repeats: bool = False
    summary: bool = False


class _Tool(msgspec.Struct, frozen=True):
    """One that asks a model of its own, such as for images or advice, names it."""

    model: str | None = None


class Left(NamedTuple):
    """What was left out of a body: the first items of its only conversation, `name`, which were read before.

    `told` is what they say, `marks` are those of MARKS that stand in them. One item that says nothing stands for them.
    """

    name: str
    told: Sequence[Told]
    marks: frozenset[bytes]


_NOTHING: Final = Left("", (), frozenset())


class Conversation(NamedTuple):
    """Where the only list of items stands in a body: the offset of its bracket, and of what follows each comma in it.

    `told` is what its items say.
    """

    name: str
    opening: int
    ends: list[int]
    told: list[Told]


class UnclearError(Exception):
    """What is left out of a body must be read too."""


_Members = Mapping[str, list[msgspec.Raw]]
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_raws: Final = msgspec.json.Decoder(list[msgspec.Raw])
_tools: Final = msgspec.json.Decoder(list[_Tool])
_anything: Final = msgspec.json.Decoder()
_UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)


def asked(dialect: str, target: str, body: bytes) -> Asked | None:
    """Read what a decoded body, or one WebSocket message, asks. None: no model is asked for anything.

    `dialect` is the interface's name, `target` path and query. Raises nothing; takes about 1 ms for 560 KB.
    """
    if not body.strip():
        return None
    try:
        return _asked(_with_nested(_read(body)), target)
    except _UNREADABLE:
        return _unreadable(body) if _is_asking(dialect, target.partition("?")[0]) else None


def asked_with(target: str, rest: bytes, left: Left) -> Asked | None:
    """Read what a body asks of which `rest` is left, without what was read before.

    Raises UnclearError where only the whole body tells.
    """
    try:
        once = _members.decode(rest)
        members = _with_nested(_by_name(once.items()))
        # The second look at members that stand there twice (`_pairs`) minds what is left out.
        if _starts(rest, once) is None or "requests" in members or left.name not in members or _is_several(members):
            raise UnclearError
        return _asked(members, target, left)
    except _UNREADABLE as error:
        raise UnclearError from error


def conversation(body: bytes) -> Conversation | None:
    """Say where the conversation stands in a body, if it has one that is a list, and no member twice; else None."""
    try:
        members = _members.decode(body)
        starts = _starts(body, members)
        lists = [
            name for name in members if name.lower() in _CONVERSATIONS and bytes(memoryview(members[name])[:1]) == b"["
        ]
        if starts is None or len(lists) != 1:
            return None
        [name] = lists
        items = members[name]
        return Conversation(name.lower(), starts[name], _commas(body, starts[name], items), list(told(items)))
    except _UNREADABLE:
        return None


def _commas(body: bytes, opening: int, items: msgspec.Raw) -> list[int]:
    """Give the offset behind the comma that follows each item of a list but the last."""
    ends: list[int] = []
    at = opening + 1
    read = _raws.decode(items)
    if len(read) > _MOST_ITEMS:
        raise ValueError("more items than are remembered")
    for item in read[:-1]:
        begun = _BLANKS.match(body, at)
        comma = _COMMA.match(body, begun.end() + len(memoryview(item))) if begun else None
        if comma is None:
            raise ValueError("items do not stand one behind the other")
        ends.append(at := comma.end())
    return ends


def _named(path: str, query: str) -> str:
    """Return the model that the target names, as some servers want it; empty: none."""
    try:
        in_query = parse_qs(query).get("model", [""])[-1]
    except ValueError:
        in_query = UNKNOWN_MODEL
    found = _NAMED_IN_PATH.search(path)
    named = unquote(found[1]) if found else ""
    return named if named and named.lower() not in _COUNTING else in_query


def is_packed(target: str) -> bool:
    """Whether a request holds what it asks in base64, in which nothing can be replaced: Bedrock's counting does."""
    return _verb(target) == "count-tokens"


def in_frames(target: str) -> bool:
    """Whether what `target` asks for is answered in frames of Amazon's encoding."""
    return _verb(target) == "invoke-with-response-stream"


def _verb(target: str) -> str:
    """Return what stands last in the path, which says what a cloud is asked to do."""
    return _parts_of(target.partition("?")[0].rstrip("/"))[-1]


def _is_asking(dialect: str, path: str) -> bool:
    return dialect not in {"anthropic", "openai"} or not _ASKING.isdisjoint(_parts_of(path))


def _parts_of(path: str) -> list[str]:
    """Cut a path as servers understand it that are lenient about slashes, case and escapes."""
    return re.split(r"[/:;]", unquote(path).lower())


# The members of the body.


def _read(body: bytes) -> _Members:
    """Return all members of a JSON object, names in lower case as lenient servers read them, in document order."""
    once = _members.decode(body)
    return _by_name(once.items() if _starts(body, once) is not None else _pairs(body))


def _by_name(pairs: Iterable[tuple[str, msgspec.Raw]]) -> _Members:
    members: dict[str, list[msgspec.Raw]] = {}
    for name, value in pairs:
        members.setdefault(name.lower(), []).append(value)
    return members


def _starts(body: bytes, members: Mapping[str, msgspec.Raw]) -> dict[str, int] | None:
    """Say where the values stand, if no member stands in `body` twice: a decoder keeps one of those, and not the rest.

    A value of JSON is never the beginning of another one (but a number, behind which no comma comes then), so the
    members stand one behind the other exactly if there are no others.
    """
    starts: dict[str, int] = {}
    at = 0
    for name, value in members.items():
        begun = _MEMBER.match(body, at)
        raw = memoryview(value)
        if not begun or not body.startswith(raw, begun.end()):
            return None
        starts[name] = begun.end()
        at = begun.end() + len(raw)
    return starts if body[at:].strip() == (b"}" if members else b"{}") else None


def _pairs(body: bytes) -> Iterator[tuple[str, msgspec.Raw]]:
    """Yield every member with its name, also those that stand there twice. Raises ValueError, RecursionError."""
    text = body.decode()
    at, decoder = text.index("{") + 1, json.JSONDecoder()
    while begun := re.compile(r'[\s,]*(?=")').match(text, at):
        name, at = decoder.raw_decode(text, begun.end())
        start = re.compile(r"\s*:\s*").match(text, at)
        at = start.end() if start else at
        _, end = decoder.raw_decode(text, at)
        yield name, msgspec.Raw(text[at:end].encode())
        at = end


def _asked(members: _Members, target: str, left: Left = _NOTHING) -> Asked | None:
    path, _, query = target.partition("?")
    named = _named(path, query)
    if "items" in members and "conversations" in _parts_of(path):  # stored, for whoever asks with them
        members = {**members, "input": [*members.get("input", ()), *members["items"]]}
    if "requests" in members:
        return _batch(members, named)
    one = _one_asked(members, named, counts=not _COUNTING.isdisjoint(_parts_of(path)), left=left)
    return msgspec.structs.replace(one, stream=True) if one is not None and in_frames(path) else one


def _one_asked(members: _Members, named: str, *, counts: bool = False, left: Left = _NOTHING) -> Asked | None:
    if not named and not members.keys() & {"model", "input_file_id", *_CONVERSATIONS}:
        return None
    models = _models(members) or ((named or UNKNOWN_MODEL),)
    model = models[0] if len(models) == 1 else UNKNOWN_MODEL
    *earlier, last = _texts(members, left) or [""]
    quoted = next((found[1] for one in _TITLED if (found := one.fullmatch(last))), "")
    summary = any(sentence in last for sentence in _COMPACTING) or _holds(members, MARKED, _COMPACTING_ITEM, left)
    repeats = bool(counts or summary or quoted) or last.startswith(SUMMARY) or not _offers_tools(members, left)
    return Asked(
        model,
        quoted or last,
        stream=any(bytes(raw) == b"true" for raw in members.get("stream", ())),
        others=_others(members, named if named != model else ""),
        earlier=tuple([*earlier, last] if quoted else earlier),  # what stands around the quoted is no blind spot
        repeats=repeats,
        summary=summary,
    )


def _with_nested(members: _Members) -> _Members:
    """Read what stands one level deeper as if it stood here; what stands in both places, stands there twice."""
    merged = {name: list(values) for name, values in members.items()}
    for raw in [raw for name in _NESTED for raw in members.get(name, ()) if bytes(raw).startswith(b"{")]:
        for name, values in _read(bytes(raw)).items():
            merged.setdefault(name, []).extend(values)
    return merged


def _batch(members: _Members, named: str) -> Asked | None:
    """Read all requests of a batch as one: each of its models is asked, each of its texts is a prompt."""
    found = [_one_asked(members, named)]
    for raw in (one for many in members["requests"] for one in _raws.decode(many)):
        request = _read(bytes(raw))
        found.append(_one_asked(request, named))
        found += [_one_asked(_read(bytes(one)), named) for name in _PACKED for one in request.get(name, ())]
    inner = [one for one in found if one is not None]
    models = tuple(dict.fromkeys(name for one in inner for name in (one.model, *one.others)))
    if not models:
        return None
    texts = [text for one in inner for text in (*one.earlier, one.prompt)]
    return Asked(models[0], "\n\n".join(one.prompt for one in inner), False, models[1:], tuple(texts))


def _models(members: _Members) -> tuple[str, ...]:
    return tuple(_one_name(_anything.decode(raw)) for raw in members.get("model", ()))


def _others(members: _Members, in_target: str) -> tuple[str, ...]:
    """Return the models that the target and tools name, and those that servers fall back on."""
    named: list[object] = [in_target] if in_target else []
    for raw in members.get("tools", ()):
        try:
            named += [tool.model for tool in _tools.decode(raw) if tool.model]
        except msgspec.DecodeError:
            named += [UNKNOWN_MODEL] if _holds(members, "tools", b'"model"') else []
    for raw in members.get("models", ()):
        several = _anything.decode(raw)
        named += several if isinstance(several, list) else [several]
    for raw in members.get("fallbacks", ()):
        several = _anything.decode(raw)
        # One word stands for what the provider chooses; an object may change more than the model.
        listed = several if isinstance(several, list) else [None]
        named += [one.get("model") if isinstance(one, dict) else one for one in listed]
    return tuple(dict.fromkeys(map(_one_name, named)))


def _one_name(model: object) -> str:
    """Return a model's name; blanks around it are no part of it for lenient servers."""
    return (model.strip() if isinstance(model, str) else "") or UNKNOWN_MODEL


def _offers_tools(members: _Members, left: Left) -> bool:
    """Whether tools are on offer, as in all but jobs of the client's own; in a delta they need not be repeated."""
    if any(bytes(raw) not in {b"[]", b"null"} for raw in members.get("tools", ())):
        return True
    return "previous_response_id" in members or _holds(members, MARKED, _TOOLS_ITEM, left)


def _holds(members: _Members, name: str, mark: bytes, left: Left = _NOTHING) -> bool:
    return (name == left.name and mark in left.marks) or any(holds(raw, mark) for raw in members.get(name, ()))


def _texts(members: _Members, left: Left) -> list[str]:
    """Return the user's texts in order; where a conversation stands there twice, all strings of all as one."""
    found = [(name, raw) for name in _CONVERSATIONS for raw in members.get(name, ())]
    if _is_several(members):
        return ["\n".join(text for _, raw in found for text in strings(_anything.decode(raw)))]
    return [text for name, raw in found for text in prompts(raw, left.told if name == left.name else ())]


def _is_several(members: _Members) -> bool:
    """Whether a conversation stands there twice."""
    return any(len(members.get(name, ())) > 1 for name in _CONVERSATIONS)


# What is odd.


def _unreadable(body: bytes) -> Asked:
    try:
        text = "\n".join(strings(json.loads(body)))
    except _UNREADABLE:
        text = body.decode("utf-8", "replace")
    return Asked(UNKNOWN_MODEL, text, stream=False)

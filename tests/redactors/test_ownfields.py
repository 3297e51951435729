"""Whose a field is, what leads to it says: against a plain walk over all of a document."""

import json
import os
import random
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from redactors import Engine, KnownValues, Vault
from redactors.ownfields import OwnFields
from redactors.ownshapes import NAMES
from redactors.pieces import Memory
from redactors.rules.catalogue import expand
from tests.compiled import load

GITHUB = expand(["gh", "p_{base62:30}{crc32}"])
FILLER = "The quick brown fox jumps over the lazy dog. " * 120

# What leads to each field of the provider's own, through lists or not, and of what type the object must be.
MESSAGE = r"(?:(?:response|body|requests\.params|requests\.body)\.)?messages\."
BLOCK = MESSAGE + r"(?:content|thinking_blocks)\."
ITEM = r"(?:(?:response|body|requests\.params|requests\.body)\.)?(?:input|items|item)\."
OWN = [
    (BLOCK + "thinking", "thinking"),
    (BLOCK + "(?:signature|encrypted_content)", ".*"),
    (BLOCK + "data", "redacted_thinking"),
    (BLOCK + r"content\.encrypted_content", "web_search_result|advisor_redacted_result"),
    (BLOCK + r"content\.encrypted_stdout", "encrypted_code_execution_result"),
    (BLOCK + r"citations\.encrypted_index", "web_search_result_location"),
    (MESSAGE + r"reasoning_details\.signature", ".*"),
    (MESSAGE + r"reasoning_details\.data", r"reasoning\.encrypted"),
    (ITEM + "encrypted_content", ".*"),
    (ITEM + r"(?:content|output)\.encrypted_content", "encrypted_content"),
]
TYPES = ["thinking", "redacted_thinking", "text", "web_search_result", "web_search_result_location", "reasoning"]
TYPES += ["encrypted_content", "encrypted_code_execution_result", "reasoning.encrypted", "tool_use"]
FOLLOWS = {  # what often leads on from where
    "": ["messages", "input", "item", "items", "requests", "body", "response"],
    "requests": ["params", "body"],
    "params": ["messages"],
    "body": ["messages", "input"],
    "response": ["input"],
    "messages": ["content", "thinking_blocks", "reasoning_details"],
    "content": ["content", "citations"],
    "input": ["content", "output"],
}
LEADING = sorted({"arguments", "tools", *FOLLOWS, *(name for names in FOLLOWS.values() for name in names)} - {""})


class Member(NamedTuple):
    """A member, or an item, which has no name; `value` is a text, a list or an object, each a list of these."""

    name: str | None
    value: Any
    is_list: bool = False


def grown(rng: random.Random, depth: int, under: str = "", *, is_list: bool = False) -> list[Member]:
    """Make a container whose members lead, mostly, where a request's do."""
    members = []
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(FOLLOWS.get(under, LEADING) if rng.random() < 0.8 else LEADING)
        as_list = not is_list and rng.random() < 0.5 if rng.random() < 0.95 else is_list
        is_deep = depth and rng.random() < 0.9
        inner = grown(rng, depth - 1, under if is_list else name, is_list=as_list) if is_deep else "text"
        members.append(Member(None if is_list else name, inner, as_list))
    if not is_list:
        members += [Member(rng.choice(sorted(NAMES)), "own") for _ in range(rng.randint(0, 3))]
        members += [Member("type", rng.choice(TYPES)) for _ in range(rng.choice([0, 1, 1, 1]))]
        rng.shuffle(members)
        if rng.random() < 0.9:
            members = list({member.name: member for member in members}.values())
    return members


class Writing:
    """Writes a document, and notes where its strings open and whether they are the provider's own."""

    def __init__(self, rng: random.Random) -> None:
        self.text = ""
        self.own: dict[int, bool] = {}
        self._rng = rng

    def write(self, members: list[Member], path: str, *, is_list: bool, is_sure: bool = True) -> None:
        names = [member.name for member in members]
        is_sure = is_sure and (is_list or len(set(names)) == len(names))
        kind = next((member.value for member in members if member.name == "type"), "")
        self._put("[" if is_list else "{")
        for place, (name, value, inner_is_list) in enumerate(members):
            self._put("," if place else "")
            if name is not None:
                self._put(self._named(name) + self._blank() + ":")
            behind = path if is_list else f"{path}.{name}".lstrip(".")
            if isinstance(value, list):
                is_still = is_sure and not (is_list and inner_is_list)
                self.write(value, behind, is_list=inner_is_list, is_sure=is_still)
            else:
                self.own[len(self.text)] = is_sure and not is_list and is_own(behind, kind)
                self._put(json.dumps(value))
        self._put("]" if is_list else "}")

    def _put(self, text: str) -> None:
        self.text += text + self._blank()

    def _blank(self) -> str:
        return self._rng.choice(["", "", "", " ", "\r\n\t"])

    def _named(self, name: str) -> str:
        return json.dumps(name) if self._rng.random() < 0.9 else f'"\\u{ord(name[0]):04x}{name[1:]}"'


def is_own(path: str, kind: str) -> bool:
    return any(re.fullmatch(one, path) and re.fullmatch(of, kind) for one, of in OWN)


def test_a_plain_walk_over_the_document_finds_the_same_fields() -> None:
    met = set()
    for seed in range(2_000):
        rng = random.Random(seed)  # noqa: S311 (seeded, for a test)
        writing = Writing(rng)
        writing.write(grown(rng, seed % 6 + 1), "", is_list=False)
        own = OwnFields(writing.text.encode())
        places = list(writing.own)
        rng.shuffle(places)
        assert {at: own.holds(at) for at in places} == {at: writing.own[at] for at in places}, seed
        met |= {name_before(writing.text, at) for at, is_theirs in writing.own.items() if is_theirs}
    assert met == NAMES  # else it would say little


def name_before(text: str, at: int) -> str:
    return str(json.loads(text[text.rindex('"', 0, text.rindex('"', 0, at)) : text.rindex('"', 0, at) + 1]))


def block(**members: Any) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": [members]}]}


def item(**members: Any) -> dict[str, Any]:
    return {"input": [members]}


THOUGHT = {"type": "thinking", "thinking": f"it is {GITHUB} {FILLER}", "signature": GITHUB}
THEIRS = {
    "thinking": block(**THOUGHT),
    "redacted thinking": block(type="redacted_thinking", data=GITHUB),
    "compaction": block(type="compaction", content="x", encrypted_content=GITHUB),
    "web search": block(
        type="web_search_tool_result", content=[{"type": "web_search_result", "encrypted_content": GITHUB}]
    ),
    "citation": block(
        type="text", citations=[{"type": "web_search_result_location", "cited_text": "x", "encrypted_index": GITHUB}]
    ),
    "code execution": block(
        type="code_execution_tool_result",
        content={"type": "encrypted_code_execution_result", "encrypted_stdout": GITHUB, "content": []},
    ),
    "batch": {"requests": [{"custom_id": "a", "params": block(**THOUGHT)}]},
    "reasoning": item(type="reasoning", summary=[], encrypted_content=GITHUB),
    "compacted": item(type="compaction", encrypted_content=GITHUB),
    "another agent's answer": item(
        type="agent_message", content=[{"type": "encrypted_content", "encrypted_content": GITHUB}]
    ),
    "WebSocket": {"type": "response.create", **item(type="reasoning", encrypted_content=GITHUB)},
    "nested WebSocket": {"type": "response.create", "response": item(type="reasoning", encrypted_content=GITHUB)},
    "a conversation's items": {"items": [{"type": "reasoning", "encrypted_content": GITHUB}]},
    "a line of a batch": {"custom_id": "a", "body": item(type="reasoning", encrypted_content=GITHUB)},
    "chat": {"messages": [{"role": "assistant", "thinking_blocks": [THOUGHT]}]},
}
OURS = {
    "a tool's argument": block(type="tool_use", name="sign", input=THOUGHT),
    "an argument's type": block(type="tool_use", input={"type": "redacted_thinking", "data": GITHUB}),
    "a request in an argument": block(type="tool_use", input=block(**THOUGHT)),
    "a tool's result": block(type="tool_result", content=[THOUGHT]),
    "data beside another's type": block(type="document", source={"data": GITHUB}, title="redacted_thinking"),
    "data of a neighbour": block(type="text", data=GITHUB, title={"type": "redacted_thinking"}),
    "text of a citation": block(type="text", citations=[{"type": "char_location", "encrypted_index": GITHUB}]),
    "a tool's output": item(type="function_call_output", output=[{"type": "input_text", "encrypted_content": GITHUB}]),
    "a schema": {"tools": [{"input_schema": {"signature": GITHUB}}], "messages": []},
    "the outermost": {"thinking": GITHUB, "signature": GITHUB, "encrypted_content": GITHUB, "messages": []},
    "the system prompt": {"system": [THOUGHT], "messages": []},
    "metadata": {"metadata": {"signature": GITHUB}, "input": []},
    "a list of names": block(type="thinking", signature=[GITHUB]),
    "lists in lists": {"messages": [[{"content": [THOUGHT]}]]},
    "text": {"messages": [{"role": "user", "content": json.dumps(block(**THOUGHT))}]},
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    vault = Vault(os.urandom(32))
    return load(vault, KnownValues(vault))


@pytest.mark.parametrize("place", THEIRS)
def test_rules_leave_alone_what_the_provider_wrote(engine: Engine, place: str) -> None:
    for body in written(THEIRS[place]):
        assert engine.redact_json(body).data is body
        assert Memory(engine).find(body).findings == []


@pytest.mark.parametrize("place", OURS)
def test_what_is_only_named_like_it_is_searched(engine: Engine, place: str) -> None:
    for body in written(OURS[place]):
        assert GITHUB.encode() not in engine.redact_json(body).data
        found = Memory(engine).find(body)
        assert GITHUB.encode() not in engine.replace(body, found.findings, quotes=found.quotes).data


def written(document: dict[str, Any]) -> Iterator[bytes]:
    yield json.dumps(document).encode()
    yield json.dumps(document, indent=2).encode()
    line = json.dumps(document, separators=(",", ":")).encode()
    yield line + b"\r\n" + line + b"\n"


def test_a_member_that_stands_there_twice_makes_nothing_the_providers(engine: Engine) -> None:
    body = json.dumps(THEIRS["thinking"]).encode()
    twice = body[:-1] + b',"messages":[]}'
    assert GITHUB.encode() not in engine.redact_json(twice).data


@pytest.mark.parametrize("first", ["THEIRS", "OURS"])
def test_a_piece_that_was_seen_at_one_place_is_judged_anew_at_another(engine: Engine, first: str) -> None:
    """Promise 1: nobody gets a secret past the search by first sending it as what the provider wrote."""
    items = [{"type": "text", "text": FILLER}, THOUGHT, {"type": "text", "text": FILLER}]
    theirs, ours = {"messages": [{"content": items}]}, {"messages": [{"input": items}]}
    memory = Memory(engine)
    for turn in range(4):
        is_theirs = (turn % 2 == 0) == (first == "THEIRS")
        found = memory.find(json.dumps(theirs if is_theirs else ours).encode()).findings
        assert [one.value.decode() for one in found] == ([] if is_theirs else [GITHUB, GITHUB])


@pytest.mark.parametrize("end", ["", ',"messages":[]', ',"x":'])
def test_many_fields_in_one_document_cost_one_look_at_it(end: str) -> None:
    """Who names thousands of fields so must not make the search slow, whether or not the document can be read."""
    body = json.dumps({"messages": [{"content": [THOUGHT] * 300}] * 3}).encode()[:-1] + end.encode() + b"}"
    places = [found.end() for found in re.finditer(rb'"signature": (?=")', body)]
    own = OwnFields(body)
    assert [own.holds(at) for at in places] == [not end] * len(places)
    reading = sum(len(parts.starts) for parts in own._read.values())
    assert reading <= len(places) * 4 + 10
    assert len(own._read) <= len(places) + 10

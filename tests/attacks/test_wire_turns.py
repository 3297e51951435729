"""Attacks on promise 1 over several turns: the provider says a placeholder, and waits for what comes back.

A value that the inside had is put back into an answer. The client sends that answer again with the next request, where
nothing may stand any more that told the value for a secret: no key before it, no border around it, another field.
"""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from redactors.context import Context, ContextRule
from tests.gateway.test_conversation import asking, said
from tests.gateway.test_conversation import world as world_of_sockets
from tests.gateway.wire import World, chunked, events, forge_token, in_loop, plain, wired

TOKEN = forge_token("Qm7xW2vTe5Rk9Lp3Zb8Nc4Hd6Gs1Jf").decode()
# Each is found by its key alone; the second is no more than words.
FOUND_BY_KEY = {"random": "vR8kPq2n" + "Zt6Ls4WdYx", "words": "blue-" + "wagon7tree", "short": "k9!xQ" + "2z"}
MARK = re.compile(r"(?:ghp_)?MASKED-[A-Z0-9-]+")


async def told(world: World, text: str) -> str:
    """Send `text`; give the placeholder that the provider got."""
    await world.ask_json({"messages": [{"role": "user", "content": text}]})
    found = MARK.search(world.provider.requests[-1].document["messages"][0]["content"])
    assert found, text
    return found[0]


async def sends(world: World, *contents: Any) -> Any:
    """Send what the client has of a conversation, without the first message; give what arrives."""
    before = len(world.provider.bytes)
    messages = [{"role": "assistant", "content": one} for one in contents]
    assert (await world.ask_json({"messages": messages})).status == 200
    world.provider.bytes[:] = world.provider.bytes[before:]
    return world.provider.requests[-1].document["messages"]


def speaking(text: str, cut: int = 5) -> Callable[..., Any]:
    """Stream `text` as the model's words, `cut` characters an event."""
    parts = [text[at : at + cut] for at in range(0, len(text), cut)]
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": one}} for one in parts
    ]
    return chunked(*events(*deltas, {"type": "content_block_stop", "index": 0}, {"type": "message_stop"}))


def calling(arguments: str, cut: int = 5) -> Callable[..., Any]:
    """Stream the arguments of a tool."""
    parts = [arguments[at : at + cut] for at in range(0, len(arguments), cut)]
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": one}}
        for one in parts
    ]
    return chunked(*events(*deltas, {"type": "content_block_stop", "index": 0}, {"type": "message_stop"}))


def heard(body: bytes, member: str) -> str:
    """Put together what the client read of a stream."""
    lines = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: ")]
    return "".join(one["delta"].get(member, "") for one in lines if one["type"] == "content_block_delta")


@pytest.mark.parametrize("value", FOUND_BY_KEY.values(), ids=FOUND_BY_KEY)
@pytest.mark.parametrize("around", ["The value is {}.", "{}", "x{}y", '{{"a": "{}"}}', "psql -W{}@h"])
def test_what_is_a_secret_by_its_key_leaves_in_no_later_turn_without_it(value: str, around: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            placeholder = await told(world, f"DB_PASSWORD={value}\n")
            world.provider.answer = speaking(around.format(placeholder))
            reply = await world.ask_json({"messages": []})
            text = heard(reply.body, "text")
            assert text == around.format(value)  # promise 3: the inside has what it had
            world.provider.answer = plain(b"{}")
            received = await sends(world, text, [{"type": "text", "text": text}])
            assert value.encode() not in world.provider.bytes
            assert received[0]["content"] == around.format(placeholder)

    scenario()


@in_loop
async def test_what_looks_random_is_found_in_all_of_the_request_in_which_a_rule_finds_it_once() -> None:
    async with wired() as world:
        value = FOUND_BY_KEY["random"]
        texts = [f"tried {value} and {base64.b64encode(value.encode()).decode()}", f"password: {value}", f"<{value}>"]
        await world.ask_json({"messages": [{"role": "user", "content": text} for text in texts]})
        [first, second, third] = [one["content"] for one in world.provider.requests[0].document["messages"]]
        assert first.count("MASKED-") == 2
        assert second.replace("password: ", "") == third.strip("<>")
        for form in (value.encode(), base64.b64encode(value.encode())):
            assert form not in world.provider.bytes + world.recorded()


@in_loop
async def test_another_form_of_a_value_comes_back_as_it_stood_there() -> None:
    """Promise 3: else a file would get the value where its base64 stood."""
    async with wired() as world:
        value = FOUND_BY_KEY["random"]
        await told(world, f"DB_PASSWORD={value}\n")
        for form in (base64.b64encode(value.encode()).decode(), value.encode().hex(), value[:16], value[::-1]):
            await told(world, f"data: {form} .")
            text = world.provider.requests[-1].document["messages"][0]["content"]
            world.provider.answer = speaking(text)
            reply = await world.ask_json({"messages": []})
            assert heard(reply.body, "text") == f"data: {form} ."


OWN_FIELDS = [
    '{{"thinking": "{}"}}',
    '{{"signature": "{}", "x": 1}}',
    '{{"a": {{"encrypted_content": "{}"}}}}',
    '{{"th\\u0069nking": "{}"}}',
    '{{"signature": ["{}"]}}',
    '{{"type": "redacted_thinking", "data": "{}"}}',
    '{{"data": "{}", "note": "redacted_thinking"}}',
    '[{{"type": "thinking", "thinking": "{}"}}]',
]


@pytest.mark.parametrize("arguments", OWN_FIELDS)
@pytest.mark.parametrize("text", [TOKEN, "DB_PASSWORD=" + FOUND_BY_KEY["words"]])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_tools_argument_named_like_a_field_of_the_providers_own_carries_nothing_out(
    arguments: str,
    text: str,
    streamed: bool,  # noqa: FBT001
) -> None:
    """Rules are not asked about what providers write for themselves: what leads to a field says whether it is that."""

    @in_loop
    async def scenario() -> None:
        async with wired() as world:
            placeholder = await told(world, text)
            written = arguments.format(placeholder)
            call = {"type": "tool_use", "id": "t", "name": "note", "input": json.loads(written)}
            world.provider.answer = calling(written) if streamed else plain(json.dumps({"content": [call]}).encode())
            reply = await world.ask_json({"messages": []})
            if streamed:
                call["input"] = json.loads(heard(reply.body, "partial_json"))
            else:
                call = reply.document["content"][0]
            world.provider.answer = plain(b"{}")
            await sends(world, [call])
            assert text.rpartition("=")[2].encode() not in world.provider.bytes

    scenario()


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
def test_nothing_leaves_in_an_identifier_that_the_provider_gave(kind: Any) -> None:
    """Targets and headers lose only what is certain: an id that was a placeholder must not come back as a guess."""

    @in_loop
    async def scenario() -> None:
        async with wired(kind=kind) as world:
            for value in (FOUND_BY_KEY["random"], FOUND_BY_KEY["words"]):
                placeholder = await told(world, f"DB_PASSWORD={value}\n")
                world.provider.answer = plain(json.dumps({"id": placeholder}).encode())
                identifier = (await world.ask_json({"messages": []})).document["id"]
                world.provider.answer = plain(b"{}")
                await world.ask(f"/v1/responses/{identifier}?after={identifier}", b"", method="GET")
                await world.ask("/v1/messages", b"{}", headers=[f"X-Last-Id: {identifier}", f"Cookie: a={identifier}"])
                assert value.encode() not in world.provider.bytes + world.recorded()

    scenario()


TERMS = Context([ContextRule("CODE-NAME", terms=("Falcon", "blue harbor", "Hans Müller"))])


@pytest.mark.parametrize("term", ["Falcon", "FALCON", "blue harbor", "Hans Müller"])
@pytest.mark.parametrize("around", ["{}s", "x{}", "a{}b", "{0}{0}", "{}é", "e{}\u0301", "A" * 300 + "{}" + "B" * 300])
def test_a_term_of_the_policy_does_not_leave_in_the_middle_of_a_word_that_the_provider_made(
    term: str, around: str
) -> None:
    """Where a term must have borders, the provider must not learn it by putting letters beside its placeholder."""

    @in_loop
    async def scenario() -> None:
        async with wired(widen=lambda engine: engine.with_sources(TERMS)) as world:
            placeholder = await told(world, f"about {term} here")
            world.provider.answer = speaking(around.format(placeholder), cut=7)
            text = heard((await world.ask_json({"messages": []})).body, "text")
            assert text == around.format(term)
            world.provider.answer = plain(b"{}")
            received = await sends(world, text)
            assert received[0]["content"] == around.format(placeholder)

    scenario()


@in_loop
async def test_a_term_that_stood_alone_in_answers_is_not_found_within_other_words() -> None:
    """Rules about borders hold: a line end of a tool's arguments is no letter beside it."""
    async with wired(widen=lambda engine: engine.with_sources(TERMS)) as world:
        placeholder = await told(world, "about Falcon here")
        for arguments in (
            json.dumps({"a": f"x\n{placeholder}\n\t{placeholder}"}),
            f'{{"{placeholder}":["{placeholder}"]}}',
        ):
            world.provider.answer = calling(arguments)
            await world.ask_json({"messages": []})
        world.provider.answer = speaking(f"{placeholder}, ({placeholder})")
        await world.ask_json({"messages": []})
        world.provider.answer = plain(b"{}")
        assert (await sends(world, "falconry and Falcons"))[0]["content"] == "falconry and Falcons"


@in_loop
async def test_over_a_websocket_nothing_leaves_that_the_provider_had_put_back() -> None:
    async with world_of_sockets() as here:
        inside, provider = await here.both()
        value = FOUND_BY_KEY["words"]
        inside.say(asking(f"DB_PASSWORD={value}\n"))
        found = MARK.search(await provider.heard())
        assert found
        placeholder = found[0]
        for part in ("it is x", placeholder[:9], placeholder[9:], "y"):
            delta = {"type": "response.output_text.delta", "item_id": "m", "content_index": 0, "delta": part}
            provider.say(json.dumps(delta))
        provider.say(json.dumps({"type": "response.completed", "response": {"id": placeholder, "output": []}}))
        _, events_inside = await said(inside)
        text = "".join(str(one.get("delta", "")) for one in events_inside)
        assert text == f"it is x{value}y"
        inside.say(asking(text, previous_response_id=events_inside[-1]["response"]["id"]))
        sent = await provider.heard()
        assert value not in sent
        assert sent.count(placeholder) == 2

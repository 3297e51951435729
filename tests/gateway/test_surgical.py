"""Promise 1 without harm: outside of what is replaced, a request leaves byte for byte as the client wrote it."""

import base64
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redactors import KnownValues, Origin, Vault
from redactors.rules.catalogue import expand
from redactors.vault import PLACEHOLDER
from tests.gateway.wire import MASKING_KEY, engine, forge_token, in_loop, wired
from wrapper.gateway.outgoing import examine_request, outgoing
from wrapper.gateway.unfold import remembering

VALUE = 'Tr0ub4dor&3 "correct" horse\\battery'
TOKEN = forge_token("Zk3vQ8sLw0pXr5Ty7Nb2Mc9Dd4Ff6G").decode()
KEY = expand(["-----BEGIN PRIVATE ", "KEY-----\n{base64:64}\n{base64:40}==\n-----END PRIVATE ", "KEY-----\n"])
VAULT = Vault(MASKING_KEY)
KNOWN = KnownValues(VAULT)
assert KNOWN.add("PASSWORD", VALUE.encode(), Origin.OUTSIDE)
ENGINE = engine(VAULT, KNOWN)
JSON_TYPE = [(b"Content-Type", b"application/json")]
SEALED = expand("{base64:300}") + TOKEN + expand("{base64:80}") + "=="  # looks like more than it is, and is signed
OURS = re.compile(b'"' + PLACEHOLDER + b'"|' + PLACEHOLDER)


def claude(texts: Sequence[str]) -> dict[str, Any]:
    """Make a body of the shape that Claude Code sends."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": "<system-reminder>é</>"}]}]
    for at, text in enumerate(texts):
        tool = {"type": "tool_use", "id": f"toolu_{at}", "name": "Bash", "input": {"command": text, "timeout": 1.50}}
        thought = {"type": "thinking", "thinking": f"it says {TOKEN}", "signature": SEALED}
        messages.append(
            {"role": "assistant", "content": [thought, {"type": "redacted_thinking", "data": SEALED}, tool]}
        )
        result = {"type": "tool_result", "tool_use_id": f"toolu_{at}", "content": [{"type": "text", "text": text}]}
        messages.append({"role": "user", "content": [{**result, "cache_control": {"type": "ephemeral"}}]})
    return {
        "model": "claude-opus-4",
        "messages": messages,
        "system": [{"type": "text", "text": "You are Claude Code. " * 300, "cache_control": {"type": "ephemeral"}}],
        "tools": [{"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}],
        "metadata": {"user_id": json.dumps({"device_id": "0f" * 32, "session_id": "0193d5c2-aa11"})},
        "max_tokens": 32000,
        "temperature": 1.0,
        "stream": True,
    }


def codex(texts: Sequence[str]) -> dict[str, Any]:
    """Make a body of the shape that Codex sends."""
    items: list[dict[str, Any]] = [{"type": "additional_tools", "tools": [{"name": "exec"}]}]
    for at, text in enumerate(texts):
        items += [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]},
            {"type": "reasoning", "id": f"rs_{at}", "summary": [], "encrypted_content": SEALED},
            {"type": "function_call", "name": "shell", "arguments": json.dumps({"cmd": text}), "call_id": f"c{at}"},
            {"type": "function_call_output", "call_id": f"c{at}", "output": json.dumps({"out": text, "n": 1e3})},
            {"type": "custom_tool_call", "name": "exec", "input": f"await tools.run({json.dumps(text)})"},
        ]
    return {"model": "gpt-5", "instructions": "You are Codex. " * 200, "input": items, "store": False, "stream": True}


PLANTED = st.tuples(
    st.text(alphabet='ab "\\/{}[],:é\n\u2028<&%u0041', max_size=30), st.sampled_from(("", VALUE, TOKEN, KEY))
).map(lambda both: (both[0] + " " + both[1] + " ") * 2 + "and on it goes, " * 150)
WRITTEN = st.sampled_from((
    {"separators": (",", ":"), "ensure_ascii": False},
    {"ensure_ascii": True},
    {"indent": 2, "ensure_ascii": False},
))  # fmt: skip


def strings(document: Any) -> list[str]:
    """Give every string of a document but for its opaque ones."""
    if isinstance(document, dict):
        return [
            text for key, value in document.items() if key not in {"signature", "thinking"} for text in strings(value)
        ]
    if isinstance(document, list):
        return [text for value in document for text in strings(value)]
    return [document] if isinstance(document, str) else []


@pytest.mark.parametrize("shape", [claude, codex])
@settings(max_examples=40)
@given(texts=st.lists(PLANTED, min_size=1, max_size=4), written=WRITTEN)
def test_only_secrets_change_and_the_document_means_the_same_in_every_turn(
    shape: Any, texts: list[str], written: dict[str, Any]
) -> None:
    memory = remembering(ENGINE)
    for turn in range(1, len(texts) + 1):
        body = json.dumps(shape(texts[:turn]), **written).encode()
        out = outgoing(examine_request(b"/", JSON_TYPE, body, ENGINE, memory), ENGINE)
        assert json.loads(out.body)  # valid
        kept = OURS.split(out.body)
        replaced = re.fullmatch(b"(.+?)".join(map(re.escape, kept)), body, re.DOTALL)
        assert replaced is not None
        assert all(len(one) < 400 for one in replaced.groups())
        assert out.body.count(SEALED.encode()) == body.count(SEALED.encode())
        told = "".join(strings(json.loads(out.body))).replace(SEALED, "")
        assert not any(secret in told for secret in (VALUE, json.dumps(VALUE)[1:-1], TOKEN, KEY[40:100]))


@settings(max_examples=40)
@given(texts=st.lists(PLANTED, min_size=1, max_size=3))
def test_what_is_put_back_for_the_placeholders_is_what_stood_there(texts: list[str]) -> None:
    body = json.dumps(claude(texts)).encode()
    out = outgoing(examine_request(b"/", JSON_TYPE, body, ENGINE, remembering(ENGINE)), ENGINE)
    back = VAULT.restore(out.body, to=Origin.OUTSIDE, quote=lambda value: json.dumps(value.decode())[1:-1].encode())
    assert json.loads(back) == json.loads(body)


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
def test_the_provider_gets_the_bytes_of_every_turn_with_their_length(kind: Any) -> None:
    shape = claude if kind == "anthropic" else codex

    @in_loop
    async def run() -> None:
        async with wired(kind=kind) as world:
            placeholder = world.knows(VALUE.encode())
            for turn in range(1, 4):
                body = json.dumps(shape([f"turn {at} says {VALUE} " * 40 for at in range(turn)])).encode()
                reply = await world.ask(body=body, headers=["Content-Type: application/json"])
                assert reply.status == 200
                [*_, received] = world.provider.requests
                forms = json.dumps(VALUE)[1:-1], json.dumps(json.dumps(VALUE)[1:-1])[1:-1]
                wanted = body.replace(forms[1].encode(), placeholder.encode()).replace(
                    forms[0].encode(), placeholder.encode()
                )
                assert received.body == wanted
                assert received.headers["content-length"] == str(len(wanted))

    run()


def test_an_image_and_numbers_written_oddly_arrive_as_they_were() -> None:
    image = base64.b64encode(bytes(range(256)) * 40).decode()
    body = b'{ "n" : 1.50E+2 ,"i":{"type":"base64","data":"%b"},\r\n\t"n":-0.0, "e":"\\u00e9\\/" }\n' % image.encode()
    out = outgoing(examine_request(b"/", JSON_TYPE, body, ENGINE, remembering(ENGINE)), ENGINE)
    assert out.body is body

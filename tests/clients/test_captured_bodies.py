"""Promise 1 without harm, on what the real clients send: they are run bare, and their own bodies are what is redacted.

The bodies are captured anew by each run, from a scripted provider on loopback; none is kept.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redactors import KnownValues, Origin, Vault
from redactors.vault import PLACEHOLDER
from tests.clients.codex import FREE, trust, with_key
from tests.clients.scene import write_json
from tests.fakes.provider import Call, Edit, FaultyProvider, Read, Script, Turn
from tests.gateway.wire import MASKING_KEY, engine, forge_token, in_loop, wired
from tests.machine import Machine, fake
from wrapper.gateway.outgoing import Outgoing, examine_request, outgoing
from wrapper.gateway.unfold import remembering

VALUE = "correct-horse-" + secrets.token_hex(8)
HARD = f'say "{secrets.token_hex(8)}" \\ to ü\nand `go` on'
TOKEN = forge_token("Zk3vQ8sLw0pXr5Ty7Nb2Mc9Dd4Ff6G").decode()
VAULT = Vault(MASKING_KEY)
KNOWN = KnownValues(VAULT)
assert KNOWN.add("PASSWORD", VALUE.encode(), Origin.OUTSIDE)
assert KNOWN.add("PASSWORD", HARD.encode(), Origin.OUTSIDE)
ENGINE = engine(VAULT, KNOWN)
INSTEAD = {
    VALUE: VAULT.issue("PASSWORD", VALUE.encode(), Origin.OUTSIDE),
    HARD: VAULT.issue("PASSWORD", HARD.encode(), Origin.OUTSIDE),
    TOKEN: VAULT.issue("GITHUB-TOKEN", TOKEN.encode(), Origin.INSIDE),
}
JSON_TYPE = [(b"Content-Type", b"application/json")]
STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
CHARACTER = re.compile(rb"\\u[dD][89abAB]..\\u....|\\u....|\\.|[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]+", re.DOTALL)
SIGNED = re.compile(rb'"(?:thinking|signature|encrypted_content|data)"\s*:\s*\Z')
pytestmark = pytest.mark.timeout(180)


class Captured(NamedTuple):
    """What one client sent: the interface it spoke, and its bodies in order, decoded."""

    kind: Any
    target: str
    bodies: list[bytes]


def _script(machine: Machine) -> Script:
    path = str(machine.workspace / "app.py")
    edit = Edit(path, old="hello", new='hel"lo\\n ü ☀')
    return Script(
        turns=(
            Turn(
                text="I look\naround ü ☀.", calls=(Call(run="ls -la; git log --stat; printf '\\033[1mbold\\t\"\\\\'"),)
            ),
            Turn(calls=(Call(read=Read(path)),)),
            Turn(text="I change it.", calls=(Call(edit=edit),)),
            Turn(calls=(Call(run="cat app.py; seq 300; false"),)),
            Turn(text="All done."),
        )
    )


def _claude(machine: Machine, provider: FaultyProvider) -> None:
    machine.environ |= {
        "ANTHROPIC_API_KEY": fake("sk" + "-ant-api03-", 88),
        "ANTHROPIC_BASE_URL": provider.url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    write_json(machine.home / ".claude.json", {"hasCompletedOnboarding": True})
    machine.host("claude", "-p", "look around", "--allowedTools", "Bash Read Edit Write", check=True)


def _codex(model: str) -> Callable[[Machine, FaultyProvider], None]:
    def run(machine: Machine, provider: FaultyProvider) -> None:
        with_key(machine)
        trust(machine, f'openai_base_url = "{provider.url}/v1"')
        choice = ("-m", model) if model else ()
        machine.host("codex", "--no-daemon", "exec", FREE, *choice, "look around", check=True)

    return run


CLIENTS: dict[str, tuple[str, bool, Callable[[Machine, FaultyProvider], None]]] = {
    "claude": ("anthropic", False, _claude),
    "codex, code mode": ("openai", False, _codex("")),
    "codex, functions": ("openai", False, _codex("gpt-5")),
    "codex, WebSocket": ("openai", True, _codex("")),
}


@pytest.fixture(scope="module", params=list(CLIENTS))
def captured(request: pytest.FixtureRequest) -> Iterator[Captured]:
    """The bodies of a client that works with tools over several turns."""
    kind, websocket, run = CLIENTS[request.param]
    machine = Machine.make()
    try:
        with FaultyProvider(_script(machine), websocket=websocket) as provider:
            # Loopback only, whatever host the client asks for.
            machine.environ |= {"HTTPS_PROXY": provider.url, "NO_PROXY": "127.0.0.1"}
            run(machine, provider)
            asked = provider.model_requests()
            assert len(asked) == 5
            yield Captured(kind, asked[0].target, [one.decoded for one in asked])
    finally:
        machine.remove()


def leaves(body: bytes, memory: Any = None) -> Outgoing:
    return outgoing(examine_request(b"/", JSON_TYPE, body, ENGINE, memory or remembering(ENGINE)), ENGINE)


def shape(value: Any) -> Any:
    """Give a document without its texts."""
    if isinstance(value, dict):
        return [shape(item) for item in value.values()]
    if isinstance(value, list):
        return [[shape(item) for item in value]]
    return "" if isinstance(value, str) else value


def test_what_a_client_sends_has_nothing_to_redact(captured: Captured) -> None:
    memory = remembering(ENGINE)
    for body in captured.bodies:
        out = leaves(body, memory)
        assert out.masked == ()
        assert out.body is body


def test_what_a_client_sends_arrives_byte_for_byte_turn_by_turn(captured: Captured) -> None:
    @in_loop
    async def run() -> None:
        async with wired(kind=captured.kind) as world:
            for body in captured.bodies:
                await world.ask(captured.target, body, headers=["Content-Type: application/json"])
                received = world.provider.requests[-1]
                assert received.body == body
                assert received.headers["content-length"] == str(len(body))

    run()


ESCAPING: dict[str, Callable[[str], str]] = {
    "as needed": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "ASCII": lambda text: json.dumps(text)[1:-1],
    "twice": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
}
HIDING: dict[str, Callable[[str], str]] = {
    "without need": lambda text: "".join(f"\\u{ord(one):04X}" for one in text),
    "as in a URL": lambda text: "".join(f"%{one:02x}" for one in text.encode()),
}


class Planted(NamedTuple):
    """A body with a secret at some place of a string, and what is to leave of it."""

    body: bytes
    wanted: bytes


def _planted(body: bytes, data: st.DataObject, ways: Mapping[str, Callable[[str], str]], known: list[str]) -> Planted:
    """Put secrets into strings (texts and names) at borders of characters, written in one of `ways`.

    Where the provider signs, only those of `known`.
    """
    strings = list(STRING.finditer(body))
    count = data.draw(st.integers(1, 4))
    chosen = sorted(data.draw(st.sets(st.integers(0, len(strings) - 1), min_size=count, max_size=count)))
    planted, wanted, at = b"", b"", 0
    for string in (strings[number] for number in chosen):
        borders = [string.start(1), *(string.start(1) + one.end() for one in CHARACTER.finditer(string[1]))]
        place = borders[data.draw(st.integers(0, len(borders) - 1))]
        signed = SIGNED.search(body, max(0, string.start() - 40), string.start()) is not None
        secret = data.draw(st.sampled_from(known if signed else [*known, TOKEN]))
        written = data.draw(st.sampled_from(list(ways.values())))(secret).encode()
        between = body[at:place]
        planted += between + b" " + written + b" "
        wanted += between + b" " + INSTEAD[secret].encode() + b" "
        at = place
    return Planted(planted + body[at:], wanted + body[at:])


def assert_surgical(out: Outgoing, planted: Planted) -> None:
    """Check that nothing but spans that were replaced differs.

    A secret in the middle of a name makes another name of it, under which rules may take a harmless id for a key: then
    this is replaced as well, and all else is what it was.
    """
    if {note.placeholder for note in out.masked} <= set(INSTEAD.values()):
        assert out.body == planted.wanted
        return
    kept = re.split(PLACEHOLDER, out.body)
    replaced = re.fullmatch(b"(.{1,400}?)".join(map(re.escape, kept)), planted.body, re.DOTALL)
    assert replaced is not None
    assert not any(written(secret).encode() in out.body for written in ESCAPING.values() for secret in (VALUE, HARD))


def test_secrets_at_any_place_of_it_are_replaced_and_not_one_byte_besides(captured: Captured) -> None:
    memory = remembering(ENGINE)  # with it, as in a session, only what is new is searched

    @settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(st.data())
    def check(data: st.DataObject) -> None:
        planted = _planted(data.draw(st.sampled_from(captured.bodies)), data, ESCAPING, [VALUE, HARD])
        document = json.loads(planted.body)
        for out in (leaves(planted.body), leaves(planted.body, memory)):
            assert_surgical(out, planted)
            assert shape(json.loads(out.body)) == shape(document)

    check()


def test_secrets_that_escapes_hide_at_any_place_of_it_do_not_leave(captured: Captured) -> None:
    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(st.data())
    def check(data: st.DataObject) -> None:
        planted = _planted(data.draw(st.sampled_from(captured.bodies)), data, HIDING, [VALUE])
        body = leaves(planted.body).body
        assert shape(json.loads(body)) == shape(json.loads(planted.body))
        assert not any(way(secret).encode() in body for way in HIDING.values() for secret in (VALUE, TOKEN))
        assert any(placeholder.encode() in body for placeholder in INSTEAD.values())

    check()

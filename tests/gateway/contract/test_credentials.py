"""Every way in which the clients log in, over every API: what is real stays outside but in its own header."""

import secrets
from collections.abc import Callable, Mapping

import pytest

from tests.agents.building import PROGRAM, facts
from tests.clients.codex import jwt
from tests.gateway.contract.apis import APIS, Api
from tests.gateway.contract.line import Line, line
from tests.gateway.wire import in_loop
from wrapper.agents.claude import ClaudeCode
from wrapper.agents.client import Credential
from wrapper.agents.codex import Codex
from wrapper.audit.events import Request
from wrapper.gateway.login import LiveCredential, posting
from wrapper.gateway.outward import DIRECT

NAMES = ("authorization", "x-api-key", "api-key", "proxy-authorization", "cookie")
_KINDS = {"Anthropic API key", "OpenAI API key", "API key", "token", "Claude login", "ChatGPT login"}
_LATER = 4_000_000_000_000  # milliseconds


def _fake(prefix: str) -> str:
    return prefix + secrets.token_hex(24)


def _claude(environ: Mapping[str, str], name: str = "", document: object = None) -> Credential | None:
    return ClaudeCode().launch(PROGRAM, (), facts({name: document} if name else {}, environ)).credential


def _codex(environ: Mapping[str, str], document: object = None) -> Credential | None:
    return Codex().launch(PROGRAM, (), facts({".codex/auth.json": document} if document else {}, environ)).credential


def _subscription() -> dict[str, object]:
    oauth = {
        "accessToken": _fake("sk-" + "ant-oat01-"),
        "refreshToken": _fake("sk-" + "ant-ort01-"),
        "expiresAt": _LATER,
    }
    return {"claudeAiOauth": oauth, "mcpOAuth": {"a": {"accessToken": _fake("mcp-")}}}


def _chatgpt() -> dict[str, object]:
    tokens = {
        "id_token": jwt({"email": "dev@example.com"}),
        "access_token": jwt({"exp": _LATER // 1000}),
        "refresh_token": _fake("rt_"),
        "account_id": "11111111-2222-3333-4444-555555555555",
    }
    return {"OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": "2099-01-01T00:00:00Z"}


LOGINS: Mapping[str, tuple[str, Callable[[], Credential | None]]] = {
    "API key": ("anthropic", lambda: _claude({"ANTHROPIC_API_KEY": _fake("sk-" + "ant-api03-")})),
    "bearer token": ("anthropic", lambda: _claude({"ANTHROPIC_AUTH_TOKEN": _fake("gateway-")})),
    "API key and bearer token": (
        "anthropic",
        lambda: _claude({"ANTHROPIC_API_KEY": _fake("sk-" + "ant-api03-"), "ANTHROPIC_AUTH_TOKEN": _fake("gateway-")}),
    ),
    "OAuth token": ("anthropic", lambda: _claude({"CLAUDE_CODE_OAUTH_TOKEN": _fake("sk-" + "ant-oat01-")})),
    "subscription": ("anthropic", lambda: _claude({}, ".claude/.credentials.json", _subscription())),
    "console account": (
        "anthropic",
        lambda: _claude({}, ".claude.json", {"primaryApiKey": _fake("sk-" + "ant-api03-")}),
    ),
    "API key of Codex": ("openai", lambda: _codex({"CODEX_API_KEY": _fake("sk-" + "proj-")})),
    "API key in Codex's file": ("openai", lambda: _codex({}, {"OPENAI_API_KEY": _fake("sk-" + "proj-")})),
    "ChatGPT": ("openai", lambda: _codex({}, _chatgpt())),
}
CASES = [
    pytest.param(api, login, id=f"{name}, {api.name}")
    for name, (kind, login) in LOGINS.items()
    for api in APIS
    if api.kind == kind and "," not in api.name.partition("responses")[2]
]


def as_inside(one: Line, credential: Credential) -> list[str]:
    """Write the headers as the client does, which has placeholders only; and further ones that it has no reason for."""
    shown = {secret.value.decode(): one.world.knows(secret.value, secret.kind) for secret in credential.secrets}
    lines = []
    for name, value in credential.headers.items():
        for real, placeholder in shown.items():
            value = value.replace(real, placeholder)  # noqa: PLW2901 - one after the other
        lines.append(f"{name}: {value}")
    spare = next(iter(shown.values()))
    others = [f"{name}: Bearer {spare}" for name in NAMES if name not in credential.headers and name != "cookie"]
    betas = ["anthropic-beta: oauth-2025-04-20,claude-code-20250219", "OpenAI-Beta: responses=experimental"]
    return [*lines, *others, *betas, f"X-Note: {spare}"]


@pytest.mark.parametrize(("api", "login"), CASES)
def test_only_the_real_credential_leaves_and_only_in_its_headers(
    api: Api, login: Callable[[], Credential | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 1."""
    monkeypatch.setattr("wrapper.agents.codex._PRIVATE", ())
    credential = login()
    assert credential is not None
    assert credential.headers

    @in_loop
    async def run() -> None:
        async with line(api, credential=LiveCredential(lambda: credential, posting(DIRECT))) as one:
            values = [secret.value for secret in credential.secrets]
            one.says(dict.fromkeys(api.answers.places or ("text",), f"you are {values[0].decode()}"))
            heard = await one.ask_with(f"I am {values[-1].decode()}", *as_inside(one, credential))
            assert heard.status in (200, 101)
            first = (one.provider.openings or one.provider.requests)[0]
            assert {name: first.headers[name] for name in credential.headers} == dict(credential.headers)
            assert {name for name in NAMES if name in first.headers} == set(credential.headers) & set(NAMES)
            assert first.headers["anthropic-beta"] == "oauth-2025-04-20,claude-code-20250219"
            everything = first.raw + bytes(one.provider.bytes).replace(first.raw, b"")
            own = [f"{name}: {value}".encode().lower() for name, value in credential.headers.items()]
            elsewhere = [text for text in everything.split(b"\r\n") if text.lower() not in own]
            for value in values:
                assert value not in b"\r\n".join(elsewhere)
                assert value not in heard.body
                assert value not in one.world.recorded()
            known = [one.world.knows(secret.value, secret.kind) for secret in credential.secrets]
            recorded = one.world.sink.of(Request)
            assert recorded
            for event in recorded:  # the log tells the account: a kind of login, and a placeholder of what is its own
                kind, _, placeholder = event.account.rpartition(" ")
                assert placeholder in known
                assert kind in _KINDS

    run()


@pytest.mark.parametrize("api", [api for api in APIS if api.kind == "anthropic"], ids=lambda api: api.name)
def test_without_a_login_no_header_that_authenticates_leaves(api: Api) -> None:
    """The provider says then that it wants one; a placeholder is none."""

    @in_loop
    async def run() -> None:
        async with line(api, own={}) as one:
            await one.ask(None, *(f"{name}: MASKED-ANTHROPIC-KEY-00000000" for name in NAMES if name != "cookie"))
            assert not set(NAMES) & set(one.provider.requests[0].headers)

    run()

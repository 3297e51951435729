import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.agents.building import EGRESS, GATEWAY, HOME, PROGRAM, facts, mask
from wrapper.agents.claude import UPSTREAM, ClaudeCode
from wrapper.agents.client import ClientLaunch
from wrapper.errors import SessionError

KEY = "sk-fake-" + "k" * 32
OAUTH: dict[str, Any] = {
    "accessToken": "fake-access-token",
    "refreshToken": "fake-refresh-token",
    "expiresAt": 1_700_000_000_000,
    "scopes": ["user:inference", "user:profile"],
    "subscriptionType": "max",
}
LOGIN = {
    "claudeAiOauth": OAUTH,
    "mcpOAuth": {"srv|1": {"accessToken": "fake-mcp-token", "serverUrl": "https://mcp.example.com", "clientId": "c"}},
}
READY = {"hasCompletedOnboarding": True}


def launch(
    arguments: tuple[str, ...] = (),
    files: Mapping[str, object] | None = None,
    environ: dict[str, str] | None = None,
    upstreams: dict[str, str] | None = None,
) -> ClientLaunch:
    everything: dict[str, object] = {".claude.json": READY, **(files or {})}
    return ClaudeCode().launch(PROGRAM, arguments, facts(everything, environ, upstreams))


def test_the_users_arguments_stay_untouched_and_last() -> None:
    arguments = ("-p", "x y", "--settings", "{}", "--", "--odd")
    assert launch(arguments).argv == ("/opt/client/bin/it", *arguments)


def test_the_client_is_led_to_the_gateway_whatever_settings_say() -> None:
    found = launch()
    environment = found.environment
    assert environment["ANTHROPIC_BASE_URL"] == GATEWAY
    assert environment["HTTPS_PROXY"] == environment["https_proxy"] == EGRESS
    assert "127.0.0.1" in environment["NO_PROXY"]
    assert found.above is not None
    ((path, content),) = found.above({**environment, "ANTHROPIC_API_KEY": "MASKED-ANTHROPIC-KEY-00000000"}).items()
    assert Path(path).parent == Path("/etc/claude-code/managed-settings.d")
    counts = json.loads(content)["env"]
    assert {name: counts[name] for name in environment} == environment
    assert counts["ANTHROPIC_API_KEY"] == "MASKED-ANTHROPIC-KEY-00000000"
    assert counts["ANTHROPIC_AUTH_TOKEN"] == counts["CLAUDE_CODE_USE_BEDROCK"] == ""  # whatever a project says


def test_what_the_company_has_set_for_the_machine_counts_before_the_users() -> None:
    managed = "/etc/claude-code/managed-settings"
    files = {
        f"{managed}.json": {"env": {"ANTHROPIC_BASE_URL": "https://old.test", "HTTPS_PROXY": "http://proxy.test:1"}},
        f"{managed}.d/10-llm.json": {"env": {"ANTHROPIC_BASE_URL": "https://llm.test/"}},
        ".claude/settings.json": {"env": {"ANTHROPIC_BASE_URL": "https://settings.test"}},
    }
    given = ("--settings", '{"env":{"ANTHROPIC_BASE_URL":"https://given.test","HTTPS_PROXY":"http://mine.test:1"}}')
    found = launch(given, files)
    assert found.upstream == "https://llm.test"
    assert found.outward["HTTPS_PROXY"] == "http://proxy.test:1"
    assert {Path(name) for name in files if name.startswith("/")} <= set(found.of_system)
    assert launch(given, files, upstreams={"anthropic": "https://policy.test"}).upstream == "https://policy.test"
    vertex = {"CLAUDE_CODE_USE_VERTEX": "1", "ANTHROPIC_VERTEX_PROJECT_ID": "proj-1"}
    assert "aiplatform" in launch(files={f"{managed}.json": {"env": vertex}}).upstream


def test_the_upstream_is_policys_then_the_users_then_the_providers() -> None:
    settings = {".claude/settings.json": {"env": {"ANTHROPIC_BASE_URL": "https://settings.test/a/"}}}
    host = {"ANTHROPIC_BASE_URL": "https://host.test"}
    given = ("--settings", '{"env":{"ANTHROPIC_BASE_URL":"https://given.test"}}')
    assert launch().upstream == UPSTREAM
    assert launch(environ=host).upstream == "https://host.test"
    assert launch(files=settings, environ=host).upstream == "https://settings.test/a"
    assert launch(given, settings, host).upstream == "https://given.test"
    assert launch(given, settings, host, {"anthropic": "https://policy.test"}).upstream == "https://policy.test"


def test_a_project_cannot_say_where_the_provider_is() -> None:
    evil = {"env": {"ANTHROPIC_BASE_URL": "https://evil.test", "ANTHROPIC_API_KEY": KEY}}
    names = ("work/.claude/settings.json", "work/.claude/settings.local.json", ".claude/settings.local.json")
    found = launch(files=dict.fromkeys(names, evil), environ={"PWD": str(HOME / "work")})
    assert found.upstream == UPSTREAM
    assert found.credential is not None
    assert (found.credential.headers, found.credential.secrets) == ({}, ())


def test_settings_may_be_given_as_a_file() -> None:
    file = {"given.json": {"env": {"ANTHROPIC_BASE_URL": "https://given.test"}}}
    assert launch((f"--settings={HOME}/given.json",), file).upstream == "https://given.test"


@pytest.mark.parametrize(
    ("environ", "headers"),
    [
        ({"ANTHROPIC_API_KEY": KEY}, {"x-api-key": KEY}),
        ({"ANTHROPIC_AUTH_TOKEN": "tok"}, {"authorization": "Bearer tok"}),
        ({"CLAUDE_CODE_OAUTH_TOKEN": "oat"}, {"authorization": "Bearer oat"}),
        ({"CLAUDE_CODE_OAUTH_TOKEN": "oat", "ANTHROPIC_API_KEY": KEY}, {"x-api-key": KEY}),
        (
            {"ANTHROPIC_AUTH_TOKEN": "tok", "ANTHROPIC_API_KEY": KEY},
            {"authorization": "Bearer tok", "x-api-key": KEY},
        ),
    ],
)
def test_the_key_is_the_one_that_the_bare_client_takes(environ: dict[str, str], headers: dict[str, str]) -> None:
    credential = launch(environ=environ).credential
    assert credential is not None
    assert credential.headers == headers
    assert {secret.value for secret in credential.variables.values()} == {secret.value for secret in credential.secrets}


def test_no_value_of_a_secret_is_in_what_is_set_or_shown() -> None:
    files = {".claude/.credentials.json": LOGIN, ".claude/settings.json": {"env": {"ANTHROPIC_API_KEY": KEY}}}
    found = launch(files=files, environ={"ANTHROPIC_AUTH_TOKEN": "fake-auth-token"})
    for secret in (KEY, "fake-auth-token", "fake-access-token", "fake-refresh-token", "fake-mcp-token"):
        assert secret not in repr(found)
        assert secret not in str((found.argv, found.environment, found.notes))


def test_a_key_in_the_users_settings_counts_and_becomes_a_variable() -> None:
    settings = {"env": {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_MODEL": "some-model", "FOO": "bar"}}
    found = launch(files={".claude/settings.json": settings}, environ={"ANTHROPIC_API_KEY": "other"})
    assert found.credential is not None
    assert found.credential.headers == {"x-api-key": KEY}
    assert set(found.credential.variables) == {"ANTHROPIC_API_KEY"}
    assert not {"ANTHROPIC_MODEL", "FOO"} & set(found.environment)  # the client reads them itself


def test_a_key_in_the_state_file_counts() -> None:
    key = KEY.replace("sk-", "sk-" + "ant-", 1)
    credential = launch(files={".claude.json": READY | {"primaryApiKey": key}}).credential
    assert credential is not None
    assert credential.headers == {"x-api-key": key}


def test_what_the_provider_has_not_issued_is_no_key_of_the_state_file() -> None:
    """Promise 1: an agent writes the placeholder of another secret there, and the value is what stands outside then."""
    credential = launch(files={".claude.json": READY | {"primaryApiKey": "gh" + "p_" + "k" * 36}}).credential
    assert credential is not None
    assert credential.headers == {}


def test_a_login_is_shown_masked_and_never_ending() -> None:
    credential = launch(files={".claude/.credentials.json": LOGIN}).credential
    assert credential is not None
    assert credential.headers == {"authorization": "Bearer fake-access-token"}
    assert credential.login is not None
    assert credential.login.path == HOME / ".claude/.credentials.json"
    assert credential.login.expires == 1_700_000_000
    shown = json.loads(credential.login.shown(mask))
    assert shown["claudeAiOauth"]["accessToken"].startswith("MASKED-ANTHROPIC-LOGIN-")
    assert shown["claudeAiOauth"]["refreshToken"].startswith("MASKED-")
    assert shown["claudeAiOauth"]["expiresAt"] > 4_000_000_000_000
    assert shown["claudeAiOauth"]["subscriptionType"] == "max"
    assert shown["mcpOAuth"]["srv|1"] == {
        "accessToken": "MASKED-ANTHROPIC-LOGIN-00000014",
        "serverUrl": "https://mcp.example.com",
        "clientId": "c",
    }
    masked = {secret.value.decode() for secret in credential.secrets}
    assert masked == {"fake-access-token", "fake-refresh-token", "fake-mcp-token"}


def test_a_login_is_renewed_into_the_same_file() -> None:
    credential = launch(files={".claude/.credentials.json": LOGIN}).credential
    assert credential is not None
    assert credential.login is not None
    renewal = credential.login.renewal
    assert renewal is not None
    asked = json.loads(renewal.body)
    assert (asked["grant_type"], asked["refresh_token"]) == ("refresh_token", "fake-refresh-token")
    assert asked["scope"] == "user:inference user:profile"
    answer = json.dumps({"access_token": "new", "expires_in": 100}).encode()
    new = json.loads(credential.login.renewed(answer, 1000.0))
    assert new["mcpOAuth"] == LOGIN["mcpOAuth"]
    assert new["claudeAiOauth"] == OAUTH | {"accessToken": "new", "expiresAt": 1_100_000}
    for wrong in (b"{}", b"[]", b"no", b'{"access_token": "a\\nb"}'):
        with pytest.raises(ValueError, match=r"."):
            credential.login.renewed(wrong, 0.0)


def test_a_login_beside_a_key_is_hidden_and_not_renewed() -> None:
    found = launch(files={".claude/.credentials.json": LOGIN}, environ={"ANTHROPIC_API_KEY": KEY}).credential
    assert found is not None
    assert found.headers == {"x-api-key": KEY}
    assert found.login is not None
    assert (found.login.expires, found.login.renewal) == (None, None)
    assert b"fake-access-token" not in found.login.shown(mask)
    assert b"fake-refresh-token" in {secret.value for secret in found.secrets}


def test_logins_of_mcp_servers_alone_are_hidden_too() -> None:
    found = launch(files={".claude/.credentials.json": {"mcpOAuth": LOGIN["mcpOAuth"]}}).credential
    assert found is not None
    assert found.headers == {}
    assert found.login is not None
    assert b"fake-mcp-token" not in found.login.shown(mask)


@pytest.mark.parametrize("data", [b"", b"not json", b"[]", b'{"claudeAiOauth": 3}', b'{"claudeAiOauth": {}}'])
def test_a_broken_login_file_is_no_login(data: bytes) -> None:
    found = launch(files={".claude/.credentials.json": data}).credential
    assert found is None or found.headers == {}


def test_the_end_of_an_approved_key_stands_in_for_the_placeholders() -> None:
    placeholder = "MASKED-ANTHROPIC-KEY-0123ABCD"
    assert ClaudeCode().stand_ins({KEY.encode(): placeholder, b"short": placeholder}) == {
        KEY[-20:].encode(): placeholder[-20:].encode()
    }


def test_state_lies_where_the_user_keeps_it() -> None:
    plain, moved = launch(), launch(environ={"CLAUDE_CONFIG_DIR": "/data/claude"})
    assert (plain.folders, plain.files) == ((HOME / ".claude",), (HOME / ".claude.json",))
    assert (moved.folders, moved.files) == ((Path("/data/claude"),), ())
    assert Path("/data/claude/.claude.json") in moved.masked
    assert HOME / ".claude/settings.json" in plain.masked


@pytest.mark.parametrize("where", ["environ", "settings"])
def test_another_clouds_provider_is_refused_with_a_way_out(where: str) -> None:
    variable = {"CLAUDE_CODE_USE_GATEWAY": "1"}
    with pytest.raises(SessionError, match="CLAUDE_CODE_USE_GATEWAY") as refused:
        if where == "environ":
            launch(environ=variable)
        else:
            launch(files={".claude/settings.json": {"env": variable}})
    assert "unset" in refused.value.hint


def test_a_client_that_was_never_set_up_reaches_what_it_asks_for_then() -> None:
    asked = launch(files={".claude.json": {}}).login_hosts
    assert "GET /api/hello" in asked["api.anthropic.com"]
    assert "GET /v1/oauth/hello" in asked["platform.claude.com"]


def test_a_key_helper_is_pointed_out() -> None:
    assert not launch().notes
    helper: dict[str, object] = {".claude/settings.json": {"apiKeyHelper": "cat key"}}
    assert any("apiKeyHelper" in note for note in launch(files=helper).notes)
    assert not launch(files=helper, environ={"ANTHROPIC_API_KEY": KEY}).notes


def test_broken_settings_do_not_stop_the_start() -> None:
    assert launch(files={".claude/settings.json": b"{oops", ".claude.json": b"\xff"}).upstream == UPSTREAM


def test_the_way_out_that_the_users_settings_name_is_for_the_outside_and_a_projects_is_not_asked() -> None:
    own = {"env": {"HTTPS_PROXY": "http://own.example:1", "NODE_EXTRA_CA_CERTS": "/own.pem"}}
    launched = launch(files={".claude/settings.json": own, "work/.claude/settings.json": {"env": {"HTTP_PROXY": "x"}}})
    assert launched.outward == own["env"]
    assert launched.environment["HTTPS_PROXY"] == EGRESS


@pytest.mark.parametrize("arguments", [("-p", "hello"), ("--version",), ("mcp", "list")])
def test_a_start_that_comes_to_no_login_reaches_no_authorisation_host(arguments: tuple[str, ...]) -> None:
    found = launch(arguments)
    assert (found.login_hosts, found.room, found.made) == ({}, None, ())


@pytest.mark.parametrize("arguments", [(), ("fix it",), ("auth", "login"), ("auth", "logout")])
def test_a_login_has_a_room_and_no_way_to_the_model(arguments: tuple[str, ...]) -> None:
    found = launch(arguments, {".claude/.credentials.json": LOGIN})
    assert found.room is not None
    assert (found.room.path, found.room.variable) == (found.made[0], "CLAUDE_SECURESTORAGE_CONFIG_DIR")
    requests = [request for requests in found.login_hosts.values() for request in requests]
    assert "POST /v1/oauth/token" in requests
    assert not any("messages" in request or "*" in request for request in requests)


def test_a_token_that_would_be_shown_to_be_copied_is_refused_with_the_fix() -> None:
    with pytest.raises(SessionError) as refused:
        launch(("setup-token",))
    assert "bare client" in (refused.value.hint or "")


def test_a_placeholder_in_the_login_file_is_sent_to_nobody() -> None:
    left = {"claudeAiOauth": {"accessToken": "MASKED-ANTHROPIC-LOGIN-ABCDEFGH"}}
    credential = launch(files={".claude/.credentials.json": left}).credential
    assert credential is not None
    assert credential.headers == {}


def merged(real: object, now: object, shown: object) -> object:
    room = launch(files={".claude/.credentials.json": LOGIN}).room
    assert room is not None
    found = room.merged(*(None if one is None else json.dumps(one).encode() for one in (real, now, shown)))
    return None if found is None else json.loads(found)


def oauth(access: str, expires: int, **more: str) -> dict[str, object]:
    return {"claudeAiOauth": {"accessToken": access, "refreshToken": f"r-{access}", "expiresAt": expires} | more}


NEVER = 4_102_444_800_000


def test_what_the_inside_left_alone_stays_as_it_is_outside() -> None:
    shown = oauth("one", NEVER) | {"mcpOAuth": {"a": 1}}
    real = oauth("two", 5) | {"mcpOAuth": {"a": 1}, "other": 2}
    assert merged(real, shown, shown) == real, "the bare client renewed it meanwhile"
    assert merged(real, shown | {"mcpOAuth": {"a": 1, "b": 2}}, shown) == real | {"mcpOAuth": {"a": 1, "b": 2}}
    assert merged(None, shown, shown) is None, "the bare client logged out meanwhile"


def test_an_entry_that_the_client_touched_keeps_the_tokens_and_the_end_of_the_real_one() -> None:
    shown, real = oauth("one", NEVER), oauth("one", 5)
    assert merged(real, oauth("one", NEVER, subscriptionType="max"), shown) == oauth("one", 5, subscriptionType="max")


def test_a_new_login_is_taken_over_and_a_logout_too() -> None:
    shown, real = oauth("one", NEVER), oauth("one", 5)
    assert merged(real, oauth("two", 9), shown) == oauth("two", 9)
    assert merged({}, oauth("two", 9), None) == oauth("two", 9)
    assert merged(real | {"mcpOAuth": 1}, {"mcpOAuth": 1}, shown | {"mcpOAuth": 1}) == {"mcpOAuth": 1}
    assert merged(real, None, shown) is None


def test_of_two_logins_that_were_renewed_at_once_the_one_that_lasts_longer_stays() -> None:
    shown = oauth("one", NEVER)
    assert merged(oauth("outside", 9), oauth("inside", 5), shown) == oauth("outside", 9)
    assert merged(oauth("outside", 5), oauth("inside", 9), shown) == oauth("inside", 9)


@pytest.mark.parametrize("command", ["update", "install"])
def test_who_wants_a_newer_client_is_told_where_to_get_it(command: str) -> None:
    assert any(f"`command claude {command}`" in note for note in launch((command,)).notes)
    assert not any("command claude" in note for note in launch(("-p", command)).notes)

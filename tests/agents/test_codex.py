import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.agents.building import EGRESS, GATEWAY, HOME, PROGRAM, facts, mask, token
from wrapper.agents.client import ClientLaunch
from wrapper.agents.codex import CHATGPT_UPSTREAM, UPSTREAM, Codex
from wrapper.errors import SessionError

KEY = "fake-key-" + "k" * 32
ACCESS = token({"exp": 4_000_000_000, "https://api.openai.com/auth": {"chatgpt_account_id": "acc-claim"}})
TOKENS: dict[str, object] = {
    "id_token": token({"email": "dev@example.com"}),
    "access_token": ACCESS,
    "refresh_token": "fake-refresh-token",
    "account_id": "acc-1",
}
CHATGPT = {"OPENAI_API_KEY": None, "tokens": TOKENS, "last_refresh": "2026-01-01T00:00:00Z"}
CORP = """
model_provider = "corp"
[model_providers.corp]
name = "Corp"
base_url = "https://corp.test/openai/v1/"
env_key = "CORP_KEY"
"""


def launch(
    arguments: tuple[str, ...] = (),
    files: Mapping[str, object] | None = None,
    environ: dict[str, str] | None = None,
    upstreams: dict[str, str] | None = None,
) -> ClientLaunch:
    return Codex().launch(PROGRAM, arguments, facts(files, environ, upstreams))


def test_the_users_arguments_stay_untouched_and_last() -> None:
    arguments = ("exec", "--json", "-c", "a=1", "x y")
    ours = ("--no-daemon", "-c", f'openai_base_url="{GATEWAY}"')
    assert launch(arguments).argv == ("/opt/client/bin/it", *ours, *arguments)


def test_no_daemon_is_said_once() -> None:
    assert launch(("--no-daemon", "resume")).argv.count("--no-daemon") == 1


def test_the_way_out_is_set() -> None:
    environment = launch().environment
    assert environment["HTTPS_PROXY"] == environment["https_proxy"] == EGRESS


def test_an_own_provider_is_led_to_the_gateway_and_its_address_is_the_upstream() -> None:
    found = launch(files={".codex/config.toml": CORP}, environ={"CORP_KEY": KEY, "OPENAI_BASE_URL": "https://no.test"})
    assert f'model_providers.corp.base_url="{GATEWAY}"' in found.argv
    assert found.upstream == "https://corp.test/openai/v1"
    assert found.credential is not None
    assert found.credential.headers == {"authorization": f"Bearer {KEY}"}
    assert set(found.credential.variables) == {"CORP_KEY"}


def test_an_own_provider_does_not_get_the_login() -> None:
    files: dict[str, object] = {".codex/config.toml": CORP, ".codex/auth.json": CHATGPT}
    found = launch(files=files).credential
    assert found is not None
    assert found.headers == {}
    assert found.login is not None
    assert b"fake-refresh-token" not in found.login.shown(mask)


def test_an_own_provider_may_use_the_login() -> None:
    config = CORP.replace('env_key = "CORP_KEY"', "requires_openai_auth = true")
    files: dict[str, object] = {".codex/config.toml": config, ".codex/auth.json": {"OPENAI_API_KEY": KEY}}
    found = launch(files=files)
    assert found.upstream == "https://corp.test/openai/v1"
    assert found.credential is not None
    assert found.credential.headers == {"authorization": f"Bearer {KEY}"}


def test_a_token_in_the_configuration_stays_outside() -> None:
    config = CORP.replace('env_key = "CORP_KEY"', f'experimental_bearer_token = "{KEY}"')
    found = launch(files={".codex/config.toml": config})
    assert found.credential is not None
    assert found.credential.headers == {"authorization": f"Bearer {KEY}"}
    assert KEY not in repr(found)
    assert HOME / ".codex/config.toml" in found.masked


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "model_provider=corp"),
        ("-cmodel_provider=corp",),
        ("--config=model_provider='corp'", "exec"),
        ("exec", "--config", 'model_provider="corp"'),
        ("-p", "work"),
        ("--profile=work", "resume"),
    ],
)
def test_the_provider_may_be_chosen_by_arguments(arguments: tuple[str, ...]) -> None:
    files: dict[str, object] = {
        ".codex/config.toml": CORP.replace('model_provider = "corp"', ""),
        ".codex/work.config.toml": 'model_provider = "corp"',
    }
    assert launch(arguments, files).upstream == "https://corp.test/openai/v1"
    assert launch((), files).upstream == UPSTREAM


def test_what_stands_behind_two_dashes_is_a_prompt() -> None:
    assert launch(("exec", "--", "-c", "model_provider=corp"), {".codex/config.toml": CORP[20:]}).upstream == UPSTREAM


def test_a_project_cannot_say_where_the_provider_is() -> None:
    evil = 'openai_base_url = "https://evil.test"\nmodel_provider = "evil"'
    found = launch(files={"work/.codex/config.toml": evil}, environ={"PWD": str(HOME / "work")})
    assert found.upstream == UPSTREAM


def test_the_upstream_is_policys_then_the_users_then_the_providers() -> None:
    host = {"OPENAI_BASE_URL": "https://host.test/v1"}
    config: dict[str, object] = {".codex/config.toml": 'openai_base_url = "https://config.test/v1/"'}
    assert launch().upstream == UPSTREAM
    assert launch(environ=host).upstream == "https://host.test/v1"
    assert launch(files=config, environ=host).upstream == "https://config.test/v1"
    assert launch((), config, host, {"openai": "https://policy.test"}).upstream == "https://policy.test"


def test_a_chatgpt_login_is_never_sent_to_the_address_for_keys() -> None:
    found = launch(files={".codex/auth.json": CHATGPT}, environ={"OPENAI_BASE_URL": "https://host.test/v1"})
    assert found.upstream == CHATGPT_UPSTREAM
    assert any("ChatGPT" in note for note in found.notes)


def test_a_chatgpt_login_is_shown_as_a_key() -> None:
    credential = launch(files={".codex/auth.json": CHATGPT}).credential
    assert credential is not None
    assert credential.headers == {"authorization": f"Bearer {ACCESS}", "chatgpt-account-id": "acc-1"}
    assert credential.login is not None
    assert json.loads(credential.login.shown(mask)) == {
        "auth_mode": "apikey",
        "OPENAI_API_KEY": mask("OPENAI-LOGIN", ACCESS.encode()),
        "tokens": None,
    }
    assert {secret.value.decode() for secret in credential.secrets} == {
        TOKENS["id_token"],
        ACCESS,
        "fake-refresh-token",
    }


def test_the_account_may_stand_in_the_token_only() -> None:
    document = CHATGPT | {"tokens": {"access_token": ACCESS}}
    credential = launch(files={".codex/auth.json": document}).credential
    assert credential is not None
    assert credential.headers["chatgpt-account-id"] == "acc-claim"


def test_a_login_ends_with_its_token_or_when_the_client_would_renew_it() -> None:
    def expires(**more: object) -> float | None:
        credential = launch(files={".codex/auth.json": CHATGPT | more}).credential
        assert credential is not None
        assert credential.login is not None
        return credential.login.expires

    refreshed = 1_767_225_600.0  # 2026-01-01
    assert expires() == refreshed + 8 * 86400
    assert expires(last_refresh="2099-01-01T00:00:00Z") == 4_000_000_000
    assert expires(last_refresh=None, tokens={"access_token": "opaque"}) is None


def test_a_login_is_renewed_into_the_same_file() -> None:
    credential = launch(files={".codex/auth.json": CHATGPT}).credential
    assert credential is not None
    assert credential.login is not None
    renewal = credential.login.renewal
    assert renewal is not None
    assert json.loads(renewal.body)["refresh_token"] == "fake-refresh-token"
    new = json.loads(credential.login.renewed(b'{"access_token": "new", "id_token": "i"}', 1000.0))
    assert new["tokens"] == TOKENS | {"access_token": "new", "id_token": "i"}
    assert new["last_refresh"] == "1970-01-01T00:16:40Z"
    with pytest.raises(ValueError, match="no access token"):
        credential.login.renewed(b'{"error": "invalid_grant"}', 0.0)


def test_a_login_by_key_is_masked() -> None:
    credential = launch(files={".codex/auth.json": {"OPENAI_API_KEY": KEY}}).credential
    assert credential is not None
    assert credential.headers == {"authorization": f"Bearer {KEY}"}
    assert credential.login is not None
    assert credential.login.renewal is None
    assert json.loads(credential.login.shown(mask))["OPENAI_API_KEY"] == mask("OPENAI-KEY", KEY.encode())


def test_a_login_of_an_unknown_kind_is_hidden_all_the_same() -> None:
    credential = launch(files={".codex/auth.json": {"auth_mode": "new", "thing": {"proof": "fake-proof"}}}).credential
    assert credential is not None
    assert credential.headers == {}
    assert credential.login is not None
    assert b"fake-proof" not in credential.login.shown(mask)


def test_the_variable_goes_before_the_login_where_the_client_takes_it() -> None:
    files: dict[str, object] = {".codex/auth.json": CHATGPT}
    environ = {"CODEX_API_KEY": KEY}
    interactive, once = launch((), files, environ), launch(("exec", "x"), files, environ)
    assert interactive.credential is not None
    assert interactive.credential.headers["authorization"] == f"Bearer {ACCESS}"
    assert once.credential is not None
    assert once.credential.headers == {"authorization": f"Bearer {KEY}"}
    assert once.upstream == UPSTREAM
    assert once.credential.login is not None
    assert once.credential.login.renewal is None
    assert launch(environ=environ).credential is not None


@pytest.mark.parametrize("data", [b"", b"nope", b"[]", b"{}"])
def test_a_broken_login_file_is_no_login(data: bytes) -> None:
    assert launch(files={".codex/auth.json": data}).credential is None


def test_state_lies_where_the_user_keeps_it() -> None:
    environ = {"CODEX_HOME": "/data/codex", "CODEX_SQLITE_HOME": "/data/sqlite"}
    assert launch().folders == (HOME / ".codex",)
    assert launch(environ=environ).folders == (Path("/data/codex"), Path("/data/sqlite"))


@pytest.mark.parametrize(
    "environ", [{"CODEX_HOME": "/tmp/codex"}, {"CODEX_HOME": "/scratch/codex", "TMPDIR": "/scratch"}]
)
def test_state_in_a_private_place_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(SessionError, match="private") as refused:
        launch(environ=environ)
    assert "CODEX_HOME" in refused.value.hint


@pytest.mark.parametrize(
    ("arguments", "config"),
    [
        (("--oss",), ""),
        ((), 'model_provider = "ollama"'),
        ((), 'model_provider = "amazon-bedrock"'),
        ((), 'model_provider = "a.b"\n[model_providers."a.b"]\nbase_url = "https://x.test"'),
    ],
)
def test_a_provider_that_cannot_be_had_inside_is_refused(arguments: tuple[str, ...], config: str) -> None:
    with pytest.raises(SessionError) as refused:
        launch(arguments, {".codex/config.toml": config})
    assert refused.value.hint


def test_a_login_in_the_keyring_is_pointed_out() -> None:
    files: dict[str, object] = {".codex/config.toml": 'cli_auth_credentials_store = "keyring"'}
    assert any("keyring" in note for note in launch(files=files).notes)
    assert not any("keyring" in note for note in launch().notes)


def test_a_broken_configuration_does_not_stop_the_start() -> None:
    assert launch(files={".codex/config.toml": b"a = [\xff"}).upstream == UPSTREAM


def test_who_is_not_logged_in_hears_how_and_reaches_the_authorisation_host() -> None:
    found = launch()
    assert any("safe-codex login" in note for note in found.notes)
    assert tuple(found.login_hosts) == ("auth.openai.com",)
    with_key = launch(files={".codex/auth.json": {"OPENAI_API_KEY": "sk-fake"}})
    assert (with_key.notes, with_key.login_hosts, with_key.room) == ((), {}, None)
    assert launch(("exec", "hello")).login_hosts == {}


def test_exec_without_a_key_says_which_variable_it_reads() -> None:
    [note] = launch(("exec", "hello"), environ={"OPENAI_API_KEY": "sk-fake"}).notes
    assert "CODEX_API_KEY, not from OPENAI_API_KEY" in note
    assert "OPENAI_API_KEY" not in launch(("exec", "hello")).notes[0]
    assert launch(("exec", "hello"), environ={"CODEX_API_KEY": "sk-fake"}).notes == ()
    assert launch(("exec", "hello"), {".codex/auth.json": {"OPENAI_API_KEY": "sk-fake"}}).notes == ()
    assert launch(("mcp", "list")).notes == ()


WITH_TOKENS = {
    "auth_mode": "chatgpt",
    "OPENAI_API_KEY": None,
    "tokens": {"id_token": "e30.e30.0123456789abcdefgh", "access_token": "a" * 40, "refresh_token": "r" * 40},
}


@pytest.mark.parametrize("arguments", [("login",), ("-c", "model=login", "logout"), ("--search", "login", "status")])
def test_a_command_about_the_login_has_a_state_folder_of_its_own(arguments: tuple[str, ...]) -> None:
    files = {".codex/auth.json": WITH_TOKENS, ".codex/config.toml": 'forced_login_method = "chatgpt"\nmodel = "x"\n'}
    found = launch(arguments, files)
    assert found.room is not None
    assert found.folders == ()
    assert (found.room.variable, found.room.path) == ("CODEX_HOME", HOME / ".codex/auth.json")
    assert found.room.beside == {"config.toml": b'forced_login_method = "chatgpt"\n'}
    shown = json.loads(found.room.shown(mask) or b"")
    assert shown["auth_mode"] == "chatgpt"
    assert shown["tokens"]["id_token"] == "e30.e30.MASKED-OPENAI-LOGIN-00000018", "clients read its claims"
    assert shown["tokens"]["refresh_token"] == "MASKED-OPENAI-LOGIN-00000040"


@pytest.mark.parametrize("arguments", [("exec", "login"), ("explain login",), ("mcp", "login", "x"), ("-m", "logout")])
def test_other_commands_have_none(arguments: tuple[str, ...]) -> None:
    assert launch(arguments, {".codex/auth.json": WITH_TOKENS}).room is None


def test_a_browser_that_cannot_reach_the_inside_is_not_asked_for() -> None:
    assert launch(("login",)).argv[-2:] == ("login", "--device-auth")
    assert launch(("login", "--with-api-key")).argv[-1] == "--with-api-key"
    assert launch(("login", "status")).argv[-1] == "status"
    assert launch(("logout",)).argv[-1] == "logout"


def test_a_login_and_a_logout_are_taken_over_and_a_look_changes_nothing() -> None:
    room = launch(("login",), {".codex/auth.json": WITH_TOKENS}).room
    assert room is not None
    real, new = json.dumps(WITH_TOKENS).encode(), json.dumps(WITH_TOKENS | {"OPENAI_API_KEY": "sk-new"}).encode()
    assert room.merged(real, real, real) == real
    assert json.loads(room.merged(real, new, real) or b"") == json.loads(new)
    assert room.merged(real, None, real) is None
    assert room.merged(None, None, None) is None


def test_who_wants_a_newer_codex_is_told_where_to_get_it() -> None:
    assert any("`command codex update`" in note for note in launch(("update",)).notes)
    assert not any("command codex" in note for note in launch(("exec", "update")).notes)

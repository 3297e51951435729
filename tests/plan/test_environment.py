"""What gets into the environment inside: nothing by itself, secrets as placeholders, programs' own variables whole."""

import json
import random
import string
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors.engine import Engine
from redactors.known import KnownValues
from redactors.loading import load
from redactors.vault import Origin, Vault
from wrapper.plan.environment import EnvironmentPlan, Variable, plan_environment
from wrapper.plan.variables import is_open_address, is_plain, is_secret_name, kind_of, passwords
from wrapper.policy.load import load_policy
from wrapper.policy.model import Policy

Plan = Callable[..., EnvironmentPlan]


def secret(length: int = 24) -> str:
    """Make a value that nothing else has, of letters and digits."""
    return "".join(random.SystemRandom().choices(string.ascii_letters + string.digits, k=length)) + "x7"


def pem() -> str:
    body = "\n".join(secret(62) for _ in range(8))
    return f"-----BEGIN RSA PRIVATE {'KEY'}-----\n{body}\n-----END RSA PRIVATE {'KEY'}-----\n"


@pytest.fixture
def engine(engine_cache: Path) -> Engine:
    vault = Vault(bytes(range(32)))
    return load(vault, KnownValues(vault), cache_dir=engine_cache)


def policy_of(folder: Path, text: str = "") -> Policy:
    file = folder / "policy.toml"
    file.write_text(f"version = 1\n{text}")
    return load_policy(
        profile="default", workspace=folder, config_home=folder, organisation=folder / "none", explicit=file
    )


@pytest.fixture
def plan(engine: Engine, tmp_path: Path) -> Plan:
    def make(environ: Mapping[str, str], client: Mapping[str, str] | None = None, text: str = "") -> EnvironmentPlan:
        return plan_environment(environ, policy_of(tmp_path, text), client or {}, engine, engine.vault)

    return make


def row(plan: EnvironmentPlan, name: str) -> Variable:
    return next(row for row in plan.rows if row.name == name)


def knows(engine: Engine, value: str) -> bool:
    assert engine.known is not None
    return any(found.value == value.encode() for found in engine.known.find(f"say {value} here".encode()))


ORDINARY = {
    "PATH": "/home/dev/.nvm/versions/node/v22.1.0/bin:/usr/local/bin:/usr/bin:/bin",
    "HOME": "/home/dev",
    "PWD": "/home/dev/work/a1b2c3d4e5f60718293a4b5c6d7e8f9012345678",
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    "LANG": "de_DE.UTF-8",
    "LC_ALL": "C.UTF-8",
    "SHELL": "/bin/zsh",
    "LS_COLORS": "rs=0:di=01;34:ln=01;36:mh=00:pi=40;33:so=01;35:do=01;35:*.tar=01;31:*.key=00;36:*.pem=00;36",
    "EDITOR": "code --wait",
    "PYTHONPATH": "/nix/store/4rk5l8zqz5v9wq3y1h2j6k7m8n9p0q1r-python3-3.11.2/lib",
    "CI": "true",
}


def test_nothing_gets_in_that_no_list_names(plan: Plan) -> None:
    made = plan({"SOMETHING_OF_MINE": "x", **ORDINARY})
    assert row(made, "SOMETHING_OF_MINE").action == "drop"
    assert "SOMETHING_OF_MINE" not in made.inside


def test_programs_own_variables_get_in_unchanged(plan: Plan) -> None:
    text = '[environment]\npass = ["PWD"]'
    made = plan(ORDINARY, text=text)
    assert made.inside == ORDINARY
    assert {row.action for row in made.rows} == {"pass"}


def test_a_known_value_that_stands_in_home_does_not_break_home(plan: Plan) -> None:
    made = plan({"HOME": "/home/correct-horse-battery", "DB_PASSWORD": "correct-horse-battery"})
    assert made.inside["HOME"] == "/home/correct-horse-battery"


def test_a_secret_by_name_is_replaced_whole_under_a_kind_of_its_name(plan: Plan, engine: Engine) -> None:
    value = secret()
    made = plan({"ACME_DEPLOY_TOKEN": value})
    inside = made.inside["ACME_DEPLOY_TOKEN"]
    assert inside.startswith("MASKED-ACME-DEPLOY-TOKEN-")
    assert engine.vault.value_of(inside) == value.encode()
    assert row(made, "ACME_DEPLOY_TOKEN").action == "mask"
    assert knows(engine, value)


def test_masked_values_never_come_back_inside(plan: Plan, engine: Engine) -> None:
    value = secret()
    inside = plan({"ACME_DEPLOY_TOKEN": value}).inside["ACME_DEPLOY_TOKEN"]
    assert engine.vault.restore(inside.encode(), to=Origin.INSIDE) == inside.encode()
    assert engine.vault.restore(inside.encode(), to=Origin.OUTSIDE) == value.encode()


@pytest.mark.parametrize(
    "name", ["ACME_SECRET", "X_PASSWORD", "MY_APIKEY", "FOO_KEY", "VSCODE_PASSWORD", "npm_authToken"]
)
def test_the_secret_of_a_dropped_variable_is_known(plan: Plan, engine: Engine, name: str) -> None:
    value = secret()
    made = plan({name: value}, text=f'[environment]\ndrop = ["{name}"]')
    assert row(made, name).value_inside is None
    assert row(made, name).kinds
    assert knows(engine, value)


def test_a_dropped_variable_that_only_its_value_betrays_is_known(plan: Plan, engine: Engine) -> None:
    body = secret(34)
    value = f"ghp_{body}"
    url = f"http://user:{body}@proxy.example:3128"
    plan({"SOMETHING_OF_MINE": f"use {value}", "HTTPS_PROXY": url})
    assert knows(engine, body)


def test_the_agents_socket_is_dropped_and_its_path_is_no_secret(plan: Plan, engine: Engine) -> None:
    made = plan({"SSH_AUTH_SOCK": "/run/user/1000/keyring/ssh-agent-socket"})
    assert row(made, "SSH_AUTH_SOCK") == Variable("SSH_AUTH_SOCK", "drop", None, row(made, "SSH_AUTH_SOCK").rule)
    assert not knows(engine, "/run/user/1000/keyring/ssh-agent-socket")


@pytest.mark.parametrize(
    "shape",
    [
        "postgres://app:{}@db.internal:5432/main?sslmode=require",
        "redis://:{}@cache:6379/0",
        "mongodb+srv://u:{}@a.example,b.example/db?w=1",
        "Server=db;User Id=sa;Password={};Encrypt=True",
        "host=db password={} dbname=main",
        "host=db password='{}' dbname=main",
        "amqps://u:{}@mq.example/%2f",
        "https://hub.example/hook?token={}&x=1",
    ],
)
def test_a_connection_keeps_its_shape_and_loses_its_password(plan: Plan, engine: Engine, shape: str) -> None:
    value = secret()
    made = plan({"DATABASE_URL": shape.format(value)})
    inside = made.inside["DATABASE_URL"]
    before, after = shape.split("{}")
    assert inside.startswith(f"{before}MASKED-")
    assert inside.endswith(after)
    assert value not in inside
    assert engine.vault.restore(inside.encode(), to=Origin.OUTSIDE).decode() == shape.format(value)
    assert knows(engine, value)


def test_a_percent_encoded_password_is_known_in_its_raw_form_too(plan: Plan, engine: Engine) -> None:
    raw = f"{secret()}@{secret(6)}"
    plan({"DATABASE_URL": f"postgres://app:{raw.replace('@', '%40')}@db/main"})
    assert knows(engine, raw)


def test_a_connection_without_a_password_gets_in_unchanged_though_policy_masks_the_name(plan: Plan) -> None:
    made = plan({"DATABASE_URL": "postgres://localhost:5432/dev"})
    assert made.inside["DATABASE_URL"] == "postgres://localhost:5432/dev"


def test_policy_masks_what_does_not_look_secret_and_leaves_empty_values(plan: Plan, engine: Engine) -> None:
    text = '[environment]\nmask = ["TEAM", "EMPTY"]'
    made = plan({"TEAM": "blue team of four", "EMPTY": ""}, text=text)
    assert made.inside["TEAM"].startswith("MASKED-TEAM-")
    assert made.inside["EMPTY"] == ""
    assert not knows(engine, "blue team of four")


def test_json_keeps_its_shape(plan: Plan, engine: Engine) -> None:
    key = pem()
    value = json.dumps({"type": "service_account", "project_id": "demo", "private_key": key})
    made = plan({"GOOGLE_CREDENTIALS": value})
    inside = json.loads(made.inside["GOOGLE_CREDENTIALS"])
    assert inside["type"] == "service_account"
    assert "MASKED-" in inside["private_key"]
    assert key.splitlines()[3] not in made.inside["GOOGLE_CREDENTIALS"]
    assert engine.known is not None
    assert engine.known.find(key.encode())


def test_a_private_key_keeps_its_first_and_last_line(plan: Plan) -> None:
    key = pem()
    inside = plan({"DEPLOY_PRIVATE_KEY": key}).inside["DEPLOY_PRIVATE_KEY"]
    assert inside.startswith("-----BEGIN RSA PRIVATE")
    assert inside.rstrip().endswith("KEY-----")
    assert "MASKED-" in inside
    assert key.splitlines()[2] not in inside


def test_a_secret_of_one_variable_is_masked_in_another_that_passes(plan: Plan) -> None:
    value = secret()
    made = plan({"RUSTFLAGS": f"--cfg x --link-arg={value}", "ZZ_SECRET": value})
    assert value not in made.inside["RUSTFLAGS"]
    assert made.inside["RUSTFLAGS"].startswith("--cfg x --link-arg=MASKED-")


def test_what_the_client_sets_wins_and_the_hosts_value_is_known(plan: Plan, engine: Engine) -> None:
    value = secret()
    made = plan({"ANTHROPIC_API_KEY": value}, {"ANTHROPIC_API_KEY": "sk-made-for-inside", "IS_SANDBOX": "1"})
    assert row(made, "ANTHROPIC_API_KEY").action == "set"
    assert made.inside == {"ANTHROPIC_API_KEY": "sk-made-for-inside", "IS_SANDBOX": "1"}
    assert knows(engine, value)


def test_what_policy_sets_is_there_but_not_over_the_client(plan: Plan) -> None:
    text = '[environment.set]\nCOLOUR = "red"\nSHAPE = "round"'
    made = plan({"COLOUR": "blue"}, {"SHAPE": "square"}, text)
    assert made.inside == {"COLOUR": "red", "SHAPE": "square"}


def test_each_row_names_the_rule_that_decided(plan: Plan) -> None:
    made = plan({"PATH": "/bin", "ACME_TOKEN": secret(), "MINE": "x"})
    assert 'pass "PATH"' in row(made, "PATH").rule
    assert 'mask "*TOKEN"' in row(made, "ACME_TOKEN").rule
    assert row(made, "MINE").rule == "default"


def test_the_plan_is_the_same_each_time(engine_cache: Path, tmp_path: Path) -> None:
    environ = {"A_TOKEN": secret(), "B_URL": f"https://u:{secret()}@h/", **ORDINARY}
    plans = []
    for order in (1, -1):
        vault = Vault(bytes(32))
        engine = load(vault, KnownValues(vault), cache_dir=engine_cache)
        plans.append(plan_environment(dict(list(environ.items())[::order]), policy_of(tmp_path), {}, engine, vault))
    assert plans[0] == plans[1]


def test_values_that_are_not_utf8_come_through(plan: Plan, engine: Engine) -> None:
    made = plan({"EDITOR": "vi\udcff", "ACME_TOKEN": "t\udcfe" + "q9" * 10})
    assert made.inside["EDITOR"] == "vi\udcff"
    assert engine.vault.value_of(made.inside["ACME_TOKEN"]) == b"t\xfe" + b"q9" * 10


def test_an_engine_that_cannot_learn_is_refused(engine_cache: Path, tmp_path: Path) -> None:
    vault = Vault(bytes(32))
    with pytest.raises(ValueError, match="known values"):
        plan_environment({}, policy_of(tmp_path), {}, load(vault, cache_dir=engine_cache), vault)


@pytest.mark.parametrize(
    "name",
    [
        "GITHUB_TOKEN", "npm_config__authToken", "PGPASSWORD", "MYSQL_PWD", "DB_PASS", "API_KEY", "apiKey",
        "dbPassword", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "SECRET_KEY_BASE", "NEXTAUTH_SECRET", "GH_PAT", "COMPOSER_AUTH",
        "AZURE_STORAGE_CONNECTION_STRING", "GOOGLE_CREDENTIALS", "SESSION_COOKIE", "JWT", "ENCRYPTION_KEYS",
        "GITHUBTOKEN",
    ],
)  # fmt: skip
def test_a_name_that_promises_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "HOME", "PWD", "OLDPWD", "TERM", "LS_COLORS", "SSH_AUTH_SOCK", "TOKENIZERS_PARALLELISM", "MONKEY",
        "GIT_AUTHOR_NAME", "XAUTHORITY", "KEYTIMEOUT", "SSL_CERT_FILE", "DB_PASSWORD_FILE", "TOKEN_URL", "KEY_PATH",
        "XDG_SESSION_ID", "STRIPE_PUBLISHABLE_KEY", "SSH_PUBLIC_KEY", "AUTHOR", "COMPASS_DIR", "PASSENGER_APP", "",
        "BYPASS_CACHE", "DATABASE_URL", "HOTKEY", "LC_KEY", "API_KEY_HEADER",
    ],
)  # fmt: skip
def test_a_name_that_promises_none(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("USE_AUTH", "true"), ("MAX_TOKENS", "4096"), ("X_KEY", "/run/secrets/key.pem"), ("X_KEY", "~/.ssh/id"),
        ("A_TOKEN", "${OTHER}"), ("A_TOKEN", "MASKED-A-TOKEN-01234567"), ("A_SECRET", "none"), ("X_TOKEN_LIMIT", "1.5"),
    ],
)  # fmt: skip
def test_switches_counts_paths_and_references_are_plain(name: str, value: str) -> None:
    assert is_plain(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("DB_PASS", "123456"), ("DB_PASSWORD", "8812"), ("A_KEY", "/x7Gh/Jk+9=="), ("A_TOKEN", "123456789012345")],
)
def test_short_passwords_and_base64_are_not_plain(name: str, value: str) -> None:
    assert not is_plain(name, value)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("postgres://u:p%40ss@h/d", ["p%40ss"]),
        ("postgres://u:pa/ss#1@h/d", ["pa/ss#1"]),
        ("https://h:8080/@scope/pkg", []),
        ("https://abcdefghij0123456789@h/x", ["abcdefghij0123456789"]),
        ("https://abcdefghij0123456789:x-oauth-basic@h/x", ["abcdefghij0123456789", "x-oauth-basic"]),
        ("https://user@h/x", []),
        ("a://u:one@h,b://u:two@h", ["one", "two"]),
        ("-Dkey=v -Djavax.net.ssl.keyStorePassword=changeit7 -Xmx1g", ["changeit7"]),
        ("DefaultEndpointsProtocol=https;AccountKey=abc/def+ghi==;EndpointSuffix=x", ["abc/def+ghi=="]),
        ("password=true", []),
        ("postgres://localhost/dev", []),
    ],
)
def test_passwords_are_found_where_they_stand(value: str, found: list[str]) -> None:
    assert [value[span.start : span.end] for span in passwords(value)] == found


@given(st.text(max_size=300))
def test_spans_of_passwords_are_sorted_and_do_not_overlap(value: str) -> None:
    at = 0
    for span in passwords(value):
        assert at <= span.start < span.end <= len(value)
        at = span.end


@given(st.text("abc:/@?#= password", max_size=400))
def test_finding_passwords_ends_soon_on_hostile_values(value: str) -> None:
    passwords(value * 20)


@pytest.mark.parametrize(
    ("value", "is_open"),
    [
        ("https://index.example/simple", True),
        ("redis://localhost:6379/0", True),
        ("https://u@h/x", False),
        ("https://hooks.example/T024BE7LD/8sdf7sd8f7sd8f7sdf", False),
        ("https://h/x?sig=1", False),
        ("plain", False),
    ],
)
def test_an_address_without_a_secret_is_told_from_one_that_may_have_one(value: str, *, is_open: bool) -> None:
    assert is_open_address(value) is is_open


def test_a_kind_is_named_after_the_variable() -> None:
    assert kind_of("githubToken") == "GITHUB-TOKEN"
    assert kind_of("___") == "ENV"
    assert len(kind_of("A_" * 100)) <= 40

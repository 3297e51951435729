"""git's settings inside, as git itself reads them."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.gateway.remotes.forge import RULE, by_https, by_ssh
from wrapper.gateway.remotes.settings import ENVIRONMENT, git_settings
from wrapper.policy.egress import SecretRule, Source, Where

BASIC = (Where("header", "authorization"), Where("basic"))


def secret(*hosts: str, name: str = "forge", where: Sequence[Where] = BASIC, username: str = "bot") -> SecretRule:
    return SecretRule(
        name=name, source=Source("env", "TOKEN"), hosts=hosts, where=tuple(where), variables=(), prefix=None,
        username=username, rule=RULE,
    )  # fmt: skip


def asked(folder: Path, settings: Sequence[tuple[str, str]], url: str) -> str:
    """Give what git would log in with."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **ENVIRONMENT}
    environment |= {"GIT_CONFIG_COUNT": str(len(settings))}
    for at, (key, value) in enumerate(settings):
        environment |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
    done = subprocess.run(
        ["git", "credential", "fill"],
        env=environment,
        input=f"url={url}\n\n",
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


SHOWN = {"forge": "ghp_MASKED-GITHUB-TOKEN-7F3K9Q2X"}


@pytest.mark.parametrize(
    ("rules", "url"),
    [
        ((secret("forge.test"),), "https://forge.test/org/repo.git"),
        ((secret("forge.test"),), "https://someone@forge.test/org/repo.git"),
        ((secret("forge.test:443"),), "https://forge.test/org/repo.git"),
        ((secret("forge.test:8443"),), "https://forge.test:8443/org/repo.git"),
        ((secret("*.forge.test"),), "https://git.forge.test/org/repo.git"),
    ],
)
def test_git_logs_in_with_the_placeholder(tmp_path: Path, rules: tuple[SecretRule, ...], url: str) -> None:
    said = asked(tmp_path, git_settings(rules, SHOWN, ()), url)
    assert "username=bot\n" in said
    assert f"password={SHOWN['forge']}\n" in said


@pytest.mark.parametrize(
    ("rules", "url"),
    [
        ((secret("forge.test"),), "https://other.test/x.git"),
        ((secret("forge.test"),), "https://forge.test.evil.test/x.git"),
        ((secret("forge.test"),), "http://forge.test/x.git"),
        ((secret("forge.test:80"),), "https://forge.test/x.git"),
        ((secret("*"),), "https://forge.test/x.git"),
        ((secret("forge.test", where=(Where("query", "key"),)),), "https://forge.test/x.git"),
        ((secret("forge.test", name="missing"),), "https://forge.test/x.git"),
    ],
)
def test_elsewhere_git_has_nothing_to_log_in_with_and_asks_nobody(
    tmp_path: Path, rules: tuple[SecretRule, ...], url: str
) -> None:
    assert "password" not in asked(tmp_path, git_settings(rules, SHOWN, ()), url)


def test_a_remote_is_logged_in_to_by_a_secret_whose_pattern_is_wider(tmp_path: Path) -> None:
    remotes = (
        by_https("/x.git", host="a.b.forge.test"),
        by_ssh(host="c.forge.test"),
        by_https("/x.git", host="d.test"),
    )
    settings = git_settings((secret("*.forge.test"),), SHOWN, remotes)
    assert "password" in asked(tmp_path, settings, "https://a.b.forge.test/x.git")
    assert not [key for key, _ in settings if "c.forge.test" in key or "d.test" in key]


def test_of_two_secrets_for_a_host_the_first_is_taken(tmp_path: Path) -> None:
    rules = (secret("forge.test"), secret("forge.test", name="second", username="other"))
    said = asked(tmp_path, git_settings(rules, SHOWN | {"second": "MASKED-X-00000000"}, ()), "https://forge.test/x")
    assert "username=bot" in said
    assert "MASKED-X" not in said


def test_no_name_of_a_user_is_run_by_the_shell(tmp_path: Path) -> None:
    hostile = secret("forge.test", username="a'; touch x; $(touch x) `touch x`\nquit=1 %s\\n")
    said = asked(tmp_path, git_settings((hostile,), SHOWN, ()), "https://forge.test/x")
    assert "username=a'; touch x; $(touch x) `touch x`quit=1 %s\\n\n" in said
    assert list(tmp_path.iterdir()) == []


def test_without_a_name_forges_get_one_that_they_take_with_tokens(tmp_path: Path) -> None:
    said = asked(tmp_path, git_settings((secret("forge.test", username=""),), SHOWN, ()), "https://forge.test/x")
    assert "username=x-access-token\n" in said


def test_git_speaks_http_1_where_it_has_something_to_push() -> None:
    """By HTTP/2 a long push hangs with some versions of libcurl."""
    assert git_settings((), {}, (by_ssh(),)) == ()
    for secrets, remotes in (((secret("forge.test"),), ()), ((), (by_https(),))):
        assert ("http.version", "HTTP/1.1") in git_settings(secrets, SHOWN, remotes)

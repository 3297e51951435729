"""Files become layers: what is missing says nothing, what cannot be read stops the run."""

import os
import time
from pathlib import Path

import pytest

from wrapper.errors import PolicyError
from wrapper.policy.load import beyond_tightening, load_policy
from wrapper.policy.model import Layer, Policy
from wrapper.policy.trust import trust
from wrapper.policy.wire import Place


class Host:
    """A workspace, a configuration folder and an organisation's file in one temporary folder."""

    def __init__(self, root: Path) -> None:
        self.workspace, self.config, self.organisation = root / "work", root / "config", root / "etc/policy.toml"
        for folder in (self.workspace, self.config, self.organisation.parent):
            folder.mkdir()

    def load(self, explicit: Path | None = None, profile: str = "default") -> Policy:
        return load_policy(
            profile=profile,
            workspace=self.workspace,
            config_home=self.config,
            organisation=self.organisation,
            explicit=explicit,
        )


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def write(path: Path, text: str) -> Path:
    path.write_text(f"version = 1\n{text}\n")
    return path


def test_each_file_is_its_layer(host: Host) -> None:
    write(host.organisation, 'files.deny = ["o"]')
    write(host.config / "policy.toml", 'files.deny = ["u"]')
    write(host.workspace / ".safe-agent.toml", 'files.deny = ["p"]')
    layers = {path: host.load().file(path).rule for path in "oup"}
    assert [rule.layer for rule in layers.values() if rule] == [Layer.ORGANISATION, Layer.USER, Layer.PROJECT]


def test_an_explicit_file_takes_the_place_of_the_users(host: Host, tmp_path: Path) -> None:
    write(host.config / "policy.toml", 'files.deny = ["u"]')
    explicit = write(tmp_path / "mine.toml", 'files.deny = ["e"]')
    found = host.load(explicit)
    assert [found.file(path).action for path in "ue"] == ["", "deny"]


def test_hosts_that_were_allowed_by_command_are_the_users_and_named_with_their_line(host: Host) -> None:
    write(host.organisation, '[network]\ndeny = ["closed.test"]')
    write(host.config / "policy.toml", '[network]\nallow = ["one.test"]')
    file = write(host.config / "allowed.toml", '[network]\nallow = [\n  "two.test",  # later\n  "closed.test",\n]')
    found = host.load()
    assert [found.host(f"{name}.test", 443).action for name in ("one", "two", "closed")] == ["allow", "allow", "deny"]
    rule = found.host("two.test", 443).rule
    assert rule is not None
    assert (rule.layer, rule.file, rule.line) == (Layer.USER, str(file), 4)
    assert str(file) in {row.rule.file for row in found.settings() if row.key == "network.allow"}


def test_hosts_that_were_allowed_by_command_may_be_the_only_file(host: Host) -> None:
    write(host.config / "allowed.toml", '[network]\nallow = ["two.test"]')
    assert host.load().host("two.test", 443).action == "allow"


def test_an_explicit_file_takes_the_place_of_the_allowed_hosts_too(host: Host, tmp_path: Path) -> None:
    write(host.config / "allowed.toml", '[network]\nallow = ["two.test"]')
    assert host.load(write(tmp_path / "mine.toml", "")).host("two.test", 443).action == "deny"


@pytest.mark.parametrize("text", ['network.deny = ["x.test"]', 'run.allow_degraded = ["view"]', 'files.pass = ["**"]'])
def test_a_file_of_allowed_hosts_that_says_more_is_refused(host: Host, text: str) -> None:
    write(host.config / "allowed.toml", text)
    with pytest.raises(PolicyError, match=r"allowed\.toml: says more than `network\.allow`"):
        host.load()


def test_an_explicit_file_does_not_pass_the_organisations_floor(host: Host, tmp_path: Path) -> None:
    write(host.organisation, 'files.deny = ["o"]')
    explicit = write(tmp_path / "mine.toml", 'files.pass = ["o"]\nfiles.deny = ["!o"]')
    assert host.load(explicit).file("o").action == "deny"


def test_an_explicit_file_that_is_missing_is_refused(host: Host, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no such file") as caught:
        host.load(tmp_path / "missing.toml")
    assert "--policy" in caught.value.hint


def test_a_trusted_projects_file_may_loosen_until_it_changes(host: Host) -> None:
    project = write(host.workspace / ".safe-agent.toml", 'network.allow = ["a.test"]')
    assert host.load().host("a.test", 443).action == "deny"
    trust(host.config, host.workspace, project.read_bytes())
    assert host.load().host("a.test", 443).action == "allow"
    assert host.load().notices == ()
    project.write_text(project.read_text() + "# changed\n")
    assert host.load().host("a.test", 443).action == "deny"


def test_trust_is_by_the_real_path(host: Host, tmp_path: Path) -> None:
    project = write(host.workspace / ".safe-agent.toml", 'network.allow = ["a.test"]')
    trust(host.config, host.workspace, project.read_bytes())
    (tmp_path / "link").symlink_to(host.workspace)
    host.workspace = tmp_path / "link"
    assert host.load().host("a.test", 443).action == "allow"


@pytest.mark.parametrize("which", ["organisation", "user", "project"])
def test_a_broken_file_of_any_layer_stops_the_run(host: Host, which: str) -> None:
    places = {
        "organisation": host.organisation,
        "user": host.config / "policy.toml",
        "project": host.workspace / ".safe-agent.toml",
    }
    write(places[which], "[filez]")
    with pytest.raises(PolicyError) as caught:
        host.load()
    assert caught.value.what == f"{places[which]}:2: unknown key `filez`"
    assert caught.value.hint == "did you mean `files`?"


def test_what_is_no_plain_file_is_refused_without_waiting(host: Host) -> None:
    place = host.workspace / ".safe-agent.toml"
    os.mkfifo(place)
    start = time.monotonic()
    with pytest.raises(PolicyError, match="not a plain file"):
        host.load()
    assert time.monotonic() - start < 1
    place.unlink()
    place.mkdir()
    with pytest.raises(PolicyError, match="not a plain file"):
        host.load()


def test_a_link_that_leads_nowhere_or_in_a_circle_is_refused(host: Host) -> None:
    place = host.organisation
    place.symlink_to(place.with_name("missing"))
    with pytest.raises(PolicyError, match="leads nowhere"):
        host.load()
    place.unlink()
    place.symlink_to(place)
    with pytest.raises(PolicyError, match="cannot be read"):
        host.load()


def test_an_endless_file_is_read_no_further_than_a_policy_can_reach(host: Host) -> None:
    with (host.workspace / ".safe-agent.toml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(PolicyError, match="larger than"):
        host.load()


def test_what_trust_would_grant_is_said_before() -> None:
    asked = beyond_tightening(b'version = 1\nfiles.mask = ["a"]\nnetwork.allow = ["a.test"]\n', "f")
    assert [(notice.key, notice.line) for notice in asked] == [("network.allow", 3)]


def test_home_in_a_pattern_is_where_its_links_lead(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real/work/app").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    write(host.config / "policy.toml", '[[approved.rules]]\naction = "deny"\nworkspaces = ["~/work/**"]')
    found = host.load()
    assert found.approved(Place("claude", str(tmp_path / "real/work/app"), ()), "x").action == "deny"
    assert found.approved(Place("claude", str(tmp_path / "work/app"), ()), "x").action == "allow"


def test_what_trust_would_grant_names_the_rules_that_route(host: Host) -> None:
    text = b'version = 1\n[[approved.rules]]\naction = "route"\nupstream = "users-own"\n[wire]\nmonitor = ["*"]\n'
    assert [(notice.line, notice.key) for notice in beyond_tightening(text, "f")] == [
        (6, "wire.monitor"),
        (2, "approved.rules"),
    ]
    trust(host.config, host.workspace, text)
    (host.workspace / ".safe-agent.toml").write_bytes(text)
    with pytest.raises(PolicyError, match='no upstream "users-own"'):
        host.load()

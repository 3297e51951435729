"""`safe-agent policy`, as typed."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / "deep").mkdir()
    (tmp_path / "home").mkdir()
    return folder


@pytest.fixture
def run(project: Path, tmp_path: Path) -> Run:
    def run(*arguments: str, folder: Path = project, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", "from wrapper.cli.main import main; main()", "policy", *arguments],
            cwd=folder,
            env={"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    return run


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"version = 1\n{text}\n")
    return path


def test_show_prints_each_value_and_with_origin_its_file_and_line(run: Run, tmp_path: Path) -> None:
    own = write(tmp_path / "home/.config/safe-agent/policy.toml", '[network]\nallow = ["a.test"]')
    plain = run("show")
    assert plain.returncode == 0
    assert plain.stdout.startswith("# profile default, digest ")
    assert ["network.allow", "a.test"] in [line.split() for line in plain.stdout.splitlines()]
    rows = [line.split() for line in run("show", "--origin").stdout.splitlines()]
    assert ["network.allow", "a.test", "user", f"{own}:3"] in rows
    assert any(row[:3] == ["files.mask", ".env", "bundled"] for row in rows)


def test_show_json_is_stable(run: Run) -> None:
    shown = json.loads(run("show", "--json", "--profile", "strict").stdout)
    assert list(shown) == ["version", "profile", "digest", "settings", "notices"]
    assert (shown["version"], shown["profile"], shown["notices"]) == (1, "strict", [])
    assert list(shown["settings"][0]) == ["key", "value", "layer", "file", "line"]


def test_the_profile_and_the_file_come_from_options_then_from_the_environment(run: Run, tmp_path: Path) -> None:
    mine = write(tmp_path / "mine.toml", '[network]\nallow = ["b.test"]')
    assert "# profile lab," in run("show", SAFE_AGENT_PROFILE="lab").stdout
    assert "# profile ci," in run("show", "--profile", "ci", SAFE_AGENT_PROFILE="lab").stdout
    assert "b.test" in run("show", SAFE_AGENT_POLICY=str(mine)).stdout
    assert "b.test" in run("show", "--policy", str(mine)).stdout
    refused = run("show", "--profile", "lax")
    assert refused.returncode == 125
    assert "no profile `lax`" in refused.stderr


def test_what_an_untrusted_project_asks_for_is_a_warning_on_stderr(run: Run, project: Path) -> None:
    file = write(project / ".safe-agent.toml", '[network]\nallow = ["a.test"]')
    shown = run("show", folder=project / "deep")
    assert shown.returncode == 0
    assert "a.test" not in shown.stdout
    assert f"warning: {file}:3: `network.allow` would loosen the policy" in shown.stderr
    assert "safe-agent policy trust" in shown.stderr


def test_check_without_files_checks_what_is_in_effect(run: Run, project: Path) -> None:
    assert run("check").stdout.startswith("valid: profile default")
    file = write(project / ".safe-agent.toml", "[environment]\nmaks = []")
    refused = run("check")
    assert refused.returncode == 125
    assert refused.stdout == ""
    assert refused.stderr == (
        f"safe-agent: {file}:3: unknown key `environment.maks`\nhint: did you mean `environment.mask`?\n"
    )


def test_check_looks_at_each_given_file(run: Run, tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good.toml", ""), write(tmp_path / "bad.toml", "x = 1")
    checked = run("check", str(good), str(bad), str(tmp_path / "missing.toml"))
    assert checked.returncode == 125
    assert checked.stdout == f"{good}: valid\n"
    assert f"{bad}:2: unknown key `x`" in checked.stderr
    assert "missing.toml: no such file" in checked.stderr
    assert run("check", str(good)).returncode == 0


def test_check_says_which_identity_field_no_client_has(run: Run, tmp_path: Path) -> None:
    own = write(tmp_path / "home/.config/safe-agent/policy.toml", '[identity]\nmask = ["hom", "future-*", "home"]')
    checked = run("check")
    assert checked.returncode == 0
    assert f'warning: {own}:3: `identity.mask` names "hom", which no client sends' in checked.stderr
    assert 'did you mean "home"?' in checked.stderr
    assert checked.stderr.count("warning") == 1


def test_show_prints_what_is_said_about_requests(run: Run, tmp_path: Path) -> None:
    own = write(
        tmp_path / "home/.config/safe-agent/policy.toml",
        'wire.budget = 7\n[[tasks]]\nname = "exams"\naction = "warn"\npatterns = ["exam"]\n'
        '[upstreams.openai]\nrequires = ["zero-data-retention"]',
    )
    rows = [" ".join(line.split()) for line in run("show", "--origin").stdout.splitlines()]
    assert f"wire.budget 7 user {own}:2" in rows
    assert f'tasks exams: warn, patterns = ["exam"] user {own}:3' in rows
    assert f'upstreams.openai openai, requires = ["zero-data-retention"] user {own}:7' in rows


def test_init_writes_a_file_that_is_valid_and_says_nothing(run: Run, project: Path, tmp_path: Path) -> None:
    before = run("show").stdout
    written = run("init")
    assert written.returncode == 0
    assert written.stdout == f"{tmp_path}/home/.config/safe-agent/policy.toml: written\n"
    assert run("init", "--project", folder=project / "deep").stdout == f"{project}/.safe-agent.toml: written\n"
    assert run("show").stdout == before
    assert run("check").stderr == ""


def test_init_leaves_what_is_there(run: Run, project: Path) -> None:
    file = write(project / ".safe-agent.toml", "")
    refused = run("init", "--project")
    assert refused.returncode == 125
    assert f"{file}: is there already" in refused.stderr
    assert file.read_text() == "version = 1\n\n"


def test_trust_says_what_it_grants_and_holds_until_the_file_changes(run: Run, project: Path) -> None:
    file = write(project / ".safe-agent.toml", '[network]\nallow = ["a.test"]\n[files]\ndeny = ["x"]')
    granted = run("trust", folder=project / "deep")
    assert granted.returncode == 0
    assert granted.stdout.startswith('granted: line 3: `network.allow` = ["a.test"]\n')
    assert f"{file}: trusted as it is (SHA-256 " in granted.stdout
    assert "a.test" in run("show").stdout
    listed = json.loads(run("trust", "--list", "--json").stdout)
    assert [row["workspace"] for row in listed["trusted"]] == [str(project)]
    assert str(project) in run("trust", "--list").stdout
    file.write_text(file.read_text() + "# more\n")
    assert "a.test" not in run("show").stdout


def test_trust_never_grants_what_is_not_a_projects_to_say(run: Run, project: Path) -> None:
    write(project / ".safe-agent.toml", '[network]\nallow = ["a.test"]\n[[loopback]]\nport = 5432')
    said = run("trust").stdout.splitlines()
    assert said[:2] == ['granted: line 3: `network.allow` = ["a.test"]', "never granted: line 4: `loopback`"]
    shown = run("show", "--origin")
    assert "5432" not in shown.stdout
    assert "`loopback` is about the user's own" in shown.stderr


def test_a_secret_is_shown_by_where_it_comes_from(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "home/.config/safe-agent/policy.toml"
    own.parent.mkdir(parents=True, exist_ok=True)
    write(own, '[[secrets]]\nname = "a"\nfrom = "env:MY_TOKEN"\nhosts = ["api.test"]')
    write(own.with_name("allowed.toml"), '[network]\nallow = ["b.test"]')
    value = "never-printed-" + "1234"
    shown = run("show", "--origin", MY_TOKEN=value).stdout
    assert 'a: from = "env:MY_TOKEN", hosts = ["api.test"]' in shown
    assert f"{own.with_name('allowed.toml')}:3" in shown
    assert value not in shown + run("show", "--json", MY_TOKEN=value).stdout


def test_revoked_trust_is_gone(run: Run, project: Path) -> None:
    write(project / ".safe-agent.toml", '[network]\nallow = ["a.test"]')
    run("trust")
    assert "no longer trusted" in run("trust", "--revoke").stdout
    assert "was not trusted" in run("trust", "--revoke").stdout
    assert "a.test" not in run("show").stdout


def test_what_is_missing_or_broken_cannot_be_trusted(run: Run, project: Path) -> None:
    missing = run("trust")
    assert missing.returncode == 125
    assert "no such file" in missing.stderr
    write(project / ".safe-agent.toml", 'upstream.openai = "https://a.test"')
    refused = run("trust")
    assert refused.returncode == 125
    assert "a project may not say where the provider is" in refused.stderr
    assert run("trust", "--list").stdout == ""


def test_options_that_contradict_each_other_are_wrong_usage(run: Run) -> None:
    assert run("trust", "--list", "--revoke").returncode == 2
    assert run("trust", "--json").returncode == 2


@pytest.mark.parametrize("command", [[], ["init"], ["show"], ["check"], ["trust"]])
def test_help_has_an_example_and_the_exit_codes(run: Run, command: list[str]) -> None:
    text = run(*command, "--help").stdout
    assert "Example:\n" in text
    assert "Exit codes: 0" in text


def test_a_projects_file_cannot_speak_to_the_terminal(run: Run, project: Path) -> None:
    write(project / ".safe-agent.toml", '[environment.set]\n"A\\u001b[2J" = "x"')
    shown = run("show")
    assert "environment.set.A" in shown.stderr
    assert "\x1b" not in shown.stderr + shown.stdout

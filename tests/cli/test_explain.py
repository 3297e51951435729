"""`safe-agent explain` on a machine of the test's own."""

import json
import re

import pytest

from tests.machine import Machine


def test_the_page_names_what_is_masked_and_shows_no_value(machine: Machine) -> None:
    done = machine.host("safe-agent", "explain", check=True)
    assert re.search(r"^  (mask|drop)  GITHUB_TOKEN", done.stdout, re.MULTILINE)
    assert "  mask  .env (" in done.stdout
    assert machine.leaks(done.stdout, done.stderr) == []


def test_each_thing_is_answered_on_a_line_with_its_rule(machine: Machine) -> None:
    done = machine.host("safe-agent", "explain", ".env", "GITHUB_TOKEN", "example.com", "~/.ssh", check=True)
    path, variable, host, hidden = done.stdout.splitlines()
    assert path.startswith("path      .env: mask")
    assert re.search(r'\[mask "\*\.env" \(bundled, default\.toml:\d+\)\]$', path)  # and not where that was installed
    assert variable.startswith("variable  GITHUB_TOKEN: ")
    assert host.startswith("host      example.com: deny")
    assert hidden.startswith("path      ~/.ssh: hidden")
    assert all(line.endswith("]") for line in done.stdout.splitlines())


def test_json_has_a_stable_schema(machine: Machine) -> None:
    done = machine.host("safe-agent", "explain", "--json", ".env", check=True)
    found = json.loads(done.stdout)
    assert found["version"] == 1
    [one] = found["answers"]
    assert one.keys() == {"thing", "what", "action", "rule", "inside"}
    plan = json.loads(machine.host("safe-agent", "explain", "--json", check=True).stdout)
    assert plan["version"] == 1
    assert plan["workspace"] == str(machine.workspace)
    assert machine.leaks(json.dumps(plan)) == []


def test_nothing_is_started_and_nothing_is_left_in_the_workspace(machine: Machine) -> None:
    before = machine.git("status", "--porcelain", "--ignored")
    machine.host("safe-agent", "explain", check=True)
    assert machine.git("status", "--porcelain", "--ignored") == before
    assert machine.sessions() == []


def test_a_strangers_file_name_does_nothing_to_the_terminal(machine: Machine) -> None:
    (machine.workspace / "a\x1b[2J.env").write_text(f"KEY={machine.planted['stripe']}\n")
    machine.give()
    assert "\x1b" not in machine.host("safe-agent", "explain", check=True).stdout
    assert "\x1b" not in machine.host("safe-agent", "explain", "./a\x1b[2J.env", check=True).stdout


def test_another_profile_and_policy_are_explained_as_they_would_run(machine: Machine) -> None:
    file = machine.root / "mine.toml"
    file.write_text('version = 1\n[network]\nallow = ["example.com"]\n')
    file.chmod(0o644)
    done = machine.host("safe-agent", "explain", "--policy", str(file), "example.com", check=True)
    assert done.stdout.startswith("host      example.com: allow")
    assert str(file) in done.stdout
    assert "profile     strict" in machine.host("safe-agent", "explain", "--profile", "strict", check=True).stdout


def test_of_a_model_it_says_whether_it_is_approved_here_and_for_which_work_not(machine: Machine) -> None:
    own = machine.home / ".config/safe-agent/policy.toml"
    own.write_text(
        "version = 1\n[[approved.rules]]\n"
        'models = ["gpt-*"]\nremotes = ["git.example.org/lab"]\naction = "deny"\nreason = "not here"\n'
        '[[tasks]]\nname = "exams"\npatterns = ["exam"]\naction = "warn"\nmodels = ["claude-*"]\n'
    )
    machine.git("remote", "add", "other", "ssh://git@git.example.org:2222/Lab/App.git")
    denied = machine.host("safe-agent", "explain", "--model", "gpt-5", check=True).stdout.splitlines()
    assert denied[0].startswith('model     gpt-5: deny  (not here)  [deny "remotes = ["git.example.org/lab"]')
    assert f"{own}:2)]" in denied[0]
    assert len(denied) == 1
    allowed = machine.host("safe-agent", "explain", "--model", "claude-opus-4", check=True).stdout.splitlines()
    assert allowed == [
        "model     claude-opus-4: allow  [default: what no rule names is allowed]",
        f'task      exams: warn  [task "exams" (user, {own}:7)]',
    ]
    found = json.loads(machine.host("safe-agent", "explain", "--json", "--model", "gpt-5", ".env", check=True).stdout)
    assert [one["what"] for one in found["answers"]] == ["path", "model"]


def test_of_a_model_that_is_routed_it_says_where_to(machine: Machine) -> None:
    (machine.home / ".config/safe-agent/policy.toml").write_text(
        'version = 1\n[[approved.rules]]\naction = "route"\nupstream = "internal"\n'
        '[upstreams.internal]\nkind = "anthropic"\nurl = "https://llm.example.org"\n'
    )
    done = machine.host("safe-agent", "explain", "--model", "x", check=True)
    assert done.stdout.startswith("model     x: route  (internal: https://llm.example.org)  [")


def test_the_profile_for_macos_is_of_this_plan_and_says_what_cannot_be_had(machine: Machine) -> None:
    done = machine.host("safe-agent", "explain", "--seatbelt", check=True)
    assert "; not to be had on macOS: view: " in done.stdout
    assert "(deny default)" in done.stdout
    assert f'(subpath "{machine.workspace}/.env")' in done.stdout
    assert machine.leaks(done.stdout) == []


@pytest.mark.parametrize("client", ["claude", "codex"])
def test_a_client_that_is_not_there_ends_with_127(machine: Machine, client: str) -> None:
    done = machine.host(
        "safe-agent", "explain", "--client", client, PATH="/usr/bin:/bin:" + machine.environ["PATH"].split(":")[0]
    )
    assert done.returncode == 127
    assert "hint: install" in done.stderr


def test_a_refusal_is_the_sessions_own(machine: Machine) -> None:
    done = machine.host("safe-agent", "explain", "--profile", "nonsense")
    assert done.returncode == 125
    assert done.stdout == ""


def test_of_a_host_it_says_how_it_is_reached_and_what_works_there_and_no_value(machine: Machine) -> None:
    own = machine.home / ".config/safe-agent/policy.toml"
    own.write_text(
        'version = 1\n[[secrets]]\nname = "token"\nfrom = "env:GITHUB_TOKEN"\nhosts = ["api.example.com"]\n'
        '[[hosts]]\nhosts = ["api.example.com"]\nallow = ["GET /repos/**"]\n'
        "[[loopback]]\nport = 5432\n"
    )
    (own.parent / "allowed.toml").write_text('version = 1\n[network]\nallow = [\n  "open.example.com",\n]\n')
    machine.give()
    asked = ("api.example.com", "open.example.com", "no.example.com", "127.0.0.1:5432")
    done = machine.host("safe-agent", "explain", *asked, check=True)
    api, secret, requests, found, bounds, opened, unknown, service = done.stdout.splitlines()
    assert api.startswith("host      api.example.com: allow  (intercepted")
    assert secret.startswith("  secret    token: env:GITHUB_TOKEN in header:authorization, basic; inside: GITHUB_TOKEN")
    assert requests == f'  requests  GET /repos/**  [hosts "api.example.com" (user, {own}:6)]'
    assert (found.split()[0], bounds.split()[0]) == ("found", "bounds")
    assert opened.endswith(f'(tunnelled)  [allow "open.example.com" (user, {own.parent}/allowed.toml:4)]')
    assert "`safe-agent allow no.example.com`" in unknown
    assert service.startswith("host      127.0.0.1:5432: allow")
    said = machine.host("safe-agent", "explain", "--json", *asked, check=True)
    [there, *_] = [one["there"] for one in json.loads(said.stdout)["answers"]]
    assert (there["way"], there["secrets"][0]["source"]) == ("intercepted", "env:GITHUB_TOKEN")
    page = machine.host("safe-agent", "explain", check=True)
    assert re.search(r"set +GITHUB_TOKEN = ghp_MASKED-\S+ +\[secret \"token\" \(user, ", page.stdout)
    assert "  token: env:GITHUB_TOKEN for api.example.com in header:authorization, basic" in page.stdout
    assert machine.leaks(done.stdout, done.stderr, said.stdout, page.stdout) == []


def test_of_a_text_it_shows_what_would_leave_and_which_rule_replaces_what(machine: Machine) -> None:
    own = machine.home / ".config/safe-agent/policy.toml"
    own.write_text('version = 1\n[[context]]\nkind = "CODE-NAME"\nterms = ["falcon"]\n')
    text = f"FalconService needs {machine.planted['stripe']}"
    done = machine.host("safe-agent", "explain", "--text", text, check=True)
    leaves, *rules = done.stdout.splitlines()
    assert re.fullmatch(r"leaves    MASKED-CODE-NAME-\w{8}Service needs MASKED-[A-Z-]+-\w{8}", leaves)
    assert [line.split()[-1] for line in rules] == ["[context:CODE-NAME]", "[known:raw]"]
    assert machine.leaks(done.stdout, done.stderr) == []
    found = json.loads(machine.host("safe-agent", "explain", "--json", "--text", text, check=True).stdout)
    assert found.keys() == {"version", "leaves", "replaced"}
    assert found["replaced"][0].keys() == {"placeholder", "kind", "rule", "start", "end"}
    assert found["leaves"] == leaves.removeprefix("leaves    ")

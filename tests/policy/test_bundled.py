"""The bundled profiles keep what docs promise of them."""

import re
import time
from pathlib import Path

import pytest

from wrapper.errors import PolicyError
from wrapper.policy import bundled
from wrapper.policy.load import load_policy
from wrapper.policy.model import Policy
from wrapper.policy.parse import parse
from wrapper.policy.wire import Place

NOWHERE = Path("/nonexistent")
ANYWHERE = Place("claude", "/work/app", ())


def profile(name: str) -> Policy:
    return load_policy(profile=name, workspace=NOWHERE, config_home=NOWHERE, organisation=NOWHERE / "policy.toml")


@pytest.fixture(scope="module")
def default() -> Policy:
    return profile("default")


@pytest.mark.parametrize("name", bundled.PROFILES)
def test_every_profile_is_valid_and_silent(name: str) -> None:
    found = profile(name)
    assert found.profile == name
    assert found.notices == ()
    assert found.hosts.rules == ()
    assert found.upstream == {}
    assert found.degraded == ()


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PolicyError, match="no profile `lax`") as caught:
        profile("lax")
    assert "`strict`" in caught.value.hint


def test_an_installation_without_profiles_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "wrapper/policy/bundled.py"))
    with pytest.raises(PolicyError, match="bundled policy is missing"):
        bundled.folder()


def test_the_wheels_folder_is_found_before_the_checkouts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "wrapper/policy/bundled.py"))
    for place in ("configs", "wrapper/_configs"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "default.toml").write_text("version = 1\n")
    assert bundled.folder() == tmp_path / "wrapper/_configs"


@pytest.mark.parametrize(
    ("action", "names"),
    [
        ("pass", "PATH HOME USER LOGNAME TERM LANG LC_ALL TZ SHELL EDITOR VISUAL PAGER COLORTERM NO_COLOR FORCE_COLOR"),
        ("pass", "CI TERM_PROGRAM COLUMNS LINES VIRTUAL_ENV PYTHONPATH NODE_ENV GOPATH CARGO_HOME GIT_AUTHOR_NAME"),
        ("pass", "CLAUDE_CONFIG_DIR CLAUDE_CODE_MAX_OUTPUT_TOKENS MAX_THINKING_TOKENS CODEX_HOME ANTHROPIC_MODEL"),
        ("mask", "DATABASE_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN GITHUB_TOKEN GH_TOKEN"),
        ("mask", "NPM_TOKEN OPENAI_API_KEY ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN CLAUDE_CODE_OAUTH_TOKEN MY_SECRET"),
        ("mask", "STRIPE_SECRET_KEY DB_PASSWORD DJANGO_SECRET_KEY PGPASSWORD SENTRY_DSN X_TOKEN CI_JOB_TOKEN HF_TOKEN"),
        ("drop", "SSH_AUTH_SOCK SSH_AGENT_PID GPG_AGENT_INFO DBUS_SESSION_BUS_ADDRESS DOCKER_HOST WAYLAND_DISPLAY"),
        ("drop", "DISPLAY XAUTHORITY VSCODE_IPC_HOOK_CLI VSCODE_GIT_IPC_HANDLE TMUX TMUX_PANE STY LD_PRELOAD NVIM"),
        ("drop", "LD_LIBRARY_PATH http_proxy HTTPS_PROXY ALL_PROXY no_proxy NODE_OPTIONS BASH_ENV XDG_RUNTIME_DIR"),
        ("drop", "ANTHROPIC_BASE_URL OPENAI_BASE_URL SAFE_AGENT_POLICY GIT_SSH_COMMAND PYTHONSTARTUP SOMETHING_ELSE"),
        ("drop", "GITHUB_ENV GITHUB_PATH ACTIONS_ID_TOKEN_REQUEST_TOKEN KUBERNETES_SERVICE_HOST"),
    ],
)
def test_the_default_environment(default: Policy, action: str, names: str) -> None:
    assert {name: default.variable(name).action for name in names.split()} == dict.fromkeys(names.split(), action)


@pytest.mark.parametrize(
    ("action", "paths"),
    [
        ("mask", ".env .env.local .env.production app/.env prod.env .npmrc .netrc .pypirc .git-credentials"),
        ("mask", "x/.aws/credentials .docker/config.json .kube/config terraform.tfvars prod.tfvars.json .pgpass"),
        ("mask", "terraform.tfstate secrets.yml config/master.key .streamlit/secrets.toml home/.config/gh/hosts.yml"),
        (
            "store",
            "id_rsa x/id_ed25519 server.key store.p12 cert.pfx app.jks a.keystore vault.kdbx .ssh/other deploy_rsa",
        ),
        ("store", ".gnupg/private-keys-v1.d/x .password-store/mail.gpg"),
        ("", ".env.example .env.sample .env.template id_rsa.pub .ssh/known_hosts src/main.py README.md cert.pem"),
        ("", ".secrets.baseline environment.py tokens.py src/keys.ts package.json .gitignore"),
    ],
)
def test_the_default_files(default: Policy, action: str, paths: str) -> None:
    assert {path: default.file(path).action for path in paths.split()} == dict.fromkeys(paths.split(), action)


@pytest.mark.parametrize(
    "path",
    [
        ".git/hooks/pre-commit",
        "sub/.git/hooks/post-checkout",
        ".git/config",
        ".git/config.worktree",
        ".git/modules/lib/config",
        ".git/modules/lib/hooks/x",
        ".git/modules/a/b/hooks/x",
        ".gitmodules",
        ".envrc",
        "sub/.envrc",
        ".vscode/tasks.json",
        ".vscode/settings.json",
        ".idea/workspace.xml",
        ".husky/pre-commit",
        ".bashrc",
        ".zshrc",
        ".claude/settings.json",
        ".mcp.json",
        ".safe-agent.toml",
        ".devcontainer/devcontainer.json",
    ],
)
def test_what_runs_outside_later_is_protected(default: Policy, path: str) -> None:
    assert default.is_protected(path).action == "protect"


@pytest.mark.parametrize(
    "path", [".git/index", ".git/HEAD", ".git/objects/aa/bb", ".git/refs/heads/main", "src/hooks/x.ts"]
)
def test_git_and_code_stay_writable(default: Policy, path: str) -> None:
    assert default.is_protected(path).action == ""


def test_the_scan_leaves_out_what_is_fetched_or_built_and_nothing_named_like_it(default: Policy) -> None:
    for folder in (".git/objects/", "node_modules/", "a/node_modules/", ".venv/", "__pycache__/", "target/", ".tox/"):
        assert not default.is_scanned(folder)
        assert not default.is_scanned(folder + "x")
    for path in (".git/", ".git/hooks/", ".git/hooks/pre-commit", ".git/config", ".git/modules/", "src/", "bin/build"):
        assert default.is_scanned(path)
    assert default.is_scanned(".git/modules/lib/config")
    assert default.is_scanned(".git/modules/lib/hooks/")
    assert not default.is_scanned(".git/modules/lib/objects/")


def test_the_default_settings_are_the_documented_ones(default: Policy) -> None:
    assert default.scan_enabled
    assert default.scan_max_bytes == 1 << 20
    assert (default.files_view, default.files_damaged, default.files_commits) == ("auto", "keep", "rewrite")
    assert not default.is_native("node_modules/")
    assert default.keep_cache
    assert default.status_line
    assert not default.audit_keystrokes
    assert (default.audit_anchors, default.audit_keep_days) == ((), 0)
    assert (default.audit_segment_bytes, default.audit_segment_hours) == (64 << 20, 24)
    assert default.body_limit == 1 << 26
    assert [default.wire_action(kind).action for kind in ("PASSWORD", "EMAIL", "DENIED-CODE")] == ["redact"] * 3
    assert [default.identity_action(field).action for field in ("home", "device-id", "commits")] == ["pass"] * 3
    assert [default.send(path).action for path in ("src/main.py", ".env", "id_rsa")] == ["always", "always", "never"]
    assert (default.redaction_budget, default.tasks, dict(default.upstreams)) == (0, (), {})
    assert default.approved(ANYWHERE, "any-model").action == "allow"
    assert (default.loopback, default.home_read_only, default.home_read_write) == ((), (), ())


def test_only_at_the_desk_an_unknown_host_waits_for_an_answer() -> None:
    found = {name: profile(name).egress for name in bundled.PROFILES}
    assert {name: egress.unknown for name, egress in found.items()} == {
        "default": "ask",
        "strict": "deny",
        "ci": "deny",
        "lab": "deny",
    }
    for egress in found.values():
        assert (egress.secrets, egress.hosts, egress.remotes, egress.loopback) == ((), (), (), ())
        assert not egress.intercepts
        assert egress.wait_seconds == 60


def test_strict_denies_what_default_masks() -> None:
    strict = profile("strict")
    for path in (".env", "a/.env.local", ".npmrc", ".aws/credentials", "x.tfvars", "config/master.key"):
        assert strict.file(path).action == "deny"
    assert strict.file(".env.example").action == ""
    assert strict.file("id_rsa").action == "store"
    assert strict.variable("AWS_PROFILE").action == "drop"
    assert strict.is_protected(".github/workflows/ci.yml").action == "protect"
    assert not strict.keep_cache
    assert strict.body_limit < 1 << 26
    assert strict.redaction_budget == 50
    asked = ("PRIVATE-KEY", "WALLET-PRIVATE-KEY", "PASSWORD", "EMAIL")
    assert [strict.wire_action(kind).action for kind in asked] == ["block", "block", "redact", "redact"]
    asked = ("device-id", "account", "email", "home")
    assert [strict.identity_action(field).action for field in asked] == ["mask", "mask", "mask", "pass"]
    assert strict.approved(ANYWHERE, "any-model").action == "allow"
    assert strict.files_damaged == "refuse"


def test_ci_shows_no_status_line_keeps_no_cache_and_hands_in_no_identity() -> None:
    ci = profile("ci")
    assert not ci.status_line
    assert not ci.keep_cache
    assert ci.files_damaged == "refuse"
    assert ci.redaction_budget == 0
    assert {task.action for task in ci.tasks} <= {"deny", "warn"}  # nobody is there to write a reason
    assert not any(rule.action == "ask" for rule in ci.sending.rules)
    assert ci.variable("GITHUB_SHA").action == "pass"
    for name in ("GITHUB_TOKEN", "CI_REGISTRY_PASSWORD", "ACTIONS_RUNTIME_TOKEN", "CI_JOB_TOKEN", "GITHUB_ENV"):
        assert ci.variable(name).action in ("mask", "drop")


def test_lab_refuses_writes_to_evaluations_and_reads_of_training_data() -> None:
    lab = profile("lab")
    for path in ("evals/a.py", "x/benchmarks/b.json", "training/c", "evaluation/d", "datasets/e.csv", "a/b.parquet"):
        assert lab.is_protected(path).action == "protect"
        assert lab.is_frozen(path)
    for path in ("src/eval.py", "bench/gateway.py", "tests/test_training.py", "evaluate/x.py", "benchmark.py"):
        assert lab.is_protected(path).action == ""
    assert (lab.files_view, lab.files_damaged, lab.files_commits) == ("fuse", "refuse", "review")
    assert lab.file("training/data.txt").action == "deny"
    assert lab.file("src/model.py").action == ""
    assert (lab.send("training/data.txt").action, lab.send("src/model.py").action) == ("never", "always")


def test_lab_sends_nothing_that_is_not_approved_and_states_what_it_requires() -> None:
    lab = profile("lab")
    denied = lab.approved(ANYWHERE, "claude-opus-4")
    assert denied.action == "deny"
    assert "lab.toml:" in denied.reason
    assert lab.requires("anthropic") == lab.requires("openai") == ("zero-data-retention",)
    asked = ("home", "email", "device-id", "commits", "date")
    assert [lab.identity_action(field).action for field in asked] == ["mask", "mask", "drop", "drop", "pass"]


@pytest.mark.parametrize("name", bundled.PROFILES)
def test_a_profile_names_only_fields_that_some_client_sends(name: str) -> None:
    from wrapper.gateway.identity import FIELDS

    known = {field for fields in FIELDS.values() for field in fields}
    assert {rule.pattern for rule in profile(name).identity.rules} - {"*"} <= known


@pytest.mark.parametrize("name", bundled.PROFILES)
def test_every_key_of_a_profile_has_a_comment_above_it(name: str) -> None:
    lines = (bundled.folder() / f"{name}.toml").read_text().splitlines()
    listed = False
    for number, line in enumerate(lines):
        if line.startswith("["):
            listed = line.startswith("[[")  # said once for the whole table, above it
        if re.match(r"[a-z_]+ = ", line) and not listed:
            assert lines[number - 1].startswith(("#", "  #", "[")), f"{name}.toml:{number + 1}: {line}"


@pytest.mark.parametrize("name", ["default", "ci"])
def test_examples_of_the_way_out_in_comments_are_right_once_the_marks_are_removed(name: str) -> None:
    text = (bundled.folder() / f"{name}.toml").read_text()
    examples = re.findall(r"(?m)^# \[\[(?:secrets|hosts|remotes|loopback)\]\]\n(?:# [a-z_]+ = .*\n)+", text)
    assert len(examples) == {"default": 4, "ci": 2}[name]
    document = parse(("version = 1\n" + re.sub("(?m)^# ", "", "".join(examples))).encode(), name).document
    assert document.secrets
    assert document.hosts


def test_loading_is_quick() -> None:
    profile("strict")
    start = time.process_time()
    profile("strict")
    assert time.process_time() - start < 0.08  # 6 ms on the machine this was written on


def test_how_long_sessions_are_readable_is_said_where_it_is_not_for_ever() -> None:
    assert {name: profile(name).audit_keep_days for name in bundled.PROFILES} == {
        "default": 0,
        "strict": 180,
        "ci": 0,
        "lab": 730,
    }

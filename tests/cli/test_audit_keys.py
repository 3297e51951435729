import json
import os
import sys
from pathlib import Path

import pexpect
import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, start_event, warned
from wrapper.audit import format as layout
from wrapper.audit import seal
from wrapper.audit.age import passphrase
from wrapper.audit.age.asking import Terminal
from wrapper.audit.age.hybrid import HybridIdentity
from wrapper.audit.bookkeeping import LEDGER
from wrapper.audit.entries import Shredded
from wrapper.audit.ledger import Ledger, read
from wrapper.cli import audit
from wrapper.errors import SafeAgentError


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit.group, ("keys", *arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def _failed(*arguments: str) -> SafeAgentError:
    error = _run(*arguments).exception
    assert isinstance(error, SafeAgentError)
    return error


def _rows(*arguments: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in _run(*arguments, "--json").stdout.splitlines()]


@pytest.fixture(autouse=True)
def outside(user: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a project, with passphrases that cost a millisecond: what a second of work is worth is not tested."""
    del user
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    for name in ("SAFE_AGENT_AUDIT_IDENTITY", "SAFE_AGENT_POLICY", "SAFE_AGENT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(passphrase.Passphrase.__init__, "__defaults__", (1,))


def _types(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    left = list(words)
    monkeypatch.setattr(Terminal, "secret", lambda self, prompt: left.pop(0))
    return left


def _without_keys(user: Home) -> None:
    for path in user.keys.folder.iterdir():
        path.unlink()


def test_init_makes_what_is_missing_and_says_so(user: Home) -> None:
    assert "all keys are in" in _run("init").stderr
    _without_keys(user)
    said = _run("init").stderr
    assert "made audit.key, audit.pub, masking.key in" in said
    assert "keep a copy of `audit.key` elsewhere: without it no log can be read" in said
    assert "keep a copy" not in _run("init").stderr


def test_init_makes_a_hybrid_pair_under_a_passphrase(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_keys(user)
    left = _types(monkeypatch, "words", "words", "words")
    assert _run("init", "--hybrid", "--passphrase").exit_code == 0
    assert user.keys.load_recipients()[0].startswith("age1pq1")
    assert user.keys.load_identity().recipients() == user.keys.load_recipients()
    assert left == []


def test_init_puts_an_existing_key_under_a_passphrase_and_says_what_that_does_not_protect(
    user: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = user.keys.load_identity()
    _types(monkeypatch, *["words"] * 7)
    assert "copies of it" in _run("init", "--passphrase").stderr
    assert "stays" in _run("init", "--passphrase").stderr
    assert user.keys.load_identity() == before


@pytest.mark.parametrize("words", [("one", "two"), ("", "")])
def test_init_with_a_passphrase_that_is_mistyped_or_empty_changes_nothing(
    user: Home, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str]
) -> None:
    before = user.keys.identity_path.read_bytes()
    _types(monkeypatch, *words)
    assert "passphrase" in _failed("init", "--passphrase").what
    assert user.keys.identity_path.read_bytes() == before


def test_init_does_not_replace_a_pair_by_a_hybrid_one(user: Home) -> None:
    before = user.keys.identity_path.read_bytes()
    assert "rotate --hybrid" in _failed("init", "--hybrid").hint
    assert user.keys.identity_path.read_bytes() == before


def test_a_reader_that_is_added_reads_what_comes_and_not_what_was(user: Home) -> None:
    team = seal.Identity.generate()
    user.write("before", [warned("x")])
    shown = _run("add", team.recipient(), "--name", "security team")
    assert "added 1 of 1" in shown.stderr
    assert [line.split("  ")[0] for line in shown.stdout.splitlines()] == ["NEW", "yes", "yes"]
    assert "security team" in shown.stdout
    user.write("after", [warned("x")])
    row = next(row for row in _rows("list") if row["recipient"] == team.recipient())
    assert row == {
        "recipient": team.recipient(),
        "name": "security team",
        "kind": "x25519",
        "new": True,
        "private_key_here": False,
        "sessions": ["after"],
    }


def test_adding_a_reader_needs_no_passphrase(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    user.keys.protect("words")
    _types(monkeypatch)
    assert _run("add", seal.Identity.generate().recipient()).exit_code == 0


def test_a_reader_who_loosens_a_post_quantum_log_is_never_added_silently(user: Home) -> None:
    shown = _run("add", HybridIdentity.generate().recipient())
    assert "post-quantum keys stand beside others" in shown.stderr
    assert max(map(len, shown.stdout.splitlines())) < 160


@pytest.mark.parametrize("wrong", ["age1xyz", "me@example.com", seal.Identity.generate().text()])
def test_what_is_no_recipient_is_refused_with_what_one_looks_like(user: Home, wrong: str) -> None:
    before = user.keys.recipients_path.read_bytes()
    error = _failed("add", wrong)
    assert "age1" in error.hint
    assert "AGE-SECRET" not in error.what + error.hint
    assert user.keys.recipients_path.read_bytes() == before


@pytest.mark.parametrize(
    "arguments", [("add",), ("add", "age1a", "age1b", "--name", "x"), ("add", "age1a", "--name", "x\ny")]
)
def test_wrong_usage_has_its_code(arguments: tuple[str, ...]) -> None:
    assert _run(*arguments).exit_code == 2


def test_after_a_rotation_old_and_new_logs_are_drilled_with_the_same_file(user: Home) -> None:
    (old,) = user.keys.load_recipients()
    user.write("before", [warned("x")])
    assert "renew your copy" in _run("rotate").stderr
    user.write("after", [warned("x")])
    (new,) = user.keys.load_recipients()
    rows = {row["recipient"]: (row["new"], row["private_key_here"], row["sessions"]) for row in _rows("list")}
    assert rows == {new: (True, True, ["after"]), old: (False, True, ["before"])}
    assert _run("drill").exit_code == 0


def test_a_drill_says_what_would_be_lost(user: Home) -> None:
    user.write("alone", [start_event(), ended()])
    _run("add", seal.Identity.generate().recipient())
    user.write("shared", [start_event(), ended()], created=2_000.0)
    shown = _run("drill")
    assert shown.stdout.splitlines() == [
        "alone  opened   would be lost without this key",
        "shared  opened   so can 1 other reader",
    ]
    assert "opened 2 of 2 sessions; without it 1 would be lost" in shown.stderr
    assert [(row["session"], row["outcome"], row["lost_without"]) for row in _rows("drill")] == [
        ("alone", "opened", True),
        ("shared", "opened", False),
    ]
    assert shown.exit_code == 0


def test_a_drill_with_the_wrong_key_fails_for_old_logs_and_for_new_ones(user: Home, tmp_path: Path) -> None:
    user.write(written=[warned("x")])
    other = tmp_path / "other.key"
    other.write_text(seal.Identity.generate().text())
    other.chmod(0o600)
    shown = _run("drill", "--identity", str(other))
    assert shown.stdout == "s-1  closed   the log is not encrypted to the key on this machine\n"
    assert "are two pairs" in shown.stderr
    assert shown.exit_code == 1


def test_a_drill_fails_where_only_new_logs_would_not_open(user: Home) -> None:
    user.write(written=[warned("x")])
    user.keys.recipients_path.write_text(seal.Identity.generate().recipient() + "\n")
    shown = _run("drill")
    assert "opened 1 of 1" in shown.stderr
    assert "are two pairs" in shown.stderr
    assert shown.exit_code == 1


def test_a_drill_with_the_copy_in_the_safe_needs_no_key_on_this_machine(
    user: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.write(written=[warned("x")])
    copy = user.keys.identity_path.rename(tmp_path / "copy")
    assert _failed("drill").what == "the private audit key is not on this machine"
    assert _run("drill", "--identity", str(copy)).exit_code == 0
    monkeypatch.setenv("SAFE_AGENT_AUDIT_IDENTITY", str(copy))
    assert _run("drill").exit_code == 0
    assert _rows("list")[0]["private_key_here"] is True
    assert CliRunner().invoke(audit.group, ["show"]).exit_code == 0


def test_a_machine_that_only_reads_is_drilled_and_listed(user: Home, tmp_path: Path) -> None:
    user.write(written=[warned("x")])
    copy = user.keys.identity_path.rename(tmp_path / "copy")
    user.keys.recipients_path.unlink()
    assert _run("drill", "--identity", str(copy)).exit_code == 0
    shown = _run("list")
    assert "no session can be recorded here" in shown.stderr
    assert "1 of 1" in shown.stdout


def test_a_session_that_was_erased_on_purpose_is_no_failure_of_a_drill_and_another_is(user: Home) -> None:
    for name in ("s-1", "s-2"):
        (user.write(name, [warned("x")]) / layout.KEY_FILE).unlink()
    assert _run("drill").exit_code == 1
    Ledger(user.state / LEDGER).append(Shredded(1.0, "s-1", "older than 30 days"))
    assert "opened 0 of 1" in _run("drill").stderr
    Ledger(user.state / LEDGER).append(Shredded(1.0, "s-2", "older than 30 days"))
    shown = _run("drill")
    assert shown.stdout.count("erased") == 2
    assert shown.exit_code == 0


def test_a_drill_is_recorded_as_a_reading(user: Home) -> None:
    user.write(written=[warned("x")])
    Ledger(user.state / LEDGER).append(Shredded(1.0, "gone", "test"))
    _run("drill")
    entry = read(user.state / LEDGER).entries[-1][1]
    assert (type(entry).__name__, getattr(entry, "session", ""), getattr(entry, "verb", "")) == (
        "Reading",
        "s-1",
        "keys drill",
    )


def test_readers_that_policy_names_stand_in_place_of_the_machines_own(user: Home) -> None:
    team = seal.Identity.generate().recipient()
    (user.config / "policy.toml").write_text(f'version = 1\n[audit]\nrecipients = ["{team}"]\n')
    shown = _run("list", "--json")
    assert "policy names the readers here" in shown.stderr
    rows = {row["recipient"]: row["new"] for row in map(json.loads, shown.stdout.splitlines())}
    assert rows == {team: True, user.keys.load_recipients()[0]: False}
    assert _run("drill").exit_code == 1


def test_a_damaged_log_is_named_and_the_rest_is_listed(user: Home) -> None:
    user.write("good", [warned("x")])
    (user.write("bad", [warned("x")]) / layout.LOG_FILE).write_bytes(b"overwritten")
    shown = _run("list")
    assert "bad: this is not a safe-agent log" in shown.stderr
    assert "1 of 2" in shown.stdout
    assert "bad  damaged  this is not a safe-agent log" in _run("drill").stdout


def test_a_name_cannot_act_on_the_terminal(user: Home) -> None:
    hostile = "\x1b]0;owned\x07\u202e"
    own = user.keys.load_recipients()[0]
    user.keys.recipients_path.write_text(f"# name: {hostile}\n{own}\n")
    for arguments in (("list",), ("list", "--json")):
        assert all(letter.isprintable() or letter == "\n" for letter in _run(*arguments).output)


@pytest.mark.parametrize("verb", ["", "init", "add", "rotate", "list", "drill"])
def test_every_verbs_help_has_an_example_and_the_exit_codes(verb: str) -> None:
    text = _run(*filter(None, (verb, "--help"))).output
    assert "Example" in text
    assert "Exit codes: 0" in text


def test_on_a_real_terminal_the_passphrase_is_asked_for_and_not_shown_and_the_stock_age_takes_it(
    user: Home, tmp_path: Path
) -> None:
    (directory,) = [user.write(written=[warned("x")])]
    program = str(Path(sys.executable).with_name("safe-agent"))

    def typed(command: str, *arguments: str, asked: str, words: list[str]) -> str:
        child = pexpect.spawn(
            command, list(arguments), env=dict(os.environ), timeout=30, encoding="utf-8", cwd=str(tmp_path / "project")
        )
        for line in words:
            child.expect(asked)
            child.sendline(line)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0, child.before
        return str(child.before)

    typed(
        program, "audit", "keys", "init", "--passphrase", asked="(passphrase for|once more).*: ", words=["one two"] * 2
    )
    drilled = typed(
        "sh", "-c", f"{program} audit keys drill </dev/null | cat", asked="passphrase for .*: ", words=["one two"]
    )
    assert "opened 1 of 1 sessions" in drilled
    assert "one two" not in drilled
    opened = typed(
        "sh", "-c", f"age -d -i {user.keys.identity_path} {directory / layout.KEY_FILE} | wc -c",
        asked="passphrase.*: ", words=["one two"],
    )  # fmt: skip
    assert opened.endswith("32\r\n")

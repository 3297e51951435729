"""`safe-agent scan`, as typed."""

import base64
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.machine import Machine, fake, until

Scan = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def scan(machine: Machine) -> Scan:
    def scan(*arguments: str, cwd: Path | None = None, **more: str) -> "subprocess.CompletedProcess[str]":
        return machine.run(["safe-agent", "scan", *arguments], more, cwd=cwd)

    return scan


def plant(machine: Machine, path: str = "settings.py") -> str:
    """Put a key that its issuer's rule is certain of into a file that git does not ignore."""
    key = fake("sk" + "_live_", 24)
    file = machine.workspace / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"# settings\nKEY = '{key}'\n")
    machine.planted[path] = key
    return key


def ignore_env(machine: Machine) -> None:
    (machine.workspace / ".gitignore").write_text(".env\n")


def test_a_finding_is_a_line_with_its_placeholder_and_the_exit_code_is_1(machine: Machine, scan: Scan) -> None:
    ignore_env(machine)
    plant(machine)
    done = scan()
    place, kind, confidence, rule, placeholder = done.stdout.split()
    assert (place, kind, confidence) == ("settings.py:2:8:", "STRIPE-KEY", "certain")
    assert rule
    assert placeholder.startswith("MASKED-STRIPE-KEY-")
    assert done.returncode == 1
    assert done.stderr == "safe-agent: 1 finding in 1 file; 3 files scanned\n"
    assert machine.leaks(done.stdout, done.stderr) == []


def test_nothing_found_is_0_and_nothing_on_stdout(machine: Machine, scan: Scan) -> None:
    ignore_env(machine)
    done = scan()
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "safe-agent: no secrets found; 2 files scanned\n"


def test_the_placeholder_is_the_one_that_the_agent_sees(machine: Machine, scan: Scan) -> None:
    plant(machine)
    (found,) = json.loads(scan("settings.py", "--json").stdout)["findings"]
    assert f"KEY = '{found['placeholder']}'" in machine.seen("cat settings.py")


def test_the_whole_project_is_scanned_and_paths_are_those_of_the_current_folder(machine: Machine, scan: Scan) -> None:
    ignore_env(machine)
    plant(machine)
    plant(machine, "deep/er/a.py")
    found = [line.split()[0] for line in scan(cwd=machine.workspace / "deep").stdout.splitlines()]
    assert found == ["er/a.py:2:8:", "../settings.py:2:8:"]
    found = [line.split()[0] for line in scan(".", cwd=machine.workspace / "deep").stdout.splitlines()]
    assert found == ["er/a.py:2:8:"]


def test_json_and_sarif_tell_the_same(machine: Machine, scan: Scan) -> None:
    plant(machine)
    found = json.loads(scan("--json").stdout)
    log = json.loads(scan("--sarif").stdout)
    places = {(one["path"], one["line"], one["column"]) for one in found["findings"]}
    regions = set()
    for result in log["runs"][0]["results"]:
        physical = result["locations"][0]["physicalLocation"]
        region = physical["region"]
        regions.add((physical["artifactLocation"]["uri"], region["startLine"], region["startColumn"]))
    assert places == regions
    assert ("settings.py", 2, 8) in places
    assert found["root"] == str(machine.workspace)
    assert machine.leaks(json.dumps(found), json.dumps(log)) == []


def test_a_pre_commit_hook_stops_a_commit_with_a_secret_and_no_other(machine: Machine) -> None:
    hook = machine.workspace / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexec safe-agent scan --staged\n")
    hook.chmod(0o755)
    commit = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "x")
    plant(machine)
    machine.git("add", "settings.py")
    stopped = machine.host(*commit)
    assert stopped.returncode == 1
    assert "settings.py:2:8:" in stopped.stdout + stopped.stderr
    machine.git("rm", "-q", "--cached", "settings.py")
    (machine.workspace / "app.py").write_text("print('other')\n")
    assert machine.host(*commit, "app.py").returncode == 0
    (machine.workspace / "app.py").write_text((machine.workspace / "settings.py").read_text())
    assert machine.host(*commit, "app.py").returncode == 1, "git makes an index of its own for this"


def test_history_finds_what_was_taken_out_again(machine: Machine, scan: Scan) -> None:
    ignore_env(machine)
    plant(machine)
    machine.git("add", "settings.py")
    machine.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "in")
    commit = machine.git("rev-parse", "HEAD").strip()
    machine.git("rm", "-qf", "settings.py")
    machine.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "out")
    assert scan().returncode == 0
    done = scan("--history")
    assert done.returncode == 1
    assert done.stdout.startswith(f"{commit[:12]}:settings.py:2:8: ")


def test_a_baseline_accepts_what_is_there_and_nothing_new(machine: Machine, scan: Scan) -> None:
    plant(machine)
    made = scan("--update-baseline", "known.json")
    assert made.returncode == 0
    assert made.stdout == ""
    assert "written to `known.json`" in made.stderr
    assert machine.leaks((machine.workspace / "known.json").read_text()) == []
    again = scan("--baseline", "known.json")
    assert again.returncode == 0
    assert "accepted by the baseline" in again.stderr
    plant(machine, "new.py")
    assert [line.split(":")[0] for line in scan("--baseline", "known.json").stdout.splitlines()] == ["new.py"]


def test_known_values_are_found_where_no_rule_would(machine: Machine, scan: Scan) -> None:
    ignore_env(machine)
    (machine.workspace / "notes.txt").write_text(f"ask for {machine.planted['odd']}, he knows\n")
    assert "notes.txt" not in scan().stdout
    done = scan("--known")
    assert "notes.txt:1:9: " in done.stdout
    assert " certain known:raw " in done.stdout
    assert machine.leaks(done.stdout, done.stderr) == []


def test_the_least_confidence_is_honoured(machine: Machine, scan: Scan) -> None:
    ignore_env(machine)
    (machine.workspace / "a.py").write_text(f"password = '{fake('', 20)}x7'\n")
    assert " likely " in scan().stdout
    assert scan("--min-confidence", "certain").returncode == 0


def test_a_policy_of_the_project_is_honoured(machine: Machine, scan: Scan) -> None:
    ignore_env(machine)
    (machine.workspace / ".safe-agent.toml").write_text(
        'version = 1\n[[redaction.rules]]\nid = "ours"\nkind = "TICKET"\nregex = "TICKET-[0-9]{6}"\n'
    )
    (machine.workspace / "a.py").write_text("see TICKET-123456\n")
    assert "a.py:1:5: TICKET certain ours " in scan().stdout
    refused = scan("--profile", "nonsense")
    assert (refused.returncode, refused.stdout) == (125, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--staged", "--history"],
        ["--all", "--staged"],
        ["--json", "--sarif"],
        ["--update-baseline", "x", "--staged"],
        ["--min-confidence", "sure"],
        ["nosuch"],
        ["--baseline", "nosuch"],
    ],
)
def test_wrong_usage_is_2(scan: Scan, arguments: list[str]) -> None:
    done = scan(*arguments)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_refusal_is_125_with_a_hint(machine: Machine, scan: Scan) -> None:
    plain = machine.root / "plain"
    plain.mkdir()
    done = scan("--staged", cwd=plain)
    assert (done.returncode, done.stdout) == (125, "")
    assert "is not in a git working tree" in done.stderr
    assert "hint: " in done.stderr
    (machine.workspace / "no.json").write_text("{}")
    assert scan("--baseline", "no.json").returncode == 125


def test_without_keys_it_scans_and_says_what_that_means(machine: Machine, scan: Scan) -> None:
    plant(machine)
    done = scan(XDG_CONFIG_HOME=str(machine.root / "none"))
    assert done.returncode == 1
    assert "placeholders are this run's own" in done.stderr
    assert not (machine.root / "none").exists()


def test_a_home_or_a_system_folder_can_be_scanned(machine: Machine, scan: Scan) -> None:
    done = scan(str(machine.home / ".aws"), str(machine.home / ".ssh"), cwd=Path("/"))
    assert done.returncode == 1
    assert ".aws/credentials" in done.stdout
    assert ".ssh/id_ed25519" in done.stdout
    assert machine.leaks(done.stdout, done.stderr) == []


def test_a_file_that_this_user_may_not_read_is_said(anyones: Machine) -> None:
    (anyones.workspace / "closed.py").write_text("x\n")
    (anyones.workspace / "shut").mkdir()
    anyones.give()
    (anyones.workspace / "closed.py").chmod(0)
    (anyones.workspace / "shut").chmod(0)
    done = anyones.host("safe-agent", "scan", "--all")
    if anyones.uid == 0:
        assert "not read" not in done.stderr  # root may read everything
    else:
        assert "safe-agent: not read: `closed.py`: Permission denied" in done.stderr
        assert "safe-agent: not read: `shut`: Permission denied" in done.stderr
        assert {
            one["path"]
            for one in json.loads(anyones.host("safe-agent", "scan", "--all", "--json").stdout)["unreadable"]
        } == {"closed.py", "shut"}
    (anyones.workspace / "shut").chmod(0o700)


def test_scans_at_once_find_the_same_and_leave_a_good_cache(machine: Machine) -> None:
    for number in range(30):
        plant(machine, f"a{number}.py")
    begun = [
        subprocess.Popen(
            ["safe-agent", "scan", "--json"],
            cwd=machine.workspace,
            env=machine.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    results = [json.loads(process.communicate(timeout=60)[0])["findings"] for process in begun]
    assert results[0] == results[1] == results[2]
    assert len(results[0]) >= 30
    assert not list((machine.home / ".cache/safe-agent/scans").glob("*.new"))


def test_a_reader_that_went_away_ends_it_quietly(machine: Machine) -> None:
    for number in range(3):
        plant(machine, f"a{number}.py")
    gone, ours = os.pipe()
    os.close(gone)
    done = subprocess.run(
        ["safe-agent", "scan"],
        cwd=machine.workspace,
        env=machine.environ,
        stdin=subprocess.DEVNULL,
        stdout=ours,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(ours)
    assert "Traceback" not in done.stderr
    assert done.returncode == 141


def on_a_terminal(machine: Machine, **more: str) -> str:
    """Run a scan on a terminal and give all that it wrote."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["safe-agent", "scan"],
        cwd=machine.workspace,
        env={**machine.environ, **more},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        written += part
    os.close(ours)
    process.wait(60)
    return written.decode()


def test_colours_are_for_terminals_that_want_them(machine: Machine, scan: Scan) -> None:
    plant(machine)
    assert "\x1b[31mSTRIPE-KEY\x1b[0m" in on_a_terminal(machine)
    assert "\x1b" not in on_a_terminal(machine, NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(machine, TERM="dumb")
    assert "\x1b" not in scan().stdout


def test_a_strangers_file_name_does_nothing_to_the_terminal(machine: Machine, scan: Scan) -> None:
    plant(machine, "a\x1b[2J\n.py")
    assert "\x1b" not in scan().stdout
    assert "\x1b[2J" not in on_a_terminal(machine)
    assert len(scan(".").stdout.splitlines()) == len(json.loads(scan(".", "--json").stdout)["findings"])


def test_a_name_that_is_no_utf8_is_told_whole(machine: Machine, scan: Scan) -> None:
    ignore_env(machine)
    name = b"na\xffme.py"
    plant(machine, os.fsdecode(name))
    (found,) = json.loads(scan("--json").stdout)["findings"]
    assert base64.b64decode(found["path_base64"]) == name
    assert "na%FFme.py" in scan("--sarif").stdout
    assert r"na\udcffme.py:2:8:" in scan().stdout


def test_ctrl_c_ends_it_in_the_middle_of_a_file(machine: Machine) -> None:
    file = machine.workspace / "large.txt"
    file.write_bytes(b"password = 'short1'\n" * 2_000_000)  # slow to judge
    process = subprocess.Popen(
        ["safe-agent", "scan"],
        cwd=machine.workspace,
        env=machine.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    held = Path(f"/proc/{process.pid}/fd")
    until(lambda: str(file) in {str(one.resolve()) for one in held.iterdir()}, within=30)
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - begin < 5
    assert out == b""
    assert b"Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)

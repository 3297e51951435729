"""`safe-agent doctor` on machines that lack something, and on one that does not: the checks, without the attacks.

The attacks are in attacks/test_doctor.py.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.machine import ORDINARY, Machine

MACHINE = ["bubblewrap", "user namespaces", "sandbox", "view", "file watches"]
USER = ["folders", "workspace", "policy", "keys", "rules", "claude", "codex"]
ROOT_OF_ITS_OWN = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
DOCTOR = str(Path(sys.executable).parent / "safe-agent")


class Table:
    """What `doctor --json` said."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.code = done.returncode
        document = json.loads(done.stdout)
        assert list(document) == ["version", "checks", "attacked", "attacks"]
        assert (document["version"], document["attacked"], document["attacks"]) == (2, None, [])
        self.rows = {row["name"]: row for row in document["checks"]}
        assert all(list(row) == ["name", "status", "found", "fix"] for row in document["checks"])

    def missing(self) -> list[str]:
        return [name for name, row in self.rows.items() if row["status"] == "missing"]


def ask(machine: Machine, *before: str, cwd: Path | None = None, **more: str) -> Table:
    environ = [f"{name}={value}" for name, value in more.items()]
    return Table(machine.host("env", *environ, *before, DOCTOR, "doctor", "--no-attacks", "--json", cwd=cwd))


def programs(folder: Path, names: Sequence[str]) -> str:
    """Make a PATH that has these commands only."""
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(f"/usr/bin/{name}")
    return str(folder)


def test_where_nothing_is_missing_a_session_can_start(machine: Machine) -> None:
    table = ask(machine)
    assert (table.code, table.missing()) == (0, [])
    assert list(table.rows) == MACHINE + USER
    assert machine.inside("true").returncode == 0


def test_it_leaves_the_rules_compiled_so_that_a_session_need_not_do_it(machine: Machine) -> None:
    cache = machine.root / "cache"
    ask(machine, "env", f"XDG_CACHE_HOME={cache}")
    compiled = {path: path.stat().st_mtime_ns for path in (cache / "safe-agent/rules").iterdir()}
    assert {path.suffix for path in compiled} == {".json", ".hs"}
    assert machine.inside("true", XDG_CACHE_HOME=str(cache)).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (cache / "safe-agent/rules").iterdir()} == compiled


def test_the_table_for_people_has_a_line_for_each_check_and_its_fix_below(machine: Machine) -> None:
    shown = machine.host("safe-agent", "doctor", "--no-attacks", PATH=f"{Path(DOCTOR).parent}:/usr/bin:/bin")
    assert shown.returncode == 0
    assert shown.stderr == ""
    lines = shown.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("optional  claude "))
    assert "`claude` is not in PATH" in lines[at]
    assert lines[at + 1].strip().startswith("fix: install Claude Code: `npm install")


def test_a_client_that_is_installed_is_shown_with_its_version(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    program = tmp_path / "versions/2.1.4"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/claude").symlink_to(program)
    row = ask(machine, PATH=f"{tmp_path}/bin:/usr/bin:/bin").rows["claude"]
    assert (row["status"], row["found"]) == ("ok", f"2.1.4, `{program}`")


def test_without_bubblewrap_the_fix_installs_it_and_the_rest_is_still_checked(machine: Machine, tmp_path: Path) -> None:
    table = ask(machine, PATH=programs(tmp_path / "bin", ["true", "git"]))
    assert (table.code, table.missing()) == (1, ["bubblewrap", "sandbox"])
    assert table.rows["bubblewrap"]["fix"] == "sudo apt install bubblewrap"
    assert list(table.rows) == MACHINE + USER


def test_where_something_is_missing_nothing_is_attacked(machine: Machine, tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", ["true", "git"])
    done = machine.host("env", f"PATH={path}", DOCTOR, "doctor", "--json")
    assert Table(done).code == 1
    assert "nothing was attacked" in done.stderr


def test_without_python_inside_the_attacks_are_said_to_be_untried(machine: Machine, tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", ["bwrap", "sh", "git", "true"])
    table = Table(machine.host("env", f"PATH={path}", DOCTOR, "doctor", "--json"))
    assert (table.code, table.missing()) == (0, [])
    assert table.rows["attacks"]["status"] == "optional"
    assert "no `python3`" in table.rows["attacks"]["found"]


@pytest.mark.parametrize(
    "refusing",
    [
        ["bwrap", "--unshare-user", "--disable-userns", "--dev-bind", "/", "/", "--"],
        [*ROOT_OF_ITS_OWN, 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"', "sh"],
    ],
)
def test_refused_user_namespaces_are_told_with_the_setting_that_refuses_them(
    machine: Machine, refusing: list[str]
) -> None:
    table = ask(machine, *refusing)
    assert table.code == 1
    assert "user namespaces" in table.missing()
    assert "user.max_user_namespaces" in table.rows["user namespaces"]["fix"]


@pytest.mark.parametrize(
    ("instead", "found", "fix"),
    [
        ([], "/dev/fuse is not there", "--device /dev/fuse"),
        (["--dev-bind", "/dev/null", "/dev/fuse"], "FUSE cannot be mounted", "Linux 4.18"),
        (["--dev-bind", "/etc/shadow", "/dev/fuse"], "(mode 0640) cannot be opened: Permission denied", "chmod 0666"),
    ],
)
def test_a_view_that_cannot_be_had_is_told_with_its_fix_and_stops_nothing(
    instead: list[str], found: str, fix: str
) -> None:
    machine = Machine.make(ORDINARY if os.getuid() == 0 else None)
    try:
        table = ask(machine, "bwrap", "--dev-bind", "/", "/", "--dev", "/dev", *instead, "--")
        assert (table.code, table.missing()) == (0, [])
        row = table.rows["view"]
        assert (row["status"], found in row["found"], fix in row["fix"]) == ("optional", True, True), row
    finally:
        machine.remove()


def test_a_view_that_the_policy_asks_for_and_that_cannot_be_had_stops(machine: Machine) -> None:
    (machine.home / ".config/safe-agent/policy.toml").write_text('version = 1\n[files]\nview = "fuse"\n')
    table = ask(machine, "bwrap", "--dev-bind", "/", "/", "--dev", "/dev", "--")
    assert (table.code, table.missing()) == (1, ["view"])
    assert table.rows["view"]["found"] == '/dev/fuse is not there (the policy says `files.view = "fuse"`)'


def test_a_view_that_was_tried_leaves_no_mount(machine: Machine) -> None:
    def mounts() -> list[str]:
        return [line for line in Path("/proc/self/mounts").read_text().splitlines() if "safe-agent" in line]

    before = mounts()
    assert ask(machine).rows["view"]["status"] == "ok"
    assert mounts() == before


def test_used_up_inotify_instances_are_told_with_the_setting_that_raises_them(machine: Machine) -> None:
    table = ask(machine, *ROOT_OF_ITS_OWN, 'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"', "sh")
    assert table.code == 1
    assert "file watches" in table.missing()
    assert "max_user_instances" in table.rows["file watches"]["fix"]


@pytest.mark.parametrize("key", ["audit.pub", "masking.key"])
def test_a_missing_key_stops_and_the_fix_makes_it(machine: Machine, key: str) -> None:
    (machine.home / ".config/safe-agent/keys" / key).unlink()
    table = ask(machine)
    assert (table.code, table.missing()) == (1, ["keys"])
    assert table.rows["keys"]["fix"] == "run `safe-agent keys make`"
    machine.host("safe-agent", "keys", "make").check_returncode()
    assert ask(machine).code == 0


def test_a_private_key_that_was_taken_away_is_no_fault(machine: Machine) -> None:
    (machine.home / ".config/safe-agent/keys/audit.key").unlink()
    table = ask(machine)
    assert table.code == 0
    assert "`audit.key` is elsewhere" in table.rows["keys"]["found"]


@pytest.mark.parametrize("variable", ["XDG_STATE_HOME", "XDG_CACHE_HOME"])
def test_a_folder_that_cannot_be_written_stops(machine: Machine, variable: str) -> None:
    blocked = machine.root / "file"
    blocked.write_text("")
    table = ask(machine, "env", f"{variable}={blocked}")
    assert (table.code, table.missing()) == (1, ["folders"])
    assert str(blocked) in table.rows["folders"]["found"]
    assert variable in table.rows["folders"]["fix"]


def test_a_full_disk_stops(machine: Machine) -> None:
    full = machine.root / "full"
    full.mkdir()
    script = 'mount -t tmpfs -o size=4k,nr_inodes=9 full "$1" && head -c 4096 /dev/zero >"$1/rest"; shift; exec "$@"'
    table = ask(machine, *ROOT_OF_ITS_OWN, script, "sh", str(full), XDG_STATE_HOME=str(full))
    assert table.code == 1
    assert "folders" in table.missing()
    assert table.rows["folders"]["found"] == f"cannot write `{full}/safe-agent/sessions`: No space left on device"
    assert table.rows["folders"]["fix"].startswith("free space there")


def test_a_policy_that_is_not_valid_stops_and_is_named_with_its_line(machine: Machine) -> None:
    file = machine.home / ".config/safe-agent/policy.toml"
    file.write_text("version = 1\n[environment]\nmaks = []\n")
    table = ask(machine)
    assert (table.code, table.missing()) == (1, ["policy"])
    assert f"{file}:3" in table.rows["policy"]["found"]
    assert "environment.mask" in table.rows["policy"]["fix"]


def test_an_expression_of_the_policy_that_does_not_compile_stops(machine: Machine) -> None:
    file = machine.home / ".config/safe-agent/policy.toml"
    rule = '[[redaction.rules]]\nid = "mine"\nkind = "MINE"\nregex = "(?=x)y"\n'
    file.write_text(f"version = 1\n{rule}")
    table = ask(machine)
    assert table.code == 1
    assert "policy" in table.missing()
    assert "policy.toml:5" in table.rows["policy"]["found"]


def test_it_can_be_asked_from_home_where_no_session_can_start(machine: Machine) -> None:
    table = ask(machine, cwd=machine.home)
    assert table.code == 0
    assert table.rows["workspace"]["status"] == "optional"
    assert "is your home folder" in table.rows["workspace"]["found"]


def test_a_file_name_cannot_speak_to_the_terminal(machine: Machine) -> None:
    folder = machine.root / "a\x1b[2Jb"
    folder.mkdir()
    shown = machine.host("safe-agent", "doctor", "--no-attacks", cwd=folder)
    assert "\x1b" not in shown.stdout + shown.stderr
    assert r"a\x1b[2Jb" in shown.stdout


def test_inside_a_session_it_refuses_to_guess(machine: Machine) -> None:
    refused = machine.host("safe-agent", "doctor", SAFE_AGENT_SESSION="1")
    assert refused.returncode == 125
    assert refused.stdout == ""
    assert "inside a safe-agent session" in refused.stderr
    assert "hint: " in refused.stderr

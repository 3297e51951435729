"""Where a session can be started, and what it refuses."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.machine import Machine


def refused(machine: Machine, *words: str, cwd: Path | None = None, **more: str) -> None:
    """Assert that a session is refused in two lines which hold all `words`, and that nothing was left."""
    done = machine.run(["safe-agent", "exec", "--", "touch", "ran"], more, cwd=cwd)
    assert done.returncode == 125, done.stderr
    assert done.stderr.startswith("safe-agent: ")
    assert "\nhint: " in done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert not (machine.workspace / "ran").exists()


@pytest.mark.parametrize("place", ["/", "/tmp", "/home", "/etc", "/usr/lib", "/proc", "/dev", "/run", "/var"])
def test_a_folder_of_the_system_is_refused(machine: Machine, place: str) -> None:
    """Promise 2: such a folder would bring sockets, keys and other users' files inside."""
    refused(machine, f"`{place}`", cwd=Path(place).resolve())


def test_home_and_what_holds_it_are_refused(anyones: Machine) -> None:
    """Promise 2."""
    refused(anyones, "is your home folder", cwd=anyones.home)
    refused(anyones, "holds your home folder", cwd=anyones.root)


def test_home_is_refused_by_any_name(machine: Machine) -> None:
    """Promise 2: also through a link, or as the top of a git work tree."""
    (machine.root / "link").symlink_to(machine.home)
    refused(machine, "is your home folder", cwd=machine.root / "link")
    machine.host("git", "init", "-q", cwd=machine.root, check=True)
    (machine.root / "other").mkdir()
    done = machine.host("safe-agent", "exec", "--", "ls", "-A", "../home", cwd=machine.root / "other")
    assert done.stdout == ".cache\n"


@pytest.mark.parametrize("variable", ["", "HOME", "XDG_STATE_HOME"])
def test_a_name_that_is_not_utf8_is_refused(machine: Machine, variable: str) -> None:
    """Promise 5: it could be said neither in the log nor to safe-agent's other processes."""
    place = os.fsdecode(os.fsencode(machine.root) + b"/\xff")
    Path(place).mkdir()
    more = {variable: place} if variable else {}
    refused(machine, "is not UTF-8", cwd=machine.workspace if variable else Path(place), **more)


def test_safe_agents_own_folders_are_refused(machine: Machine) -> None:
    """Promise 2: keys and logs would be in reach."""
    for folder in (".config/safe-agent", ".config/safe-agent/keys", ".config", ".local/state", ".cache"):
        (machine.home / folder).mkdir(parents=True, exist_ok=True)
        refused(machine, "safe-agent's own folder", cwd=machine.home / folder)


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"])
def test_own_folders_in_a_place_that_is_shown_inside_are_refused(machine: Machine, variable: str) -> None:
    """Promise 2: keys below a folder of PATH, or below one that policy shows."""
    tools = machine.home / ".tools" / "bin"
    tools.mkdir(parents=True)
    machine.host("safe-agent", "keys", "make", XDG_CONFIG_HOME=str(tools), check=True)
    path = f"{tools}:{machine.environ['PATH']}"
    refused(machine, str(tools), cwd=None, **{variable: str(tools), "PATH": path})
    shown = machine.home / "shown"
    machine.host("safe-agent", "keys", "make", XDG_CONFIG_HOME=str(shown), check=True)
    policy = machine.root / "policy.toml"
    policy.write_text('version = 1\n[home]\nread_only = ["~/shown"]\n')
    refused(machine, str(shown), cwd=None, **{variable: str(shown), "SAFE_AGENT_POLICY": str(policy)})


def test_a_folder_that_is_gone_is_refused(machine: Machine) -> None:
    script = "mkdir gone; cd gone; rmdir ../gone; safe-agent exec -- true"
    done = machine.host("sh", "-c", script)
    assert done.returncode == 125
    assert "does not exist any more" in done.stderr


def test_a_folder_that_cannot_be_read_is_refused_or_harmless(anyones: Machine) -> None:
    folder = anyones.root / "closed"
    folder.mkdir()
    (folder / "x").write_text("x")
    anyones.give()
    folder.chmod(0o100)
    done = anyones.host("safe-agent", "exec", "--", "cat", "x", cwd=folder)
    folder.chmod(0o700)
    assert "Traceback" not in done.stderr
    assert done.returncode == 125 or done.stdout == "x"


def test_a_state_folder_that_cannot_be_written_is_refused(machine: Machine) -> None:
    """Promise 4: no record, no session."""
    (machine.root / "file").write_text("")
    refused(machine, "cannot write", XDG_STATE_HOME=str(machine.root / "file"))
    refused(machine, "cannot write", XDG_STATE_HOME="/proc/self")


def test_a_missing_bubblewrap_is_refused(machine: Machine) -> None:
    """Promise 5."""
    folder = machine.root / "bin"
    folder.mkdir()
    for name in ("python3", "git", "sh", "touch", "setpriv"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    (folder / "safe-agent").symlink_to(machine.host("sh", "-c", "command -v safe-agent").stdout.strip())
    refused(machine, "bubblewrap is not installed", PATH=str(folder))


def test_missing_keys_are_refused(machine: Machine) -> None:
    """Promise 4."""
    machine.host("rm", "-rf", str(machine.home / ".config/safe-agent/keys"), check=True)
    refused(machine, "safe-agent keys make")


def test_user_namespaces_that_the_kernel_refuses_are_named(anyones: Machine) -> None:
    """Promise 5: as on machines where AppArmor or a container forbids them."""
    limit = "/proc/sys/user/max_user_namespaces"
    script = f"echo 0 > {limit}; exec safe-agent exec -- touch ran"
    command = ["unshare", "-Ur", "sh", "-c", script]
    done = anyones.host(*command)
    assert done.returncode == 125, done.stderr
    assert "namespace" in done.stderr
    assert "hint: `safe-agent doctor`" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_policy_key_is_named_with_its_line_and_the_nearest_key(machine: Machine) -> None:
    policy = machine.home / ".config/safe-agent/policy.toml"
    policy.write_text('version = 1\n\n[files]\nmaks = ["x"]\n')
    refused(machine, f"{policy}:4", "`files.mask`")
    policy.write_text('version = 1\n[files]\nmask = "x"\n')
    refused(machine, f"{policy}:3")
    policy.unlink()
    other = machine.root / "other.toml"
    other.write_text("version = 1\n[netwrok]\nallow = []\n")
    refused(machine, f"{other}:2", "network", SAFE_AGENT_POLICY=str(other))
    refused(machine, SAFE_AGENT_POLICY=str(machine.root / "missing.toml"))
    refused(machine, "strict", SAFE_AGENT_PROFILE="strickt")


def test_policy_and_profile_come_from_the_environment(machine: Machine) -> None:
    policy = machine.root / "policy.toml"
    policy.write_text('version = 1\n[environment]\npass = ["CHOSEN"]\n')
    more = {"CHOSEN": "by the policy", "SAFE_AGENT_POLICY": str(policy), "SAFE_AGENT_PROFILE": "strict"}
    report = machine.root / "report.json"
    done = machine.inside("echo $CHOSEN; env | grep -c SAFE_AGENT_POLICY", "--report", str(report), **more)
    assert done.stdout == "by the policy\n0\n"
    assert json.loads(report.read_text())["profile"] == "strict"


def test_an_unknown_protection_is_refused(machine: Machine) -> None:
    done = machine.inside("true", "--allow-degraded", "nonsense")
    assert done.returncode == 125
    assert "`nonsense`" in done.stderr
    assert "cover" in done.stderr


def test_a_degraded_run_is_recorded(machine: Machine) -> None:
    """Promise 5."""
    done = machine.inside("true", "--allow-degraded", "watch")
    assert done.returncode == 0
    assert '"degraded": ["watch"]' in machine.log()


def test_a_workspace_below_a_system_folder_can_be_written(machine: Machine) -> None:
    place = Path("/opt") / f"safe-agent-test-{machine.root.name}"
    place.mkdir()
    try:
        done = machine.host("safe-agent", "exec", "--", "sh", "-c", "echo x > made; cat made", cwd=place)
        assert done.stdout == "x\n"
    finally:
        subprocess.run(["rm", "-rf", str(place)], check=True)


def test_a_worktree_and_a_submodule_work_inside(machine: Machine) -> None:
    me = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always")
    machine.git("worktree", "add", "-q", str(machine.root / "tree"), "-b", "tree")
    machine.host("git", "init", "-q", str(machine.root / "outer"), check=True)
    machine.host(
        "git",
        *me,
        "submodule",
        "--quiet",
        "add",
        str(machine.workspace),
        "inner",
        cwd=machine.root / "outer",
        check=True,
    )
    commit = "touch new; git add new; git -c user.name=t -c user.email=t@example.com commit -qm inside; git log -1 --format=%s"
    for folder in (machine.root / "tree", machine.root / "outer" / "inner", machine.root / "outer"):
        done = machine.host("safe-agent", "exec", "--", "sh", "-c", commit, cwd=folder)
        assert done.stdout == "inside\n", (folder, done.stderr)


def test_names_that_are_no_text_are_no_hindrance(machine: Machine) -> None:
    """Names with newlines, with control codes, and in no encoding; masked ones as well."""
    folder = bytes(machine.workspace)
    for name in (b"new\nline", b"\xff\xfe", b"\x1b[31mred", b"-rf", b" ", b"'\"$(id)`id`", b"a\\b"):
        where = folder + b"/" + name
        Path(where.decode("utf-8", "surrogateescape")).mkdir()
        Path((where + b"/.env").decode("utf-8", "surrogateescape")).write_text(f"PASSWORD={machine.planted['odd']}\n")
    seen = machine.seen('cat ./*/.env; for d in ./*/; do cp "$d/.env" "$d/copy"; done')
    assert seen.count("PASSWORD=MASKED-") == 7
    assert not machine.leaks(seen)
    for copy in machine.workspace.glob("*/copy"):
        assert copy.read_text() == f"PASSWORD={machine.planted['odd']}\n"
    assert "\x1b" not in machine.log()
    assert not machine.leaks(machine.log())

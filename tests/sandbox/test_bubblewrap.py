"""bubblewrap's arguments as it takes them, and the gate at which the command waits."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from wrapper.errors import ProtectionError
from wrapper.plan.mounts import Mount
from wrapper.sandbox.bubblewrap import Gate, arguments, find_bubblewrap

BWRAP = find_bubblewrap("/usr/local/bin:/usr/bin:/bin")
SYSTEM = (
    Mount("read-only", "/usr", "/usr"),
    *(Mount("link", f"/{name}", f"usr/{name}") for name in ("bin", "lib", "lib64")),
    Mount("proc", "/proc"),
    Mount("dev", "/dev"),
)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate.make()
    yield made
    made.close()


def argv(
    gate: Gate, *command: str, mounts: Sequence[Mount] = (), root: bool = False, foreign: bool = False
) -> list[str]:
    return arguments(BWRAP, (*SYSTEM, *mounts), command, folder="/", gate=gate, as_root=root, foreign_owner=foreign)


def started(gate: Gate, *command: str, mounts: Sequence[Mount] = ()) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        argv(gate, *command, mounts=mounts, root=os.getuid() == 0),
        env={"PATH": "/usr/bin:/bin", "SEEN": "built"},
        pass_fds=gate.childs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(gate: Gate, script: str, *mounts: Mount) -> str:
    process = started(gate, "sh", "-c", script, mounts=mounts)
    gate.started()
    gate.release()
    out, _ = process.communicate(timeout=20)
    return out


def test_bubblewrap_is_found_in_path_and_resolved(tmp_path: Path) -> None:
    (tmp_path / "bwrap").symlink_to(BWRAP)
    assert find_bubblewrap(str(tmp_path)) == BWRAP


@pytest.mark.parametrize("search", ["", "/nonexistent"])
def test_without_bubblewrap_there_is_no_session(search: str) -> None:
    """Promise 5."""
    with pytest.raises(ProtectionError, match="not installed") as caught:
        find_bubblewrap(search)
    assert caught.value.protection == "sandbox"
    assert "apt install bubblewrap" in caught.value.hint


def test_the_command_waits_at_the_gate(gate: Gate, tmp_path: Path) -> None:
    process = started(gate, "touch", "/w/ran", mounts=[Mount("read-write", "/w", str(tmp_path))])
    pid = gate.started()
    time.sleep(0.2)
    assert not (tmp_path / "ran").exists()
    assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")  # noqa: PTH115
    gate.release()
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert (tmp_path / "ran").exists()


def test_a_sandbox_that_cannot_be_made_is_an_error_and_no_wait(gate: Gate) -> None:
    """Promise 5."""
    process = subprocess.Popen(
        [BWRAP, "--unknown-option", "--info-fd", str(gate.info_write)],
        pass_fds=gate.childs,
        stderr=subprocess.PIPE,
    )
    with pytest.raises(ProtectionError, match="could not make the sandbox"):
        gate.started()
    process.communicate(timeout=20)


def test_a_sandbox_that_is_gone_when_the_command_should_start_is_an_error(gate: Gate) -> None:
    process = started(gate, "true")
    pid = gate.started()
    os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=20)
    with pytest.raises(ProtectionError, match="could not make the sandbox"):
        gate.release()


def test_a_closed_gate_leaves_no_descriptor() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    gate = Gate.make()
    gate.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    gate.close()  # again does no harm
    other = Gate.make()
    process = started(other, "true")
    other.started()
    other.release()
    process.communicate(timeout=20)
    other.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_descriptors_of_the_gate_are_inherited_only_where_they_are_passed_on(gate: Gate) -> None:
    for descriptor in (gate.info, gate.info_write, gate.block_read, gate.block, gate.filter):
        assert not os.get_inheritable(descriptor)


def test_the_inside_holds_no_descriptor_but_its_standard_ones(gate: Gate) -> None:
    assert said(gate, "ls /proc/self/fd").split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads


def test_the_inside_is_started_with_the_built_environment_alone(gate: Gate) -> None:
    """Promise 2: its first process keeps what bubblewrap was started with."""
    out = said(gate, "env; tr '\\0' '\\n' </proc/1/environ; tr '\\0' ' ' </proc/1/cmdline")
    assert out.count("SEEN=built") == 2
    assert "HOME=" not in out


def test_the_inside_has_namespaces_of_its_own(gate: Gate) -> None:
    out = said(gate, "for name in pid ipc uts net mnt; do readlink /proc/self/ns/$name; done; cat /proc/net/dev")
    *names, _, _, loopback = out.splitlines()
    for line in names:
        name = line.partition(":")[0]
        assert os.readlink(f"/proc/self/ns/{name}") != line  # noqa: PTH115
    assert loopback.split()[0] == "lo:"


def test_mounts_stand_in_the_order_of_the_plan(gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("shown\n")
    out = said(
        gate,
        "ls -A /e /e/a; cat /e/a/file; touch /e/a/x 2>&1; touch /e/new 2>&1; stat -c %a /tmp /var/tmp; touch /s/x 2>&1",
        Mount("empty", "/e"),
        Mount("read-only", "/e/a", str(tmp_path / "a")),
        Mount("seal", "/e"),
        Mount("empty", "/tmp"),
        Mount("empty", "/var/tmp"),
        Mount("empty", "/s"),
        Mount("seal", "/s"),
    )
    assert out.startswith("/e:\na\n\n/e/a:\nfile\nshown\n")
    assert out.count("Read-only file system") == 3
    assert out.count("1777\n") == 2


def test_root_keeps_nothing_but_what_its_inner_sandbox_needs(gate: Gate) -> None:
    """And where the workspace is another user's, what makes root's edits there work."""
    words = argv(gate, "true", root=True)
    assert [words[at + 1] for at, word in enumerate(words) if word == "--cap-add"] == ["CAP_SETFCAP"]
    words = argv(gate, "true", root=True, foreign=True)
    kept = [words[at + 1] for at, word in enumerate(words) if word == "--cap-add"]
    assert kept == ["CAP_SETFCAP", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"]
    assert "--cap-add" not in argv(gate, "true", foreign=True)
    assert words.index("--cap-drop") < words.index("--cap-add")


def test_root_cannot_write_where_the_kernel_asks_for_no_capability(gate: Gate) -> None:
    if os.getuid() == 0:
        assert "Read-only" in said(gate, "echo x 2>&1 >/proc/sys/kernel/core_pattern")


def test_what_follows_is_the_command_and_never_an_option(gate: Gate) -> None:
    words = argv(gate, "--bind", "/", "/all")
    end = len(words) - 1 - words[::-1].index("--")
    assert words[end + 1 :] == ["--bind", "/", "/all"]
    assert words.count("--bind") == 1


@pytest.mark.parametrize(
    ("command", "code"), [(("/usr/bin/nothing-of-it",), 127), (("/usr",), 126), (("sh", "-c", "exit 7"), 7)]
)
def test_a_command_that_cannot_be_run_ends_as_in_a_shell(gate: Gate, command: tuple[str, ...], code: int) -> None:
    process = started(gate, *command)
    gate.started()
    gate.release()
    process.communicate(timeout=20)
    assert process.returncode == code


def test_a_commands_name_with_an_equals_sign_is_no_variable(gate: Gate, tmp_path: Path) -> None:
    program = tmp_path / "a=b"
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    process = started(gate, "/w/a=b", mounts=[Mount("read-only", "/w", str(tmp_path))])
    gate.started()
    gate.release()
    out, _ = process.communicate(timeout=20)
    assert out == "ran\n"


def test_the_inside_dies_with_bubblewraps_parent(tmp_path: Path) -> None:
    """Nothing outlives the session, also if it is killed."""
    gate = Gate.make()
    middle = os.fork()
    if middle == 0:
        with contextlib.suppress(BaseException):
            started(gate, "sleep", "60")
            pid = gate.started()
            (tmp_path / "pid").write_text(str(pid))
            gate.release()
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(1)
    gate.close()
    os.waitpid(middle, 0)
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)

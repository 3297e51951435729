"""A repository that was made to run something outside when its owner scans it.

Attacks promise 2: what was planted would run as the user, with every secret in reach. Reading a repository must not
obey it.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.machine import Machine, fake

_PROGRAMS = (
    "core.fsmonitor",
    "core.pager",
    "core.sshCommand",
    "core.alternateRefsCommand",
    "core.askPass",
    "diff.external",
    "diff.evil.command",
    "diff.evil.textconv",
    "filter.evil.clean",
    "filter.evil.smudge",
    "filter.evil.process",
    "gpg.program",
    "credential.helper",
    "remote.origin.uploadpack",
)
_SCANS = (["scan"], ["scan", "--staged"], ["scan", "--history"], ["scan", "--all"], ["scan", "--json", "app.py"])


def commit(machine: Machine) -> None:
    machine.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "more")


def evil(machine: Machine) -> Path:
    """Make the program that must not run; it leaves a mark and does what it was called for."""
    program = machine.workspace / "evil.sh"
    program.write_text(f'#!/bin/sh\ntouch "{machine.home}/owned"\nprintf "2.0\\0/\\0"\nexit 0\n')
    program.chmod(0o755)
    return program


@pytest.fixture
def hostile(machine: Machine) -> Machine:
    """Plant every setting and hook that makes git start a program."""
    (machine.workspace / "app.py").write_text("print('staged')\n")
    (machine.workspace / "other.txt").write_text("more\n")
    machine.git("add", "app.py", "other.txt")
    commit(machine)
    (machine.workspace / "app.py").write_text("print('staged again')\n")
    machine.git("add", "app.py")
    (machine.workspace / ".gitattributes").write_text("* diff=evil filter=evil\n")
    program = evil(machine)
    for name in _PROGRAMS:
        machine.git("config", name, str(program))
    for name in ("log.showSignature", "commit.gpgSign", "extensions.worktreeConfig", "remote.origin.promisor"):
        machine.git("config", name, "true")
    machine.git("config", "remote.origin.url", f"ext::{program}")
    machine.git("config", "protocol.ext.allow", "always")
    hooks = machine.workspace / ".git/hooks"
    for name in ("pre-commit", "post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout"):
        shutil.copy(program, hooks / name)
    (machine.workspace / ".git/index").touch()
    return machine


def owned(machine: Machine) -> bool:
    return (machine.home / "owned").exists()


@pytest.mark.parametrize("scan", _SCANS, ids=" ".join)
def test_no_setting_and_no_hook_of_the_repository_runs(hostile: Machine, scan: list[str]) -> None:
    done = hostile.host("safe-agent", *scan)
    assert done.returncode in {0, 1}, done.stderr
    assert not owned(hostile)


def test_the_trap_is_a_trap(hostile: Machine) -> None:
    """Plain git does run it."""
    hostile.host("git", "status")
    assert owned(hostile)


def test_an_object_that_is_missing_is_not_fetched(hostile: Machine) -> None:
    """A partial clone would start the transport that the repository names."""
    name = hostile.git("-c", "core.fsmonitor=", "rev-parse", "HEAD:other.txt").strip()
    (hostile.home / "owned").unlink(missing_ok=True)
    (hostile.workspace / ".git/objects" / name[:2] / name[2:]).unlink()
    hostile.git("-c", "core.fsmonitor=", "config", "extensions.partialClone", "origin")
    done = hostile.host("safe-agent", "scan", "--history", "--json")
    assert [one["path"] for one in json.loads(done.stdout)["unreadable"]] == ["other.txt"]
    assert not owned(hostile)


def test_a_repository_within_is_obeyed_as_little(machine: Machine) -> None:
    inner = machine.workspace / "inner"
    machine.git("init", "-q", str(inner))
    machine.git("-C", str(inner), "config", "core.fsmonitor", str(evil(machine)))
    (inner / "a.py").write_text(f"k = '{fake('sk' + '_live_', 24)}'\n")
    done = machine.host("safe-agent", "scan")
    assert "inner/a.py:1:6:" in done.stdout
    assert not owned(machine)


def test_links_and_pipes_lead_nowhere_and_stop_nothing(machine: Machine) -> None:
    for name, target in (("key", machine.home / ".ssh/id_ed25519"), ("home", machine.home), ("self", Path())):
        (machine.workspace / name).symlink_to(target)
    os.mkfifo(machine.workspace / "pipe")
    for options in ([], ["--all"], ["--known"]):
        done = machine.host("safe-agent", "scan", "--json", *options)
        paths = {one["path"] for one in json.loads(done.stdout)["findings"]}
        assert not paths & {"key", "home/.ssh/id_ed25519", "home/.aws/credentials"}
        assert machine.leaks(done.stdout, done.stderr) == []


def test_names_that_look_like_options_are_names(machine: Machine) -> None:
    for name in ("--output=x", "-c", "--exec=touch owned"):
        (machine.workspace / name).write_text(f"k = '{fake('sk' + '_live_', 24)}'\n")
    machine.git("add", "--", "-c", "--output=x")
    for options in ([], ["--staged"]):
        found = json.loads(machine.host("safe-agent", "scan", "--json", *options).stdout)["findings"]
        assert {"-c", "--output=x"} <= {one["path"] for one in found}
    assert not (machine.workspace / "x").exists()
    assert not (machine.workspace / "owned").exists()

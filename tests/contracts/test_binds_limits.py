"""What binds cannot promise, in one table: what each does instead, asserted for both.

Everything else in this folder holds for both adapters.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from tests.machine import Machine, ciphered, deciphered, fake

_ME: Final = "-c user.name=t -c user.email=t@example.com"


@dataclass(frozen=True)
class Limit:
    """A promise, what is looked at, and what each adapter answers."""

    promise: str
    look: Callable[[Machine], object]
    fuse: object
    binds: object


def _removed(machine: Machine) -> object:
    machine.inside("rm -f .env; rm -rf .env")
    return (machine.workspace / ".env").exists()


def _renamed(machine: Machine) -> object:
    real = (machine.workspace / ".env").read_text()
    seen = machine.seen("mv .env moved && cat moved")
    assert not machine.leaks(seen)
    moved = machine.workspace / "moved"
    return moved.exists() and moved.read_text() == real


def _edited_by_sed(machine: Machine) -> object:
    seen = machine.seen("sed -i s/DEBUG=true/DEBUG=false/ .env; echo $?; cat .env")
    assert not machine.leaks(seen)
    text = (machine.workspace / ".env").read_text()
    assert machine.planted["stripe"] in text
    return "DEBUG=false" in text, seen.splitlines()[0] == "0" or "busy" in seen


def _saved_by_rename(machine: Machine) -> object:
    done = machine.inside("cp .env new; echo MORE=1 >> new; mv new .env; echo $?")
    text = (machine.workspace / ".env").read_text()
    assert "MASKED-" not in text
    return done.stdout.split()[-1], text.endswith("MORE=1\n")


def _linked(machine: Machine) -> object:
    """A cover is a mount, and no hard link leads from one mount into another (link(2), EXDEV)."""
    seen = machine.seen("ln .env more; cat more")
    assert not machine.leaks(seen)
    return (machine.workspace / "more").exists()


def _one_inode(machine: Machine) -> object:
    (machine.workspace / "hard").hardlink_to(machine.workspace / ".env")
    return machine.inside("stat -c %i .env hard | sort -u | wc -l").stdout.strip()


def _restored_while_it_runs(machine: Machine) -> object:
    with machine.running("cp .env copy; touch copied; until [ -e go ]; do sleep 0.02; done") as running:
        running.reached("copied")
        time.sleep(0.3)
        text = (machine.workspace / "copy").read_text()
        (machine.workspace / "go").touch()
        running.end()
    assert "MASKED-" not in (machine.workspace / "copy").read_text()
    return "MASKED-" not in text


def _protected_before_it_is_there(machine: Machine) -> object:
    done = machine.inside("echo evil > .envrc; mkdir .vscode; echo evil > .vscode/tasks.json; sleep 0.2")
    assert "`.envrc`" in done.stderr, "who looks at the end of the session must know of it in either case"
    assert "`.vscode/tasks.json`" in done.stderr
    assert "`.envrc`" in machine.log()
    return (machine.workspace / ".envrc").exists(), (machine.workspace / ".vscode/tasks.json").exists()


def _committed(machine: Machine) -> object:
    """Also when it is all that a session does, and it is over before the guard has looked about."""
    for name in ("one", "two", "three"):
        machine.inside(f"cp .env {name}; git add {name}; git {_ME} commit -qm {name}").check_returncode()
        assert machine.git("log", "-1", "--format=%s") == f"{name}\n"
    held = ["MASKED-" in machine.git("show", f"HEAD:{name}") for name in ("one", "two", "three")]
    assert all(held) or not any(held), held
    return not any(held)


def _clean_to_git(machine: Machine) -> object:
    machine.git("add", "-f", ".env")
    machine.git(*_ME.split(), "commit", "-qm", "with settings")
    time.sleep(1.1)  # so that the index is older than no file: git would read them else
    machine.git("status")
    return machine.inside("git status --short .env").stdout


def _attributed(machine: Machine) -> object:
    machine.inside("echo more >> app.py; sleep 0.2")
    rows = [line for line in machine.log().splitlines() if '"path": "app.py"' in line and '"modified"' in line]
    return any('"by": "agent"' in row for row in rows)


def _reads_recorded(machine: Machine) -> object:
    machine.inside("cat app.py")
    return any('"type": "read"' in line and '"app.py"' in line for line in machine.log().splitlines())


def _hidden_by_name(machine: Machine) -> object:
    (machine.workspace / "server.key").write_text("x")
    return "server.key" in machine.inside("ls -A").stdout.split()


def _protected_by_each_name(machine: Machine) -> object:
    (machine.workspace / ".envrc").write_text("export A=1\n")
    (machine.workspace / "other").hardlink_to(machine.workspace / ".envrc")
    machine.inside("echo evil > other")
    return (machine.workspace / ".envrc").read_text() == "export A=1\n"


def _denied_by_a_later_name(machine: Machine) -> object:
    machine.show_by(machine.view, 'deny = ["*.weights"]')
    (machine.workspace / "m.weights").write_text("denied content")
    with machine.running("until [ -e go ]; do sleep 0.02; done; cat innocent.bin") as running:
        (machine.workspace / "innocent.bin").hardlink_to(machine.workspace / "m.weights")
        time.sleep(1)
        (machine.workspace / "go").touch()
        return "denied content" not in running.end().stdout


def _denied_folder(machine: Machine) -> object:
    machine.show_by(machine.view, 'deny = ["training/"]')
    (machine.workspace / "training").mkdir()
    (machine.workspace / "training/a").touch()
    done = machine.inside("ls training")
    assert done.stdout == ""
    return "Permission denied" in done.stderr


def _masked_in_a_private_namespace(machine: Machine) -> object:
    """A file that the host saves anew loses its cover, and the next one does not come to who left its mounts."""
    machine.planted["fresh"] = fake("", 24)
    inner = "touch entered; until [ -e go ]; do sleep 0.02; done; cat .env"
    with machine.running(ciphered(f"unshare -Urm --propagation private sh -c '{inner}'")) as running:
        running.reached("entered")
        new = machine.workspace / ".new"
        new.write_text(f"FRESH_PASSWORD={machine.planted['fresh']}\n")
        new.rename(machine.workspace / ".env")
        time.sleep(1)
        (machine.workspace / "go").touch()
        seen = deciphered(running.end().stdout)
    assert "FRESH_PASSWORD=" in seen
    return not machine.leaks(seen)


def _damage_noticed(machine: Machine) -> object:
    done = machine.inside("sed s/MASKED-STRIPE/MASKED-STRIP/ .env > /tmp/x; cat /tmp/x > .env; sleep 0.3")
    kept = machine.host("safe-agent", "recover", machine.sessions()[-1].name)
    return "MASKED-STRIP-KEY" in done.stderr, ".env" in kept.stdout


def _unscanned_restored(machine: Machine) -> object:
    machine.inside("mkdir -p node_modules/p; cp .env node_modules/p/x")
    return "MASKED-" not in (machine.workspace / "node_modules/p/x").read_text()


_LIMITS: Final = (
    Limit("a masked file can be removed", _removed, fuse=False, binds=True),
    Limit("a masked file can be renamed", _renamed, fuse=True, binds=False),
    Limit("a masked file can be edited by `sed -i`", _edited_by_sed, fuse=(True, True), binds=(False, True)),
    Limit("an editor can save a masked file by rename", _saved_by_rename, fuse=("0", True), binds=("1", False)),
    Limit("a masked file can get a further name", _linked, fuse=True, binds=False),
    Limit("two names of a masked file are one file", _one_inode, fuse="1", binds="2"),
    Limit("a copy is restored while the session runs", _restored_while_it_runs, fuse=True, binds=False),
    Limit("what is protected cannot be made", _protected_before_it_is_there, fuse=(False, False), binds=(True, True)),
    Limit("a commit made inside holds values", _committed, fuse=True, binds=False),
    Limit("a masked tracked file is clean to git", _clean_to_git, fuse="", binds=" M .env\n"),
    Limit("a change is recorded as the agent's", _attributed, fuse=True, binds=False),
    Limit("reads are recorded", _reads_recorded, fuse=True, binds=False),
    Limit("the name of a key store is not seen", _hidden_by_name, fuse=False, binds=True),
    Limit("a denied folder refuses to be listed", _denied_folder, fuse=True, binds=False),
    Limit("what is protected is so by each of its names", _protected_by_each_name, fuse=True, binds=False),
    Limit("a denied file is so by a name that it gets later", _denied_by_a_later_name, fuse=True, binds=False),
    Limit("a namespace of one's own keeps no file unmasked", _masked_in_a_private_namespace, fuse=True, binds=False),
    Limit("what a damaged placeholder stood for is kept", _damage_noticed, fuse=(True, True), binds=(True, False)),
    Limit("what quotes in unscanned folders is restored", _unscanned_restored, fuse=True, binds=False),
)


@pytest.mark.parametrize("limit", _LIMITS, ids=lambda limit: limit.promise)
def test_what_each_adapter_does(shown: Machine, limit: Limit) -> None:
    """Promises 2, 3 and 4: by FUSE as promised; by binds as the table says, and not otherwise."""
    assert limit.look(shown) == {"fuse": limit.fuse, "binds": limit.binds}[shown.view]

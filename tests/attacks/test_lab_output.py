"""Agent output in data sets that are mounted, and in containers that train: what a lab keeps it out of (promise 5).

Real mounts, each in a mount namespace of the test's own, below a real session. The same ways to write without the policy
all work, so that their failure with it means something.
"""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.devices import entering
from tests.machine import Machine

pytestmark = pytest.mark.timeout(120)

_FOLDERS = ("data", "sets", "linked")  # a file system of its own, a part of another folder, a link to the first
_WAYS = (
    "echo evil > {0}/new",
    "echo evil >> {0}/old",
    "truncate -s 0 {0}/old",
    "rm {0}/gone",
    "mv {0}/moved out-{1}",
    "echo evil > in-{1} && mv in-{1} {0}/in",
    "cp app.py {0}/copied",
    "ln -s ../app.py {0}/link",
    "mkdir -p {0}/deep/er && echo evil > {0}/deep/er/file",
    "echo evil > {0}/sub/../through",
    "chmod 700 {0}/old",
    "ln {0}/old hard-{1} && echo evil >> hard-{1}",
    "ln {0}/old {0}/hard && echo evil >> {0}/hard",
    "ln -s {0} way-{1} && echo evil > way-{1}/by-link",
    "python3 -c \"import os; os.rename('{0}/sub', '{0}/other')\"",
    (
        "python3 -c \"import os; f = os.open('{0}', os.O_TMPFILE | os.O_RDWR); os.write(f, b'evil');"
        " os.link(f'/proc/self/fd/{{f}}', '{0}/unnamed')\""
    ),
)
# what no folder has by itself, or only where both names are of one file system
_ODD = ("ln {0}/old hard-{1} && echo evil >> hard-{1}", _WAYS[-1])
_MOVED = ("mv nest nested && echo evil > nested/inner/new", "mv far/in far/out; echo evil > far/out/mnt/new")
_CHECKOUT = "git checkout -q other -- sets/tracked"


def _way(way: str, folder: str) -> str:
    return way.format(folder, folder)


def _prepare(machine: Machine) -> Path:
    """Make a pool outside of the workspace, and a branch that would change a file of it."""
    pool = machine.root / "pool"
    for name in ("sets/sub", "bound"):
        (pool / name).mkdir(parents=True)
    (machine.workspace / "data").mkdir()
    for name in ("nest/inner", "far/in/mnt"):
        (machine.workspace / name).mkdir(parents=True)
    sets = machine.workspace / "sets"
    sets.mkdir()
    (machine.workspace / "linked").symlink_to("data")
    (sets / "tracked").write_text("evil\n")
    machine.give()
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    machine.git("checkout", "-qb", "other")
    machine.git("add", "sets")
    machine.git(*identity, "commit", "-qm", "other")
    (pool / "sets/tracked").write_text("a sample\n")
    machine.give()
    return pool


def _session(machine: Machine, pool: Path, tries: Sequence[str], *options: str) -> dict[str, bool]:
    """Mount, try all ways inside, and say which worked; nothing that did not work may have left a trace."""
    lines = (f'({one}) >/dev/null 2>&1; echo "$? {number}" >> tried' for number, one in enumerate(tries))
    (machine.workspace / "tries.sh").write_text("\n".join(lines))
    machine.give()
    work, user = shlex.quote(str(machine.workspace)), f"{machine.uid}:{machine.uid}"
    fill = "for f in old gone moved; do echo a sample > {0}/$f; done; mkdir -p {0}/sub"
    script = f"""
set -e
mount --make-rprivate /
cd {work}
mount -t tmpfs -o mode=755 tmpfs data
mount --bind {shlex.quote(str(pool / "sets"))} sets
mount --bind sets nest/inner
mount --bind sets far/in/mnt
{fill.format("data")}
{fill.format("sets")}
chown -R {user} data sets
cd {work}
find data sets -type f -exec sha256sum {{}} + | sort > ../before
{shlex.join(machine._as_user(["safe-agent", "exec", *options, "--", "sh", "tries.sh"]))}
find data sets -type f -exec sha256sum {{}} + | sort > ../after
find data sets -mindepth 1 | sort > ../names
"""
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script],
        env=machine.environ, preexec_fn=entering(Path("/")), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [row.split() for row in (machine.workspace / "tried").read_text().splitlines()]
    return {tries[int(number)]: code == "0" for code, number in rows}


def _all() -> list[str]:
    return [*(_way(way, folder) for folder in _FOLDERS for way in _WAYS), _CHECKOUT, *_MOVED]


def test_nothing_inside_writes_to_data_that_is_mounted_in_the_workspace(anyones: Machine) -> None:
    """Promise 5, by every way: a mount of its own, a bind mount of a folder that is named, and a link to one."""
    _must_fail(anyones, "fuse" if anyones.uid else "binds")


def test_nor_as_root_where_the_workspace_is_served(machine: Machine) -> None:
    """Promise 5: root's own rights do not help inside."""
    _must_fail(machine, "fuse")


def _must_fail(anyones: Machine, view: str) -> None:
    pool = _prepare(anyones)
    patterns = [f"{pool}/**", f"{anyones.workspace}/data"]
    anyones.show_by(view, f"frozen_mounts = {patterns!r}")
    tried = _session(anyones, pool, [*_all(), "touch free"])
    assert [way for way, worked in tried.items() if worked] == ["touch free"]
    assert (anyones.root / "after").read_text() == (anyones.root / "before").read_text()
    assert "evil" not in (anyones.root / "names").read_text()


def test_without_the_key_these_ways_work(machine: Machine) -> None:
    """The test above finds something where there is something."""
    pool = _prepare(machine)
    machine.show_by("binds")
    odd = {_way(way, folder) for way in _ODD for folder in _FOLDERS}
    tried = _session(machine, pool, [way for way in _all() if way not in odd and "linked" not in way])
    assert [way for way, worked in tried.items() if not worked] == []
    assert (machine.root / "after").read_text() != (machine.root / "before").read_text()


_ANYWHERE = (
    "echo evil > new", "echo evil >> app.py", "rm app.py", "mv app.py b.py", "mkdir made", "touch .git/objects/evil",
    "ln app.py c.py", "chmod 700 app.py", "git -c user.name=t -c user.email=t@e commit --allow-empty -qm evil",
    "echo evil > ~/shared/new", "echo evil > ~/shared/sub/new", "echo evil > ~/shared/old",
)  # fmt: skip


@pytest.mark.parametrize("view", ["fuse", "binds"])
def test_a_workspace_on_such_a_mount_and_what_is_bound_writable_is_read_only(machine: Machine, view: str) -> None:
    """Promise 5; and `explain` names the rule."""
    (machine.home / "shared/sub").mkdir(parents=True)
    (machine.home / "shared/old").write_text("a sample\n")
    home = ["[home]", 'read_write = ["~/shared"]']
    patterns = [f"{machine.root}/work*", f"{machine.home}/shared"]
    machine.show_by(view, f"frozen_mounts = {patterns!r}", *home)
    head = machine.git("rev-parse", "HEAD")
    assert _worked(machine) == []
    assert sorted(path.name for path in machine.workspace.iterdir()) == [".env", ".git", "app.py"]
    assert (machine.workspace / "app.py").read_text() == "print('hello')\n"
    assert machine.git("rev-parse", "HEAD") == head
    assert sorted(path.name for path in (machine.home / "shared").rglob("*")) == ["old", "sub"]
    told = machine.host("safe-agent", "explain", "./app.py", "~/shared/old").stdout
    assert told.count("read-only") == 2
    assert told.count(f'frozen_mounts "{machine.root}/work*" (user, ') == 1
    assert told.count(f'frozen_mounts "{machine.home}/shared" (user, ') == 1
    machine.show_by(view, *home)
    assert _worked(machine) == list(_ANYWHERE)  # so that their failure means something


def _worked(machine: Machine) -> list[str]:
    """Try each in one session, each with a file to try it on; give those that worked."""
    there = "[ -e app.py ] || echo there > app.py"
    tries = "\n".join(f'{there}; ({way}) >/dev/null 2>&1; echo "$? {number}"' for number, way in enumerate(_ANYWHERE))
    done = machine.inside(tries)
    assert done.returncode == 0, done.stderr
    rows = [row.split() for row in done.stdout.splitlines()]
    assert len(rows) == len(_ANYWHERE)
    return [_ANYWHERE[int(number)] for code, number in rows if code == "0"]


def test_no_session_starts_in_a_container_that_policy_names_or_that_has_no_name(machine: Machine) -> None:
    """Promise 5, with the file that podman puts there."""
    policy = machine.home / ".config/safe-agent/policy.toml"
    policy.write_text('version = 1\n[run]\nrefuse_containers = ["trainer-*", "lab/eval*"]\n')
    told = machine.root / "containerenv"

    def started(text: str, *options: str) -> tuple[int, str]:
        told.write_text(text)
        around = ["bwrap", "--dev-bind", "/", "/", "--tmpfs", "/run", "--ro-bind", str(told), "/run/.containerenv"]
        done = machine.host(*around, "safe-agent", "explain", *options, "./app.py")
        return done.returncode, done.stderr

    for text, named in (
        ('name="trainer-7"\nimage="debian:12"\n', "`trainer-7`"),
        ('name="a"\nimage="registry.example.org/lab/eval-set:3"\n', "`registry.example.org/lab/eval-set:3`"),
    ):
        code, said = started(text)
        assert code == 125
        assert named in said
        assert "refuse_containers" in said
    code, said = started("")
    assert (code, "--allow-degraded container" in said) == (125, True)
    assert started('name="builder-1"\nimage="debian:12"\n')[0] == 0
    policy.write_text('version = 1\n[run]\nrefuse_containers = ["trainer-*"]\nallow_degraded = ["container"]\n')
    assert started("")[0] == 0

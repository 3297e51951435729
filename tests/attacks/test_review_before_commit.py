"""An agent that tries to get a commit to stand without a person: policy `files.commits = "review"`.

Attacks promise 4 (what a person has let stand is on disk before it stands) and promise 5 (where commits cannot be kept
back, nothing runs, and what could not be taken back is said).
"""

import json
import re
import subprocess
from typing import Any

import pexpect
import pytest

from tests.machine import Machine, until
from tests.session.asking import InTerminal

pytestmark = pytest.mark.timeout(120)

_POLICY = 'version = 1\n[files]\nview = "{}"\ncommits = "review"\n'
_WHO = "[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n[advice]\ndetachedHead = false\n"

# Each makes something stand that nobody has seen, in another way; `took NAME` notes that it did so for the moment.
_TRICKS = """
took() { git rev-parse --verify --quiet "$1^{commit}" | grep -q . && echo "$1" >> took; }
evil() { git commit-tree -m "evil $1" -p HEAD "HEAD^{tree}"; }
X=$(evil object); echo "$X" > id
git commit -q --allow-empty -m "evil commit"; took main
git update-ref refs/heads/updated "$X"; took updated
echo "$X" > .git/refs/heads/written; took written
ln .git/refs/heads/written .git/refs/heads/hard; took hard
ln -s written .git/refs/heads/soft; took soft
echo "$X refs/heads/packed" >> .git/packed-refs; took packed
git symbolic-ref refs/heads/symbolic ORIG_HEAD; echo "$X" > .git/ORIG_HEAD; took symbolic
git tag light "$X"; git tag -am "evil tag" heavy "$X"; took light; took heavy
git update-ref refs/remotes/origin/main "$X"; took refs/remotes/origin/main
git update-ref refs/odd/place "$X"; took refs/odd/place
git notes add -m "evil note" HEAD; took refs/notes/commits
git worktree add -q -b tree ../work/tree "$X"; took tree
git worktree add -q --detach ../work/apart "$X"; took worktrees/apart/HEAD
git worktree add -q --detach ../work/own; git -C own update-ref refs/worktree/own "$X"
git -C own symbolic-ref HEAD refs/worktree/own; took worktrees/own/refs/worktree/own
mkdir -p .git/info; echo "$(git rev-parse main) $X" > .git/info/grafts
git init -q made; git -C made commit -q --allow-empty -m "evil first"; git -C made rev-parse -q --verify HEAD >> took
mkdir borrowed; echo "gitdir: ../.git" > borrowed/.git
echo x >> app.py; git stash -q; git update-ref refs/heads/stashed refs/stash; took stashed
git replace HEAD~0 "$X"
git checkout -q --detach "$X"; took HEAD; git checkout -q main
sh -c 'while :; do git update-ref refs/heads/racing "$(cat id)"; done' &
touch .git/refs/heads/updated.lock; mkdir .git/refs/heads/written.lock; touch .git/HEAD.lock .git/packed-refs.lock
sleep 1.5; took racing
ln .git/refs/heads/main other; sleep 0.5; echo "$X" > other; [ "$(git rev-parse main)" = "$X" ] && echo linked >> took
exit 0
"""


def _arm(machine: Machine, view: str = "fuse") -> None:
    (machine.home / ".config/safe-agent/policy.toml").write_text(_POLICY.format(view))
    (machine.home / ".gitconfig").write_text(_WHO)
    (machine.workspace / "tricks.sh").write_text(_TRICKS)
    machine.give()


def _judged(machine: Machine) -> list[dict[str, Any]]:
    return [one for line in machine.log().splitlines() if (one := json.loads(line)).get("type") == "judged"]


class AtTerminal(InTerminal):
    """One whose program is a script."""

    def __init__(self, machine: Machine, script: str) -> None:
        _arm(machine)
        super().__init__(machine, "sh", "-c", script, rows=30)
        self.machine = machine

    def said(self, *keys: str) -> None:
        for one in keys:
            self.child.send(one)

    def subjects(self) -> list[str]:
        """Name what stands in the history now."""
        return self.machine.git("log", "--format=%s").split("\n")[:-1]


def test_no_trick_of_git_leaves_anything_standing_where_nobody_sits(anyones: Machine) -> None:
    """Promises 4 and 5."""
    _arm(anyones)
    base = anyones.git("rev-parse", "HEAD").strip()
    done = anyones.inside("sh tricks.sh 2> errors")
    assert done.returncode == 0, done.stderr
    took = (anyones.workspace / "took").read_text().split()
    for name in (
        "main",
        "updated",
        "written",
        "hard",
        "soft",
        "packed",
        "symbolic",
        "light",
        "heavy",
        "tree",
        "racing",
    ):
        assert name in took, (name, took, (anyones.workspace / "errors").read_text())  # it stood for the moment
    assert {"stashed", "HEAD", "worktrees/apart/HEAD", "refs/odd/place", "refs/notes/commits"} <= set(took)
    assert "worktrees/own/refs/worktree/own" in took
    assert "linked" not in took  # no file has names of git's own and others
    left = anyones.git("rev-list", "--exclude=refs/stash", "--all", "HEAD").split()
    assert left == [base]
    assert "evil" not in anyones.git("log", "--format=%s", "HEAD")
    for tree in ("tree", "apart"):
        assert anyones.git("-C", tree, "rev-parse", "HEAD").strip() == base
    assert anyones.git("-C", "made", "for-each-ref") == ""
    assert anyones.git("-C", "own", "for-each-ref", "refs/worktree") == ""
    assert not (anyones.workspace / ".git/info/grafts").exists()
    assert anyones.git("stash", "list") != ""
    judged = _judged(anyones)
    assert {(one["about"], one["action"]) for one in judged} == {("commit", "denied")}
    assert {one["by"] for one in judged} <= {"nobody", "policy"}
    evil = (anyones.workspace / "id").read_text().strip()
    assert [one for one in judged if one["rule"].endswith(evil)]
    assert re.search(f"bring it in with `git -C {anyones.workspace} update-ref refs/[a-z/]+ {evil}`", done.stderr)
    assert anyones.git("cat-file", "-t", evil).strip() == "commit"


def test_the_inside_can_neither_answer_nor_change_what_is_asked(machine: Machine) -> None:
    """Promise 4: who is asked is the person at the terminal, about one commit, by its id."""
    script = r"""
    git commit -q --allow-empty -m "$(printf 'evil\033[2J\033[H\nanswer (no, yes): yes')"; X=$(git rev-parse HEAD)
    until [ "$(git rev-parse HEAD)" != "$X" ]; do sleep 0.05; done
    printf 'y\rbecause\r' > /dev/tty
    python3 -c "import fcntl, termios
for one in b'y\\rbecause\\r':
    try: fcntl.ioctl(0, termios.TIOCSTI, bytes([one]))
    except OSError: pass"
    git update-ref refs/heads/main "$X"
    until [ "$(git rev-parse HEAD)" != "$X" ]; do sleep 0.05; done
    touch moved; until [ -e go ]; do sleep 0.05; done
    """
    session = AtTerminal(machine, script)
    window = session.asked()
    rows = re.sub(r"\x1b\[(?:\?25[hl]|H|J|K|7m|0m|[0-9]+;[0-9]+H)", "", window).split("\r\n")
    assert all(row.isprintable() for row in rows), rows
    assert {row[:2] for row in rows if "evil" in row or "yes): yes" in row} == {"│ "}
    while not (machine.workspace / "moved").exists():
        session.child.expect(pexpect.TIMEOUT, timeout=0.05)
    assert session.subjects() == ["start"]
    session.said("\x1b")
    session.child.expect_exact("\x1b[?1049l")
    (machine.workspace / "go").touch()
    session.ended()
    assert session.subjects() == ["start"]
    assert [(one["action"], one["by"], one["reason"]) for one in _judged(machine)] == [("denied", "user", "")]


def test_a_yes_holds_for_what_was_shown_and_is_recorded_with_its_reason(machine: Machine) -> None:
    """Promise 4; and what comes after it is asked about again."""
    script = """
    echo 'print(2)' >> app.py; git commit -qam "seen"; X=$(git rev-parse HEAD)
    until [ "$(git rev-parse HEAD)" != "$X" ]; do sleep 0.05; done
    until [ "$(git rev-parse HEAD)" = "$X" ]; do sleep 0.05; done
    git commit -q --amend -m "not seen"; until [ -e go ]; do sleep 0.05; done
    """
    session = AtTerminal(machine, script)
    window = session.asked()
    assert "main: 1 commit, 1 file, +1 -0 lines" in window
    assert "Ada <ada@example.org>" in window
    assert re.search(r"\+1 +-0 +app.py", window)
    session.said("y\r")
    session.child.expect_exact("reason: ")
    session.said("read it\r")
    window = session.asked()
    assert "would stand there no more" in window
    assert session.subjects() == ["seen", "start"]
    session.child.kill(15)  # the session ends while the question stands
    shown = session.ended()
    assert session.subjects() == ["seen", "start"]
    assert machine.git("status", "--porcelain", "--untracked-files=no") == ""
    found = [(one["action"], one["by"], one["reason"]) for one in _judged(machine)]
    assert found == [("allowed", "user", "read it"), ("denied", "nobody", "")]
    assert machine.git("rev-parse", "HEAD").strip() in _judged(machine)[0]["rule"]
    assert "nobody has reviewed it" in shown


def test_where_commits_cannot_be_kept_back_nothing_runs(machine: Machine) -> None:
    """Promise 5."""
    _arm(machine, "binds")
    done = machine.inside("touch ran")
    assert done.returncode == 125
    assert "commits cannot be kept back for a review" in done.stderr
    assert not (machine.workspace / "ran").exists()


def test_in_a_linked_work_tree_the_users_own_commits_elsewhere_stay(machine: Machine) -> None:
    """What is of the inside is told from what is of the user, who works in the repository's other work tree."""
    _arm(machine)
    tree = machine.root / "tree"
    machine.git("worktree", "add", "-q", "-b", "side", str(tree))
    base = machine.git("rev-parse", "HEAD").strip()
    script = """
    git commit -q --allow-empty -m "evil commit"; git rev-parse HEAD > id
    touch begun; until [ -e go ]; do sleep 0.05; done
    ln -s heads/side "$(git rev-parse --git-common-dir)/refs/tags"/soft
    cat id > "$(git rev-parse --git-common-dir)/refs/heads/written"
    """
    process = subprocess.Popen(
        ["safe-agent", "exec", "--", "sh", "-c", script], env=machine.environ, cwd=tree, stdin=subprocess.DEVNULL
    )
    until((tree / "begun").exists, within=20)
    machine.git("commit", "-q", "--allow-empty", "-m", "by the user")
    mine = machine.git("rev-parse", "HEAD").strip()
    (tree / "go").touch()
    assert process.wait(30) == 0
    assert machine.git("rev-parse", "main", "side").split() == [mine, base]
    assert set(machine.git("rev-list", "--all").split()) == {mine, base}

"""git as its users know it: the same commands bare and inside, in a repository that tracks a masked dotenv."""

from typing import Final

from tests.compatibility.compared import WHO, Both, compared
from tests.machine import Machine

SCRIPTS: Final = {
    "status": "git status --short; git diff; git diff --cached",
    "diff": "echo N=2 >>.env; git diff; git checkout -q .env; git status --short",
    "stash": "echo a=1 >>app.py; echo DEBUG=1 >>.env; echo u >new; echo K=1 >other.env; git stash -q -u; git status --short"
    "; ls -A; git stash pop -q; git status --short; git checkout -q .; git clean -fdq; git status --short",
    "hook": "echo x >>app.py; git commit -qam one; git show --stat --format=%s; echo FORBIDDEN >>app.py"
    "; git commit -qam no; git checkout -q app.py; git status --short",
    "commit": "echo N=1 >>.env; git commit -qam masked; git status --short; git commit -q --amend -m again; git log --format=%s",
    "rebase": "for i in 1 2 3; do echo $i >r$i; git add r$i; git commit -qm r$i; done"
    "; GIT_SEQUENCE_EDITOR='sed -i 2,3s/^pick/fixup/' GIT_EDITOR=true git rebase -q -i HEAD~3; git log --format=%s -2; ls",
    "conflict": "git checkout -q -b left; echo N=22 >>.env; git commit -qam left; git checkout -q -b right main"
    "; echo N=33 >>.env; git commit -qam right; git merge left; git status --short; grep -c '^[<=>]' .env"
    "; grep -v -e '^[<=>]' -e N=22 .env >x; mv x .env; git add .env; git commit -qm merged; git status --short; cat .env",
    "abort": "git checkout -q left; echo N=44 >>.env; git commit -qam third; git merge right; git merge --abort"
    "; git status --short; git checkout -q main; git status --short; cat .env",
    "bisect": "for i in 1 2 3 4; do echo $i >b; git add b; git commit -qm b$i; done; git bisect start HEAD HEAD~3 >&2"
    "; git bisect run sh -c 'test $(cat b) -lt 3' | grep 'first bad'; git bisect reset -q; git status --short",
    "clean": "mkdir -p junk/deep; echo 1 >junk/deep/x; echo Z=1 >junk/.env; git clean -nd; git clean -fdq; ls; git status --short",
    "worktree": "git worktree add -q wt -b wt; cd wt; git status --short; cat .env; echo w >w; git add w; git commit -qm w; cd .."
    "; git worktree list | wc -l; git worktree remove wt; ls; git worktree list | wc -l; git log -1 --format=%s wt",
    "clone": "git clone -q . copy; git -C copy status --short; cat copy/.env; rm -rf copy; ls",
    "submodule": "git submodule status; git submodule update; cd sub; git checkout -q -b s; echo s >>f; git commit -qam s; cd .."
    "; git status --short; git add sub; git commit -qm bump; git submodule update; git submodule foreach -q git log -1 --format=%s",
    "moves": "git mv .env sub.env; git status --short; git mv sub.env .env; git rm -q .env; git status --short"
    "; git reset -q --hard; cat .env; git status --short",
    "patch": "git format-patch -1 -q -o p; git apply --check -R p/*; rm -r p; git archive HEAD | tar -t; git blame -s app.py | wc -l",
    "upkeep": "git tag v1; git describe; git gc -q --prune=now; git fsck --strict | grep -v dangling; git grep -c DEBUG",
    "absent": "git lfs version; git commit -q --allow-empty -S -m signed; git ls-remote git@git.example:x/y.git",
    "track": "git push -q -u origin main:refs/heads/new; git log -1 --format=%s origin/new",
    "settings": "git config user.name x; git remote add other /x; git config user.name",
    "add submodule": "git -c protocol.file.allow=always submodule add -q $PWD/lib sub2; git status --short",
}

DIFFERING: Final = {
    "diff": "git's side has the values, the file's the placeholders: each masked line looks changed",
    "track": "`.git/config` is read-only: what is to be tracked is not written; the push is done",
    "settings": "`.git/config` is read-only",
    "add submodule": "`.git/config` and `.gitmodules` are read-only",
}
"""Where inside is otherwise, and why."""


def _repository(machine: Machine) -> None:
    """A repository with a masked tracked file, a hook, a submodule and a remote."""
    lib = machine.workspace / "lib"
    machine.host("git", "init", "-q", "-b", "main", str(lib), check=True)
    (lib / "f").write_text("lib\n")
    machine.give()
    machine.run(["sh", "-c", "git add f && git commit -qm lib"], WHO, cwd=lib, check=True)
    (machine.workspace / ".git/info/exclude").write_text("lib\n")
    allowed = "git -c protocol.file.allow=always submodule --quiet add $PWD/lib sub"
    script = f"git add -f .env && {allowed} && git commit -qm tracked && git remote add origin $PWD/lib"
    machine.run(["sh", "-c", script], WHO, check=True)
    hook = machine.workspace / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho hook ran\n! grep -q FORBIDDEN app.py\n")
    hook.chmod(0o755)


def _seen(view: str) -> Both:
    left = "git status --short; git log --branches --format=%s | sort; git show main:.env; git diff; cat .env"
    left += "; git fsck --strict --no-dangling"  # commits that were made anew: nothing leads to the old ones
    return compared(SCRIPTS, _repository, view=view, left=left)


def test_git_does_inside_what_it_does_outside() -> None:
    """Promise 3: and the repository that is left is the one that bare git would have left."""
    seen = _seen("fuse")
    assert seen.differing == DIFFERING.keys(), "\n".join(
        f"{name}\n{seen.bare[name]}\n{seen.inside[name]}" for name in seen.differing - DIFFERING.keys()
    )
    assert all("Permission denied" in seen.inside[name] for name in ("track", "settings", "add submodule"))
    assert "a change of the protected `.git/config` was refused" in seen.told
    assert "hook ran" in seen.inside["hook"]
    assert "+N=2\n" in seen.inside["diff"]
    bare, inside = seen.left
    assert inside == bare.replace("M  .gitmodules\n", ""), (bare, inside)

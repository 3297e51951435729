"""How git is started in a repository that is not trusted: plumbing only, and nothing that its settings name runs.

What each part keeps off: the monitor and the hooks that are programs (git-config(1)), the user's and the system's
settings, replaced objects and grafts, fetching by a partial clone (git(1): GIT_ALLOW_PROTOCOL counts before any
`protocol.*.allow`), questions at the terminal.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

COMMAND: Final = (
    "git", "--literal-pathspecs", "-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*",
    "-c", "core.commitGraph=false",
)  # fmt: skip
ENVIRONMENT: Final[Mapping[str, str]] = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LC_ALL": "C",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_GRAFT_FILE": "/dev/null",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}
SECONDS: Final = 20.0
"""What git may take for one question: a history made to be slow must not hold up a session's start or end."""


def ask(
    git_dir: Path,
    arguments: Sequence[str],
    *,
    work_tree: Path | None = None,
    given: bytes | None = None,
    extra: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> bytes:
    """Run git in a repository's folder and give what it says. Raises OSError or SubprocessError."""
    tree = [] if work_tree is None else ["--work-tree", str(work_tree)]
    return _run(["--git-dir", str(git_dir), *tree, *arguments], str(work_tree or git_dir), given, extra, seconds)


def ask_within(
    folder: int,
    arguments: Sequence[str],
    *,
    below: str = ".",
    given: bytes | None = None,
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """Do the same in the repository's folder that this descriptor stands for, or in a work tree's own `below` it.

    For one that somebody hostile may move: git begins in it and, whatever `core.worktree` says, stays there.
    """
    fixed = {**(extra or {}), "GIT_WORK_TREE": "."}
    return _run(["--git-dir", below, *arguments], f"/proc/self/fd/{folder}", given, fixed)


def _run(
    arguments: Sequence[str],
    folder: str,
    given: bytes | None,
    extra: Mapping[str, str] | None,
    seconds: float = SECONDS,
) -> bytes:
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**ENVIRONMENT, **(extra or {})},
        cwd=folder,
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        timeout=seconds,
        check=True,
    ).stdout

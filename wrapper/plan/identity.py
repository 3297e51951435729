"""What a request says about who works here: the user's name, and where the repository comes from."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from wrapper.plan.gitinfo import git_layout, read_small
from wrapper.policy.model import ContextTable

# Names that say nothing about who works here, and would be found in every text.
_NOBODY: Final = frozenset(
    {
        "admin", "administrator", "agent", "anthropic", "app", "application", "assistant", "build", "builder", "ci",
        "claude", "claude-code", "codespace", "codex", "coder", "container", "daemon", "debian", "default", "deploy",
        "dev", "developer", "docker", "ec2-user", "fedora", "gitlab-runner", "git", "gitpod", "guest", "home", "host",
        "jenkins", "local", "main", "me", "model", "node", "nobody", "none", "openai", "postgres", "python", "root",
        "runner", "service", "shell", "source", "student", "sudo", "system", "test", "tester", "tool", "ubuntu", "user",
        "vagrant", "vscode", "web", "work", "worker", "www-data",
    }
)  # fmt: skip
_SHORTEST_NAME: Final = 3
_REMOTE: Final = re.compile(rb'(?m)^[ \t]*\[remote "[^"\n]*"\][ \t]*\n((?:[ \t]*[^\[\s].*\n?|[ \t]*\n)*)')
_URL: Final = re.compile(rb"(?m)^[ \t]*(?:push)?url[ \t]*=[ \t]*\"?([^\"\n]+?)\"?[ \t]*$")
_PARTS: Final = re.compile(r"(?:[a-z+]+://)?(?:[^@/]*@)?(?P<host>[^/:]+)(?::\d+)?[:/]+(?P<path>.+?)/?(?:\.git)?/?")


def unmatched(tables: Sequence[ContextTable], *, user: str) -> Mapping[str, str]:
    """Say which of the tables find nothing here, and why."""
    if any(table.builtin == "username" for table in tables) and not is_telling(user):
        return {"username": "too common to be told from ordinary text"}
    return {}


def remotes(workspace: Path) -> Iterator[str]:
    """Give the addresses of the workspace's git remotes, and the repositories' names on them, without credentials."""
    for url in remote_urls(workspace):
        yield from _names(url)


def remote_urls(workspace: Path) -> Iterator[str]:
    """Give the addresses of the workspace's git remotes as they stand there: they may hold credentials."""
    layout = git_layout(workspace)
    config = b"" if layout is None else read_small(layout.common_dir / "config")
    for section in _REMOTE.finditer(config):
        for url in _URL.finditer(section[1]):
            yield url[1].decode("utf-8", "replace")


def _names(url: str) -> Iterator[str]:
    parts = _PARTS.fullmatch(url)
    if parts is None or url.startswith(("/", ".", "~", "file:")):
        yield url.removeprefix("file://")
        return
    path = parts["path"]
    yield from (f"{parts['host']}/{path}", f"{parts['host']}:{path}")
    if "/" in path:
        yield path


def is_telling(user: str) -> bool:
    """Tell a name that points to somebody, and can be searched for."""
    return len(user) >= _SHORTEST_NAME and user.lower() not in _NOBODY and not user.isdigit()

"""Repositories made by the real git, with an environment of the test's own."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path


def git(folder: Path, *arguments: str, given: bytes = b"", extra: Mapping[str, str] | None = None) -> bytes:
    """Run git and give what it says. Raises CalledProcessError."""
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@example.org",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@example.org",
        "LC_ALL": "C",
        **(extra or {}),
    }
    argv = ["git", "-c", "safe.directory=*", "-c", "protocol.file.allow=always", *arguments]
    return subprocess.run(argv, cwd=folder, env=environment, check=True, capture_output=True, input=given).stdout


def said(folder: Path, *arguments: str) -> str:
    """Run git and give what it says as text, without the line end."""
    return git(folder, *arguments).decode().rstrip("\n")


def repository(folder: Path, *arguments: str) -> Path:
    """Make one; `arguments` are those of `git init`."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main", *arguments)
    return folder


def fill(folder: Path, names: Iterable[str]) -> None:
    """Make files that hold their own names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)

"""Records what harmless commands print on a terminal: text without secrets, full of hashes, paths and versions."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
_COLUMNS = "stty cols 120 rows 40 2>/dev/null; "  # as a person's terminal, not as wide as a pipe

# What fails (no registry, no such program) is kept too: an error is what a terminal shows most days.
_COMMANDS = (
    "ls -la --color=always /usr/bin",
    "ls -lR /etc/ssl /usr/share/zoneinfo | head -4000",
    "sha256sum /usr/bin/* 2>/dev/null | head -400",
    "git -C {checkout} log --stat --color=always -n 40",
    "git -C {checkout} log --graph --color=always --format=fuller",
    "git -C {checkout} ls-tree -r --full-tree HEAD",
    "git -C {checkout} status",
    "printf 'def test_%s():\\n    assert {{1: 2}} == {{1: %s}}\\n' a 2 b 3 > test_it.py; {python} -m pytest -v",
    "{python} -m pip list --format=freeze",
    "{python} -m pip install --no-deps --target pip-target click==8.1.8",
    "{python} -X importtime -c 'import asyncio, email, json, http.client'",
    "{python} -m compileall -f {checkout}/redactors -o 2",
    "npm init -y && npm install --no-audit is-odd@3.0.1 && npm ls --all && cat package-lock.json",
    "cargo new --vcs none hello && cd hello && cargo build -v && cargo test -v",
    "mkdir -p go && cd go && go mod init example.com/hello && printf 'package hello\\n' > a.go && go build -v -x ./...",
    "dpkg -l | head -1500",
    "find {checkout}/.git /usr/share/doc | head -4000",
    "df -h; free -m; uname -a; date",
)


def record(folder: Path) -> Iterator[bytes]:
    """Run each command on a pseudo-terminal in `folder` with an environment made for it; give what was shown."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(Path.home()), "TERM": "xterm-256color", "PAGER": "cat"}
    for number, command in enumerate(_COMMANDS):
        typescript = folder / f"typescript-{number}"
        shown = command.format(checkout=shlex.quote(str(_CHECKOUT)), python=shlex.quote(sys.executable))
        asked = ["script", "--quiet", "--command", _COLUMNS + shown, str(typescript)]
        subprocess.run(
            asked,
            cwd=folder,
            env=environ,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=300,
        )
        yield typescript.read_bytes()

"""A folder of the test's own, with git or without, and scans of it."""

import io
import os
import secrets
import string
import subprocess
from pathlib import Path
from typing import Protocol

from redactors.engine import Engine
from redactors.finding import Confidence
from wrapper.policy.load import load_policy
from wrapper.policy.model import Policy
from wrapper.scan.hits import Hit, Result
from wrapper.scan.progress import Progress
from wrapper.scan.scanning import Scan, Source, Wanted, find_root

_LETTERS = string.ascii_letters + string.digits


def certain() -> str:
    """Make a key that its issuer's rule is certain of."""
    return "sk" + "_live_" + "".join(secrets.choice(_LETTERS) for _ in range(24))


def likely() -> str:
    """Make a line with a value that only its key makes suspicious."""
    return "password = '" + "".join(secrets.choice(_LETTERS) for _ in range(20)) + "x7'\n"


class Engines(Protocol):
    """Makes an engine as `policy` wants it."""

    def __call__(self, policy: Policy | None = None) -> Engine: ...


class Project:
    """`root` is the folder; `scan` is a new scan with a cache that stays."""

    def __init__(self, folder: Path, engines: Engines) -> None:
        self.root = folder / "work"
        self.cache = folder / "cache"
        self.root.mkdir()
        self.cache.mkdir()
        self.engines = engines
        self.environ = {"HOME": str(folder), "PATH": os.defpath}
        self.policy = ""

    def git(self, *arguments: str, **more: str) -> str:
        done = subprocess.run(
            [
                "git",
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.com",
                "-c",
                "protocol.file.allow=always",
                *arguments,
            ],
            cwd=self.root,
            env={**self.environ, "GIT_CONFIG_NOSYSTEM": "1", **more},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def write(self, path: str, text: str | bytes) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def scan(
        self,
        *paths: str,
        source: Source = "files",
        every: bool = False,
        minimum: Confidence = Confidence.LIKELY,
        baseline: Path | None = None,
    ) -> Result:
        named = tuple((self.root / path).resolve() for path in paths) or (self.root,)
        own = self.cache / "policy.toml"
        own.write_text(f"version = 1\n{self.policy}\n")
        policy = load_policy(
            profile="default",
            workspace=self.root,
            config_home=self.cache,
            organisation=self.cache / "none",
            explicit=own,
        )
        scan = Scan(
            find_root(named),
            policy,
            self.engines(policy),
            cache=self.cache,
            environ=self.environ,
            progress=Progress(io.StringIO(), is_shown=False),
        )
        return scan.run(Wanted(named, source, every=every, minimum=minimum, baseline=baseline))[0]

    def found(self, *paths: str, source: Source = "files", every: bool = False) -> list[str]:
        """Give the paths of all findings."""
        return [hit.path for hit in self.scan(*paths, source=source, every=every).hits]


def where(hit: Hit) -> tuple[str, int, int]:
    return hit.path, hit.place.line, hit.place.column

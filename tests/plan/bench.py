"""A workspace, a HOME, a cache and a policy of a test's own, of which stock is taken."""

import os
import random
import string
import subprocess
from pathlib import Path

from redactors.engine import Engine
from redactors.known import KnownValues
from redactors.loading import load
from redactors.vault import Origin, Vault
from wrapper.plan.inventory import Inventory, take_inventory
from wrapper.policy.load import load_policy


def secret(length: int = 30) -> str:
    """Make a value that nothing else has, of letters and digits."""
    return "".join(random.SystemRandom().choices(string.ascii_letters + string.digits, k=length)) + "x7"


class Bench:
    """A workspace, a HOME, a cache and a policy of the test's own; each `take` is a new start."""

    def __init__(self, folder: Path, engine_cache: Path) -> None:
        self.workspace = folder / "work"
        self.home = folder / "home"
        self.cache = folder / "cache"
        for made in (self.workspace, self.home, self.cache):
            made.mkdir()
        self.text = ""
        self.outside: list[str] = []
        self._engine_cache = engine_cache
        self.engine = self._engine()

    def _engine(self) -> Engine:
        vault = Vault(bytes(range(32)))
        known = KnownValues(vault)
        for value in self.outside:
            known.add("ENV", value.encode(), Origin.OUTSIDE)
        return load(vault, known, cache_dir=self._engine_cache)

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.workspace / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def take(self) -> Inventory:
        self.engine = self._engine()
        policy_file = self.cache / "policy.toml"
        policy_file.write_text(f"version = 1\n{self.text}")
        policy = load_policy(
            profile="default",
            workspace=self.workspace,
            config_home=self.cache,
            organisation=self.cache / "none",
            explicit=policy_file,
        )
        return take_inventory(self.workspace, policy=policy, engine=self.engine, cache=self.cache, home=self.home)

    def knows(self, value: str) -> bool:
        assert self.engine.known is not None
        return any(value.encode() in found.value for found in self.engine.known.find(f"say {value} here".encode()))

    def git(self, *arguments: str) -> None:
        environment = {"PATH": os.defpath, "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        argv = ["git", "-c", "safe.directory=*", "-c", "init.defaultBranch=main", *arguments]
        subprocess.run(argv, cwd=self.workspace, env=environment, check=True, capture_output=True)

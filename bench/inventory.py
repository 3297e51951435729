"""How long the inventory of a workspace takes, cold and warm, beside `find` and `git status` over the same files.

    python bench/inventory.py [--files 15000] [--rounds 9] [--json]

A generated git repository with a dotenv file, a few tokens in source files and credential files in a HOME of its own,
below /var/tmp. `cold`: no scan cache (the page cache is warm, as after any checkout). Known values are new in each
round, as at each start. Goal: warm 90 ms, cold 1 s for 15,000 files on two processors.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from redactors.known import KnownValues
from redactors.loading import load
from redactors.vault import Origin, Vault
from wrapper.plan.inventory import Inventory, take_inventory
from wrapper.policy.load import load_policy

_TOKENS = 8
_BECH32 = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"


class Place:
    """The generated repository, and all that a start needs."""

    def __init__(self, folder: Path, files: int) -> None:
        self.workspace, self.home, self.cache = folder / "work", folder / "home", folder / "cache"
        for made in (self.workspace, self.home, self.cache):
            made.mkdir()
        self._words = random.Random(1)  # noqa: S311 (filler text)
        self._fill(files)
        self.policy = load_policy(
            profile="default", workspace=self.workspace, config_home=self.cache, organisation=folder / "none"
        )

    def _fill(self, files: int) -> None:
        words = ["".join(self._words.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(2000)]
        for number in range(files):
            place = self.workspace / f"package{number // 1000}" / f"module{number // 15}"
            place.mkdir(parents=True, exist_ok=True)
            lines = [" ".join(self._words.choices(words, k=9)) for _ in range(self._words.randrange(5, 90))]
            if number % (files // _TOKENS) == 1:
                lines.append("KEY = 'AGE-SECRET-" + "KEY-1" + "".join(self._words.choices(_BECH32, k=58)) + "'")
            (place / f"file{number}.py").write_text("\n".join(lines))
        (self.workspace / ".env").write_text("".join(f"S{n}_SECRET={self._value()}\n" for n in range(6)))
        (self.home / ".netrc").write_text(f"machine forge.example login me password {self._value()}\n")
        self.git("init", "-q")
        self.git("add", ".")
        self.git("-c", "user.name=b", "-c", "user.email=b@example.com", "commit", "-qm", "b")

    def _value(self) -> str:
        return "".join(self._words.choices("abcdefghijkmnopqrstuvwxyz0123456789", k=32))

    def git(self, *arguments: str) -> None:
        """Run git with an environment of its own."""
        environment = {"PATH": os.defpath, "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(
            ["git", "-c", "gc.auto=0", *arguments], cwd=self.workspace, env=environment, check=True, capture_output=True
        )

    def find(self) -> None:
        """List all files with their sizes."""
        subprocess.run(["find", ".", "-size", "+1000000k"], cwd=self.workspace, check=True, capture_output=True)

    def forget(self) -> None:
        """Delete the scan cache."""
        shutil.rmtree(self.cache / "scans", ignore_errors=True)

    def take(self) -> tuple[float, Inventory]:
        """Take the inventory as a new start does; give the milliseconds, without the engine's loading."""
        vault = Vault(bytes(32))
        known = KnownValues(vault)
        engine = load(vault, known, cache_dir=self.cache / "engine")
        for number in range(4):
            known.add("ENV", f"environment-{number}-q7Zk2vB8xT".encode(), Origin.OUTSIDE)
        start = time.perf_counter()
        found = take_inventory(self.workspace, policy=self.policy, engine=engine, cache=self.cache, home=self.home)
        return (time.perf_counter() - start) * 1000, found


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


def _steps(found: Inventory) -> dict[str, float]:
    return {step: round(seconds * 1000, 1) for step, seconds in found.seconds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=15_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        place = Place(Path(folder).resolve(), wanted.files)
        place.take()
        rows: dict[str, list[float]] = {"find -size": [], "git status": [], "cold": [], "warm": []}
        steps: dict[str, dict[str, float]] = {}
        for _ in range(wanted.rounds):
            rows["find -size"].append(_timed(place.find))
            rows["git status"].append(_timed(lambda: place.git("status", "--porcelain")))
            place.forget()
            spent, found = place.take()
            rows["cold"].append(spent)
            steps["cold"] = _steps(found)
            spent, found = place.take()
            rows["warm"].append(spent)
            steps["warm"] = _steps(found)
            assert len(found.files) == _TOKENS + 1, "the planted secrets are not all found"
    medians = {name: round(statistics.median(times), 1) for name, times in rows.items()}
    if wanted.json:
        print(json.dumps({"files": wanted.files, "milliseconds": medians, "steps": steps}))
        return
    for name, median in medians.items():
        print(f"{name:12} {median:8.1f} ms   {median / medians['git status']:5.2f} x git status")
    for run, parts in steps.items():
        print(f"{run} steps:", "  ".join(f"{step} {spent}" for step, spent in parts.items()))


if __name__ == "__main__":
    main()

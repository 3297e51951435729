"""What safe-agent adds to a start: `safe-agent exec -- true` over `true`, a client's `--version` likewise.

    python bench/startup.py [--files 15000] [--rounds 15] [--json]

Runs in a throw-away HOME and git repository below /var/tmp. `cold`: the scan cache is deleted before each run (the
page cache is warm, as after any checkout). Ratios and medians: the machine's own noise is in both columns.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_COMMANDS = Path(sys.executable).parent
_CLIENTS = Path(os.environ.get("SAFE_AGENT_TEST_CLIENTS", f"/var/tmp/safe-agent-tests-{os.getuid()}"))


def make_repository(folder: Path, files: int) -> None:
    """Fill a git repository with `files` small source files in folders of 50, and one dotenv."""
    words = random.Random(1)  # noqa: S311 (filler text)
    for number in range(files):
        place = folder / f"package{number // 1000}" / f"module{number // 50}"
        place.mkdir(parents=True, exist_ok=True)
        lines = "\n".join(f"value_{words.randrange(10**6)} = call({words.randrange(10**6)})" for _ in range(40))
        (place / f"file{number}.py").write_text(lines)
    (folder / ".env").write_text("TOKEN=not-a-real-one-0123456789\n")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=b", "-c", "user.email=b@example.com", "commit", "-qm", "b"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, env={"PATH": os.defpath, "HOME": str(folder)})


def measure(run: Callable[[], None], rounds: int, before: Callable[[], None] = lambda: None) -> float:
    """Give the median of `rounds` runs in milliseconds."""
    times = []
    for _ in range(rounds):
        before()
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=15_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="safe-agent-bench-", dir="/var/tmp"))
    try:
        rows = _measure_all(root, wanted.files, wanted.rounds)
    finally:
        shutil.rmtree(root)
    if wanted.json:
        print(json.dumps({"version": 1, "files": wanted.files, "rows": rows}))
        return
    print(f"{'command':<28}{'bare ms':>9}{'warm ms':>9}{'cold ms':>9}{'added warm':>12}{'added cold':>12}")
    for name, bare, warm, cold in rows:
        print(f"{name:<28}{bare:>9.0f}{warm:>9.0f}{cold:>9.0f}{warm - bare:>12.0f}{cold - bare:>12.0f}")


def _programs() -> list[str]:
    """Give the folders of the clients' native programs: npm's scripts around them would be measured too."""
    modules = _CLIENTS / "node_modules"
    found = [
        *modules.glob("@anthropic-ai/claude-code-linux-*/claude"),
        *modules.glob("@openai/codex-linux-*/vendor/*/bin/codex"),
    ]
    return [str(program.parent) for program in found]


def _measure_all(root: Path, files: int, rounds: int) -> list[tuple[str, float, float, float]]:
    home, work = root / "home", root / "work"
    for folder in (home, work):
        folder.mkdir()
    make_repository(work, files)
    path = ":".join([str(_COMMANDS), *_programs(), "/usr/bin", "/bin"])
    environ = {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8"}
    environ["ANTHROPIC_API_KEY"] = environ["CODEX_API_KEY"] = "not-a-real-key-0123456789"

    def run(*command: str) -> Callable[[], None]:
        def once() -> None:
            subprocess.run(
                command, cwd=work, env=environ, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip

        return once

    run("safe-agent", "keys", "make")()
    run("safe-agent", "exec", "--", "true")()

    def forget() -> None:
        shutil.rmtree(home / ".cache/safe-agent/scans", ignore_errors=True)

    rows = []
    pairs: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
        ("true", ("true",), ("safe-agent", "exec", "--", "true"))
    ]
    pairs += [
        (f"{name} --version", (name, "--version"), (f"safe-{name}", "--version"))
        for name in ("claude", "codex")
        if shutil.which(name, path=environ["PATH"])
    ]
    for name, bare, wrapped in pairs:
        rows.append(
            (name, measure(run(*bare), rounds), measure(run(*wrapped), rounds), measure(run(*wrapped), rounds, forget))
        )
    return rows


if __name__ == "__main__":
    main()

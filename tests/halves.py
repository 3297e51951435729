"""Runs all tests in two processes at once, in halves that take about as long as each other.

usage: python tests/halves.py

Tests wait for processes, terminals and disks half of the time: two at once take little longer than one. Those that
measure waiting (gateway, terminal) are in the first half only. What the second prints comes when both have ended.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent
SECOND: Final = (
    "anchors", "audit", "cli", "contracts", "corpus", "docs", "filter", "guard", "plan", "policy", "profiles", "provenance",
    "redactors", "review", "scan", "session", "view",
)  # fmt: skip


def main() -> int:
    """Return 0 where all tests of both halves passed."""
    others = [f"--ignore={TESTS / folder}" for folder in SECOND]
    with tempfile.TemporaryFile() as printed:
        pytest = [sys.executable, "-m", "pytest"]
        other = subprocess.Popen(
            [*pytest, *(str(TESTS / folder) for folder in SECOND)],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        try:
            code = subprocess.run([*pytest, str(TESTS), *others], check=False).returncode
            code = other.wait() or code
        finally:
            other.kill()
            other.wait()
        printed.seek(0)
        sys.stdout.flush()
        sys.stdout.buffer.write(printed.read())
    return code


if __name__ == "__main__":
    sys.exit(main())

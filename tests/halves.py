"""Runs all tests in two processes at once: those that wait for processes, terminals and disks, and those that compute.

usage: python tests/halves.py

Most tests of the first kind wait, most of the second need a processor: together they take little longer than the first
alone. What the second prints comes when both have ended.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent
COMPUTING: Final = (
    "anchors", "audit", "cli", "docs", "filter", "plan", "policy", "redactors", "review", "scan",
)  # fmt: skip


def main() -> int:
    """Return 0 where all tests of both halves passed."""
    waiting = [f"--ignore={TESTS / folder}" for folder in COMPUTING]
    with tempfile.TemporaryFile() as printed:
        pytest = [sys.executable, "-m", "pytest"]
        other = subprocess.Popen(
            [*pytest, *(str(TESTS / folder) for folder in COMPUTING)],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        try:
            code = subprocess.run([*pytest, str(TESTS), *waiting], check=False).returncode
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

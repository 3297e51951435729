"""Runs all tests in two processes at once, in halves that take about as long as each other.

usage: python tests/halves.py

Tests wait for processes, terminals and disks half of the time: two at once take little longer than one. Those that
measure waiting (gateway, terminal) are in the first half only. What the second prints comes when both have ended, and
what failed in the first is said again behind that: whoever keeps only the end of a long output has all that failed.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent
SECOND: Final = (
    "anchors", "audit", "cli", "contracts", "corpus", "docs", "filter", "guard", "plan", "policy", "profiles", "provenance",
    "redactors", "review", "scan", "session", "view",
)  # fmt: skip


_FAILED: Final = re.compile(rb"=+ (?:ERRORS|FAILURES) =+$")


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
            half = [*pytest, str(TESTS), *others]
            with subprocess.Popen(half, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as first:
                failed = _passed_on(first.stdout or ())
            code = other.wait() or first.returncode
        finally:
            other.kill()
            other.wait()
        printed.seek(0)
        _say(printed)
        _say(failed)
    return code


def _passed_on(lines: Iterable[bytes]) -> list[bytes]:
    """Print lines as they come; give those that tell what failed, down to the last."""
    failed: list[bytes] = []
    for line in lines:
        _say((line,))
        if failed or _FAILED.match(line.rstrip()):
            failed.append(line)
    return failed


def _say(lines: Iterable[bytes]) -> None:
    sys.stdout.buffer.writelines(lines)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())

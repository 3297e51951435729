"""Runs all tests in two processes at once, in halves that take about as long as each other.

usage: python tests/halves.py

Tests wait for processes, terminals and disks half of the time: two at once take little longer than one. Those that
measure waiting (gateway, terminal) are in the first half only. What the second prints comes when both have ended, and
what failed in the first is said again behind that: whoever keeps only the end of a long output has all that failed.

Of some 17,000 tests, many of which race real clients, kernels and kills on a machine that others use too, about one a
run fails for want of time. So the few that failed are run again, TIMES times and with nothing else under way. One that
fails again has failed. One that held each time does not break the build, but is named UNSTEADY in the last lines: there
is a fault to be found, in it or in what it tests. No such second look is given to `attacks/`, where a promise that is
broken once is broken, nor where more than SOME failed.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent
SECOND: Final = (
    "anchors", "audit", "cli", "contracts", "corpus", "docs", "filter", "guard", "plan", "policy", "profiles", "provenance",
    "redactors", "review", "scan", "session", "view",
)  # fmt: skip
PYTEST: Final = (sys.executable, "-m", "pytest")
SOME: Final = 3  # failures that may be looked at again
TIMES: Final = 3  # that each of them must hold then

_FAILED: Final = re.compile(rb"=+ (?:ERRORS|FAILURES) =+$")
_RAN_AND_FAILED: Final = 1  # pytest's exit code; the others: interrupted, internal error, wrong usage, no tests


def main() -> int:
    """Return 0 where all tests of both halves passed."""
    with tempfile.TemporaryDirectory() as folder:
        caches = Path(folder, "first"), Path(folder, "second")
        codes, failures = _run(*caches)
        _say(failures)
        if not any(codes):
            return 0
        failed = [test for cache in caches for test in _failed(cache)]
        if set(codes) - {0, _RAN_AND_FAILED} or not _are_worth_a_second_look(failed):
            return next(filter(None, codes))
        return _second_look(failed)


def _run(first: Path, second: Path) -> tuple[list[int], list[bytes]]:
    """Run both halves, each with a cache folder; give their exit codes and what the first said of failures."""
    others = [f"--ignore={TESTS / folder}" for folder in SECOND]
    with tempfile.TemporaryFile() as printed:
        other = subprocess.Popen(
            [*PYTEST, "-o", f"cache_dir={second}", *(str(TESTS / folder) for folder in SECOND)],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        try:
            half = [*PYTEST, "-o", f"cache_dir={first}", str(TESTS), *others]
            with subprocess.Popen(half, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as one:
                failures = _passed_on(one.stdout or ())
            codes = [one.returncode, other.wait()]
        finally:
            other.kill()
            other.wait()
        printed.seek(0)
        _say(printed)
    return codes, failures


def _passed_on(lines: Iterable[bytes]) -> list[bytes]:
    """Print lines as they come; give those that tell what failed, down to the last."""
    failed: list[bytes] = []
    for line in lines:
        _say((line,))
        if failed or _FAILED.match(line.rstrip()):
            failed.append(line)
    return failed


def _failed(cache: Path) -> list[str]:
    """Give the ids of the tests that failed, from the file in which pytest keeps them for `--last-failed`."""
    kept = cache / "v" / "cache" / "lastfailed"
    return list(json.loads(kept.read_bytes())) if kept.exists() else []


def _are_worth_a_second_look(failed: Sequence[str]) -> bool:
    """Whether what failed may have done so for want of time: few tests, each of them whole, and no attack."""
    return 0 < len(failed) <= SOME and all("::" in test and not _is_attack(test) for test in failed)


def _is_attack(test: str) -> bool:
    return "attacks/" in test.partition("::")[0]


def _second_look(failed: Sequence[str]) -> int:
    """Run tests again, alone; return 0 where each of them held each time."""
    _say((b"\n== what failed is run again, alone\n",))
    for _ in range(TIMES):
        code = subprocess.run([*PYTEST, *failed], stdin=subprocess.DEVNULL, check=False).returncode
        if code:
            return code
    _say(f"UNSTEADY: failed once, then held {TIMES} times alone: {test}\n".encode() for test in failed)
    return 0


def _say(lines: Iterable[bytes]) -> None:
    sys.stdout.buffer.writelines(lines)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())

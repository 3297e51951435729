"""An index of ten million lines: joined and asked, in memory that does not grow with it."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_ten_million_lines_are_joined_in_flat_memory_and_each_is_found(tmp_path: Path) -> None:
    """The bench itself asks for lines that are there and for some that are not, and verifies every byte."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench/provenance.py"), "--lines", "10000000"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("10000000 lines, 250000 emissions: ")
    most = re.search(r"(\d+) MB at most; (\d+) MB on disk", " ".join(done.stdout.split()))
    assert most is not None
    assert int(most[2]) > 1000  # what it would take in memory
    assert int(most[1]) < 700

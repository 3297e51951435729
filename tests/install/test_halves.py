"""What is done about tests that failed: tried with folders of tests of its own in place of ours."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest

from tests import halves

_HELD: Final = "def test_held():\n    pass\n"
_FAILS: Final = "def test_fails():\n    assert False\n"
_ONCE: Final = """
    from pathlib import Path
    RUNS = Path(__file__).with_suffix(".runs")
    def test_unsteady():
        with RUNS.open("a") as runs:
            runs.write("x")
        assert len(RUNS.read_text()) not in {failing}
"""


def _run(folder: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run what `./install.sh --test` runs, over these tests; those in `audit/` are in the second half."""
    for name, text in {"test_held.py": _HELD, "audit/test_held_too.py": _HELD, **files}.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text))
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    code = f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(halves.TESTS.parent)!r})
        from tests import halves
        halves.TESTS, halves.SECOND = Path({str(folder)!r}), ("audit",)
        sys.exit(halves.main())
    """
    command = [sys.executable, "-c", dedent(code)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _runs(folder: Path) -> int:
    return len((folder / "test_once.runs").read_text())


def test_what_passed_is_run_once(tmp_path: Path) -> None:
    ran = _run(tmp_path, {"test_once.py": _ONCE.format(failing=set())})
    assert (ran.returncode, ran.stderr, _runs(tmp_path)) == (0, "", 1)
    assert "UNSTEADY" not in ran.stdout


@pytest.mark.parametrize("name", ["test_once.py", "audit/test_once.py"])
def test_what_failed_once_and_held_alone_is_named(name: str, tmp_path: Path) -> None:
    ran = _run(tmp_path, {name: _ONCE.format(failing={1})})
    assert ran.returncode == 0, ran.stdout
    assert _runs((tmp_path / name).parent) == 1 + halves.TIMES
    assert "AssertionError" in ran.stdout  # why it failed is not kept back
    last = ran.stdout.splitlines()[-1]
    assert last.startswith("UNSTEADY: failed once, then held 3 times alone: ")
    assert last.endswith("test_once.py::test_unsteady")


@pytest.mark.parametrize("again", range(2, 2 + halves.TIMES))
def test_what_fails_again_has_failed(again: int, tmp_path: Path) -> None:
    ran = _run(tmp_path, {"test_once.py": _ONCE.format(failing={1, again})})
    assert ran.returncode == 1
    assert _runs(tmp_path) == again
    assert "UNSTEADY" not in ran.stdout


@pytest.mark.parametrize(
    "files",
    [
        {"test_fails.py": _FAILS},
        {"audit/test_fails.py": _FAILS},
        {"test_fails.py": _FAILS, "test_once.py": _ONCE.format(failing={1})},
    ],
    ids=["first half", "second half", "beside one that holds"],
)
def test_what_fails_each_time_has_failed(files: dict[str, str], tmp_path: Path) -> None:
    ran = _run(tmp_path, files)
    assert ran.returncode == 1
    assert "UNSTEADY" not in ran.stdout


@pytest.mark.parametrize("folder", ["", "audit/"], ids=["first", "second"])
def test_a_half_that_is_killed_has_failed(folder: str, tmp_path: Path) -> None:
    killed = "import os, signal\ndef test_killed():\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    assert _run(tmp_path, {f"{folder}test_killed.py": killed}).returncode != 0


@pytest.mark.parametrize(
    "files",
    [
        {"attacks/test_once.py": _ONCE.format(failing={1})},
        {f"n{number}/test_once.py": _ONCE.format(failing={1}) for number in range(halves.SOME + 1)},
        {"n/test_once.py": _ONCE.format(failing={1}), "test_broken.py": "import nothing_of_this_name\n"},
    ],
    ids=["an attack", "more than some", "beside a file that cannot be read"],
)
def test_no_second_look_is_given_to(files: dict[str, str], tmp_path: Path) -> None:
    ran = _run(tmp_path, files)
    assert ran.returncode != 0
    assert all(_runs(path.parent) <= 1 for path in tmp_path.glob("*/test_once.runs"))
    assert "again, alone" not in ran.stdout

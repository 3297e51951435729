"""`safe-agent blame`, as typed, over an index on disk; no ledger is here, so that the index is never whole."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home
from tests.provenance.test_blame import AFTERWARDS, AGENTS, OLD, PERSONS, SESSION, work
from tests.provenance.written import Written, sheet
from tests.repository import git
from wrapper.cli.main import cli
from wrapper.errors import ProvenanceError, WorkspaceError
from wrapper.plan.places import Places
from wrapper.provenance.index import workspace_id
from wrapper.provenance.key import FILE, load_or_make
from wrapper.provenance.store import Store

__all__ = ["work"]
Blame = Callable[..., Result]
LAST = len(AFTERWARDS.splitlines())


@pytest.fixture
def blame(user: Home, work: Path, monkeypatch: pytest.MonkeyPatch) -> Blame:
    """The command in a repository in which a session wrote `AGENTS`; raises what safe-agent refuses with."""
    key = load_or_make(user.config / FILE)
    store = Store(user.state / "provenance" / workspace_id(key, work), key)
    store.write(sheet(key.coder(), Written(AGENTS.encode(), session=SESSION)), ends=True)
    monkeypatch.chdir(work)

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(cli, ["blame", *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def test_each_line_is_a_row_and_the_summary_and_the_faults_are_talk(blame: Blame) -> None:
    result = blame("billing.py")
    rows = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [row.split()[0] for row in rows].count("agent") > 10
    assert len(rows) == LAST
    assert all(row.endswith(line) for row, line in zip(rows, AFTERWARDS.splitlines(), strict=True))
    assert SESSION[:16] in rows[10]
    assert f"billing.py: {LAST} lines: " in result.stderr
    assert "the index is not whole: there is no ledger here" in result.stderr
    assert "human" not in result.stdout  # nobody can say so without the ledger


def test_some_lines_of_a_session_of_a_revision_and_why(blame: Blame) -> None:
    one = blame("-v", "-L", "12,+1", "billing.py").stdout
    assert one.splitlines() == [one.rstrip("\n")]
    assert "(same line, 100%)     subtotal = sum(" in one
    assert len(blame("-L", "3", "-L", ",2", "billing.py").stdout.splitlines()) == 3
    assert {row.split()[1] for row in blame("--session", SESSION[:8], "billing.py").stdout.splitlines()} == {
        SESSION[:16]
    }
    assert blame("--session", "1999", "billing.py").stdout == ""
    of_first = blame("HEAD~2:billing.py").stdout
    assert {row.split()[0] for row in of_first.splitlines()} == {"unknown"}
    assert of_first == blame("--rev", "HEAD~2", "billing.py").stdout == blame("HEAD~2:./billing.py").stdout
    assert len(of_first.splitlines()) == len(OLD.splitlines())


def test_a_path_after_a_revision_is_one_from_the_top_as_in_git(
    blame: Blame, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "src").mkdir()
    git(work, "mv", "billing.py", "src/odd:name.py")
    monkeypatch.chdir(work / "src")
    assert len(blame(":src/odd:name.py").stdout.splitlines()) == LAST
    assert len(blame("odd:name.py").stdout.splitlines()) == LAST  # there is such a file
    assert len(blame("HEAD:billing.py").stdout.splitlines()) == LAST
    with pytest.raises(WorkspaceError, match=r"has no `src/billing\.py`"):
        blame("HEAD:./billing.py")


def test_json_says_all_of_each_line(blame: Blame) -> None:
    document = json.loads(blame("--json", "billing.py").stdout)
    assert {name: document[name] for name in ("version", "file", "revision")} == {
        "version": 1, "file": "billing.py", "revision": "",
    }  # fmt: skip
    line = document["lines"][10]
    assert (line["line"], line["state"], line["coverage"], line["because"]) == (11, "agent", 1.0, "same line")
    assert line["source"]["kind"] == "input"
    assert line["approval"] is None
    assert len(line["commit"]) == 40
    assert sum(document["counts"].values()) == LAST == len(document["lines"])
    assert document["faults"][0]["session"] == ""
    assert [one["file"] for one in json.loads(blame("--json", "billing.py", "HEAD:billing.py").stdout)] == [
        "billing.py", "billing.py",
    ]  # fmt: skip


def test_files_and_folders_are_counted(blame: Blame, work: Path) -> None:
    (work / "more").mkdir()
    (work / "more/mine.py").write_text(PERSONS)
    (work / "more/picture.png").write_bytes(b"\0\1\2")
    (work / "more/ignored.py").write_text(AGENTS)
    git(work, "add", "billing.py", "more/mine.py", "more/picture.png")
    rows = blame("--stat", ".").stdout.splitlines()
    assert [row.split()[-1] for row in rows[:-1]] == ["file", "billing.py", "more/mine.py"]
    assert rows[-1].endswith("in all 2 files")
    assert rows[2].split()[:2] == ["0.0%", str(len(PERSONS.splitlines()))]
    counted = json.loads(blame("--stat", "--json", "more").stdout)["files"]
    assert counted == [
        {
            "file": "more/mine.py", "lines": 4, "share": 0.0,
            "counts": {"agent": 0, "agent-edited": 0, "human": 0, "unknown": 4},
        }
    ]  # fmt: skip


def test_the_exit_code_says_whether_an_agent_wrote_a_line_if_asked(blame: Blame, work: Path) -> None:
    (work / "mine.py").write_text(PERSONS)
    assert blame("--exit-code", "billing.py").exit_code == 1
    assert blame("--exit-code", "mine.py").exit_code == 0
    assert blame("billing.py").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("-L", "0,3", "billing.py"), ("-L", "1,0", "billing.py"), ("-L", "1,+0", "billing.py"),
        ("-L", "5,3", "billing.py"), ("-L", "x", "billing.py"),
        ("--json", "--porcelain", "billing.py"), ("billing.py", "billing.py"), ("--stat", "-L", "1", "billing.py"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_wrong_usage(blame: Blame, arguments: tuple[str, ...]) -> None:
    assert blame(*arguments).exit_code == 2


def test_what_is_not_there_is_refused(blame: Blame, user: Home) -> None:
    with pytest.raises(WorkspaceError, match="cannot read"):
        blame("nothing.py")
    with pytest.raises(WorkspaceError, match="and no line 1000"):
        blame("-L", "1000", "billing.py")
    os.mkfifo("pipe")
    with pytest.raises(WorkspaceError, match="no regular file"):
        blame("pipe")
    with pytest.raises(WorkspaceError, match="no revision `v0`"):
        blame("v0:billing.py")
    (user.config / FILE).unlink()
    with pytest.raises(ProvenanceError, match="is missing"):
        blame("billing.py")


def test_the_joined_index_is_kept_and_a_damaged_copy_of_it_is_made_anew(blame: Blame) -> None:
    first = blame("billing.py").stdout
    (pack,) = (Places.from_environment().cache / "provenance").glob("*.pack")
    made = pack.stat().st_ino
    assert blame("billing.py").stdout == first
    assert pack.stat().st_ino == made
    pack.write_bytes(pack.read_bytes()[:100])
    assert blame("billing.py").stdout == first
    assert pack.stat().st_ino != made or pack.stat().st_size > 100


def test_a_terminal_gets_colours_and_lines_that_fit(blame: Blame, work: Path) -> None:
    assert "\x1b" not in blame("billing.py").stdout
    (work / "evil.py").write_text("print('\x1b]0;title\x07' + '" + "x" * 200 + "')\n")
    theirs, ours = pty.openpty()
    code = "from wrapper.cli.main import main; main()"
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "60"}
    command = [sys.executable, "-c", code, "blame", "evil.py"]
    done = subprocess.run(
        command, env={**environ, "PYTHONPATH": str(Path(__file__).parents[2])}, stdout=ours, stderr=subprocess.PIPE,
        check=True,
    )  # fmt: skip
    os.close(ours)
    shown = os.read(theirs, 4096).decode()
    os.close(theirs)
    assert shown.startswith("\x1b[2munknown")
    assert "\x1b]" not in shown
    assert len(shown.replace("\x1b[2m", "").replace("\x1b[0m", "").rstrip("\r\n")) == 60
    assert b"1 line: 1 unknown" in done.stderr

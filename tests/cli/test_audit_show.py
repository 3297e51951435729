import json
import os
import time

import pexpect
import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, frames_of, put, start_event, warned
from tests.machine import COMMANDS
from tests.review.conversing import answers, asks, gives, says
from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.cli import audit
from wrapper.errors import SafeAgentError
from wrapper.review.story import story

EDIT = ("t-1", "Edit", {"file_path": "/work/project/src/a.py", "old_string": "rate = 19", "new_string": "rate = 0.19"})
RUN = ("t-2", "Bash", {"command": "seq 1 40"})
SAID = (says("I fix it.", EDIT, RUN), gives("t-1", "ok"), gives("t-2", "\n".join(map(str, range(1, 41)))))
STORY: list[events.Event] = [
    start_event(),
    asks(1, "why so high?\nfix it").event,
    answers(1, "I fix it.", EDIT, RUN).event,
    events.FileChange(at=1_004.0, path="src/a.py", action="modified", by="agent", process="node[7]"),
    events.FilesRead(at=1_004.0, files=((".git/config", 1_004.0, 92),)),
    asks(2, "why so high?\nfix it", *SAID).event,
    answers(2, "Done.").event,
    events.Output(at=1_005.0, stream="stdout", data=b"Done.\n"),
    events.Connection(at=1_006.0, host="evil.invalid", port=443, allowed=False, rule="default"),
    ended(),
]


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit.group, ["show", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def kinds(result: Result) -> list[str]:
    return [line.split()[2] for line in result.stdout.splitlines() if line[:7].strip().isdigit() and line[7:9] == "  "]


@pytest.fixture
def told(user: Home) -> Home:
    user.write(written=STORY)
    return user


@pytest.mark.usefixtures("told")
def test_the_story_is_told_in_order() -> None:
    result = run()
    assert result.exit_code == 0
    assert kinds(result) == [
        "start", "network", "prompt", "answer", "call", "call", "usage", "change", "read", "network", "result", "result",
        "answer", "usage", "output", "network", "end",
    ]  # fmt: skip
    lines = [line.strip() for line in result.stdout.splitlines()]
    for line in ("fix it", "-rate = 19", "+rate = 0.19", "… 28 more lines", "2 answers: 20 in, 10 out tokens"):
        assert line in lines
    assert result.stdout.count("why so high?") == 1
    assert result.stdout.count("Done.") == 1


@pytest.mark.usefixtures("told")
def test_all_lines_are_there_where_they_are_asked_for() -> None:
    shown = run("--full").stdout
    assert "more lines" not in shown
    assert all(f"{'':32}{number}\n" in shown for number in range(1, 41))


@pytest.mark.usefixtures("told")
def test_kinds_can_be_chosen() -> None:
    assert kinds(run("--kind", "prompt", "--kind", "change")) == ["prompt", "change"]
    assert "Done." in run("--kind", "output").stdout


@pytest.mark.usefixtures("told")
def test_files_can_be_chosen() -> None:
    assert kinds(run("--path", "src/a.py")) == ["call", "change"]
    assert kinds(run("--path", ".git")) == ["read"]
    assert kinds(run("--path", "other")) == []


@pytest.mark.usefixtures("told")
def test_text_can_be_looked_for_and_is_shown_wherever_it_stands() -> None:
    result = run("--grep", "^2[05]$")
    assert kinds(result) == ["result"]
    assert [line.strip() for line in result.stdout.splitlines()[2:]] == ["…", *map(str, range(18, 28)), "…"]


@pytest.mark.usefixtures("told")
def test_an_expression_that_is_none_is_wrong_usage_with_the_reason() -> None:
    result = run("--grep", "(a")
    assert isinstance(result.exception, SafeAgentError)
    assert result.exception.exit_code == 2
    assert result.exception.what.startswith("--grep: `(a` is no expression that can be searched for: ")


@pytest.mark.usefixtures("told")
def test_events_and_moments_are_not_chosen_at_once() -> None:
    result = run("--only", "file", "--kind", "change")
    assert result.exit_code == 2
    assert "--only chooses events" in result.stderr


@pytest.mark.usefixtures("told")
def test_json_is_of_events_and_of_moments_where_moments_are_chosen() -> None:
    rows = [json.loads(line) for line in run("--json").stdout.splitlines()]
    assert [row["type"] for row in rows][:3] == ["start", "request", "response"]
    (row,) = (json.loads(line) for line in run("--json", "--kind", "change").stdout.splitlines())
    assert list(row) == ["frame", "at", "kind", "title", "lines", "paths", "refers"]
    assert row["paths"] == ["src/a.py"]
    (call, _) = (json.loads(line) for line in run("--json", "--kind", "call").stdout.splitlines())
    assert row["refers"] == call["frame"]


@pytest.mark.usefixtures("told")
def test_prices_of_ones_own_make_the_estimate(told: Home) -> None:
    assert "no price is known of: m-1" in run().stdout
    (told.config / "prices.toml").write_text('dated = "2026-01-02"\n[models]\nm-1 = { input = 50_000, output = 0 }\n')
    shown = run().stdout
    assert "2 answers: 20 in, 10 out tokens, about $1.00" in shown
    assert "an estimate by the list prices of 2026-01-02" in shown


def test_what_was_good_of_a_tampered_log_is_told(user: Home) -> None:
    directory = user.write(written=[*STORY, warned("bad")])
    header, frames = frames_of(directory)
    put(directory, header, [*frames[:6], frames[6][:-1] + bytes([frames[6][-1] ^ 1]), *frames[7:]])
    result = run()
    assert kinds(result)[:3] == ["start", "network", "prompt"]
    assert isinstance(result.exception, SafeAgentError)
    assert result.exception.exit_code == 12


HOSTILE = "a\x1b]0;owned\x07b\x1b[2J\x9b31mc\rd\x7f\u202eevil\u200b\x00\n\x1b[8mhidden"


@pytest.mark.parametrize(
    "arguments", [(), ("--full",), ("--grep", "a"), ("--json", "--kind", "call"), ("--only", "request"), ("--json",)]
)
def test_nothing_that_was_said_can_act_on_the_readers_terminal(user: Home, arguments: tuple[str, ...]) -> None:
    """Promise of the log: what an agent or a server sent never acts on the reader's terminal."""
    call = (HOSTILE, HOSTILE, {"command": HOSTILE})
    edit = ("t", HOSTILE, {"file_path": HOSTILE, "old_string": HOSTILE, "new_string": HOSTILE + "x"})
    patch = ("u", "p", {"input": f"*** Begin Patch\n*** Update File: {HOSTILE}\n+{HOSTILE}\n*** End Patch"})
    story = [asks(1, HOSTILE, model=HOSTILE), answers(1, HOSTILE, call, edit, patch), asks(2, gives(HOSTILE, HOSTILE))]
    user.write(written=[start_event(), *(one.event for one in story)])
    result = run(*arguments)
    assert "owned" in result.output
    assert all(letter.isprintable() or letter == "\n" for letter in result.output)


def _on_a_terminal(user: Home, rows: int, **more: str) -> bytes:
    """Give what the command writes to a terminal of so many rows; the pager is one that marks what it was given."""
    pager = user.config / "pager"
    pager.write_text("#!/bin/sh\necho PAGED; cat\n")
    pager.chmod(0o755)
    environment = {"XDG_CONFIG_HOME": str(user.config.parent), "XDG_STATE_HOME": str(user.state.parent)}
    child = pexpect.spawn(
        str(COMMANDS / "safe-agent"),
        ["audit", "show", "--kind", "prompt", "--kind", "call", "--kind", "result"],
        env={"HOME": str(user.config), "PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        | {"PAGER": str(pager), **environment, **more},
        dimensions=(rows, 80),
        timeout=20,
    )
    output: bytes = child.read()
    child.close()
    assert child.exitstatus == 0
    return output


def test_on_a_terminal_there_are_colours_and_a_pager_where_it_is_long(told: Home) -> None:
    short, long = _on_a_terminal(told, 60), _on_a_terminal(told, 8)
    assert b"\x1b[36m" in short
    assert b"PAGED" not in short
    assert long.startswith(b"safe-agent: ")
    assert b"PAGED" in long
    assert b"rate = 0.19" in long


def test_no_color_is_honoured(told: Home) -> None:
    for rows in (60, 8):
        assert b"\x1b[3" not in _on_a_terminal(told, rows, NO_COLOR="1")


def test_a_long_session_takes_no_long_time() -> None:
    """400 turns that carry the whole conversation each time: each part is said once, and read once."""
    said: list[object] = []
    records = []
    for turn in range(400):
        call = (f"t-{turn}", "Bash", {"command": f"echo {turn}"})
        said += [f"prompt {turn} " + "x" * 200] if turn % 10 == 0 else []
        records.append(asks(turn, *said))
        records.append(answers(turn, f"answer {turn}", call))
        said += [says(f"answer {turn}", call), gives(f"t-{turn}", f"result {turn}")]
    begin = time.process_time()
    moments = list(story(Record(number, one.event) for number, one in enumerate(records)))
    assert time.process_time() - begin < 10
    assert sum(moment.kind == "prompt" for moment in moments) == 40
    assert sum(moment.kind == "call" for moment in moments) == 400
    assert sum(moment.kind == "result" for moment in moments) == 399

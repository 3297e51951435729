import json

import pytest
from click.testing import CliRunner, Result

from tests.audit.recording import Home, ended, frames_of, put, start_event
from wrapper.audit import events
from wrapper.cli import audit
from wrapper.errors import SafeAgentError


def found(kind: str, where: str, place: str = "request", **more: object) -> events.Redacted:
    fields = {"at": 1_001.0, "kind": kind, "placeholder": f"MASKED-{kind}-1", "place": place, "where": where} | more
    return events.Redacted(**fields)  # type: ignore[arg-type]


STORY: list[events.Event] = [
    start_event(),
    found("TOKEN", "GITHUB_TOKEN", "environment"),
    found("EMAIL", "#1@5", rule="email", action="monitored"),
    found("EMAIL", "#1@95", rule="email", action="monitored"),
    found("TOKEN", "#2@9", action="blocked"),
    events.FileChange(at=1_002.0, path=".env", action="masked"),
    ended(),
]


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit.group, ["redactions", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit | SafeAgentError):
        raise result.exception
    return result


def test_what_was_masked_is_told_by_kind_with_places_rules_and_a_total(user: Home) -> None:
    user.write(written=STORY)
    result = run()
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "EMAIL  1 value, 2 times: 2 monitored",
        "  MASKED-EMAIL-1  monitored 2 times  (email): request #1",
        "TOKEN  1 value, 2 times: 1 blocked, 1 replaced",
        "  MASKED-TOKEN-1  blocked 1 time: request #2",
        "  MASKED-TOKEN-1  replaced 1 time: environment GITHUB_TOKEN",
        "1 file shown with placeholders",
        "  file .env",
        "in all 2 values, 4 times: 2 monitored, 1 blocked, 1 replaced",
    ]


def test_a_kind_can_be_chosen(user: Home) -> None:
    user.write(written=STORY)
    assert [line.split()[0] for line in run("--kind", "TOKEN").stdout.splitlines()] == [
        "TOKEN", "MASKED-TOKEN-1", "MASKED-TOKEN-1", "in"
    ]  # fmt: skip


def test_json_has_a_line_per_value_and_place(user: Home) -> None:
    user.write(written=STORY)
    rows = [json.loads(line) for line in run("--json").stdout.splitlines()]
    assert rows[1] == {
        "session": "s-1", "kind": "EMAIL", "placeholder": "MASKED-EMAIL-1", "action": "monitored", "rule": "email",
        "place": "request", "where": "#1", "count": 2,
    }  # fmt: skip
    assert [row["action"] for row in rows] == ["replaced", "monitored", "blocked", "masked"]


def test_all_sessions_are_added_up_and_a_bad_one_is_named(user: Home) -> None:
    user.write("s-1", STORY)
    user.write("s-2", STORY, seal=False)
    assert "in all 2 values, 8 times" in run("--all").stdout
    directory = user.write("s-3", STORY)
    header, frames = frames_of(directory)
    put(directory, header, [*frames[:4], frames[4][:-1] + bytes([frames[4][-1] ^ 1]), *frames[5:]])
    result = run("--all")
    assert "in all 2 values, 9 times" in result.stdout
    assert "session s-3: " in result.stderr
    assert "session s-2 is not sealed" in result.stderr
    assert result.exit_code == 12
    assert {json.loads(line)["session"] for line in run("--all", "--json").stdout.splitlines()} == {"s-1", "s-2", "s-3"}


def test_a_session_without_its_end_says_so(user: Home) -> None:
    user.write(written=STORY, seal=False)
    result = run()
    assert (result.exit_code, "not sealed" in result.stderr) == (10, True)


def test_a_tampered_log_counts_what_was_good_and_fails(user: Home) -> None:
    directory = user.write(written=STORY)
    header, frames = frames_of(directory)
    put(directory, header, [*frames[:6], frames[6][:-1] + bytes([frames[6][-1] ^ 1]), *frames[7:]])
    result = run()
    assert "in all 2 values, 2 times" in result.stdout
    assert isinstance(result.exception, SafeAgentError)
    assert result.exception.exit_code == 12


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_nothing_of_it_can_act_on_the_readers_terminal(user: Home, arguments: tuple[str, ...]) -> None:
    hostile = "a\x1b]0;owned\x07\x1b[2J\u202e\n"
    user.write(written=[found(hostile, hostile, hostile, rule=hostile, action=hostile)])
    printed = run(*arguments).output
    assert "owned" in printed
    assert all(letter.isprintable() or letter == "\n" for letter in printed)

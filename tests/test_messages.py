import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.errors import ClientNotFoundError, PolicyError
from wrapper.messages import printable, report, say


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_talk_is_one_line_that_says_who_speaks() -> None:
    to = io.StringIO()
    say("profile default", to=to)
    assert to.getvalue() == "safe-agent: profile default\n"


def test_a_terminal_in_raw_mode_gets_the_carriage_return() -> None:
    to = Terminal()
    say("x", to=to)
    assert to.getvalue() == "safe-agent: x\r\n"


def test_an_error_is_what_happened_and_a_hint_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(PolicyError("a.toml:3: unknown key", hint="remove it\nor spell it `files`")) == 125
    assert capsys.readouterr() == (
        "",
        "safe-agent: a.toml:3: unknown key\nhint: remove it\nhint: or spell it `files`\n",
    )


def test_without_a_hint_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(ClientNotFoundError("no `claude`")) == 127
    assert capsys.readouterr().err == "safe-agent: no `claude`\n"


def test_a_closed_stderr_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    say("x")
    assert report(PolicyError("x", hint="y")) == 125


def test_a_terminal_that_was_closed_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be told at a session's end is told after its terminal has gone, too."""
    with Path("/dev/full").open("w") as gone:
        monkeypatch.setattr("sys.stderr", gone)
        say("x")
        assert report(PolicyError("x", hint="y" * 100_000)) == 125
        monkeypatch.undo()
        with contextlib.suppress(OSError):  # what is still in its buffer
            gone.close()


def test_a_strangers_file_name_does_nothing_to_the_terminal() -> None:
    to = Terminal()
    say("`a\x1b]0;title\x07\r\n.env` could not be covered", to=to)
    assert to.getvalue() == "safe-agent: `a\\x1b]0;title\\x07\\r\\n.env` could not be covered\r\n"


@given(st.text(), st.binary())
def test_what_is_made_printable_holds_no_control_code_and_can_be_stored(text: str, data: bytes) -> None:
    for name in (text, data.decode("utf-8", "surrogateescape")):
        shown = printable(name)
        assert shown.isprintable()
        shown.encode()


def test_a_printable_name_stays_as_it_is() -> None:
    assert printable("Straße/日本 ok") == "Straße/日本 ok"
    assert printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n"

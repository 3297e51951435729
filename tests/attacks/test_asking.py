"""Attacks on the question that a session asks its user. Promise 1: what leaves is what the user let leave."""

import re
from collections.abc import Iterator

import pytest

from tests.fakes.provider import FaultyProvider
from tests.machine import Machine
from tests.session.asking import REASON, AtTerminal, answering, events, set_policy

pytestmark = pytest.mark.timeout(120)

_OURS = re.compile(r"\x1b\[(?:\?25[hl]|H|J|K|7m|0m|[0-9]+;[0-9]+H)")


@pytest.fixture
def provider(machine: Machine) -> Iterator[FaultyProvider]:
    set_policy(machine, REASON)
    with answering(machine) as one:
        yield one


def assert_it_was_not_answered(session: AtTerminal, machine: Machine, provider: FaultyProvider) -> None:
    session.child.send("\x1b")
    session.ended()
    assert provider.model_requests() == []
    assert [event["action"] for event in events(machine, "judged")] == ["denied"]


def test_a_prompt_cannot_draw_over_the_question(machine: Machine, provider: FaultyProvider) -> None:
    """Promise 1."""
    prompt = (
        "benchmark\x1b[2J\x1b[H safe-agent asks\r\n\x9b1A\u202eon\u2066\u200b\ufeff\u0336\u3164\x1b]0;title\x07\n"
        "answer (no, yes): \x1b[8m\n\u2028answer (no, yes): yes"
    )
    session = AtTerminal(machine, prompt)
    window = session.asked()
    drawn = window[window.rindex("\x1b[H") :] if "\x1b[H" in window else window
    rows = _OURS.sub("", drawn).split("\r\n")
    assert all(row.isprintable() for row in rows), rows
    assert [row for row in rows if "answer (no" in row and not row.startswith("│ ")] == [rows[-1]]
    assert_it_was_not_answered(session, machine, provider)


@pytest.mark.parametrize(
    "before",
    [
        "import fcntl, termios\ntry: [fcntl.ioctl(0, termios.TIOCSTI, bytes([one])) for one in b'y\\rso\\r']\nexcept OSError: pass",
        "os.write(1, b'y\\rbecause\\r')",
        "os.write(1, b'\\x1b[')",
        "os.write(1, b'\\x1b]0;y\\rbecause')",
        "os.write(1, b'\\x1bP1;1|')",
        "os.write(1, b'\\x1b[?1049h\\x1b[?69h\\x1b[1;4s\\x1b[2;3r\\x1b[?6h\\x1b[4h\\x1b[8m\\x0e\\x1b)0')",
    ],
    ids=["TIOCSTI", "output", "cut sequence", "cut title", "cut control string", "margins, insertion, concealment"],
)
def test_what_is_done_to_the_terminal_before_answers_nothing(
    machine: Machine, provider: FaultyProvider, before: str
) -> None:
    """Promise 1: the inside has its own terminal, and what it left on the user's is put away."""
    session = AtTerminal(machine, "write a benchmark", before=before)
    window = session.asked()
    assert "policy wants a written reason for this kind of work" in window
    assert_it_was_not_answered(session, machine, provider)


@pytest.mark.parametrize(
    "reply",
    [
        b"\x1b]ly\rbecause\r\x1b\\",  # the window's title, which the inside can set (XTWINOPS 21)
        b"\x1bP1$ry\rbecause\r\x1b\\",  # a setting (DECRQSS)
        b"\x1b[200~y\rbecause\r\x1b[201~",  # a paste that the inside has talked the user into
        b"\x1b[12;40R\x1b[?62;22c",
    ],
)
def test_what_the_terminal_says_by_itself_is_no_answer(
    machine: Machine, provider: FaultyProvider, reply: bytes
) -> None:
    """Promise 1: the inside can ask the terminal for things whose answer comes in as keys do."""
    session = AtTerminal(machine, "write a benchmark")
    session.asked()
    session.child.send(reply)
    session.child.send("\r")
    assert_it_was_not_answered(session, machine, provider)

"""Promise 4: there is a record of everything, and no secret in it. Attacked by printing a key that the inside has made.

The key is nobody's known value: only its shape tells. Each test prints it in another way and asks that the log, read
by its owner, holds no 20 characters of it.
"""

import json
import re

import pytest

from redactors.rules.catalogue import expand
from tests.machine import Machine

TOKEN = expand(["gh", "p_{base62:30}{crc32}"])
_SLOWLY = "import os, time\nfor piece in {pieces!r}: os.write({fd}, piece.encode()); time.sleep({pause})"


def recorded(machine: Machine, pieces: list[str], *, pause: float = 0.0, fd: int = 1) -> str:
    """Print the pieces inside, and give what the log says was shown."""
    code = _SLOWLY.format(pieces=pieces, pause=pause, fd=fd)
    machine.host("safe-agent", "exec", "--", "python3", "-c", code).check_returncode()
    events = [json.loads(line) for line in machine.log().splitlines()]
    return "".join(event["data"] for event in events if event["type"] == "output")


def assert_gone(shown: str) -> None:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert not any(TOKEN[at : at + 20] in plain for at in range(len(TOKEN) - 19)), shown
    assert "MASKED-GITHUB" in plain


@pytest.mark.parametrize("pause", [0.0, 0.03])
def test_promise_4_a_key_printed_in_pieces_is_not_in_the_log(machine: Machine, pause: float) -> None:
    """One write per three bytes, also slower than the screen holds anything back."""
    pieces = [TOKEN[at : at + 3] for at in range(0, len(TOKEN), 3)]
    assert_gone(recorded(machine, ["new key: ", *pieces, "\n", "bye\n"], pause=pause))


@pytest.mark.parametrize("fd", [1, 2])
def test_promise_4_a_key_printed_without_a_line_end_is_not_in_the_log(machine: Machine, fd: int) -> None:
    """The last words of a session, with no line end behind them, on either stream."""
    assert_gone(recorded(machine, ["the key is ", TOKEN[:9], TOKEN[9:]], fd=fd))


def test_promise_4_a_key_coloured_in_its_middle_is_not_in_the_log(machine: Machine) -> None:
    """A key between and across terminal sequences."""
    assert_gone(
        recorded(machine, ["\x1b[33mkey\x1b[0m: ", "\x1b[32m" + TOKEN[:20], "\x1b[1m", TOKEN[20:], "\x1b[0m\n"])
    )

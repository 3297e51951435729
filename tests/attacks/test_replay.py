"""Attacks promise 2, from a recording: what an agent printed must not act on the terminal of whoever reviews it later.

There it would be outside: a set clipboard is pasted into a shell, an answered question stands typed in it.
"""

import base64
import os
import re
import sys
from pathlib import Path

import pexpect
import pytest
from click.testing import CliRunner

from tests.audit.recording import Home, ended, home, start_event
from wrapper.audit import events
from wrapper.cli import audit
from wrapper.review.painting import Painting

pytestmark = pytest.mark.timeout(60)
_COMMAND = str(Path(sys.executable).parent / "safe-agent")
_PAYLOAD = b"owned"
_PASTE = base64.b64encode(_PAYLOAD)

_ATTACKS = {
    "clipboard": b"\x1b]52;c;" + _PASTE + b"\x07",
    "clipboard asked for": b"\x1b]52;c;?\x1b\\",
    "title": b"\x1b]0;" + _PAYLOAD + b"\x07\x1b]2;" + _PAYLOAD + b"\x1b\\",
    "title asked for": b"\x1b]2;" + _PAYLOAD + b"\x07\x1b[21t",
    "hyperlink": b"\x1b]8;;file:///" + _PAYLOAD + b"\x1b\\x\x1b]8;;\x1b\\",
    "notification": b"\x1b]9;" + _PAYLOAD + b"\x07\x1b]777;notify;" + _PAYLOAD + b"\x07",
    "file to the terminal": b"\x1b]1337;File=name=" + _PASTE + b";inline=0:" + _PASTE + b"\x07",
    "colours asked for": b"\x1b]10;?\x07\x1b]11;?\x1b\\\x1b]4;1;?\x07",
    "device": b"\x1b[c\x1b[>c\x1b[=c\x1b[>q\x1b[5n\x1b[6n\x1b[?6n\x1b[x\x1bZ",
    "settings asked for": b"\x1bP$qm\x1b\\\x1bP+q544e\x1b\\\x1b[?2004$p",
    "answerback": b"\x05",
    "program of keys": b"\x1bP1;1|17/" + _PAYLOAD + b"\x1b\\",
    "bracketed paste": b"\x1b[?2004h",
    "mouse": b"\x1b[?9h\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1006h\x1b[?1004h",
    "keyboards": b"\x1b[>1u\x1b[=31u\x1b[>4;2m\x1b[?1h\x1b=\x1b[?66h\x1b[20h\x1b[2h",
    "scrollback": b"\x1b[3J\x1bc\x1b[!p",
    "window": b"\x1b[8;1;1t\x1b[3;0;0t\x1b[2t\x1b[?3h\x1b[?40h",
    "printer": b"\x1b[5i" + _PAYLOAD + b"\x1b[4i\x1b[i",
    "stays for later": b"\x1bH\x1b[3g\x1b(0\x0e\x1b[?69h\x1b[2;3s\x1b[1 q\x1b[?5W",
    "eight bits": "\u009d52;c;".encode() + _PASTE + "\u009c\u009b6n\u0090$qm\u009c".encode(),
    "raw eight bits": b"\x9d52;c;" + _PASTE + b"\x9c\x9b6n",
    "cut in the middle": b"\x1b\x1b]52;c;" + _PASTE + b"\x1b\x1b[6\x18n\x1b[6",
    "controls within": b"\x1b[6\x08\x00n\x1b[\x7f6n\x1b]52;c;" + _PASTE + b"\x9c\x07",
    "direction": "\u202e\u2066\u200f".encode() + b"x" + "\U000e0041".encode(),
    "wide controls": "\u2028\u2029\u0085".encode(),
    "too many": b"\x1b[" + b"1;" * 100_000 + b"6n\x1b[" + b"9" * 10_000 + b"b\x1b[99999999999S",
    "tmux and screen": b"\x1bPtmux;\x1b\x1b]52;c;" + _PASTE + b"\x07\x1b\\\x1bk" + _PAYLOAD + b"\x1b\\",
}
_PAINTS = re.compile(
    rb"(?:[^\x00-\x1f\x7f]|[\b\t\n\r]|\x1b[78DEM]|\x1b\[[0-9;]*[@-IK-MPSTXZ`abdefmrsu]|\x1b\[[0-2;]*J|\x1b\[4[hl]"
    rb"|\x1b\[\?(?:(?:5|6|7|25|47|1047|1048|1049);?)+[hl])*\Z"
)
# what `play` itself says to a terminal; the rest of it are letters
_OURS = re.compile(
    rb"(?:[^\x00-\x1f\x7f]|\r*\n|\x1b\[\?(?:25|7|1049)[hl]|\x1b\[[0-9;]*m|\x1b\[[0-9]+;[0-9]+H|\x1b\[H|\x1b\[2J|\x1b\[K)*\Z"
)
_INVISIBLE = re.compile("[\x80-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\U000e0000-\U000e0fff]")


def _record(of: Home, attack: bytes) -> None:
    output = [events.Output(at=1_000.0 + number, stream="tty", data=attack) for number in range(2)]
    of.write(written=[start_event(), *output, events.Output(at=1_002.0, stream="stdout", data=attack), ended()])


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A reviewer with a key."""
    made = home(tmp_path / "safe-agent")
    (tmp_path / "config").mkdir()
    made.config.rename(tmp_path / "config" / "safe-agent")
    for name, folder in (
        ("HOME", "."),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_STATE_HOME", "."),
        ("XDG_CACHE_HOME", "x"),
    ):
        monkeypatch.setenv(name, str(tmp_path / folder))
    config = tmp_path / "config" / "safe-agent"
    return Home(config, tmp_path / "safe-agent", type(made.keys)(config))


@pytest.mark.parametrize("attack", _ATTACKS.values(), ids=_ATTACKS)
def test_nothing_but_what_paints_is_let_through(attack: bytes) -> None:
    painting = Painting()
    passed = painting.feed(b"before") + painting.feed(attack) + painting.feed(b"\x18\x1b\\after")
    assert _PAINTS.match(passed), passed
    assert not _INVISIBLE.search(passed.decode())
    assert passed.startswith(b"before")
    assert passed.endswith(b"after")


@pytest.mark.parametrize("attack", _ATTACKS.values(), ids=_ATTACKS)
def test_played_without_a_terminal_it_is_text(user: Home, attack: bytes) -> None:
    _record(user, attack)
    for arguments in (("play",), ("play", "--goto", "9999"), ("search", "-E", "."), ("search", "-E", ".", "--json")):
        printed = CliRunner().invoke(audit.group, arguments).output
        assert printed, arguments
        assert all(letter.isprintable() or letter == "\n" for letter in printed), arguments


def test_played_on_a_terminal_none_of_it_gets_there(user: Home) -> None:
    _record(user, b"\r\n".join((b"x" + attack + b"\x18\x1b\\y") for attack in _ATTACKS.values()))
    names = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "PATH")
    environ = {name: os.environ[name] for name in names} | {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
    child = pexpect.spawn(_COMMAND, ["audit", "play"], env=environ, dimensions=(40, 120), timeout=20)
    child.expect(" end  ")
    shown = child.before + child.after
    child.send("q")
    child.expect(pexpect.EOF)
    shown += child.before
    child.close()
    assert child.exitstatus == 0
    assert _OURS.match(shown), shown
    assert not _INVISIBLE.search(shown.decode())

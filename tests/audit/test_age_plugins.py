"""Age plugins: a real program in PATH that keeps to the protocol, and one that breaks it in each way we know."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.audit import bech32, seal
from wrapper.audit.age import header, plugins
from wrapper.audit.age.asking import NoTerminalError
from wrapper.audit.age.header import Stanza
from wrapper.audit.age.plugins import PluginError, PluginIdentity
from wrapper.audit.format import NoKeyError
from wrapper.errors import AuditError

# What it does is in the data of the recipient or identity; it wraps by turning each bit over.
_PROGRAM = """
import base64, os, sys, time
def b64(data): return base64.b64encode(data).decode().rstrip("=")
def send(command, data=b""):
    text = b64(data)
    lines = [text[at : at + 64] for at in range(0, len(text) + 1, 64)]
    sys.stdout.write("-> " + command + "\\n" + "\\n".join(lines) + "\\n")
    sys.stdout.flush()
def receive():
    first, body = sys.stdin.readline().rstrip("\\n"), ""
    if not first: sys.exit(3)
    while True:
        line = sys.stdin.readline().rstrip("\\n")
        body += line
        if len(line) < 64:
            return first[3:].split(" "), base64.b64decode(body + "=" * (-len(body) % 4))
def ask(command, data=b""):
    send(command, data)
    return receive()
def turned(key): return bytes(255 - one for one in key)
def mode(text):
    rest = text.lower().rpartition("1")[2][:-6]
    bits = "".join(format("qpzry9x8gf2tvdw0s3jn54khce6mua7l".index(one), "05b") for one in rest)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - 7, 8)).decode()
machine = sys.argv[1].removeprefix("--age-plugin=")
told, how, key = [], "", b""
while True:
    arguments, body = receive()
    told.append((arguments, body))
    if arguments[0] == "done": break
    if arguments[0] in ("add-recipient", "add-identity"): how = mode(arguments[1])
    if arguments[0] == "wrap-file-key": key = body
if how == "dies": sys.stderr.write("no\\x1b[31m token\\n\\n"); sys.exit(1)
if how == "silent": time.sleep(60)
if how == "babble": sys.stdout.write("hello\\n\\n"); sys.stdout.flush(); time.sleep(60)
if how == "flood":
    while True: sys.stdout.write("A" * 65536)
if how == "endless":
    while ask("msg", b"again"): pass
if how == "error": ask("error internal", "PIN\\nlocked".encode()); send("done"); sys.exit(0)
if how == "asks":
    answers = [ask("grease-1 x", b"?")[0][0], ask("msg", b"hello")[0][0]]
    answers += [ask("request-secret", b"PIN")[1].decode(), ask("request-public", b"name")[1].decode()]
    answers += ask("confirm " + b64(b"sure") + " " + b64(b"never"), b"go on?")[0]
    if answers != ["unsupported", "ok", "1234", "ada", "ok", "yes"]: ask("error internal", repr(answers).encode())
if how == "nobody":
    answers = [ask("request-secret", b"PIN")[0][0], ask("confirm " + b64(b"y"), b"?")[0][0], ask("msg", b"x")[0][0]]
    if answers != ["fail"] * 3: ask("error internal", repr(answers).encode())
if machine == "recipient-v1":
    if how == "none": send("done"); sys.exit(0)
    index, kind = {"index": "1", "scrypt": "0"}.get(how, "0"), "scrypt" if how == "scrypt" else "example.test/turned"
    for _ in range(100 if how == "many" else 1): ask(f"recipient-stanza {index} {kind} {how}", turned(key))
else:
    for arguments, body in told:
        if arguments[:3] == ["recipient-stanza", "0", "example.test/turned"]:
            ask("file-key 1" if how == "index" else "file-key 0", turned(body) + (b"x" if how == "long" else b""))
            if how == "twice": ask("file-key 0", turned(body))
send("done")
"""


@dataclass
class Person:
    """Answers what a plugin asks, as the test says."""

    told: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        self.told.append(text)

    def secret(self, prompt: str) -> str:
        self.told.append(prompt)
        return "1234"

    def line(self, prompt: str) -> str:
        self.told.append(prompt)
        return "y" if "y: sure" in prompt else "ada"


class Absent(Person):
    def tell(self, text: str) -> None:
        raise NoTerminalError(text)

    def secret(self, prompt: str) -> str:
        raise NoTerminalError(prompt)

    def line(self, prompt: str) -> str:
        raise NoTerminalError(prompt)


def _recipient(how: str) -> str:
    return bech32.encode("age1testing", how.encode())


def _identity(how: str, person: Person | None = None, patience: float = 10.0) -> PluginIdentity:
    parsed = PluginIdentity.parse(bech32.encode("age-plugin-testing-", how.encode()).upper(), person or Person())
    return PluginIdentity(parsed.line, parsed.name, parsed.asking, patience)


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "age-plugin-testing"
    program.write_text(f"#!{sys.executable} -S\n{_PROGRAM}")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:{os.defpath}")
    return program


def test_a_plugin_opens_what_it_closed_beside_other_recipients() -> None:
    ours = seal.Identity.generate()
    sealed = seal.encrypt([ours.recipient(), _recipient("good")], b"content")
    assert seal.decrypt(sealed, [_identity("good")]) == seal.decrypt(sealed, [ours]) == b"content"


def test_the_stock_age_speaks_to_the_same_plugin_and_reads_and_writes_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "identity").write_text(_identity("good").text())

    def age(*arguments: str | Path, data: bytes) -> bytes:
        return subprocess.run(["age", *arguments], input=data, capture_output=True, check=True).stdout

    assert seal.decrypt(age("-r", _recipient("good"), data=b"from age"), [_identity("good")]) == b"from age"
    assert age("-d", "-i", tmp_path / "identity", data=seal.encrypt([_recipient("good")], b"from us")) == b"from us"


def test_an_identity_file_may_have_plugins_beside_keys_and_they_come_last() -> None:
    ours = seal.Identity.generate()
    both = seal.Identities.parse(f"{_identity('good').text()}\n# mine\n{ours.text()}\n", Person())
    assert both.recipients() == (ours.recipient(),)
    assert [key.recipient() for key in both.keys] == [ours.recipient(), ""]
    assert seal.decrypt(seal.encrypt([_recipient("good")], b"x"), [both]) == b"x"


def test_a_plugin_that_fails_is_said_only_where_no_other_key_opens_it() -> None:
    ours = seal.Identity.generate()
    both = seal.Identities.parse(f"{ours.text()}\n{_identity('dies').text()}\n", Person())
    assert seal.decrypt(seal.encrypt([ours.recipient()], b"x"), [both]) == b"x"
    with pytest.raises(NoKeyError, match="`testing` ended before it was done"):
        seal.decrypt(seal.encrypt([seal.Identity.generate().recipient()], b"x"), [both])


def test_a_plugin_without_a_key_for_a_file_is_no_failure() -> None:
    with pytest.raises(NoKeyError, match="not encrypted to the key"):
        seal.decrypt(seal.encrypt([seal.Identity.generate().recipient()], b"x"), [_identity("good")])


def test_a_plugin_asks_and_is_answered() -> None:
    person = Person()
    wrapped = plugins.wrap_for(_recipient("asks"), "testing", b"k" * 16, person)
    assert wrapped == (Stanza((b"example.test/turned", b"asks"), bytes(255 - one for one in b"k" * 16)),)
    assert person.told == [
        "testing: hello",
        "testing: PIN",
        "testing: name",
        "testing: go on? (y: sure, n: never)",
    ]
    assert _identity("asks", person).unwrap(wrapped) == b"k" * 16


def test_where_nobody_can_answer_the_plugin_is_told_so_and_decides() -> None:
    sealed = seal.encrypt([_recipient("nobody")], b"content")
    assert seal.decrypt(sealed, [_identity("nobody", Absent())]) == b"content"
    with pytest.raises(AuditError, match="failed: \\['unsupported', 'fail'"):
        seal.encrypt([_recipient("asks")], b"content")


def _wraps(how: str, patience: float = 10.0) -> object:
    return plugins.wrap_for(_recipient(how), "testing", b"k" * 16, Person(), patience)


def _unwraps(how: str, patience: float = 10.0) -> object:
    return _identity(how, patience=patience).unwrap([Stanza((b"example.test/turned",), b"k" * 16)])


@pytest.mark.parametrize(
    ("attempt", "how", "why"),
    [
        (_wraps, "dies", "ended before it was done"),
        (_unwraps, "dies", "ended before it was done"),
        (_wraps, "babble", "broke the protocol: it sent what is no stanza"),
        (_unwraps, "flood", "sent too much"),
        (_wraps, "endless", "does not come to an end"),
        (_wraps, "error", r"failed: PIN\\nlocked"),
        (_unwraps, "error", r"failed: PIN\\nlocked"),
        (_wraps, "none", "it sent 0 stanzas"),
        (_wraps, "many", "it sent 100 stanzas"),
        (_wraps, "index", "malformed stanza"),
        (_wraps, "scrypt", "it sent a passphrase"),
        (_unwraps, "index", "malformed file key"),
        (_unwraps, "long", "malformed file key"),
        (_unwraps, "twice", "malformed file key"),
    ],
)
def test_a_plugin_that_fails_or_breaks_the_protocol_is_named_with_what_it_did(
    attempt: Callable[[str], object], how: str, why: str
) -> None:
    with pytest.raises(NoKeyError if attempt is _unwraps else PluginError, match=why):
        attempt(how)


@pytest.mark.parametrize("attempt", [_wraps, _unwraps])
def test_a_silent_plugin_is_ended_after_the_time_it_has(attempt: Callable[[str, float], object]) -> None:
    begun = time.monotonic()
    with pytest.raises(AuditError, match=r"was silent for 0\.5 seconds") as raised:
        attempt("silent", 0.5)
    assert "touched" in raised.value.hint
    assert time.monotonic() - begun < 10


def test_what_a_plugin_complains_of_is_passed_on_without_control_codes() -> None:
    with pytest.raises(PluginError) as raised:
        _wraps("dies")
    assert raised.value.hint == r"it said: no\x1b[31m token"


def test_a_plugin_that_does_not_read_cannot_hold_us_up(installed: Path) -> None:
    installed.write_text("#!/bin/sh\nexec sleep 30\n")
    many = [Stanza((b"X25519", b"x" * 1000), bytes(1000))] * 100
    with pytest.raises(NoKeyError, match="was silent"):
        _identity("good", patience=0.5).unwrap(many)


@pytest.mark.parametrize("attempt", [_wraps, _unwraps])
def test_a_missing_plugin_is_said_with_where_to_put_it(installed: Path, attempt: Callable[[str], object]) -> None:
    installed.unlink()
    with pytest.raises(AuditError, match="the age plugin `testing` is not installed") as raised:
        attempt("good")
    assert raised.value.hint == "put the program `age-plugin-testing` into a folder of PATH"


def test_a_plugin_in_the_current_folder_is_not_taken(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(installed.parent)
    for path in (".", "", f"bin:{os.defpath}"):
        monkeypatch.setenv("PATH", path)
        with pytest.raises(PluginError, match="not installed"):
            _wraps("good")


def test_a_program_that_cannot_be_started_is_one_clear_error(installed: Path) -> None:
    installed.write_text("#!/nowhere\n")
    with pytest.raises(PluginError, match="cannot be started: No such file"):
        _wraps("good")


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "x y", "ä", "x\0y", "A" * 65])
def test_a_name_that_is_no_file_name_is_no_plugin(name: str) -> None:
    with pytest.raises(AuditError):
        seal.encrypt([bech32.encode(f"age1{name}", b"x")], b"x")
    with pytest.raises(AuditError):
        seal.Identities.parse(bech32.encode(f"age-plugin-{name}-", b"x").upper())


def test_an_identity_of_a_plugin_is_not_shown() -> None:
    assert _identity("good").text() not in repr(_identity("good"))


def test_stanzas_of_a_plugin_stand_in_the_file_as_it_sent_them() -> None:
    (stanza,) = header.parse(seal.encrypt([_recipient("good")], b"x")).stanzas
    assert stanza.arguments == (b"example.test/turned", b"good")


_babble = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"-> ", b"msg", b"confirm", b" eWVz", b"file-key 0", b"request-secret", b"done", b"\n", b"YWI", b"\n\n"]), max_size=20).map(b"".join),
)  # fmt: skip


@given(_babble)
def test_whatever_a_plugin_says_it_is_done_or_has_failed_and_nothing_else(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rwb", buffering=0) as stream:
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        process = SimpleNamespace(stdin=stream, stdout=stream)
        plugin = plugins._Plugin("testing", process, Person(), 5.0)  # type: ignore[arg-type]
        received = plugins._Received("file-key")
        try:
            plugin.listen(received.take)
            key = received.file_key("testing")
        except PluginError:
            return
    assert key is None or len(key) == 16

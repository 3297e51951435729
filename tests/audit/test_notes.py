"""Checkpoints as C2SP's signed-note, tlog-checkpoint and tlog-cosignature have them, judged by another program's."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from wrapper.audit import notes
from wrapper.audit.format import TamperedError
from wrapper.errors import AuditError

_SUMDB = json.loads((Path(__file__).parents[1] / "vectors" / "ledger-v1" / "sumdb.json").read_text())
_CHECKPOINT = notes.Checkpoint("example.com/log", 7, bytes(range(32)))

# the example in tlog-cosignature.md, whose keys are not published: it is read, not verified
_EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""


def _signed(key: notes.NoteKey, checkpoint: notes.Checkpoint = _CHECKPOINT) -> str:
    message = notes.text(checkpoint)
    return f"{message}\n{notes.sign(message, key)}"


class _Witness:
    """A key that cosigns, after tlog-cosignature."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._private = Ed25519PrivateKey.generate()
        self._public = self._private.public_key().public_bytes_raw()
        self._id = hashlib.sha256(name.encode() + b"\n\x04" + self._public).digest()[:4]

    def vkey(self) -> str:
        return f"{self.name}+{self._id.hex()}+{base64.b64encode(bytes([4]) + self._public).decode()}"

    def line(self, message: str, at: int) -> str:
        signature = self._private.sign(f"cosignature/v1\ntime {at}\n{message}".encode())
        return f"— {self.name} {base64.b64encode(self._id + at.to_bytes(8, 'big') + signature).decode()}\n"


@pytest.mark.parametrize("tree", _SUMDB["trees"], ids=lambda tree: str(tree["size"]))
def test_notes_of_another_program_are_read_and_verified(tree: dict[str, Any]) -> None:
    note = notes.parse(tree["note"])
    assert (note.checkpoint.size, note.checkpoint.root.hex()) == (tree["size"], tree["root"])
    assert tree["note"].startswith(notes.text(note.checkpoint) + "\n")
    notes.verify(note, _SUMDB["vkey"])
    notes.verify(note, _SUMDB["witness_vkey"])
    assert notes.witnessed_at(note, _SUMDB["witness_vkey"]) == tree["cosigned_at"]


def test_the_example_of_the_specification_is_read() -> None:
    note = notes.parse(_EXAMPLE)
    assert (note.checkpoint.origin, note.checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert [signature.name for signature in note.signatures] == [
        "example.com/behind-the-sofa",
        "witness.example.com/w1",
    ]
    assert int.from_bytes(note.signatures[1].data[:8], "big") == 1679315147


def test_a_signed_checkpoint_verifies_under_its_own_key_only() -> None:
    key, other = notes.NoteKey.generate("a"), notes.NoteKey.generate("a")
    note = notes.parse(_signed(key))
    notes.verify(note, key.vkey())
    with pytest.raises(TamperedError, match="not signed by `a`"):
        notes.verify(note, other.vkey())


def test_a_key_comes_back_from_its_one_line() -> None:
    key = notes.NoteKey.generate("safe-agent.local/0")
    again = notes.NoteKey.parse(key.encoded() + "\n")
    assert (again.vkey(), again.encoded()) == (key.vkey(), key.encoded())


def test_the_vkey_is_what_the_specification_says() -> None:
    key = notes.NoteKey.generate("example.com/x")
    key_id = hashlib.sha256(b"example.com/x\n\x01" + key.public).digest()[:4]
    assert key.vkey() == f"example.com/x+{key_id.hex()}+{base64.b64encode(bytes([1]) + key.public).decode()}"


def test_a_signature_that_is_not_good_is_an_error_even_beside_one_that_is() -> None:
    key = notes.NoteKey.generate("a")
    bad = base64.b64encode(key.key_id + bytes(64)).decode()
    with pytest.raises(TamperedError, match="signature by `a` is not valid"):
        notes.verify(notes.parse(f"{_signed(key)}— a {bad}\n"), key.vkey())


def test_signatures_of_unknown_keys_are_ignored() -> None:
    key, witness = notes.NoteKey.generate("a"), _Witness("w")
    message = notes.text(_CHECKPOINT)
    lines = notes.sign(message, notes.NoteKey.generate("a")) + notes.sign(message, key) + witness.line(message, 5)
    notes.verify(notes.parse(f"{message}\n{lines}"), key.vkey())


def test_a_witness_says_when_it_signed() -> None:
    witness, message = _Witness("w.example/1"), notes.text(_CHECKPOINT)
    note = notes.parse(f"{message}\n{witness.line(message, 1_700_000_000)}{witness.line(message, 1_700_000_060)}")
    notes.verify(note, witness.vkey())
    assert notes.witnessed_at(note, witness.vkey()) == 1_700_000_060


def test_the_time_of_a_witness_cannot_be_changed() -> None:
    witness, message = _Witness("w"), notes.text(_CHECKPOINT)
    line = witness.line(message, 1_700_000_000)
    data = bytearray(base64.b64decode(line.split(" ")[2]))
    data[11] ^= 1
    with pytest.raises(TamperedError, match="signature by `w` is not valid"):
        notes.witnessed_at(notes.parse(f"{message}\n— w {base64.b64encode(bytes(data)).decode()}\n"), witness.vkey())


@pytest.mark.parametrize("at", [1 << 63, (1 << 64) - 1])
def test_a_time_that_no_clock_has_is_not_accepted(at: int) -> None:
    witness, message = _Witness("w"), notes.text(_CHECKPOINT)
    with pytest.raises(TamperedError, match="not valid"):
        notes.verify(notes.parse(f"{message}\n{witness.line(message, at)}"), witness.vkey())


def test_the_key_of_a_log_is_not_that_of_a_witness() -> None:
    key = notes.NoteKey.generate("a")
    with pytest.raises(AuditError, match="`a` is not the key of a witness"):
        notes.witnessed_at(notes.parse(_signed(key)), key.vkey())


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "a",
        "a+00000000",
        "a+00000000+AAAA",
        "a b+00000000+" + base64.b64encode(bytes([1]) + bytes(32)).decode(),
        "a+00000000+" + base64.b64encode(bytes([1]) + bytes(32)).decode(),
        "a+00000000+" + base64.b64encode(bytes([2]) + bytes(32)).decode(),
    ],
)
def test_what_is_no_verifier_key_is_said_to_be_none(vkey: str) -> None:
    note = notes.parse(_signed(notes.NoteKey.generate("a")))
    with pytest.raises(AuditError, match="is not a verifier key") as raised:
        notes.verify(note, vkey)
    assert not isinstance(raised.value, TamperedError)


@pytest.mark.parametrize("text", ["", "x", "PRIVATE" + "+KEY+a+00000000+AAAA", "PRIVATE" + "+KEY+a"])
def test_what_is_no_private_key_is_said_to_be_none(text: str) -> None:
    with pytest.raises(AuditError, match="not a key for notes"):
        notes.NoteKey.parse(text)


def test_a_private_key_that_was_changed_is_noticed() -> None:
    encoded = notes.NoteKey.generate("a").encoded()
    with pytest.raises(AuditError, match="was changed"):
        notes.NoteKey.parse(encoded.replace("+a+", "+b+"))


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "a\N{NO-BREAK SPACE}b", "a\u2028b"])
def test_a_key_cannot_have_a_name_that_a_note_cannot_hold(name: str) -> None:
    with pytest.raises(AuditError, match="name of a key"):
        notes.NoteKey.generate(name)


@pytest.mark.parametrize(
    "checkpoint",
    [("", 0, bytes(32), ()), ("a\nb", 0, bytes(32), ()), ("a", -1, bytes(32), ()), ("a", 1 << 63, bytes(32), ()),
     ("a", 0, bytes(31), ()), ("a", 0, bytes(32), ("",)), ("a", 0, bytes(32), ("x\ny",))],
)  # fmt: skip
def test_a_checkpoint_that_could_not_be_read_back_is_not_made(
    checkpoint: tuple[str, int, bytes, tuple[str, ...]],
) -> None:
    with pytest.raises(AuditError, match="a checkpoint needs"):
        notes.Checkpoint(*checkpoint)


_ROOT = base64.b64encode(bytes(32)).decode()
_LINE = "— a " + base64.b64encode(bytes(68)).decode() + "\n"


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        f"a\n1\n{_ROOT}\n",
        f"a\n1\n{_ROOT}\n\n",
        f"a\n1\n{_ROOT}\n\n{_LINE.strip()}",
        f"a\n1\n\n{_LINE}",
        f"a\n01\n{_ROOT}\n\n{_LINE}",
        f"a\n+1\n{_ROOT}\n\n{_LINE}",
        f"a\n1 \n{_ROOT}\n\n{_LINE}",
        f"a\n\N{ARABIC-INDIC DIGIT ONE}\n{_ROOT}\n\n{_LINE}",
        f"a\n99999999999999999999\n{_ROOT}\n\n{_LINE}",
        f"a\n9999999999999999999\n{_ROOT}\n\n{_LINE}",
        f"\n1\n{_ROOT}\n\n{_LINE}",
        f"a\r\n1\n{_ROOT}\n\n{_LINE}",
        f"a\n1\n{_ROOT[:-1]}\n\n{_LINE}",
        f"a\n1\n{_ROOT[:-2]}B=\n\n{_LINE}",
        f"a\n1\nAAAA\n\n{_LINE}",
        f"a\n1\n{_ROOT}\n\nx\n\n{_LINE}",
        f"a\n1\n{_ROOT}\n\n{_LINE.replace('— ', '- ')}",
        f"a\n1\n{_ROOT}\n\n— a\n",
        f"a\n1\n{_ROOT}\n\n— a AAAA\n",
        f"a\n1\n{_ROOT}\n\n— a+b {_LINE.split()[2]}\n",
        f"a\n1\n{_ROOT}\n\n— a b {_LINE.split()[2]}\n",
        f"a\n1\n{_ROOT}\n\n{_LINE * 101}",
        f"a\n1\n{_ROOT}\n\n{_LINE}x\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(TamperedError):
        notes.parse(note)


def test_as_many_signatures_as_witnesses_may_give_are_read() -> None:
    assert len(notes.parse(f"a\n1\n{_ROOT}\n\n{_LINE * 100}").signatures) == 100


_LINES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)


@given(_LINES, st.integers(0, (1 << 63) - 1), st.binary(min_size=32, max_size=32), st.lists(_LINES, max_size=3))
def test_every_checkpoint_comes_back_byte_for_byte(origin: str, size: int, root: bytes, more: list[str]) -> None:
    checkpoint = notes.Checkpoint(origin, size, root, tuple(more))
    key = notes.NoteKey.generate("k")
    note = notes.parse(_signed(key, checkpoint))
    assert note.checkpoint == checkpoint
    notes.verify(note, key.vkey())


@given(st.text())
def test_any_text_is_a_note_or_tampered(text: str) -> None:
    try:
        note = notes.parse(text)
    except TamperedError:
        return
    assert text.startswith(notes.text(note.checkpoint) + "\n")


@given(st.data())
def test_a_note_with_one_changed_character_never_verifies_as_another(data: st.DataObject) -> None:
    key = notes.NoteKey.generate("k")
    signed = _signed(key)
    at = data.draw(st.integers(0, len(signed) - 1))
    changed = signed[:at] + data.draw(st.characters(exclude_categories=["Cs"])) + signed[at + 1 :]
    if changed == signed:
        return
    with pytest.raises(TamperedError):
        notes.verify(notes.parse(changed), key.vkey())

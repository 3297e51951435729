import os
import stat
import subprocess
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.audit import bech32, keyfiles, seal
from wrapper.audit.age import passphrase
from wrapper.audit.age.asking import Nobody, NoTerminalError
from wrapper.audit.age.hybrid import HybridIdentity
from wrapper.audit.format import NoKeyError
from wrapper.audit.keyfiles import Reader
from wrapper.audit.keys import Keys
from wrapper.errors import AuditError, StateError


@dataclass
class Person:
    """Types one passphrase, and counts how often it is asked for it."""

    words: str
    asked: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        raise AssertionError(text)

    def line(self, prompt: str) -> str:
        raise AssertionError(prompt)

    def secret(self, prompt: str) -> str:
        self.asked.append(prompt)
        return self.words


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A passphrase that costs a millisecond: what a second of work is worth is not tested here."""
    monkeypatch.delenv("SAFE_AGENT_AUDIT_IDENTITY", raising=False)
    monkeypatch.setattr(passphrase.Passphrase.__init__, "__defaults__", (1,))


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_made_for_their_owner_only(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "config")
    assert keys.make() == ("audit.key", "audit.pub", "masking.key")
    assert (_mode(keys.folder), _mode(keys.identity_path), _mode(keys.masking_path)) == (0o700, 0o600, 0o600)


def test_making_twice_changes_nothing(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    before = {path.name: path.read_bytes() for path in keys.folder.iterdir()}
    assert keys.make() == ()
    assert {path.name: path.read_bytes() for path in keys.folder.iterdir()} == before


def test_processes_that_make_keys_at_once_agree(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    threads = [threading.Thread(target=keys.make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keys.load_recipients() == keys.load_identity().recipients()
    assert sorted(path.name for path in keys.folder.iterdir()) == ["audit.key", "audit.pub", "masking.key"]


def test_the_stock_age_works_with_both_files(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    environment = {"PATH": os.defpath}
    sealed = subprocess.run(
        ["age", "-R", keys.recipients_path], input=b"hello", capture_output=True, check=True, env=environment
    ).stdout
    opened = subprocess.run(
        ["age", "-d", "-i", keys.identity_path], input=sealed, capture_output=True, check=True, env=environment
    )
    assert opened.stdout == b"hello"


def test_a_private_key_taken_away_is_not_replaced(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    recipients = keys.load_recipients()
    keys.identity_path.unlink()
    assert keys.make() == ()
    assert keys.load_recipients() == recipients
    with pytest.raises(StateError, match="not on this machine"):
        keys.load_identity()


def test_a_lost_public_half_comes_back_from_the_private_one(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    recipients = keys.load_recipients()
    keys.recipients_path.unlink()
    assert keys.make() == ("audit.pub",)
    assert keys.load_recipients() == recipients


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
@pytest.mark.parametrize("name", ["audit.key", "masking.key"])
def test_a_private_key_open_to_others_is_refused_with_the_fix(tmp_path: Path, name: str, mode: int) -> None:
    keys = Keys(tmp_path)
    keys.make()
    (keys.folder / name).chmod(mode)
    with pytest.raises(StateError, match="open to other users") as raised:
        keys.load_identity() if name == "audit.key" else keys.masking_key()
    assert raised.value.hint == f"run `chmod 600 {keys.folder / name}`"


def test_missing_keys_say_how_to_make_them(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    for load in (keys.load_recipients, keys.load_identity, keys.masking_key):
        with pytest.raises(StateError) as raised:
            load()
        assert raised.value.hint == "run `safe-agent keys make`"


def test_a_masking_key_of_another_length_is_refused(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    keys.masking_path.write_bytes(b"short")
    with pytest.raises(StateError, match="5 bytes, not 32"):
        keys.masking_key()
    with pytest.raises(StateError):
        keys.make()


def test_recipients_may_have_comments_and_be_several(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    other = seal.Identity.generate().recipient()
    with keys.recipients_path.open("a") as file:
        file.write(f"# the second reviewer\n\n{other}\n")
    assert keys.load_recipients()[1:] == (other,)


@pytest.mark.parametrize("content", ["", "# nothing\n", "ssh-ed25519 AAAA\n", "AGE-SECRET" + "-KEY-1X\n"])
def test_a_recipients_file_with_something_else_is_refused(tmp_path: Path, content: str) -> None:
    keys = Keys(tmp_path)
    keys.make()
    keys.recipients_path.write_text(content)
    with pytest.raises(StateError):
        keys.load_recipients()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("# mine\nhello\n", "line 2 is no private key of age: a key is not in Bech32"),
        ("", "it holds no private key"),
        ("# mine\n", "it holds no private key"),
        ("age-encryption.org/v1\n-> scrypt", "it ends inside its header"),
        ("-----BEGIN AGE ENCRYPTED FILE-----\n", "its text form has no beginning or no end"),
    ],
)
def test_a_damaged_identity_file_is_named_with_what_is_wrong_and_never_quoted(
    tmp_path: Path, content: str, why: str
) -> None:
    keys = Keys(tmp_path, asking=Person("words"))
    keys.make()
    keys.identity_path.write_text(content)
    with pytest.raises(AuditError) as raised:
        keys.load_identity()
    assert raised.value.what == f"`{keys.identity_path}` is damaged: {why}"
    assert raised.value.hint == "restore it from your copy"


def test_a_mistyped_private_key_is_named_by_its_line_and_not_quoted(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    good = seal.Identity.generate().text()
    keys.identity_path.write_text(good + "\n" + good[:-1] + ("Q" if good[-1] != "Q" else "P") + "\n")
    with pytest.raises(AuditError, match="line 2") as raised:
        keys.load_identity()
    assert good[20:40].lower() not in (raised.value.what + raised.value.hint).lower()


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot write keys"):
        Keys(tmp_path / "file").make()


def test_a_hybrid_pair_is_made_where_it_is_asked_for(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make(hybrid=True)
    (recipient,) = keys.load_recipients()
    assert recipient.startswith("age1pq1")
    assert keys.load_identity().recipients() == (recipient,)


def test_a_key_made_under_a_passphrase_opens_with_it_alone(tmp_path: Path) -> None:
    person = Person("right")
    keys = Keys(tmp_path, asking=person)
    assert keys.make(words="right") == ("audit.key", "audit.pub", "masking.key")
    assert b"AGE-SECRET-KEY" not in keys.identity_path.read_bytes()
    assert _mode(keys.identity_path) == 0o600
    assert person.asked == []
    assert keys.load_identity().recipients() == keys.load_recipients()
    assert person.asked == [f"passphrase for `{keys.identity_path}`"]


def test_a_wrong_passphrase_is_one_clear_error(tmp_path: Path) -> None:
    Keys(tmp_path).make(words="right")
    with pytest.raises(NoKeyError) as raised:
        Keys(tmp_path, asking=Person("wrong")).load_identity()
    assert raised.value.what == f"this is not the passphrase of `{tmp_path / 'keys' / 'audit.key'}`"
    assert raised.value.exit_code == 13


def test_where_nobody_can_be_asked_for_the_passphrase_it_says_so(tmp_path: Path) -> None:
    Keys(tmp_path).make(words="right")
    with pytest.raises(NoTerminalError) as raised:
        Keys(tmp_path, asking=Nobody()).load_identity()
    assert raised.value.what.startswith("there is no terminal to ask for: passphrase for `")
    assert "SAFE_AGENT_AUDIT_IDENTITY" in raised.value.hint


def test_a_key_under_a_passphrase_is_checked_without_it_as_far_as_that_goes(tmp_path: Path) -> None:
    keys = Keys(tmp_path, asking=Nobody())
    keys.make(words="right")
    keys.check_identity()
    keys.identity_path.chmod(0o644)
    with pytest.raises(StateError, match="open to other users"):
        keys.check_identity()
    keys.identity_path.chmod(0o600)
    keys.identity_path.write_text("hello")
    with pytest.raises(AuditError, match="is damaged"):
        keys.check_identity()


@given(
    st.one_of(
        st.text(max_size=80),
        st.lists(st.sampled_from([*"aA1#\n-", "AGE-SECRET-KEY-", "PQ-1", "AGE-PLUGIN-X-1"])).map("".join),
    )
)
def test_any_text_is_an_identity_file_or_an_audit_error(text: str) -> None:
    try:
        found = seal.Identities.parse(text, Nobody())
    except AuditError:
        return
    assert seal.Identities.parse(found.text(), Nobody()) == found


def test_sessions_need_no_passphrase(tmp_path: Path) -> None:
    Keys(tmp_path).make(words="right")
    keys = Keys(tmp_path, asking=Nobody())
    assert keys.make() == ()
    assert len(keys.load_recipients()) == 1


def test_a_key_that_is_there_is_put_under_a_passphrase_once_and_stays_the_same(tmp_path: Path) -> None:
    keys = Keys(tmp_path, asking=Person("right"))
    keys.make()
    before = keys.load_identity()
    assert keys.protect("right")
    assert not keys.protect("other")
    assert keys.load_identity() == before
    assert _mode(keys.identity_path) == 0o600
    assert sorted(path.name for path in keys.folder.iterdir()) == ["audit.key", "audit.pub", "masking.key"]


def test_a_reader_is_added_once_with_its_name_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    (own,) = keys.load_recipients()
    keys.recipients_path.write_text(f"# ours\n{own}")  # without a line feed at its end
    team, other = (seal.Identity.generate().recipient() for _ in range(2))
    assert keys.add([Reader(team, "security team"), Reader(own)]) == (Reader(team, "security team"),)
    assert keys.add([Reader(other), Reader(team)]) == (Reader(other),)
    assert keys.readers() == (Reader(own), Reader(team, "security team"), Reader(other))
    assert keys.recipients_path.read_text().startswith(f"# ours\n{own}\n# name: security team\n")


_LOW_ORDER = bech32.encode("age", bytes(32))
_UNPLUGGED = bech32.encode("age1nowhere", b"x")


@pytest.mark.parametrize("wrong", ["age1", "ssh-ed25519 AAAA", "age1" + "q" * 58, "", _LOW_ORDER, _UNPLUGGED])
def test_what_no_session_could_encrypt_to_is_not_added_and_neither_is_what_stands_beside_it(
    tmp_path: Path, wrong: str
) -> None:
    keys = Keys(tmp_path)
    keys.make()
    before = keys.recipients_path.read_bytes()
    with pytest.raises(AuditError):
        keys.add([Reader(seal.Identity.generate().recipient()), Reader(wrong)])
    assert keys.recipients_path.read_bytes() == before


def test_processes_that_add_readers_at_once_lose_none(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    new = [Reader(seal.Identity.generate().recipient()) for _ in range(8)]
    threads = [threading.Thread(target=keys.add, args=([reader],)) for reader in new]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(keys.readers()[1:]) == set(new)


def test_after_a_rotation_new_logs_are_for_the_new_key_and_old_ones_still_open(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    team = Reader(seal.Identity.generate().recipient(), "security team")
    keys.add([team])
    (old, _) = keys.load_recipients()
    before = seal.encrypt([old], b"old")
    new = keys.rotate()
    assert keys.readers() == (Reader(new), team)
    assert keys.load_identity().recipients() == (new, old)
    assert seal.decrypt(before, [keys.load_identity()]) == b"old"
    assert seal.decrypt(seal.encrypt(keys.load_recipients(), b"new"), [keys.load_identity()]) == b"new"
    third = keys.rotate()
    assert keys.readers() == (Reader(third), team)
    assert keys.load_identity().recipients() == (third, new, old)


def test_a_rotation_keeps_the_passphrase_the_mode_and_the_kind(tmp_path: Path) -> None:
    keys = Keys(tmp_path, asking=Person("right"))
    keys.make(words="right", hybrid=True)
    assert keys.rotate().startswith("age1pq1")
    assert b"AGE-SECRET-KEY" not in keys.identity_path.read_bytes()
    assert _mode(keys.identity_path) == 0o600
    assert len(keys.load_identity().keys) == 2


def test_a_rotation_to_a_hybrid_pair_stays_hybrid(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    assert keys.rotate(hybrid=True).startswith("age1pq1")
    assert keys.rotate().startswith("age1pq1")
    assert isinstance(keys.load_identity().keys[-1], seal.Identity)


def test_a_rotation_where_the_two_files_are_two_pairs_changes_nothing(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    keys.identity_path.write_text(seal.Identity.generate().text())
    before = keys.identity_path.read_bytes(), keys.recipients_path.read_bytes()
    with pytest.raises(StateError, match="are two pairs"):
        keys.rotate()
    assert (keys.identity_path.read_bytes(), keys.recipients_path.read_bytes()) == before


def test_a_rotation_without_the_private_half_changes_nothing(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    keys.identity_path.unlink()
    before = keys.recipients_path.read_bytes()
    for change in (keys.rotate, partial(keys.protect, "words")):
        with pytest.raises(StateError, match="not on this machine"):
            change()
    assert keys.recipients_path.read_bytes() == before
    assert not keys.identity_path.exists()


def test_the_stock_age_works_with_both_files_after_a_rotation_and_with_a_further_reader(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    before = seal.encrypt(keys.load_recipients(), b"before")
    keys.rotate()
    keys.add([Reader(seal.Identity.generate().recipient(), "security team")])
    environment = {"PATH": os.defpath}
    after = subprocess.run(
        ["age", "-R", keys.recipients_path], input=b"after", capture_output=True, check=True, env=environment
    ).stdout
    for sealed, content in ((before, b"before"), (after, b"after")):
        opened = subprocess.run(
            ["age", "-d", "-i", keys.identity_path], input=sealed, capture_output=True, check=True, env=environment
        )
        assert opened.stdout == content


def test_a_key_kept_elsewhere_is_read_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(tmp_path / "config")
    keys.make()
    kept = tmp_path / "kept.key"
    keys.identity_path.rename(kept)
    assert not keys.has_identity()
    assert Keys(tmp_path / "config", identity=kept).load_identity().recipients() == keys.load_recipients()
    monkeypatch.setenv("SAFE_AGENT_AUDIT_IDENTITY", str(kept))
    assert keys.has_identity()
    assert keys.load_identity().recipients() == keys.load_recipients()
    kept.chmod(0o644)
    with pytest.raises(StateError, match="open to other users"):
        keys.load_identity()
    kept.unlink()
    with pytest.raises(StateError) as raised:
        keys.load_identity()
    assert raised.value.what == f"`{kept}` is missing"
    assert keys.has_identity()  # a name that is wrong must be heard of


def test_a_key_kept_elsewhere_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "kept.key"
    kept.write_text(HybridIdentity.generate().text())
    kept.chmod(0o600)
    before = kept.read_bytes()
    monkeypatch.setenv("SAFE_AGENT_AUDIT_IDENTITY", str(kept))
    keys = Keys(tmp_path / "config")
    assert keys.make() == ("audit.key", "audit.pub", "masking.key")
    keys.rotate()
    assert keys.protect("words")
    assert kept.read_bytes() == before


_lines = st.lists(st.sampled_from(["age1aa", "age1bb", "age1cc", "# name: x", "# name:y", "# other", "", "  age1dd  "]))


@given(_lines, st.lists(st.builds(Reader, st.sampled_from(["age1ee", "age1ff"]), st.sampled_from(["", "a b"]))))
def test_readers_that_are_appended_are_read_and_those_before_stay(lines: list[str], more: list[Reader]) -> None:
    text = "\n".join(lines)
    before = keyfiles.read(text)
    after = keyfiles.read(keyfiles.appended(text, more))
    assert [one.recipient for one in after] == [one.recipient for one in (*before, *more)]
    assert after[: len(before)] == before
    assert [one.name for one in after[len(before) + 1 :]] == [one.name for one in more[1:]]


@given(_lines)
def test_a_recipient_that_is_replaced_is_gone_and_its_successor_stands_there_once(lines: list[str]) -> None:
    text = "\n".join(lines)
    after = [one.recipient for one in keyfiles.read(keyfiles.replaced(text, {"age1aa": "age1zz", "age1bb": "age1zz"}))]
    before = [one.recipient for one in keyfiles.read(text)]
    assert [one for one in after if one != "age1zz"] == [one for one in before if one not in ("age1aa", "age1bb")]
    assert after.count("age1zz") == (1 if {"age1aa", "age1bb"} & set(before) else 0)

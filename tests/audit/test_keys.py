import os
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from wrapper.audit import seal
from wrapper.audit.keys import Keys
from wrapper.errors import AuditError, StateError


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
    assert keys.load_recipients() == (keys.load_identity().recipient(),)
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


def test_an_identity_file_with_something_else_is_refused(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make()
    keys.identity_path.write_text("hello\n")
    with pytest.raises(AuditError):
        keys.load_identity()


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot write keys"):
        Keys(tmp_path / "file").make()

"""What the user has answered for good, on disk."""

import json
import os
from pathlib import Path

import pytest

from tests.machine import ORDINARY
from wrapper.guard.remembered import Remembered

ONE, TWO = "11" * 32, "22" * 32


class Shelf:
    """A configuration folder with sessions in one workspace or another."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "config" / "answers.json"
        self.warned: list[str] = []
        self._folder = folder

    def session(self, workspace: str = "work") -> Remembered:
        return Remembered(self.file, self._folder / workspace, self.warned.append)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_an_answer_holds_for_its_workspace_and_key_only(shelf: Shelf) -> None:
    shelf.session().keep(ONE, "always", "words")
    shelf.session().keep(TWO, "never", "words")
    shelf.session("other").keep(ONE, "never", "words")
    assert [shelf.session(where).choice(key) for where in ("work", "other") for key in (ONE, TWO)] == [
        "always",
        "never",
        "never",
        "",
    ]
    assert shelf.session("third").choice(ONE) == ""
    assert shelf.warned == []


def test_a_later_answer_takes_the_place_of_an_earlier_one(shelf: Shelf) -> None:
    for choice in ("always", "never"):
        shelf.session().keep(ONE, choice, "words")
    assert shelf.session().choice(ONE) == "never"
    assert len(json.loads(shelf.file.read_text())["answers"]) == 1


def test_a_running_session_sees_what_others_add_and_the_user_deletes(shelf: Shelf) -> None:
    running = shelf.session()
    assert running.choice(ONE) == ""
    shelf.session().keep(ONE, "always", "words")
    assert running.choice(ONE) == "always"
    running.keep(TWO, "always", "words")
    shelf.file.unlink()
    assert running.choice(ONE) == running.choice(TWO) == ""


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"version":2,"answers":[]}', b'{"version":1,"answers":[{"key":"x"}]}', b"\xff\xfe"],
)
def test_a_damaged_file_remembers_nothing_is_said_once_and_left_alone(shelf: Shelf, content: bytes) -> None:
    shelf.file.parent.mkdir()
    shelf.file.write_bytes(content)
    session = shelf.session()
    assert session.choice(ONE) == session.choice(TWO) == ""
    session.keep(ONE, "always", "words")
    assert session.choice(ONE) == "always", "as long as this session"
    assert shelf.session().choice(ONE) == ""
    assert shelf.file.read_bytes() == content
    assert len(set(shelf.warned)) == 1
    assert "is damaged; look at it, then delete it" in shelf.warned[0]


def test_a_choice_that_is_none_of_ours_is_damage(shelf: Shelf) -> None:
    shelf.session().keep(ONE, "always", "words")
    shelf.file.write_text(shelf.file.read_text().replace('"always"', '"yes"'))
    assert shelf.session().choice(ONE) == ""
    assert "damaged" in shelf.warned[0]


def test_a_file_that_somebody_else_could_have_written_is_not_believed(shelf: Shelf) -> None:
    shelf.session().keep(ONE, "always", "words")
    shelf.file.chmod(0o620)
    assert shelf.session().choice(ONE) == ""
    assert "could have been written by somebody else" in shelf.warned[0]


def test_a_link_or_another_users_file_is_not_believed(shelf: Shelf) -> None:
    shelf.session().keep(ONE, "always", "words")
    elsewhere = shelf.file.rename(shelf.file.with_name("elsewhere"))
    shelf.file.symlink_to(elsewhere)
    assert shelf.session().choice(ONE) == ""
    shelf.file.unlink()
    elsewhere.rename(shelf.file)
    assert shelf.session().choice(ONE) == "always"
    if os.geteuid() == 0:
        os.chown(shelf.file, ORDINARY, ORDINARY)
        assert shelf.session().choice(ONE) == ""


def test_without_a_file_answers_last_as_long_as_the_session(tmp_path: Path) -> None:
    session = Remembered(None, tmp_path, lambda _text: None)
    session.keep(ONE, "never", "words")
    assert session.choice(ONE) == "never"


def test_a_folder_that_cannot_be_written_is_said(shelf: Shelf) -> None:
    shelf.file.parent.parent.joinpath("config").write_text("a file")
    session = shelf.session()
    session.keep(ONE, "always", "words")
    assert session.choice(ONE) == "always"
    assert "cannot be written" in shelf.warned[0]


def test_a_workspace_whose_name_is_no_unicode_has_its_own(shelf: Shelf) -> None:
    shelf.session("work\udcff").keep(ONE, "always", "words")
    assert shelf.session("work\udcff").choice(ONE) == "always"
    assert shelf.session("work").choice(ONE) == ""

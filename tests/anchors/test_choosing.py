from pathlib import Path

import pytest

from tests.fakes.witness import Cosigner
from wrapper.anchors.choosing import parse_anchor
from wrapper.errors import AuditError


@pytest.mark.parametrize("kind", ["file:{}/notes", "file:{}/ledger/000001.alog", "git:{}/sessions", "file:{}"])
def test_a_place_inside_the_state_folder_is_no_anchor(tmp_path: Path, kind: str) -> None:
    with pytest.raises(AuditError, match="lies in safe-agent's own state folder"):
        parse_anchor(kind.format(tmp_path), tmp_path)


def test_a_link_into_the_state_folder_is_none_either(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "state")
    with pytest.raises(AuditError, match="own state folder"):
        parse_anchor(f"file:{tmp_path}/link/notes", tmp_path / "state")


def test_what_is_no_anchor_is_refused_with_the_way_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="`ftp:/x` is no anchor") as caught:
        parse_anchor("ftp:/x", tmp_path)
    assert "file:PATH" in caught.value.hint


def test_a_home_folder_is_put_in_place_of_its_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    anchor = parse_anchor("file:~/notes", tmp_path / "state")
    assert (anchor.where, anchor.get()) == ("file:~/notes", [])


def test_only_a_witness_is_asked(tmp_path: Path) -> None:
    texts = ("file:/a", "git:/a", "s3:bucket/a", f"witness:https://w.example#{Cosigner().vkey}")
    assert [parse_anchor(text, tmp_path).asks for text in texts] == [False, False, False, True]

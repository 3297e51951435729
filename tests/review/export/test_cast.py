import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from tests.browser import Page
from tests.review.export import strange
from tests.review.export.session import numbered, session, shown
from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.errors import AuditError
from wrapper.review.export import cast

_VENDOR = Path(cast.__file__).parent / "vendor"


def exported(records: list[Record]) -> list[Any]:
    out = io.BytesIO()
    cast.export(records, out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_header_says_when_what_and_how_large() -> None:
    header, *entries = exported(session())
    assert (header["version"], header["term"], header["timestamp"]) == (3, {"cols": 40, "rows": 10}, 1000)
    assert header["title"] == "claude in /work/project"
    assert [entry[1] for entry in entries] == ["o", "i", "m", "m", "o", "m", "m", "r", "o", "o", "x"]


def test_prompts_and_calls_are_markers_where_they_happened() -> None:
    _, *entries = exported(session())
    at, markers = 0.0, {}
    for passed, code, data in entries:
        at += passed
        if code == "m":
            markers[data] = round(at, 3)
    assert markers == {
        "prompt: Make it say goodbye.": 3.0,
        "$ cat .env": 4.0,
        "Edit: /work/project/app.py": 7.0,
        "mcp__wiki__search": 7.0,
    }


def test_a_resize_and_the_exit_code_are_in_it() -> None:
    _, *entries = exported(session())
    assert [data for _, code, data in entries if code in "rx"] == ["60x12", "3"]


def test_what_would_act_on_a_terminal_beside_painting_is_left_out_even_in_pieces() -> None:
    pieces = ["\x1b]52;c;", "aGk=\x07A\x1b[6", "n\x1b[31mB\x1b]0;title\x1b\\", "\x1bP$q q\x1b\\C"]
    _, *entries = exported(numbered(shown(1.0, piece) for piece in pieces))
    assert "".join(data for _, code, data in entries if code == "o") == "A\x1b[31mBC"


def test_a_letter_that_came_in_two_records_is_whole() -> None:
    _, *entries = exported(numbered([shown(1.0, b"\xe2\x82"), shown(2.0, b"\xac")]))
    assert [data for _, code, data in entries if code == "o"] == ["€"]


def test_output_of_a_pipe_begins_its_lines_at_the_left() -> None:
    header, *entries = exported(numbered([shown(1.0, "one\ntwo\n", "stdout")]))
    assert header["term"] == {"cols": 80, "rows": 24}
    assert entries == [[1.0, "o", "one\r\ntwo\r\n"]]


def test_a_session_that_showed_nothing_is_a_recording_all_the_same() -> None:
    header, *entries = exported(numbered([events.Warned(at=1.0, text="x")]))
    assert (header["version"], entries) == (3, [])


def test_what_was_good_before_a_damage_is_there_and_the_error_comes_through() -> None:
    def records() -> Any:
        yield from session()[:4]
        raise AuditError("bad frame")

    out = io.BytesIO()
    with pytest.raises(AuditError, match="bad frame"):
        cast.export(records(), out)
    assert len(out.getvalue().splitlines()) == 2


@given(strange.RECORDS)
def test_whatever_the_events_it_is_ascii_that_a_player_reads(records: list[Record]) -> None:
    out = io.BytesIO()
    cast.export(records, out)
    assert out.getvalue().isascii()
    header, *entries = (json.loads(line) for line in out.getvalue().splitlines())
    assert 1 <= header["term"]["cols"] <= 1000
    assert all(0 <= passed < 1e9 and code in "oimrx" and isinstance(data, str) for passed, code, data in entries)


def _played(page: Page, folder: Path, recording: bytes) -> Page:
    """Open a page that has asciinema's player and nothing of ours around it."""
    player = (_VENDOR / "asciinema-player.min.js").read_text()
    text = json.dumps(recording.decode()).replace("<", "\\u003c")
    path = folder / "player.html"
    path.write_text(
        f"<!doctype html><meta charset=utf-8><div id=p></div><script>{player}</script><script>"
        f"var player = AsciinemaPlayer.create({{data: {text}}}, document.getElementById('p'), {{preload: true}});"
        "var markers = []; player.addEventListener('marker', e => markers.push([e.time, e.label]));</script>"
    )
    page.open(path)
    page.wait("document.querySelector('.ap-term')")
    return page


_SCREEN = (
    "[...document.querySelectorAll('.ap-term .ap-line')].map(l => l.textContent.trimEnd()).filter(Boolean).join('|')"
)
_SHOWN = {
    1.5: "welcome|>",
    5.0: "welcome|> I look around.",
    100.5: "welcome|> I look around.|changed app.py|bye",
}


def test_asciinemas_own_player_plays_it(page: Page, tmp_path: Path) -> None:
    out = io.BytesIO()
    cast.export(session(), out)
    _played(page, tmp_path, out.getvalue())
    for at, screen in _SHOWN.items():
        page.ask(f"player.seek({at})")
        page.wait(f"{_SCREEN} === {json.dumps(screen)}")
    assert round(page.ask("player.getDuration()")) == 101
    assert page.console == []

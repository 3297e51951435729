"""The page of what left, built from real logs and looked at in a real browser."""

import html
import json
import re
import secrets
from pathlib import Path

import pytest

from tests.audit.recording import Home, ended, home, start_event
from tests.browser import Page
from wrapper.audit import events, reader
from wrapper.review.answering import Outcome, answered
from wrapper.review.export.leftreport import report
from wrapper.review.looking import Looking, Window, books
from wrapper.review.revisions import Version
from wrapper.review.sought import File, Sought

_EVIL = "<img src=x onerror=alert(1)>\u202e</code><script>alert(2)</script>"
_LINES = [f"price of the item {number} is {number * 37}" for number in range(30)]
_STAYED = "this line never left, and is nobody's business but ours"


def _request(number: int, text: str, **changes: object) -> events.Request:
    fields: dict[str, object] = {
        "at": 1_700_000_000.0 + number,
        "number": number,
        "method": "POST",
        "url": "https://api.invalid/v1/messages",
        "headers": {},
        "body": json.dumps({"model": "m-1", "messages": [{"role": "user", "content": text}]}).encode(),
    }
    return events.Request(**fields | changes)  # type: ignore[arg-type]


def _outcome(user: Home, files: list[File]) -> Outcome:
    sought = Sought.of(files)
    looking = Looking(sought, books(user.state), user.keys.load_identity(), Window())
    seen = [looking.through(one) for one in reader.list_sessions(user.state)]
    return answered(sought, seen, books(user.state).fault, Window())


def _file(name: str, text: str, when: str = "the working copy") -> File:
    return File(name, frozenset({f"/work/project/{name}"}), (Version(when, name, text.encode()),))


@pytest.fixture
def made(tmp_path: Path) -> tuple[str, str]:
    """The page as text, and a secret that a placeholder left for."""
    user, value = home(tmp_path), secrets.token_urlsafe(40)
    settings = (
        f"# the settings of the service are these\nUSER=nobody-in-particular\nKEY={value}\nPORT=8080 of this host\n"
    )
    hostile = f"{_EVIL} and some more text, so that it is long enough\n"
    text = "\n".join([*_LINES[:10], _STAYED, *_LINES[10:], _STAYED])
    requests = [
        _request(1, "\n".join(_LINES[2:10]), account="Claude login MASKED-API-KEY-0123ABCD"),
        _request(2, settings.replace(value, "MASKED-API-KEY-0123ABCD")),
        _request(3, hostile, url=f"https://api.invalid/{_EVIL}", upstream=_EVIL, account=_EVIL),
    ]
    user.write("s-1", [start_event(workspace=f"/work/{_EVIL}"), *requests, ended()])
    files = [
        _file("prices.txt", text),
        _file("settings.ini", settings),
        _file(_EVIL, hostile, _EVIL),
        _file("quiet.txt", f"{_STAYED}\n" * 3),
    ]
    return "".join(report(_outcome(user, files), made=1_700_000_100.0)), value


def test_the_page_shows_what_left_and_no_byte_that_did_not(made: tuple[str, str]) -> None:
    page, value = made
    marked = [html.unescape(line) for line in re.findall("<mark>(.*?)</mark>", page)]
    assert marked[:8] == _LINES[2:10]
    assert "KEY=" in marked
    assert value not in page
    assert _STAYED not in html.unescape(page)
    assert "lines 11 to 32 not found in any request" in page
    assert "this machine has no ledger" in page
    assert "quiet.txt" in page


def test_it_looks_right_and_nothing_hostile_runs_in_a_browser(
    page: Page, made: tuple[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "left.html"
    path.write_text(made[0])
    for width in (1280, 390):
        page.open(path, width=width)
        page.screenshot(tmp_path / f"left-{width}.png", whole=True)
        assert page.requests == [path.resolve().as_uri()]
        assert (page.dialogs, page.console, page.stopped()) == ([], [], [])
        assert page.ask("document.documentElement.scrollWidth") <= width
        assert page.ask("document.querySelectorAll('script, img').length") == 0
        assert page.ask("getComputedStyle(document.querySelector('mark')).backgroundColor") != "rgba(0, 0, 0, 0)"
    assert page.ask("document.querySelector('h1').textContent") == "What left: prices.txt and 3 other files"
    assert page.ask("[...document.querySelectorAll('.hidden')].map(one => one.textContent)") == ["masked"]
    headings = page.ask("[...document.querySelectorAll('h2')].map(one => one.textContent)")
    assert headings[0] == "What is not known: more may have left"
    assert headings[-1] == "How to check this"

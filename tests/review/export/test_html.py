import hashlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.browser import Page
from tests.review.export import strange
from tests.review.export.session import happened, numbered, session, shown
from wrapper.audit import events
from wrapper.audit.reader import Record
from wrapper.errors import AuditError
from wrapper.review.export import html
from wrapper.review.export.gathering import Limits

_VENDOR = Path(html.__file__).parent / "vendor"
_SUMS = {
    "asciinema-player.min.js": "a13c37632e1b5c49fe9128417b9319a9b5bc64cb457dd5ae52cbba8a3aceb880",
    "asciinema-player.css": "f619fe17597043564f03b2c6918b3daf890ee8b912fb408542fba11afade4fdb",
    "asciinema-player.LICENSE": "63422284ed65be54ab38d8a94e7518d27e222fbb26c9ae4cd984c63926e91c12",
}
_TERMINAL = (
    "[...document.querySelectorAll('.ap-term .ap-line')].map(l => l.textContent.trimEnd()).filter(Boolean).join('|')"
)
_VISIBLE = "[...document.querySelectorAll('.row')].filter(r => !r.hidden).map(r => r.dataset.kind)"
_CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const numbers = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (rgb) => rgb.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = numbers(getComputedStyle(node).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || node.closest('#player, script, noscript, svg')) continue;
    const [one, two] = [light(numbers(getComputedStyle(node).color)), light(behind(node))].sort((a, b) => b - a);
    if ((one + 0.05) / (two + 0.05) < 4.5) poor.push(node.className + ': ' + walker.currentNode.data.trim().slice(0, 40));
  }
  return [...new Set(poor)];
})()"""


def exported(records: Any = None, **more: Any) -> bytes:
    out = io.BytesIO()
    html.export(session() if records is None else records, out, **more)
    return out.getvalue()


def opened(page: Page, folder: Path, **window: Any) -> Page:
    """Open the page of the whole session and wait for its player."""
    path = folder / "session.html"
    path.write_bytes(exported(state="sealed"))
    page.open(path, **window)
    page.wait("document.querySelector('.ap-term')")
    return page


def click(page: Page, selector: str, number: int = 0) -> None:
    page.ask(f"document.querySelectorAll({selector!r})[{number}].click()")


def test_the_same_log_gives_the_same_bytes() -> None:
    assert exported() == exported()


def test_the_player_is_the_one_that_was_looked_at() -> None:
    assert {name: hashlib.sha256((_VENDOR / name).read_bytes()).hexdigest() for name in _SUMS} == _SUMS


def test_every_row_stands_in_the_page_before_any_script_runs() -> None:
    text = exported().decode()
    rows = re.findall(r'<li class="row" id="([^"]+)" data-kind="(\w+)"', text)
    assert len({name for name, _ in rows}) == len(rows)
    kinds = [kind for _, kind in rows]
    for kind in (
        "start",
        "prompt",
        "answer",
        "call",
        "result",
        "change",
        "read",
        "redacted",
        "judged",
        "network",
        "end",
    ):
        assert kind in kinds


def test_the_page_fetches_nothing_and_breaks_none_of_its_own_rules(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path)
    assert page.requests == [(tmp_path / "session.html").as_uri()]
    assert (page.dialogs, page.console, page.stopped()) == ([], [], [])
    assert "default-src 'none'" in page.ask("document.querySelector('meta[http-equiv]').content")


def test_its_own_rules_stop_what_would_be_fetched_or_run(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path)
    page.ask("(() => { const i = new Image(); i.src = 'http://127.0.0.1:9/x'; document.body.append(i); })()")
    page.ask(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s); })()"
    )
    page.wait("__stopped.length >= 2")
    assert page.ask("window.ran") is None


def test_a_row_shows_its_moment_in_the_player(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path)
    click(page, ".row[data-kind=call] .jump")
    page.wait(f"{_TERMINAL} === 'welcome|>'")
    assert page.ask("document.querySelector('[aria-current]').dataset.kind") == "call"
    click(page, ".row[data-kind=end] .jump")
    page.wait(f"{_TERMINAL} === 'welcome|> I look around.|changed app.py|bye'")


def test_long_pauses_are_shortened_and_the_timeline_keeps_the_real_times(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path)
    end = page.ask(
        "(r => [Number(r.dataset.at), r.querySelector('time').textContent])(document.querySelector('.row[data-kind=end]'))"
    )
    assert end[0] < 20
    assert end[1] == "1:41"


def test_a_dot_of_the_chart_seeks_too(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path)
    assert page.ask("[...document.querySelectorAll('.lane-name')].map(l => l.textContent).filter(Boolean)") == [
        "STRIPE-KEY", "CARD", "EMAIL", "GITHUB-TOKEN", "IBAN", "FILES",
    ]  # fmt: skip
    page.ask("document.querySelector('.dot.monitored').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    assert page.ask("document.querySelector('[aria-current]').dataset.kind") in ("redacted", "prompt", "network")


def test_what_left_as_it_is_is_counted_apart() -> None:
    text = exported().decode()
    assert '<li class="alarm"><b>1</b><span>noted, not masked</span></li>' in text
    assert "<b>5</b><span>times a value was masked</span>" in text


def test_search_finds_in_titles_and_in_what_is_folded(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path)
    page.press("/")
    for letter in "cat .ENV":
        page.press(letter)
    page.wait("document.querySelector('#count').textContent.startsWith('2 of')")
    assert page.ask(_VISIBLE) == ["call", "result"]
    assert page.ask("CSS.highlights.get('found').size") >= 2
    page.press("Enter")
    assert page.ask("document.activeElement.closest('.row').dataset.kind") == "call"
    page.press("j")
    assert page.ask("document.activeElement.closest('.row').dataset.kind") == "result"
    page.press("/", "Escape")
    assert page.ask("document.querySelector('#search').value") == ""
    assert len(page.ask(_VISIBLE)) > 20


def test_a_search_for_nothing_that_is_there_says_so(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path)
    page.ask("(s => { s.value = 'xyzzy'; s.dispatchEvent(new Event('input')); })(document.querySelector('#search'))")
    page.wait("!document.querySelector('#none').hidden")
    assert page.ask(_VISIBLE) == []


def test_kinds_are_shown_and_hidden_by_their_boxes(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path)
    assert "output" not in page.ask(_VISIBLE)
    click(page, ".kinds input[value=output]")
    assert "output" in page.ask(_VISIBLE)
    click(page, "#all")
    click(page, "#all")
    assert page.ask(_VISIBLE) == []


def test_a_difference_is_coloured(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path)
    row = "[...document.querySelectorAll('.row[data-kind=call]')].find(r => r.querySelector('.add'))"
    assert page.ask(f"{row}.querySelector('.add').textContent") == "+print('goodbye')\n"
    assert page.ask(f"{row}.querySelector('.del').textContent") == "-print('hello')\n"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_told_from_what_is_behind_it(page: Page, tmp_path: Path, *, dark: bool) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5."""
    opened(page, tmp_path, dark=dark)
    assert page.ask(_CONTRAST) == []
    click(page, "#theme")
    assert page.ask(_CONTRAST) == []
    assert page.ask("document.documentElement.dataset.theme") == ("light" if dark else "dark")


def test_every_control_has_a_name_that_is_read_out(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path)
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    controls = [one for one in nodes if one.get("role", {}).get("value") in ("button", "checkbox", "searchbox", "link")]
    assert len(controls) > 30
    assert [one for one in controls if not one["ignored"] and not one.get("name", {}).get("value")] == []


@pytest.mark.parametrize("width", [320, 390, 1280, 1920])
def test_nothing_stands_beyond_the_edge_at_any_width(page: Page, tmp_path: Path, width: int) -> None:
    opened(page, tmp_path, width=width, height=844)
    assert page.ask("document.documentElement.scrollWidth") <= width
    assert len(page.screenshot(tmp_path / "shot.png")) > 10_000


def test_printed_it_is_unfolded(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path)
    closed = "document.querySelectorAll('.row:not([hidden]) details:not([open])').length"
    before = page.ask(closed)
    assert before > 0
    page.ask("dispatchEvent(new Event('beforeprint'))")
    assert page.ask(closed) == 0
    page.ask("dispatchEvent(new Event('afterprint'))")
    assert page.ask(closed) == before
    assert len(page.send("Page.printToPDF")["data"]) > 10_000


def test_a_long_recording_ends_where_the_page_says(page: Page, tmp_path: Path) -> None:
    output = [shown(1_000.0 + at, f"line {at}\r\n" * 20) for at in range(50)]
    path = tmp_path / "long.html"
    path.write_bytes(exported(numbered([*happened()[:1], *output]), limits=Limits(recording=2_000)))
    page.open(path)
    page.wait("document.querySelector('.ap-term')")
    assert "The terminal is shown up to 0:12" in page.ask(
        "document.querySelector('.banner').nextElementSibling.textContent"
    )
    click(page, ".row[data-kind=output] .jump")
    assert path.stat().st_size < 320_000


def test_a_long_timeline_ends_where_the_page_says() -> None:
    text = exported(
        numbered(events.Warned(at=1.0, text="x" * 50) for _ in range(100)), limits=Limits(moments=10)
    ).decode()
    assert text.count('class="row"') == 10
    assert "90 later moments are not in this page" in text
    shorter = exported(
        numbered(events.Warned(at=1.0, text="x" * 50) for _ in range(100)), limits=Limits(text=500)
    ).decode()
    assert shorter.count('class="row"') == 10


def test_a_damaged_log_gives_what_was_good_says_so_and_fails() -> None:
    def records() -> Any:
        yield from session()[:12]
        raise AuditError("frame 12: <b>bad</b>")

    out = io.BytesIO()
    with pytest.raises(AuditError):
        html.export(records(), out)
    text = out.getvalue().decode()
    assert "this page ends there: frame 12: &lt;b&gt;bad" in text
    assert text.endswith("</html>\n")


def test_a_session_without_a_terminal_and_without_secrets_says_so() -> None:
    text = exported(numbered([events.Warned(at=1.0, text="x")])).decode()
    assert "Nothing was written to a terminal." in text
    assert "Nothing was masked in this session." in text


def test_an_open_log_is_said_to_be_open() -> None:
    assert "was not sealed" in exported(state="open").decode()
    assert "was not sealed" not in exported(state="sealed").decode()


@settings(max_examples=40)
@given(strange.RECORDS)
def test_whatever_the_events_it_is_a_page_with_visible_letters_only(records: list[Record]) -> None:
    text = exported(records).decode()
    ours = text.partition("<body>")[2].partition('<script type="application/json"')
    assert ours[0].replace("\n", "").isprintable()
    assert ours[2].partition("</script>")[0].isascii()

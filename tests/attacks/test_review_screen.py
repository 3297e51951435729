"""Promise 2 after the session: what an agent made a log say must not act on the terminal of whoever looks at it later.

On the screen of `safe-agent audit` two languages lie in wait for such a text: that of the terminal (control sequences,
directions of writing), and the markup of the toolkit, in which `[@click=app.quit]` is a button and `[link="…"]` a link.
"""

import json
from pathlib import Path

import pytest
from textual.content import Content
from textual.widgets import Static

from tests.audit.recording import home, start_event, warned
from tests.review.app.scenes import Asked, Show, desk, showing
from wrapper.audit import events
from wrapper.review.app.hits import Hits
from wrapper.review.app.rows import Rows
from wrapper.review.app.session import SessionScreen

MARKUP = '[@click=app.quit]press[/][link="https://evil.invalid"]here[/link][red]danger[/red]'
CONTROLS = "\x1b]52;c;cHduZWQ=\x07\x1b]0;owned\x07\x1b[2J\x1b[6n\x9b31m\r\x7f\u202eevil\u200b\u2028\x00\ud800"
HOSTILE = MARKUP + CONTROLS.replace("\ud800", "")
_TEXT = {"type": "text", "text": HOSTILE}
_CALL = {"type": "tool_use", "id": HOSTILE, "name": HOSTILE, "input": {HOSTILE: HOSTILE, "command": HOSTILE}}

EVENTS: list[events.Event] = [
    start_event(workspace=HOSTILE, argv=(HOSTILE,), user=HOSTILE, agent=HOSTILE, degraded=(HOSTILE,), view=HOSTILE),
    events.Output(at=1_001.0, stream="tty", data=HOSTILE.encode() + b"\xff\x9b2J"),
    events.Output(at=1_001.0, stream=HOSTILE, data=HOSTILE.encode()),
    events.Typed(at=1_001.0, data=HOSTILE.encode()),
    events.Request(
        at=1_002.0,
        number=1,
        method=HOSTILE,
        url=HOSTILE,
        headers={HOSTILE: HOSTILE},
        body=json.dumps(
            {
                "model": HOSTILE,
                "tools": [{}],
                "messages": [{"role": "user", "content": [_TEXT]}, {"role": "assistant", "content": [_TEXT, _CALL]}],
            }
        ).encode(),
    ),
    events.Refused(at=1_003.0, number=1, method=HOSTILE, url=HOSTILE, reason=HOSTILE),
    events.Judged(at=1_003.0, number=1, about=HOSTILE, rule=HOSTILE, action=HOSTILE, reason=HOSTILE, by=HOSTILE),
    events.Connection(at=1_003.0, host=HOSTILE, port=1, allowed=True, rule=HOSTILE),
    events.FileChange(at=1_003.0, path=HOSTILE, action=HOSTILE, target=HOSTILE, by=HOSTILE, process=HOSTILE),
    events.FilesRead(at=1_003.0, files=((HOSTILE, 1.0, 1),)),
    events.Redacted(at=1_003.0, kind=HOSTILE, placeholder=HOSTILE, place=HOSTILE, where=HOSTILE, rule=HOSTILE),
    warned(HOSTILE),
    events.SessionEnd(at=float("inf"), exit_code=1, reason=HOSTILE),
]


def assert_harmless(show: Show) -> None:
    """Check what the terminal is sent: no character acts, no piece of it is a button or a link."""
    for strip in show.app.screen._compositor.render_strips():
        assert strip.text.isprintable(), ascii(strip.text)
        for segment in strip:
            assert segment.style is None or segment.style.link is None
            assert segment.style is None or "@click" not in segment.style.meta


@pytest.mark.parametrize("size", [(80, 24), (420, 50)], ids=["cut", "whole"])
def test_promise_2_no_text_of_a_log_acts_on_the_screen_or_becomes_a_button(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """Every field of every event, in the list, the timeline, the text, the terminal, the search, and the windows."""
    user = home(tmp_path)
    user.write("s-1", EVENTS)

    async def act(show: Show) -> None:
        await show.sees("[@click" if size[0] > 100 else "[red]danger")
        assert_harmless(show)
        await show.reads()
        for _ in range(len(show.session.timeline.items)):
            await show.pilot.pause()
            assert_harmless(show)
            await show.press("J")
        assert sum("[red]danger[/red]" in title for title in show.titles) > 5
        await show.press("f")
        assert_harmless(show)
        await show.press("escape", "s")
        await show.until(lambda: "terminal" in show.session.text.text)
        assert_harmless(show)
        await show.press("slash", *"danger", "enter")
        await show.until(lambda: isinstance(show.app.screen, Hits) and len(show.app.screen.hits.items) > 5)
        assert_harmless(show)

    showing(desk(user, Asked()), act, size)


def test_promise_2_a_click_on_markup_in_a_log_does_nothing_but_move_the_cursor(tmp_path: Path) -> None:
    """Each cell of a row that holds a button in the toolkit's markup."""
    user = home(tmp_path)
    user.write("s-1", [start_event(), warned(MARKUP), warned(MARKUP)])

    async def act(show: Show) -> None:
        await show.reads()
        for column in range(20, 56, 2):
            await show.pilot.click("#timeline", offset=(column, 1))
            await show.pilot.pause(0.6 if column == 20 else 0)
            assert show.app.is_running
        assert show.app._exit is False
        assert show.app.screen.query_one("#timeline", Rows).cursor == 1

    showing(desk(user, Asked()), act)


@pytest.mark.parametrize("said", [MARKUP, "[", "]", "[/]", "[bold", "\\[x]", "[$error]", "[@click='a(']"])
def test_promise_2_messages_that_quote_a_log_are_shown_letter_by_letter(tmp_path: Path, said: str) -> None:
    """The line below, the title and a window, where Textual's own widgets draw."""
    user = home(tmp_path)
    user.write("s-1", [start_event(agent=said), events.SessionEnd(at=1_002.0, exit_code=1)])

    async def act(show: Show) -> None:
        await show.reads()
        screen = show.app.screen
        assert isinstance(screen, SessionScreen)
        screen.note(said)
        for name in ("#title", "#note"):
            content = screen.query_one(name, Static).content
            assert isinstance(content, Content)
            assert said in content.plain
            assert not content.spans
        screen.fail(said, said)
        await show.sees(said[:40])
        assert_harmless(show)

    showing(desk(user, Asked()), act)


def test_the_toolkit_would_have_made_a_button_of_it() -> None:
    """So that the checks above do not pass because the markup is no markup."""
    content = Content.from_markup(MARKUP)
    assert content.plain == "pressheredanger"
    assert any("click" in str(span.style) for span in content.spans)

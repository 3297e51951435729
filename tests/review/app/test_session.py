"""One session on the screen."""

from tests.audit.recording import Home, ended, start_event
from tests.review.app.scenes import STORY, Asked, Show, desk, showing
from wrapper.audit import events


def test_the_timeline_and_the_text_of_the_moment_under_the_cursor_are_shown(user: Home) -> None:
    user.write("s-1", STORY)

    async def act(show: Show) -> None:
        await show.reads()
        await show.sees("prompt", "fix the bug", "redacted", "denied evil.invalid:443", "exit code 3", "3 masked")
        await show.sees("by ada@box")
        await show.press("G")
        await show.sees("record 16, 1970-01-01 00:16:50 UTC, 0:10 in")

    showing(desk(user, Asked()), act)


def test_j_and_k_step_through_moments_while_the_text_fills_the_screen(user: Home) -> None:
    user.write("s-1", STORY)

    async def act(show: Show) -> None:
        await show.reads()
        await show.press("enter")
        assert show.session.text.has_focus
        assert "prompt" not in show.text
        while "record 8," not in show.text:
            await show.press("J")
        await show.press("K", "escape")
        assert show.session.timeline.has_focus
        await show.press("tab")
        assert show.session.text.has_focus
        await show.press("tab", "z", "z")
        assert show.session.timeline.has_focus

    showing(desk(user, Asked()), act)


def test_the_terminal_at_a_moment_is_what_stood_there_then(user: Home) -> None:
    user.write("s-1", STORY)

    async def act(show: Show) -> None:
        await show.reads()
        await show.press("s")
        await show.sees("nothing had been shown yet")
        while show.session.moment < 4:
            await show.press("j")
        await show.sees("terminal", "hello", "there")
        assert "another screen" not in show.session.text.text
        await show.press("G")
        await show.sees("another screen")
        assert "hello" not in show.session.text.text
        await show.press("s")
        await show.sees("record 16,")

    showing(desk(user, Asked()), act)


def test_kinds_are_hidden_and_shown_again(user: Home) -> None:
    user.write("s-1", STORY)

    async def act(show: Show) -> None:
        await show.reads()
        every = show.titles
        await show.press("f")
        await show.sees("What is shown", "[x] prompt")
        await show.press("space", "enter")
        assert len(show.titles) < len(every)
        await show.sees("shown (f)")
        await show.press("f", "j", "o", "enter")
        assert len({entry.moment.kind for entry in show.session.timeline.items}) == 1
        await show.press("f", "a", "space", "escape")
        assert len({entry.moment.kind for entry in show.session.timeline.items}) == 1
        await show.press("F")
        assert show.titles == every

    showing(desk(user, Asked()), act)


def test_p_gives_the_moment_under_the_cursor_to_the_player_where_the_terminal_can_be_lent(user: Home) -> None:
    user.write("s-1", STORY)

    async def act(show: Show) -> None:
        await show.reads()
        await show.press("p")
        await show.sees("this terminal cannot be lent to the player")

    showing(desk(user, Asked()), act)


def test_redactions_are_counted_with_their_numbers(user: Home) -> None:
    redacted = [
        events.Redacted(at=1_001.0, kind="X", placeholder=f"MASKED-X-{n:08}", place="file", where="a", count=n)
        for n in range(1, 5)
    ]
    user.write("s-1", [start_event(), *redacted, ended()])

    async def act(show: Show) -> None:
        await show.reads()
        await show.sees("10 masked")

    showing(desk(user, Asked()), act)


def test_a_reading_that_could_not_be_recorded_is_said(user: Home) -> None:
    user.write("s-1", STORY)

    async def act(show: Show) -> None:
        await show.reads()
        await show.sees("this reading is not recorded: this machine has no ledger")

    showing(desk(user, Asked(unrecorded="this machine has no ledger")), act)

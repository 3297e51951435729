"""The search on the screen."""

import pytest

from tests.audit.recording import Home, ended, start_event, warned
from tests.review.app.scenes import STORY, Asked, Show, desk, showing
from wrapper.review.app import hits as of_hits
from wrapper.review.app import reading
from wrapper.review.app import session as of_session
from wrapper.review.app.hits import Hits
from wrapper.review.app.session import SessionScreen


def test_a_hit_of_the_search_in_a_session_is_jumped_to(user: Home) -> None:
    user.write("s-1", STORY)
    asked = Asked()

    async def act(show: Show) -> None:
        await show.reads()
        await show.press("slash", *"bug", "enter")
        await show.sees("fix the bug", "1 hit")
        await show.press("enter")
        await show.until(lambda: isinstance(show.app.screen, SessionScreen))
        assert show.session.timeline.current is not None
        assert show.session.timeline.current.moment.sequence == 8
        await show.sees("1 hit (n N)")

    showing(desk(user, asked), act)
    assert asked.opened == ["s-1", "s-1"]


def test_n_goes_from_hit_to_hit_also_over_pages(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 10)
    monkeypatch.setattr(of_session, "PAGE", 10)
    found = {3, 17, 28}
    said = (f"here is a needle {n}" if n in found else f"hay {n}" for n in range(40))
    user.write("s-1", [start_event(), *(warned(text) for text in said), ended()])

    async def act(show: Show) -> None:
        await show.press("enter")
        await show.sees("] goes on")
        await show.press("slash", *"needle", "enter")
        await show.sees("3 hits")
        await show.press("enter")
        titles = []
        for key in ("n", "n", "n", "N", "N", "N"):
            await show.until(lambda: isinstance(show.app.screen, SessionScreen) and show.session._goal is None)
            await show.until(lambda: show.session.timeline.current is not None)
            current = show.session.timeline.current
            assert current is not None
            titles.append(current.moment.title)
            await show.press(key)
        assert [title.rsplit(" ", 1)[1] for title in titles] == ["3", "17", "28", "28", "17", "3"]
        await show.sees("no hit before this one")

    showing(desk(user, Asked()), act)


def test_all_sessions_are_searched_and_a_damaged_one_is_named(user: Home) -> None:
    for number in range(3):
        name = f"s-{number}"
        user.write(name, [start_event(name), warned(f"a needle in {number}")], created=1_000.0 + number)
    (path,) = user.directory("s-1").glob("*.alog")
    path.write_bytes(path.read_bytes()[:-40] + bytes(40))

    async def act(show: Show) -> None:
        await show.sees("claude")
        await show.press("enter")
        await show.until(lambda: isinstance(show.app.screen, SessionScreen))
        await show.press("S", *"needle", "enter")
        await show.sees("a needle in 0", "a needle in 2", "frame ")
        await show.press("end", "enter")
        await show.until(lambda: isinstance(show.app.screen, SessionScreen))
        assert show.session.chosen.id == "s-0"
        await show.press("escape")
        assert isinstance(show.app.screen, Hits)

    showing(desk(user, Asked()), act)


def test_no_hit_says_so_and_other_words_can_be_typed(user: Home) -> None:
    user.write("s-1", STORY)

    async def act(show: Show) -> None:
        await show.press("slash", "enter", *"[red]nowhere", "enter")
        await show.sees("nothing of what is recorded holds “[red]nowhere”", "0 hits")
        await show.press("slash", *[*["backspace"] * 12], *"there", "enter")
        await show.sees("1 hit")
        await show.press("escape")
        await show.sees("Sessions  1")

    showing(desk(user, Asked()), act)


def test_small_letters_find_capitals_and_capitals_only_themselves(user: Home) -> None:
    user.write("s-1", [start_event(), warned("Needle"), warned("needle")])

    async def act(show: Show) -> None:
        await show.press("slash", *"needle", "enter")
        await show.sees("2 hits")
        await show.press("slash", *["backspace"] * 6, *"Needle", "enter")
        await show.sees("1 hit")

    showing(desk(user, Asked()), act)


def test_more_hits_than_are_listed_are_said_to_be_there(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_hits, "MOST_HITS", 5)
    user.write("s-1", [start_event(), *(warned(f"needle {number}") for number in range(9))])

    async def act(show: Show) -> None:
        await show.press("slash", *"needle", "enter")
        await show.sees("the first 5 hits; there are more")

    showing(desk(user, Asked()), act)

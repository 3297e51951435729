"""How a session is read onto the screen: bad logs, long ones, running ones."""

import time
from collections.abc import Iterator

import pytest

from tests.audit.recording import Home, ended, frames_of, put, recording, start_event, warned
from tests.review.app.scenes import STORY, Asked, Show, asks, desk, showing, write_at_once
from wrapper.audit.client import RecorderClient
from wrapper.audit.reader import Record, Session
from wrapper.review.app import momentwords, reading
from wrapper.review.app import session as of_session
from wrapper.review.app.desk import Opened
from wrapper.review.app.painted import Line


def test_a_tampered_log_shows_what_was_good_then_the_exact_message(user: Home) -> None:
    directory = user.write("s-1", [start_event(), warned("good"), warned("bad")])
    header, frames = frames_of(directory)
    put(directory, header, [*frames[:4], frames[4][:-1] + bytes([frames[4][-1] ^ 1]), *frames[5:]])

    async def act(show: Show) -> None:
        await show.reads()
        await show.sees("good", "tampered", "frame 4: does not decrypt: changed, or not the one written here")
        assert not any("bad" in title for title in show.titles)
        assert show.titles[-1].startswith("frame 4")

    showing(desk(user, Asked()), act)


def test_a_log_that_was_cut_off_says_so_at_its_end(user: Home) -> None:
    user.write("s-1", [start_event(), warned("good")], seal=False)

    async def act(show: Show) -> None:
        await show.reads()
        await show.sees("good", "not sealed: its recorder was killed; what came last may be missing")

    showing(desk(user, Asked()), act)


def test_a_log_whose_key_file_was_deleted_says_so_where_the_timeline_would_be(user: Home) -> None:
    directory = user.write("s-1", STORY)
    for path in directory.glob("*.key.age"):
        path.unlink()

    async def act(show: Show) -> None:
        await show.sees("its key file is gone")
        await show.reads()
        await show.sees("nokey", "its key file is gone, so nobody can decrypt it", "hint: the log itself can")

    showing(desk(user, Asked()), act)


def test_a_running_session_is_read_on_with_r_and_the_cursor_stays(user: Home) -> None:
    with recording(user) as running:
        client = RecorderClient(running.connections[0])
        client.append_durable(start_event())
        client.append_durable(warned("first"))

        async def act(show: Show) -> None:
            await show.reads()
            await show.sees("first", "still running: r reads on")
            await show.press("G")
            client.append_durable(warned("second"))
            await show.press("r")
            await show.until(lambda: show.session._done)
            await show.sees("second")
            assert show.session.moment > 0

        showing(desk(user, Asked()), act)


def test_ten_thousand_moments_are_listed_and_only_those_seen_are_drawn(
    user: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_at_once(user, "s-1", [start_event(), *(warned(f"moment {number}") for number in range(10_000)), ended()])
    drawn: list[int] = []

    def counting(entry: reading.Entry, began: float, width: int) -> Line:
        drawn.append(entry.number)
        return momentwords.told(entry, began, width)

    monkeypatch.setattr(of_session, "told", counting)

    async def act(show: Show) -> None:
        await show.reads()
        await show.sees("10,002 moments")
        drawn.clear()
        await show.press("G")
        await show.sees("moment 9999")
        assert len(set(drawn)) < 200

    showing(desk(user, Asked()), act)


def test_a_session_longer_than_a_page_is_paged_through(user: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 10)
    monkeypatch.setattr(of_session, "PAGE", 10)
    user.write("s-1", [start_event(), *(warned(f"moment {number}") for number in range(23)), ended()])

    async def act(show: Show) -> None:
        await show.press("enter")
        await show.sees("moments 1 to 10, ] goes on")
        await show.press("right_square_bracket")
        await show.sees("moments 11 to 20, ] goes on", "moment 10")
        assert len(show.titles) == 10
        await show.press("right_square_bracket")
        await show.sees("moments 21 to 25", "exit code 0")
        await show.press("right_square_bracket")
        assert len(show.titles) == 5
        await show.press("left_square_bracket")
        await show.sees("moments 11 to 20")
        await show.press("left_square_bracket")
        await show.sees("moments 1 to 10", "claude")

    showing(desk(user, Asked()), act)


def test_a_long_text_is_not_kept_but_read_again_when_it_is_looked_at(
    user: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LONG", 100)
    long = "\n".join(f"line {number} of the prompt" for number in range(200))
    user.write("s-1", [start_event(), asks(1, long), ended()])

    async def act(show: Show) -> None:
        await show.reads()
        row = next(row for row, entry in enumerate(show.session.timeline.items) if entry.moment.kind == "prompt")
        assert show.session.timeline.items[row].moment.lines == ()
        show.session.timeline.cursor = row
        await show.until(lambda: "line 199 of the prompt" in show.session.text.text)

    showing(desk(user, Asked()), act)


def test_leaving_while_a_session_is_read_stops_the_reading(user: Home) -> None:
    asked = Asked()
    user.write("s-1", STORY)
    made = desk(user, asked)
    yielded: list[int] = []

    def opening(session: Session) -> Opened:
        def records() -> Iterator[Record]:
            record = next(made.open(session).records())
            while True:
                yielded.append(1)
                time.sleep(0.001)
                yield record._replace(event=warned(f"for ever {len(yielded)}"))

        return Opened(records)

    endless = type(made)(**{name: getattr(made, name) for name in made.__slots__} | {"open": opening})

    async def act(show: Show) -> None:
        await show.press("enter")
        await show.sees("for ever")
        await show.press("G", "escape")
        await show.sees("Sessions  1")
        await show.pilot.pause(0.3)
        count = len(yielded)
        await show.pilot.pause(0.3)
        assert len(yielded) == count

    showing(endless, act)

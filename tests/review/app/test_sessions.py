"""The list of sessions."""

from pathlib import Path

from tests.audit.recording import Home, start_event
from tests.review.app.scenes import STORY, Asked, Show, desk, showing
from wrapper.audit import reader
from wrapper.audit.reader import Session
from wrapper.errors import AuditError
from wrapper.review.app.desk import Desk
from wrapper.review.app.session import SessionScreen
from wrapper.review.app.sessions import SessionsScreen


def _log(of: Home, session: str) -> Path:
    (path,) = of.directory(session).glob("*.alog")
    return path


def test_a_row_says_what_a_session_was_newest_first(user: Home) -> None:
    user.write("s-1", STORY)
    user.write("s-2", [start_event("s-2", at=2_000.0, agent="codex")], seal=False, created=2_000.0)

    async def act(show: Show) -> None:
        await show.sees("open     1970-01-01 00:33  codex", "sealed   1970-01-01 00:16  claude")
        rows = [line for line in show.text.splitlines() if "1970" in line and "project" in line]
        assert "codex" in rows[0]
        assert rows[1].split()[-4:] == ["3", "uncounted", *rows[1].split()[-2:]]
        await show.sees("its recorder was killed")

    showing(desk(user, Asked()), act)


def test_no_sessions_yet_says_what_to_do_and_r_finds_the_first(user: Home) -> None:
    async def act(show: Show) -> None:
        await show.sees("No session has been recorded yet", "safe-claude", "safe-agent demo")
        user.write("s-1", STORY)
        await show.press("enter", "v", "p", "e", "r")
        await show.sees("/work/project")

    showing(desk(user, Asked()), act)


def test_without_the_private_key_the_list_says_so_and_opening_says_why(user: Home) -> None:
    user.write("s-1", STORY)
    made = desk(user, Asked(), closed="the private key is not on this machine")

    def refuse(session: Session) -> None:
        raise AuditError("the private key is not on this machine", hint="read the logs where `audit.key` is")

    shut = Desk(**{name: getattr(made, name) for name in made.__slots__} | {"open": refuse, "outline": refuse})

    async def act(show: Show) -> None:
        await show.sees("sealed", "the private key is not on this machine")
        assert "claude" not in show.text
        await show.press("enter")
        await show.sees("unreadable", "hint: read the logs where `audit.key` is")
        await show.press("v")
        await show.sees("SEALED", "all is as it was written")

    showing(shut, act)


def test_a_log_that_is_no_log_is_listed_with_the_reason(user: Home) -> None:
    user.write("s-1", STORY)
    _log(user, "s-1").write_bytes(b"overwritten by something")

    async def act(show: Show) -> None:
        await show.sees("damaged", "this is not a safe-agent log")
        await show.press("enter")
        await show.sees("tampered", "its first bytes must be `SAFEALOG`")

    showing(desk(user, Asked()), act)


def test_the_state_folder_that_cannot_be_read_is_said(user: Home) -> None:
    made = desk(user, Asked())

    def refuse() -> tuple[Session, ...]:
        raise AuditError("cannot read `/nowhere`: Permission denied", hint="make it yours")

    shut = Desk(**{name: getattr(made, name) for name in made.__slots__} | {"sessions": refuse})

    async def act(show: Show) -> None:
        await show.sees("cannot read `/nowhere`: Permission denied", "make it yours")

    showing(shut, act)


def test_only_sessions_that_are_opened_count_as_read(user: Home) -> None:
    for number in range(3):
        user.write(f"s-{number}", [start_event(f"s-{number}")], created=1_000.0 + number)
    asked = Asked()

    async def act(show: Show) -> None:
        await show.until(lambda: show.text.count("/work/project") > 2)
        await show.press("j")
        assert asked.opened == []
        await show.reads()
        assert asked.opened == ["s-1"]
        await show.press("s", "J", "escape")
        assert asked.opened == ["s-1"]

    showing(desk(user, asked), act)


def test_what_was_masked_is_counted_once_the_session_was_read(user: Home) -> None:
    user.write("s-1", STORY)

    async def act(show: Show) -> None:
        await show.sees("claude", "uncounted", "masked values are not counted yet")
        await show.reads()
        await show.sees("3 masked")
        await show.press("escape")
        await show.sees("masked 3 values")

    showing(desk(user, Asked()), act)


def test_keys_and_the_mouse_move_the_cursor(user: Home) -> None:
    for number in range(30):
        user.write(f"s-{number:02}", [start_event(f"s-{number:02}")], created=1_000.0 + number)

    async def act(show: Show) -> None:
        screen = show.app.screen
        assert isinstance(screen, SessionsScreen)
        rows = screen.rows
        await show.until(lambda: len(rows.items) == 30)
        for key, row in (("down", 1), ("j", 2), ("k", 1), ("up", 0), ("up", 0), ("G", 29), ("down", 29), ("g", 0)):
            await show.press(key)
            assert (key, rows.cursor) == (key, row)
        await show.press("pagedown")
        paged = rows.cursor
        assert 5 < paged < 29
        await show.press("end", "pageup")
        assert rows.cursor == 29 - paged
        await show.press("home")
        await show.pilot.click("#sessions", offset=(10, 3))
        assert rows.cursor == 3
        await show.pilot.click("#sessions", offset=(10, 4), times=2)
        await show.until(lambda: isinstance(show.app.screen, SessionScreen))
        assert show.session.chosen.id == "s-25"

    showing(desk(user, Asked()), act, (100, 24))


def test_every_size_of_a_terminal_shows_the_rows(user: Home) -> None:
    user.write("s-1", STORY)

    async def act(show: Show) -> None:
        await show.sees("claude")
        for width, height in ((40, 10), (20, 5), (200, 50), (1, 1), (80, 24)):
            await show.pilot.resize_terminal(width, height)
            await show.pilot.pause()
        await show.sees("claude", "sealed")
        await show.reads()
        for width, height in ((30, 8), (2, 2), (250, 60), (80, 24)):
            await show.pilot.resize_terminal(width, height)
            await show.pilot.pause()
        await show.sees("fix the bug")

    showing(desk(user, Asked()), act)


def test_help_verdict_and_export_are_windows_that_close(user: Home) -> None:
    user.write("s-1", STORY)
    asked = Asked()

    async def act(show: Show) -> None:
        await show.sees("claude")
        await show.press("question_mark")
        await show.sees("Keys", "search all sessions")
        await show.press("escape", "v")
        await show.sees("SEALED", "all is as it was written")
        await show.press("escape", "e")
        await show.sees("Export s-1 as", "a page")
        await show.press("escape", "e", "down", "enter")
        await show.sees("/made/s-1.cast")
        assert asked.exported == [("s-1", "cast")]
        asked.failing = AuditError("cannot write into `/made`: No space left on device", hint="make room")
        await show.press("escape", "e", "enter")
        await show.sees("That did not work", "No space left on device", "hint: make room")
        await show.press("escape", "T")
        assert show.app.theme == "textual-light"

    showing(desk(user, asked), act)


def test_a_tampered_log_is_said_by_v_in_words(user: Home) -> None:
    user.write("s-1", STORY)
    path = _log(user, "s-1")
    data = bytearray(path.read_bytes())
    data[-200] ^= 1
    path.write_bytes(data)

    async def act(show: Show) -> None:
        await show.sees("1970-01-01 00:16")
        await show.press("v")
        await show.sees("TAMPERED", "frame ")

    showing(desk(user, Asked()), act)


def test_listing_reads_each_log_once_and_again_only_what_changed(user: Home) -> None:
    user.write("s-1", STORY)
    made = desk(user, Asked())
    looked: list[str] = []

    def outline(session: Session) -> reader.Outline:
        looked.append(session.id)
        return made.outline(session)

    counting = Desk(**{name: getattr(made, name) for name in made.__slots__} | {"outline": outline})

    async def act(show: Show) -> None:
        await show.sees("claude")
        user.write("s-2", [start_event("s-2", agent="codex")], created=2_000.0)
        await show.press("r")
        await show.sees("codex", "claude")
        assert sorted(looked) == ["s-1", "s-2"]

    showing(counting, act)

"""Asking from within the guard: order, sharing, giving up, remembering."""

import asyncio
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from wrapper.guard.asking import AtTerminal
from wrapper.guard.messages import Answered, Asked, FromGuard, Withdrawn, encode
from wrapper.guard.remembered import Remembered
from wrapper.ports import Answer, Question
from wrapper.view.messages import LONGEST

KEY = "ab" * 32
FOUR = ("no", "yes", "always", "never")
T = TypeVar("T")


class Session:
    """Stands for the session: keeps what the guard says, answers when told to."""

    def __init__(self, folder: Path, *, interactive: bool = True, patience: float = 5.0) -> None:
        self.said: list[FromGuard] = []
        self.warned: list[str] = []
        self.file = folder / "config" / "answers.json"
        self.gone = False
        self.asking = AtTerminal(
            self._hear,
            Remembered(self.file, folder / "work", self.warned.append),
            interactive=interactive,
            redacted=lambda text: text.replace("hunter2", "MASKED"),
            patience=patience,
        )

    def _hear(self, message: FromGuard) -> None:
        if self.gone:
            raise BrokenPipeError
        self.said.append(message)

    @property
    def asked(self) -> list[str]:
        return [one.question.what for one in self.said if isinstance(one, Asked)]

    async def shown(self, count: int) -> Asked:
        """Wait until so many questions were asked; the last of them."""
        while len(self.asked) < count:  # noqa: ASYNC110 - a stand-in may look again
            await asyncio.sleep(0.001)
        return [one for one in self.said if isinstance(one, Asked)][count - 1]

    async def answer(self, count: int, choice: str, reason: str = "") -> None:
        asked = await self.shown(count)
        self.asking.heard(Answered(asked.number, Answer(choice, reason)))


def run(body: Callable[[], Awaitable[T]]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(10):
            return await body()

    return asyncio.run(bounded())


def test_the_user_is_asked_and_the_answer_given(tmp_path: Path) -> None:
    session = Session(tmp_path)
    question = Question("Why?", ("a", "b"), wants_reason=True)

    async def body() -> Answer:
        asking = asyncio.create_task(session.asking.ask(question))
        await session.answer(1, "yes", "because")
        return await asking

    assert run(body) == Answer("yes", "because", "user")
    assert session.said == [Asked(1, question)]
    assert not session.file.exists()


def test_where_nobody_sits_nobody_is_asked(tmp_path: Path) -> None:
    session = Session(tmp_path, interactive=False)
    assert run(lambda: session.asking.ask(Question("Go?"))) == Answer("no", by="nobody")
    assert session.said == []


def test_questions_are_shown_one_by_one_in_their_order(tmp_path: Path) -> None:
    session = Session(tmp_path)

    async def body() -> list[Answer]:
        asking = [asyncio.create_task(session.asking.ask(Question(str(number)))) for number in range(4)]
        for count in range(1, 5):
            await session.shown(count)
            await asyncio.sleep(0.01)
            assert session.asked == [str(number) for number in range(count)]
            await session.answer(count, "yes" if count % 2 else "no")
        return await asyncio.gather(*asking)

    assert [one.choice for one in run(body)] == ["yes", "no", "yes", "no"]


def test_the_same_question_is_asked_once_however_many_wait(tmp_path: Path) -> None:
    session = Session(tmp_path)

    async def body() -> list[Answer]:
        asking = [asyncio.create_task(session.asking.ask(Question("Go?", key=KEY))) for _ in range(5)]
        await session.answer(1, "yes")
        return await asyncio.gather(*asking)

    assert run(body) == [Answer("yes")] * 5
    assert session.asked == ["Go?"]


def test_questions_without_a_key_are_each_asked(tmp_path: Path) -> None:
    session = Session(tmp_path)

    async def body() -> list[Answer]:
        asking = [asyncio.create_task(session.asking.ask(Question("Go?"))) for _ in range(2)]
        await session.answer(1, "yes")
        await session.answer(2, "no")
        return await asyncio.gather(*asking)

    assert [one.choice for one in run(body)] == ["yes", "no"]


def test_a_question_that_nobody_answers_in_time_is_withdrawn(tmp_path: Path) -> None:
    session = Session(tmp_path, patience=0.05)

    async def body() -> Answer:
        answer = await session.asking.ask(Question("Go?"))
        session.asking.heard(Answered(1, Answer("yes")))  # too late
        return answer

    assert run(body) == Answer("no", by="nobody")
    assert session.said[1:] == [Withdrawn(1)]


def test_a_questions_own_patience_begins_when_it_is_shown(tmp_path: Path) -> None:
    session = Session(tmp_path)

    async def body() -> Answer:
        first = asyncio.create_task(session.asking.ask(Question("File?")))
        second = asyncio.create_task(session.asking.ask(Question("Host?", patience=0.05)))
        await session.shown(1)
        await asyncio.sleep(0.1)
        assert not second.done()
        await session.answer(1, "yes")
        await first
        return await second

    assert run(body) == Answer("no", by="nobody")
    assert session.asked == ["File?", "Host?"]
    assert session.said[-1] == Withdrawn(2)


def test_whoever_stops_waiting_takes_the_question_away_unless_others_wait(tmp_path: Path) -> None:
    session = Session(tmp_path)

    async def body() -> Answer:
        first = asyncio.create_task(session.asking.ask(Question("Shared", key=KEY)))
        second = asyncio.create_task(session.asking.ask(Question("Shared", key=KEY)))
        await session.shown(1)
        first.cancel()
        await asyncio.sleep(0.01)
        assert Withdrawn(1) not in session.said
        second.cancel()
        await asyncio.sleep(0.01)
        assert session.said[-1] == Withdrawn(1)
        again = asyncio.create_task(session.asking.ask(Question("Shared", key=KEY)))
        await session.answer(2, "yes")
        return await again

    assert run(body) == Answer("yes")


def test_asking_again_in_the_moment_of_giving_up_asks_anew(tmp_path: Path) -> None:
    session = Session(tmp_path)

    async def body() -> Answer:
        first = asyncio.create_task(session.asking.ask(Question("Go?", key=KEY)))
        await session.shown(1)
        first.cancel()
        again = asyncio.create_task(session.asking.ask(Question("Go?", key=KEY)))
        asking = asyncio.create_task(session.answer(1, "yes"))
        await asyncio.sleep(0.05)
        if not again.done():
            await session.answer(2, "yes")
        await asking
        return await again

    assert run(body) == Answer("yes")


def test_the_end_of_the_session_answers_all_that_wait(tmp_path: Path) -> None:
    session = Session(tmp_path)

    async def body() -> list[Answer]:
        asking = [asyncio.create_task(session.asking.ask(Question(str(number)))) for number in range(3)]
        await session.shown(1)
        session.asking.close()
        return [*await asyncio.gather(*asking), await session.asking.ask(Question("later"))]

    assert run(body) == [Answer("no", by="nobody")] * 4
    assert session.asked == ["0"]


def test_a_session_that_is_gone_is_nobody(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.gone = True
    assert run(lambda: session.asking.ask(Question("Go?"))) == Answer("no", by="nobody")


def test_an_answer_that_was_not_among_the_answers_is_none(tmp_path: Path) -> None:
    session = Session(tmp_path)

    async def body() -> Answer:
        asking = asyncio.create_task(session.asking.ask(Question("Go?")))
        await session.answer(1, "always")
        return await asking

    assert run(body) == Answer("no", by="nobody")


def ask_and_answer(session: Session, question: Question, choice: str) -> Answer:
    async def body() -> Answer:
        asking = asyncio.create_task(session.asking.ask(question))
        if choice:
            await session.answer(len(session.asked) + 1, choice)
        return await asking

    return run(body)


def test_always_is_remembered_by_later_sessions_and_yes_is_not(tmp_path: Path) -> None:
    question = Question("May hunter2 leave?", answers=FOUR, key=KEY)
    assert ask_and_answer(Session(tmp_path), question, "yes").by == "user"
    assert ask_and_answer(Session(tmp_path), question, "always") == Answer("always", by="user")
    later = Session(tmp_path, interactive=False)
    assert ask_and_answer(later, question, "") == Answer("always", by="remembered")
    assert later.asked == []
    assert stat.S_IMODE(later.file.stat().st_mode) == 0o600
    assert "hunter2" not in later.file.read_text()
    assert "May MASKED leave?" in later.file.read_text()


def test_what_is_remembered_for_other_answers_does_not_count(tmp_path: Path) -> None:
    ask_and_answer(Session(tmp_path), Question("Go?", answers=FOUR, key=KEY), "never")
    later = Session(tmp_path)
    assert ask_and_answer(later, Question("Go?", key=KEY), "yes") == Answer("yes")


def test_any_question_fits_into_a_packet(tmp_path: Path) -> None:
    """The inside chooses the text."""
    session = Session(tmp_path, patience=0.01)
    long = Question("🎉\udcff\x1b" * 9000, ("🎉\udcff\u202e" * 9000,) * 900)
    assert run(lambda: session.asking.ask(long)).by == "nobody"
    assert len(encode(session.said[0])) < LONGEST

"""Asking the user from within the guard: the session's relay shows the question, for the terminal is there.

Promises: one question at a time, in the order in which they came; those with the same key, asked meanwhile, share its
answer; whoever stops waiting takes the question away; once it is shown nobody waits longer than its own patience, or
`PATIENCE`.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from wrapper.guard.messages import Answered, Asked, FromGuard, Withdrawn
from wrapper.guard.remembered import KEPT, Remembered
from wrapper.ports import Answer, Question

PATIENCE = 120.0  # seconds that a question stands; clients give up on a request that says nothing some minutes later
_LONGEST, _MOST = 400, 60  # characters of a line and lines: a question is one packet, and a window holds less


@dataclass
class _Flight:
    """A question under way, and how many wait for its answer."""

    task: "asyncio.Task[Answer]"
    waiting: int = 0


class AtTerminal:
    """Implements `ports.Asking`, for one event loop.

    `say` sends a message to the session, `redacted` gives words as they may be kept. Where the session is not
    `interactive` only what is remembered is answered.
    """

    def __init__(
        self,
        say: Callable[[FromGuard], object],
        remembered: Remembered,
        *,
        interactive: bool,
        redacted: Callable[[str], str],
        patience: float = PATIENCE,
    ) -> None:
        self._say = say
        self._remembered = remembered
        self._open = interactive
        self._redacted = redacted
        self._patience = patience
        self._turn = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._flights: dict[str, _Flight] = {}
        self._shown: tuple[int, asyncio.Future[Answer]] | None = None

    async def ask(self, question: Question) -> Answer:
        """See `ports.Asking`."""
        if question.key and (choice := self._remembered.choice(question.key)) in question.answers:
            return Answer(choice, by="remembered")
        if not self._open:
            return _nobody(question)
        if not question.key:
            return await self._in_turn(question)
        return await self._shared(question)

    def heard(self, said: Answered) -> None:
        """Take what the session says came of a question; one that nobody waits for any more is not missed."""
        if self._shown is not None and self._shown[0] == said.number and not self._shown[1].done():
            self._shown[1].set_result(said.answer)

    def close(self) -> None:
        """Ask no more: the session is over. Whoever waits is answered by nobody."""
        self._open = False
        if self._shown is not None and not self._shown[1].done():
            self._shown[1].set_exception(TimeoutError())

    async def _shared(self, question: Question) -> Answer:
        flight = self._flights.get(question.key)
        if flight is None:
            flight = self._flights[question.key] = _Flight(asyncio.create_task(self._in_turn(question)))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()  # nothing where it is done
                del self._flights[question.key]

    async def _in_turn(self, question: Question) -> Answer:
        async with self._turn:
            answer = await self._answered(question) if self._open else _nobody(question)
        if answer.choice not in question.answers:
            return _nobody(question)
        if question.key and answer.by == "user" and answer.choice in KEPT:
            what = self._redacted(question.what)
            await asyncio.to_thread(self._remembered.keep, question.key, answer.choice, what)
        return answer

    async def _answered(self, question: Question) -> Answer:
        number, heard = next(self._numbers), asyncio.get_running_loop().create_future()
        self._shown = number, heard
        try:
            self._say(Asked(number, _bounded(question)))
            async with asyncio.timeout(question.patience or self._patience):
                answer: Answer = await heard
                return answer
        except (TimeoutError, OSError):  # nobody, or the session is gone
            return _nobody(question)
        finally:
            self._shown = None
            if not heard.done() or heard.cancelled():
                with contextlib.suppress(OSError):
                    self._say(Withdrawn(number))


def _nobody(question: Question) -> Answer:
    return Answer(question.answers[0], by="nobody")


def _bounded(question: Question) -> Question:
    """Cut a question so that it fits into a packet; what is no Unicode (PEP 383) is written as its escape."""
    lines = tuple(_encodable(line[:_LONGEST]) for line in question.lines[:_MOST])
    return msgspec.structs.replace(question, what=_encodable(question.what[: 4 * _LONGEST]), lines=lines)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()

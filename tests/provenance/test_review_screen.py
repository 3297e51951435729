"""The screen of `safe-agent review`, driven by keys and the mouse."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tests.review.app.pressing import Pressed
from wrapper.errors import AuditError, SafeAgentError
from wrapper.provenance.attribution import State
from wrapper.provenance.decisions import Decision
from wrapper.provenance.hunks import Hunk
from wrapper.provenance.judgements import Block, Verdict
from wrapper.provenance.model import Emission, Kind
from wrapper.provenance.reviewing import Found
from wrapper.provenance.screen import Desk, HunksApp, HunksScreen

APPROVED, REJECTED = Decision(Verdict.APPROVED), Verdict.REJECTED


def found(number: int, *, lines: int = 3, text: str = "value = compute", state: State = State.AGENT) -> Found:
    emission = Emission(kind=Kind.INPUT, session=f"s-{number}", at=1_000.0, prompt=7, model="m-1", tool="Write")
    body = [b"# a person's line", *(f"{text}_{number}_{line}()".encode() for line in range(lines)), b"# the end"]
    hunk = Hunk(1, lines, tuple(range(1, lines + 1)), state, (0,), 1.0, 0, lines + 1)
    block = Block(tuple(number * 100 + line for line in range(lines)))
    return Found(f"{number:08x}", f"src/part{number}.py", hunk, body, block, (None,) * lines, None, (emission,))


@dataclass
class Signed:
    """What the screen signed, and what it asked."""

    decisions: list[Mapping[str, Decision]] = field(default_factory=list)
    asked: list[Emission] = field(default_factory=list)
    failing: SafeAgentError | None = None

    def sign(self, left: Sequence[Found], decisions: Mapping[str, Decision]) -> Sequence[Found]:
        if self.failing:
            raise self.failing
        self.decisions.append(dict(decisions))
        return [one for one in left if one.id not in decisions or decisions[one.id].verdict is REJECTED]

    def prompt(self, emission: Emission) -> str:
        self.asked.append(emission)
        return f"please write part {emission.session}"


@dataclass
class Show(Pressed):
    @property
    def screen(self) -> HunksScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, HunksScreen)
        return screen


def desk(signed: Signed, *, reason: bool = False, told: tuple[str, ...] = ()) -> Desk:
    return Desk(user="ann", sign=signed.sign, prompt=signed.prompt, reason=reason, told=told)


def showing(
    of: Desk, left: Sequence[Found], act: Callable[[Show], Awaitable[None]], size: tuple[int, int] = (80, 24)
) -> None:
    async def run() -> None:
        app = HunksApp(of, left)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await act(Show(app, pilot))

    asyncio.run(run())


def test_the_list_and_the_hunk_with_session_model_prompt_and_lines_fit_a_small_terminal() -> None:
    signed = Signed()

    async def act(show: Show) -> None:
        await show.sees("3 hunks left", "src/part1.py:2-4", "3 lines", "session s-1", "m-1", "please write part s-1")
        await show.sees("+ value = compute_1_0()", "# a person's line", "# the end", "a approve", "q quit")
        assert all(len(line) == 80 for line in show.text.splitlines())

    showing(desk(signed), [found(1), found(2), found(3)], act)


def test_nothing_is_signed_until_the_person_says_so() -> None:
    signed = Signed()

    async def act(show: Show) -> None:
        await show.press("a", "r")
        await show.sees("src/part2.py", "esc leave")
        await show.press(*"bad idea", "enter")
        await show.sees("to sign: 1 approved, 1 rejected")
        assert signed.decisions == []
        await show.press("s")
        await show.sees("1 approved, 1 rejected, not signed yet", "as ann, into the ledger")
        assert signed.decisions == []
        await show.press("enter")
        await show.sees("signed: 1 approved, 1 rejected", "2 hunks left")
        assert signed.decisions == [{"00000001": APPROVED, "00000002": Decision(REJECTED, "bad idea")}]

    showing(desk(signed), [found(1), found(2), found(3)], act)


def test_a_rejection_without_a_reason_is_not_taken() -> None:
    async def act(show: Show) -> None:
        await show.press("r", "enter")
        await show.sees("a rejection needs a reason")
        await show.press("escape")
        await show.sees("1 hunk left")
        assert "to sign" not in show.text

    showing(desk(Signed()), [found(1)], act)


def test_undo_takes_back_one_decision_after_the_other_and_goes_where_it_was() -> None:
    async def act(show: Show) -> None:
        await show.press("a", "a")
        await show.sees("to sign: 2 approved")
        await show.press("u")
        await show.sees("to sign: 1 approved", "undone: src/part2.py:2-4")
        assert show.screen.rows.cursor == 1
        await show.press("u")
        await show.until(lambda: "to sign" not in show.text)
        await show.press("u")
        await show.sees("nothing to undo")

    showing(desk(Signed()), [found(1), found(2), found(3)], act)


def test_leaving_asks_what_to_do_with_what_is_not_signed() -> None:
    for keys, wanted in ((("enter",), 1), (("down", "enter"), 0)):
        signed = Signed()

        async def act(show: Show, keys: tuple[str, ...] = keys) -> None:
            await show.press("a", "q")
            await show.sees("sign nothing", "go on reviewing")
            await show.press("escape")
            await show.sees("to sign: 1 approved")
            await show.press("q", *keys)
            await show.until(lambda: not show.app.is_running or show.app._exit)

        showing(desk(signed), [found(1), found(2)], act)
        assert len(signed.decisions) == wanted


def test_where_policy_asks_for_a_reason_signing_asks_for_it_once() -> None:
    signed = Signed()

    async def act(show: Show) -> None:
        await show.press("a", "a", "s", "enter")
        await show.sees("why they are approved")
        await show.press("enter")
        await show.sees("policy asks for a reason")
        assert signed.decisions == []
        await show.press(*"read", "enter")
        await show.sees("signed: 2 approved", "Nothing is left")

    showing(desk(signed, reason=True), [found(1), found(2)], act)
    assert {decision.reason for decision in signed.decisions[0].values()} == {"read"}


def test_a_ledger_that_does_not_sign_leaves_the_decisions_as_they_are() -> None:
    signed = Signed(failing=AuditError("cannot write the ledger: No space left on device", hint="free space"))

    async def act(show: Show) -> None:
        await show.press("a", "s", "enter")
        await show.sees("Nothing is signed", "No space left on device", "free space")
        await show.press("escape")
        await show.sees("to sign: 1 approved")

    showing(desk(signed), [found(1), found(2)], act)


def test_the_mouse_chooses_a_hunk_and_the_keys_work_from_the_text_too() -> None:
    async def act(show: Show) -> None:
        await show.pilot.click("#hunks", offset=(10, 1))
        await show.sees("+ value = compute_2_0()")
        await show.press("tab", "n")
        await show.sees("+ value = compute_3_0()")
        await show.press("p", "a")
        await show.sees("to sign: 1 approved", "[a] src/part2.py")

    showing(desk(Signed()), [found(1), found(2), found(3)], act)


def test_a_long_hunk_is_read_to_its_end_over_the_whole_screen() -> None:
    async def act(show: Show) -> None:
        await show.press("z", "end")
        await show.sees("compute_1_199()", "# the end")
        assert "[ ]" not in show.text
        await show.press("escape")
        await show.sees("[ ] src/part1.py")

    showing(desk(Signed()), [found(1, lines=200)], act)


def test_what_may_be_missing_and_the_keys_are_said() -> None:
    async def act(show: Show) -> None:
        await show.sees("session s-9: sheet 2 is missing")
        await show.press("question_mark")
        await show.sees("sign what was decided into the ledger")

    showing(desk(Signed(), told=("session s-9: sheet 2 is missing",)), [found(1)], act)


def test_without_hunks_the_screen_says_that_nothing_is_left() -> None:
    async def act(show: Show) -> None:
        await show.sees("Nothing is left", "0 hunks left")
        await show.press("a", "r", "u", "s", "n", "p", "enter")
        await show.sees("Nothing is left")

    showing(desk(Signed()), [], act)


def test_prompts_that_cannot_be_read_are_said_in_their_place() -> None:
    signed = Signed()

    def refuse(emission: Emission) -> str:
        raise AuditError("the log cannot be read")

    async def act(show: Show) -> None:
        await show.sees("(the log cannot be read)", "compute_1_0()")

    showing(replace(desk(signed), prompt=refuse), [found(1)], act)

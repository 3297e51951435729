"""What may be sent by policy: models, kinds of work, and how much is replaced; who is asked, and how often."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from redactors import Origin
from tests.gateway.wire import Somebody, in_loop, wired
from wrapper.audit.events import Event, Judged, Warned
from wrapper.errors import AuditError
from wrapper.gateway.denial import DeniedError
from wrapper.gateway.judging import Judge
from wrapper.gateway.outgoing import Masked
from wrapper.gateway.requests import Asked
from wrapper.policy.model import Layer, Rule
from wrapper.policy.wire import Approval, Place, TaskRule
from wrapper.ports import Answer, Question

PLACE = Place("claude", "/work/eval", ())
FILE = "/etc/safe-agent/policy.toml"
YES = Answer("yes", reason="the lab's own suite")
NO = Answer("no")
NOBODY = Answer("no", by="nobody")
ALLOWED = Approval("allow", "", "", None)


def task(action: str, *patterns: str, name: str = "benchmarks", message: str = "", **more: tuple[str, ...]) -> TaskRule:
    rule = Rule(name, action, Layer.ORGANISATION, FILE, 12)
    return TaskRule(
        name=name, patterns=patterns or (r"\bbenchmark",), action=action, message=message, rule=rule, **more
    )


def approval(action: str, pattern: str = "*", upstream: str = "", reason: str = "") -> Approval:
    return Approval(action, upstream, reason, Rule(pattern, action, Layer.USER, "/u/policy.toml", 7))


@dataclass
class Policy:
    """A policy of the test's own; `approvals` by model, `elsewhere` for the rest."""

    tasks: tuple[TaskRule, ...] = ()
    approvals: dict[str, Approval] = field(default_factory=dict)
    elsewhere: Approval = ALLOWED
    redaction_budget: int = 0

    def tasks_for(self, place: Place, model: str) -> tuple[TaskRule, ...]:
        assert place == PLACE
        return tuple(one for one in self.tasks if one.covers(place, model, unknown=True))

    def approved(self, place: Place, model: str) -> Approval:
        assert place == PLACE
        return self.approvals.get(model, self.elsewhere)


class User:
    """Somebody who gives the next of `answers` to each question, once `may_answer` is set."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.questions: list[Question] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def ask(self, question: Question) -> Answer:
        self.questions.append(question)
        await self.may_answer.wait()
        return self.answers.pop(0)


class World:
    """A judge with its policy, user and log."""

    def __init__(self, policy: Policy, *answers: Answer) -> None:
        self.events: list[Event] = []
        self.user = User(*answers)
        self.fails = False
        self.judge = Judge(
            policy, PLACE, self.user, self._record, lambda: 5.0, clean=lambda text: text.replace("hunter2", "MASKED")
        )

    def _record(self, event: Event) -> None:
        if self.fails:
            raise AuditError("no space left")
        self.events.append(event)

    def judged(self) -> list[tuple[int, str, str, str]]:
        return [(one.number, one.about, one.action, one.by) for one in self.events if isinstance(one, Judged)]

    async def admit(self, prompt: str, number: int = 1, **more: Any) -> Approval:
        return await self.judge.admit(number, ask(prompt, **more))

    async def denied(self, prompt: str, number: int = 1, **more: Any) -> DeniedError:
        with pytest.raises(DeniedError) as caught:
            await self.admit(prompt, number, **more)
        return caught.value


def ask(prompt: str, model: str = "m", **more: Any) -> Asked:
    return Asked(model, prompt, stream=True, **more)


# Models.


@in_loop
async def test_what_no_rule_is_about_is_allowed_and_not_worth_a_record() -> None:
    world = World(Policy())
    assert (await world.admit("write a benchmark")).action == "allow"
    assert not world.events


@in_loop
async def test_a_model_that_is_not_approved_is_denied_before_anybody_is_asked() -> None:
    policy = Policy((task("reason"),), {"m": approval("deny", "m-*", reason="under review.")})
    world = World(policy)
    error = await world.denied("write a benchmark")
    assert world.judged() == [(1, "approval", "denied", "policy")]
    assert not world.user.questions
    for part in ("safe-agent: ", "`m`", "claude", "under review.", "user policy, /u/policy.toml:7", "What you can do"):
        assert part in error.text
    assert ".." not in error.text
    assert error.about == "approval"


@in_loop
async def test_a_route_is_given_back_and_recorded_once() -> None:
    world = World(Policy(approvals={"m": approval("route", upstream="internal")}))
    for number in (1, 2):
        assert (await world.admit("x", number)).upstream == "internal"
    assert world.judged() == [(1, "approval", "routed", "policy")]


@in_loop
async def test_every_model_of_a_batch_must_be_approved() -> None:
    world = World(Policy(approvals={"dear": approval("deny")}))
    assert "`dear`" in (await world.denied("x", others=("cheap", "dear"))).text


@in_loop
async def test_a_batch_whose_models_go_to_different_servers_is_denied() -> None:
    world = World(Policy(approvals={"dear": approval("route", upstream="internal")}))
    assert "different servers" in (await world.denied("x", others=("dear",))).text


@in_loop
async def test_what_asks_no_model_is_denied_by_rules_for_all_models_only() -> None:
    assert (await World(Policy(elsewhere=Approval("deny", "", "default", None))).judge.admit(1, None)).action == "allow"
    world = World(Policy(elsewhere=approval("deny")))
    with pytest.raises(DeniedError):
        await world.judge.admit(1, None)
    routed = World(Policy(elsewhere=approval("route", upstream="internal")))
    assert (await routed.judge.admit(1, None)).upstream == "internal"


@in_loop
async def test_files_are_not_sent_up_where_models_are_denied_by_default() -> None:
    world = World(Policy(approvals={"m": approval("allow")}, elsewhere=Approval("deny", "", "the default", None)))
    await world.admit("x")
    assert (await world.judge.admit(1, None)).action == "allow"
    with pytest.raises(DeniedError, match="no model by its name is not approved for claude here"):
        await world.judge.admit(1, None, sends=True)


@in_loop
async def test_a_models_name_cannot_break_out_of_the_text() -> None:
    world = World(Policy(elsewhere=approval("deny")))
    error = await world.denied("x", model="m`\n\x1b[2J" + "y" * 500)
    assert "\x1b" not in error.text
    assert "m??" in error.text
    assert "y" * 200 not in error.text


# Kinds of work.


@in_loop
async def test_a_denied_kind_of_work_is_denied_with_the_rules_own_words() -> None:
    world = World(Policy((task("deny", message="Ask the evaluation team."),)))
    error = await world.denied("Write a Benchmark")
    for part in (
        "`benchmarks`",
        "Reason: Ask the evaluation team.",
        f"organisation policy, {FILE}:12",
        "new conversation",
    ):
        assert part in error.text
    assert r"\bbenchmark" not in error.text
    assert world.judged() == [(1, "task", "denied", "policy")]
    assert (await world.admit("fix the tests")).action == "allow"


@in_loop
async def test_going_on_does_not_allow_what_stands_in_the_conversation() -> None:
    world = World(Policy((task("deny"),)))
    error = await world.denied("go on", earlier=("write a benchmark", "please"))
    assert "earlier in this conversation" in error.text


@in_loop
async def test_rules_for_other_models_or_places_are_not_asked_about() -> None:
    world = World(Policy((task("deny", models=("big-*",)), task("deny", workspaces=("/other/**",)))))
    await world.admit("write a benchmark")
    await world.denied("write a benchmark", model="big-1")
    await world.denied("write a benchmark", others=("big-1",))
    await world.denied("write a benchmark", model="?")


@in_loop
async def test_a_warning_is_told_once_and_recorded_for_each_prompt() -> None:
    world = World(Policy((task("warn", message="mind the rules"),)))
    await world.admit("write a benchmark", 1)
    await world.admit("write a benchmark", 2)
    await world.admit("write another benchmark", 3, earlier=("write a benchmark",))
    await world.admit("thanks", 4, earlier=("write a benchmark", "write another benchmark"))
    assert world.judged() == [(1, "task", "warned", "policy"), (3, "task", "warned", "policy")]
    told = [one.text for one in world.events if isinstance(one, Warned)]
    assert told == ["policy watches for this kind of work, `benchmarks`: mind the rules"]
    assert not world.user.questions


@in_loop
async def test_a_reason_is_asked_recorded_and_holds_for_the_prompt() -> None:
    world = World(Policy((task("reason", message="who asked for it?"),)), Answer("yes", " it holds hunter2 "))
    await world.admit("write a benchmark\nfor hunter2", 1)
    await world.admit("write a benchmark\nfor hunter2", 2)
    await world.admit("and now?", 3, earlier=("write a benchmark\nfor hunter2",))
    [question] = world.user.questions
    assert question.wants_reason
    assert question.answers[0] == "no"
    assert "who asked for it?" in question.lines
    assert "  for MASKED" in question.lines
    [event] = world.events
    assert event == Judged(
        at=5.0, number=1, about="task", rule=f"benchmarks (organisation, {FILE}:12)", action="allowed",
        reason="it holds MASKED", by="user",
    )  # fmt: skip


@in_loop
async def test_another_prompt_of_the_same_kind_wants_a_reason_of_its_own() -> None:
    world = World(Policy((task("reason"),)), YES, NO)
    await world.admit("write a benchmark")
    error = await world.denied("write a benchmark, and another benchmark", 2)
    assert "needs a written reason" in error.text
    assert len(world.user.questions) == 2


@in_loop
async def test_a_resumed_conversation_is_asked_about_once_as_a_whole() -> None:
    world = World(Policy((task("reason"),)), YES)
    earlier = ("write a benchmark", "thanks", "another benchmark")
    await world.admit("go on", 1, earlier=earlier)
    await world.admit("and on", 2, earlier=(*earlier, "go on"))
    assert "  another benchmark" in world.user.questions[0].lines
    assert len(world.user.questions) == 1


@in_loop
async def test_a_yes_without_a_reason_is_a_no() -> None:
    world = World(Policy((task("reason"),)), Answer("yes", "  "))
    await world.denied("write a benchmark")
    assert world.judged() == [(1, "task", "denied", "user")]


@in_loop
async def test_where_nobody_can_be_asked_it_is_denied_with_a_hint() -> None:
    world = World(Policy((task("reason", message="Say who asked for it."),)), NOBODY)
    text = (await world.denied("write a benchmark")).text
    assert "needs a written reason (Say who asked for it), and none was given." in text
    assert "interactive terminal" in text
    assert world.judged() == [(1, "task", "denied", "nobody")]


@in_loop
async def test_denied_comes_before_asked() -> None:
    world = World(Policy((task("reason"), task("deny", "exploit", name="exploits"))))
    await world.denied("write a benchmark for an exploit")
    assert not world.user.questions


TITLE = "<session>\nwrite a benchmark\n</session>\n\nWrite the title."


@in_loop
async def test_a_job_of_the_clients_own_shares_the_answer_in_whatever_order() -> None:
    for first, second in ((TITLE, "write a benchmark"), ("write a benchmark", TITLE)):
        world = World(Policy((task("reason"),)), YES)
        await world.admit(first, 1, repeats=first == TITLE)
        await world.admit(second, 2, repeats=second == TITLE, model="small")
        assert len(world.user.questions) == 1


@in_loop
async def test_a_job_of_the_clients_own_shares_the_refusal() -> None:
    world = World(Policy((task("reason"),)), NO)
    await world.denied("write a benchmark", 1)
    await world.denied(TITLE, 2, repeats=True)
    assert len(world.user.questions) == 1


@in_loop
async def test_what_goes_beyond_a_quoted_text_wants_a_reason_of_its_own() -> None:
    world = World(Policy((task("reason"),)), YES, NO)
    await world.admit(TITLE, 1, repeats=True)
    await world.denied(f"{TITLE}\n and a worse one", 2)


@in_loop
async def test_only_a_job_of_the_clients_own_profits_from_quoting() -> None:
    world = World(Policy((task("reason"),)), YES, NO)
    await world.admit("benchmark")
    await world.denied("write the dangerous benchmark", 2)
    assert len(world.user.questions) == 2


@in_loop
async def test_requests_at_the_same_time_share_one_question() -> None:
    world = World(Policy((task("reason"),)), YES)
    world.user.may_answer.clear()
    same = [asyncio.create_task(world.admit("write a benchmark", number)) for number in range(5)]
    title = asyncio.create_task(world.admit(TITLE, 9, repeats=True))
    cut = asyncio.create_task(world.admit("Title this: write a bench-\nmark an", 10, repeats=True))
    await asyncio.sleep(0.01)
    world.user.may_answer.set()
    await asyncio.gather(*same, title, cut)
    assert len(world.user.questions) == 1


@in_loop
async def test_different_requests_at_the_same_time_are_asked_about_each() -> None:
    world = World(Policy((task("reason"),)), YES, NO)
    world.user.may_answer.clear()
    first = asyncio.create_task(world.admit("write a benchmark"))
    second = asyncio.create_task(world.admit("write a worse benchmark"))
    await asyncio.sleep(0.01)
    world.user.may_answer.set()
    await first
    with pytest.raises(DeniedError):
        await second


@in_loop
async def test_a_client_that_leaves_does_not_take_the_question_from_the_others() -> None:
    world = World(Policy((task("reason"),)), YES)
    world.user.may_answer.clear()
    asking, staying, sharing = (asyncio.create_task(world.admit("write a benchmark", number)) for number in range(3))
    await asyncio.sleep(0.01)
    for leaving in (asking, sharing):
        leaving.cancel()
    await asyncio.sleep(0)
    world.user.may_answer.set()
    assert (await staying).action == "allow"
    assert len(world.user.questions) == 1


@in_loop
async def test_an_answer_that_cannot_be_recorded_lets_nothing_through() -> None:
    world = World(Policy((task("reason"),), redaction_budget=1), YES, YES)
    world.fails = True
    with pytest.raises(AuditError):
        await world.admit("write a benchmark")
    with pytest.raises(AuditError):
        await world.judge.over_budget(1, masked("A", "B"))


# How words are found.


@pytest.mark.parametrize("prompt", ["write a BENCHMARK", "write a bench\u200bmark"])
@in_loop
async def test_trivial_disguises_of_words_are_undone(prompt: str) -> None:
    await World(Policy((task("deny", "(?i)write a ?benchmark"),))).denied(prompt)


@in_loop
async def test_a_pattern_in_capitals_is_found_in_small_letters() -> None:
    await World(Policy((task("deny", "BENCHMARK|SWE-bench"),))).denied("extend swe-bench")


@pytest.mark.parametrize("prompt", ["work on the bench, mark the spot", "Benchm ark", "", "b\u0435nchmark (Cyrillic)"])
@in_loop
async def test_what_is_not_there_is_not_found(prompt: str) -> None:
    await World(Policy((task("deny"),))).admit(prompt)


# Values replaced.


def masked(*placeholders: str, action: str = "") -> Sequence[Masked]:
    return [Masked("PASSWORD" if one < "C" else "EMAIL", one, "rule", "@1", 1, action) for one in placeholders]


@in_loop
async def test_without_a_budget_nobody_is_asked() -> None:
    world = World(Policy())
    await world.judge.over_budget(1, masked(*"ABCDEF"))
    assert not world.user.questions


@in_loop
async def test_a_request_within_the_budget_goes_and_the_same_value_counts_once() -> None:
    world = World(Policy(redaction_budget=2))
    await world.judge.over_budget(1, masked(*"AABBA"))
    await world.judge.over_budget(2, [*masked(*"AB"), *masked(*"CDE", action="monitored")])
    assert not world.events


@in_loop
async def test_above_the_budget_the_user_is_asked_by_kinds_and_never_shown_values() -> None:
    world = World(Policy(redaction_budget=2), Answer("yes"))
    await world.judge.over_budget(7, masked(*"ABCD", "E"))
    [question] = world.user.questions
    assert "5 different values" in question.what
    assert {"  EMAIL: 3", "  PASSWORD: 2"} <= set(question.lines)
    assert question.answers[0] == "no"
    assert world.judged() == [(7, "budget", "allowed", "user")]


@in_loop
async def test_what_was_let_through_does_not_count_again_in_this_session() -> None:
    world = World(Policy(redaction_budget=2), Answer("yes"), Answer("no"))
    await world.judge.over_budget(1, masked(*"ABC"))
    await world.judge.over_budget(2, masked(*"ABCDE"))
    with pytest.raises(DeniedError):
        await world.judge.over_budget(3, masked(*"ABCDEF"))
    assert "3 different values" in world.user.questions[1].what


@pytest.mark.parametrize(("answer", "hint"), [(NO, "out of the conversation"), (NOBODY, "interactive terminal")])
@in_loop
async def test_a_no_is_a_denial_that_is_asked_again_the_next_time(answer: Answer, hint: str) -> None:
    world = World(Policy(redaction_budget=1), answer, Answer("yes"))
    with pytest.raises(DeniedError, match=hint) as caught:
        await world.judge.over_budget(1, masked("#1", "#2"))
    assert caught.value.about == "budget"
    assert "#" not in caught.value.text
    await world.judge.over_budget(2, masked("#1", "#2"))


@in_loop
async def test_requests_with_the_same_values_share_one_question() -> None:
    world = World(Policy(redaction_budget=1), Answer("no"))
    world.user.may_answer.clear()
    several = [asyncio.create_task(world.judge.over_budget(number, masked(*"ABC"))) for number in range(3)]
    less = asyncio.create_task(world.judge.over_budget(3, masked(*"AC")))
    await asyncio.sleep(0.01)
    world.user.may_answer.set()
    results = await asyncio.gather(*several, less, return_exceptions=True)
    assert [type(one) for one in results] == [DeniedError] * 4
    assert len(world.user.questions) == 1


# Through the gateway: what is denied is seen by nobody outside.

ODD = (
    '{"model":"dear-1","messages":[]}',
    '{"model":"DEAR-1","messages":[]}',
    '{"model":" dear-1 ","messages":[]}',
    '{"model":"\\u0064ear-1","messages":[]}',
    '{"model":"cheap","model":"dear-1","messages":[]}',
    '{"model":"dear-1","messages":[],"model":"cheap"}',
    '{"model":"cheap","messages":[],"Model":"dear-1"}',
    '{"model":"cheap","messages":[],"tools":[{"type":"advisor","model":"dear-1"}]}',
    '{"model":"cheap","messages":[],"models":["dear-1"]}',
    '{"model":"dear-1","messages":[],}',
    '{"requests":[{"custom_id":"a","params":{"model":"cheap"}},{"custom_id":"b","params":{"model":"dear-1"}}]}',
    "model=dear-1",
)


@pytest.mark.parametrize("body", ODD)
@pytest.mark.parametrize(
    "target", ["/v1/messages", "/v1/messages?beta=true", "/v1/messages/count_tokens", "//v1/MESSAGES/batches"]
)
@in_loop
async def test_no_spelling_of_a_denied_model_reaches_the_provider(body: str, target: str) -> None:
    policy = '[approved]\n[[approved.rules]]\nmodels = ["dear-*"]\naction = "deny"\nreason = "too dear"\n'
    async with wired(policy=policy) as world:
        reply = await world.ask(target, body.encode(), headers=["Content-Type: application/json"])
        assert b"too dear" in reply.body
        assert reply.body.startswith((b"{", b"event: "))
        assert not world.provider.bytes
        assert [one.action for one in world.sink.of(Judged)] == ["denied"]
        assert (await world.ask_json({"model": "cheap", "messages": []})).status == 200


@in_loop
async def test_a_budget_stops_a_request_until_the_user_lets_it_go() -> None:
    for asking, sent in ((Somebody("yes"), 2), (Somebody("no"), 0)):
        async with wired(policy="[wire]\nbudget = 1\n", asking=asking) as world:
            values = [b"correct horse battery", b"staple trousers north"]
            marks = [world.knows(value, origin=Origin.INSIDE) for value in values]
            body = {"model": "m", "messages": [{"role": "user", "content": b" ".join(values).decode()}]}
            for _ in range(2):
                await world.ask_json(body)
            assert len(world.provider.requests) == sent
            assert len(asking.asked) == (1 if sent else 2)
            assert not any(value in repr(asking.asked).encode() + world.recorded() for value in values)
            assert not sent or all(mark.encode() in world.provider.bytes for mark in marks)

"""Judges what a request asks, before anything of it is sent: models and kinds of work, and how much is replaced in it.

Rules of this file:
1. Approval of the model comes first, then kinds of work: of what is denied anyway nobody is asked anything.
2. What was decided is handed to the log before the request goes on. An answer that cannot be recorded is none: what
   `record` raises goes out.
3. A question is asked once. Requests that want the same answer at the same time share it; a reason holds for its text
   for the rest of the session, and for jobs of the client's own that quote it (titles, summaries).
4. The whole conversation counts: what was denied, and stands in it still, does not become allowed by "go on".

Kinds of work are found by patterns over what the user wrote. That is a reminder with a record, no model of intent: who
wants to can put it in other words, into a file or into a memory.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from wrapper.audit.events import Event, Judged, Warned
from wrapper.gateway.denial import DeniedError, wording
from wrapper.gateway.outgoing import Masked
from wrapper.gateway.phrases import Phrases, digest, plain
from wrapper.gateway.requests import Asked
from wrapper.policy.model import Rule
from wrapper.policy.wire import Approval, Place, TaskRule
from wrapper.ports import Answer, Asking, Question

_MOST_ANSWERED: Final = 256  # texts that a client's own jobs are compared with
_EXCERPT: Final = (5, 200)  # lines of the user's text in a question, and characters of each
_NO, _YES = "no", "yes"
_AT_A_TERMINAL: Final = "run it in an interactive terminal, where safe-agent can ask you"
_ANOTHER_CONVERSATION: Final = (
    "ask for something else in a new conversation, or go back to before this was asked: "
    "while it stands in the conversation, nothing of that is sent"
)


class Policed(Protocol):
    """What is needed of the policy."""

    @property
    def redaction_budget(self) -> int:
        """Distinct values replaced in one request above which the user is asked; 0: none."""

    def tasks_for(self, place: Place, model: str) -> tuple[TaskRule, ...]:
        """Give the kinds of work that are watched for here."""

    def approved(self, place: Place, model: str) -> Approval:
        """Say whether this model may be asked here."""


class _Asking(NamedTuple):
    """A question that is open: for which rule, about which texts (as `plain` gives them)."""

    rule: str
    texts: frozenset[str]
    repeats: bool
    answer: "asyncio.Task[Answer]"


class Judge:
    """Judges the requests of one session.

    `record` hands an event to the log and raises where that fails; `clock` gives seconds since the epoch; `clean`
    redacts what the user wrote, for the log and the question.
    """

    def __init__(
        self,
        policy: Policed,
        place: Place,
        asking: Asking,
        record: Callable[[Event], None],
        clock: Callable[[], float],
        *,
        clean: Callable[[str], str],
    ) -> None:
        self._policy = policy
        self._place = place
        self._asking = asking
        self._record = record
        self._clock = clock
        self._clean = clean
        self._phrases = Phrases()
        self._told: set[tuple[str, ...]] = set()
        self._reasoned = _Answered()
        self._refused = _Answered()
        self._let_through: set[str] = set()
        self._open: list[_Asking] = []

    async def admit(self, number: int, asked: Asked | None, *, sends: bool = False) -> Approval:
        """Return where request `number` may go, as `action` allow or route. DeniedError where it may not be sent.

        `sends`: one that asks no model has a body all the same, such as a file.
        """
        if asked is None:
            return self._approval_of_none(number, sends=sends)
        approval = self._approval(number, asked)
        await self._judge_tasks(number, asked)
        return approval

    async def over_budget(self, number: int, masked: Sequence[Masked]) -> None:
        """Ask where more distinct values than the policy's budget were replaced. DeniedError where they may not go."""
        budget = self._policy.redaction_budget
        if not budget:
            return
        while len(fresh := self._not_let_through(masked)) > budget:
            rule = f"wire.budget = {budget}"
            answer = await self._shared(rule, frozenset(fresh), lambda: self._ask_budget(number, fresh, budget))
            if answer.choice != _YES:
                what = f"{_counted(fresh)} would be replaced in it, more than the {budget} that go without asking"
                hint = _AT_A_TERMINAL if answer.by == "nobody" else "take what holds them out of the conversation"
                raise DeniedError(wording(what, "", None, hint), about="budget", rule=rule)

    # Models.

    def _approval_of_none(self, number: int, *, sends: bool) -> Approval:
        """Judge what asks no model: by a rule about all there is, and by the default where it holds content."""
        approval = self._policy.approved(self._place, "")
        if approval.action == "deny" and (sends or approval.rule is not None):
            self._deny_model(number, "", approval)
        return approval if approval.action == "route" else Approval("allow", "", approval.reason, approval.rule)

    def _approval(self, number: int, asked: Asked) -> Approval:
        models = (asked.model, *asked.others)
        approvals = {model: self._policy.approved(self._place, model) for model in models}
        for model, approval in approvals.items():
            if approval.action == "deny":
                self._deny_model(number, model, approval)
        first = approvals[asked.model]
        if any((one.action, one.upstream) != (first.action, first.upstream) for one in approvals.values()):
            apart = Approval("deny", "", "its models go to different servers", first.rule)
            self._deny_model(number, asked.model, apart)
        for model, approval in approvals.items():
            self._note_approval(number, model, approval)
        return first

    def _deny_model(self, number: int, model: str, approval: Approval) -> None:
        rule = str(approval.rule or "approved.default")
        self._judged(number, "approval", rule, "denied")
        asked = f"the model `{_named(model)}`" if model else "what asks no model by its name"
        what = f"{asked} is not approved for {self._place.agent} here"
        hint = "choose an approved model (`safe-agent policy show`), or ask whoever wrote that policy"
        raise DeniedError(wording(what, approval.reason, approval.rule, hint), about="approval", rule=rule)

    def _note_approval(self, number: int, model: str, approval: Approval) -> None:
        """Record once what a rule has approved; what none is about is not worth a line."""
        if approval.rule is not None and self._is_news("approval", model, str(approval.rule)):
            action = "routed" if approval.action == "route" else "allowed"
            self._judged(number, "approval", str(approval.rule), action)

    # Kinds of work.

    async def _judge_tasks(self, number: int, asked: Asked) -> None:
        models = (asked.model, *asked.others)
        rules = dict.fromkeys(rule for model in models for rule in self._policy.tasks_for(self._place, model))
        if not rules:
            return
        hits = await self._hits(rules, asked)
        for rule in rules:
            if rule.action == "deny" and hits[rule]:
                self._deny_task(number, rule, is_new=asked.prompt in hits[rule])
        for rule in rules:
            if rule.action == "reason" and hits[rule]:
                await self._want_reason(number, rule, hits[rule], repeats=asked.repeats)
        for rule in rules:
            if rule.action == "warn" and asked.prompt in hits[rule]:
                self._warn(number, rule, asked.prompt)

    async def _hits(self, rules: Iterable[TaskRule], asked: Asked) -> dict[TaskRule, list[str]]:
        """Return which of the user's texts each rule is about, the latest first."""
        hits: dict[TaskRule, list[str]] = {rule: [] for rule in rules}
        patterns = [pattern for rule in hits for pattern in rule.patterns]
        for text in dict.fromkeys((asked.prompt, *reversed(asked.earlier))):
            found = await self._phrases.found(text, patterns)
            for rule, texts in hits.items():
                if not found.isdisjoint(rule.patterns):
                    texts.append(text)
        return hits

    def _deny_task(self, number: int, rule: TaskRule, *, is_new: bool) -> None:
        self._judged(number, "task", _cited(rule), "denied")
        what = f"policy denies this kind of work, `{rule.name}`"
        what += "" if is_new else ", and it was asked for earlier in this conversation"
        raise DeniedError(
            wording(what, rule.message, rule.rule, _ANOTHER_CONVERSATION), about="task", rule=_cited(rule)
        )

    def _warn(self, number: int, rule: TaskRule, text: str) -> None:
        if self._is_news("warn", rule.name, digest(text).hex()):
            self._judged(number, "task", _cited(rule), "warned")
        if self._is_news("warned", rule.name):
            message = f": {rule.message}" if rule.message else ""
            self._record(Warned(at=self._clock(), text=f"policy watches for this kind of work, `{rule.name}`{message}"))

    async def _want_reason(self, number: int, rule: TaskRule, hits: list[str], *, repeats: bool) -> None:
        """Go on only with a written reason for every text that the rule is about."""
        while wanted := tuple(text for text in hits if not self._reasoned.holds(rule.name, text, repeats=repeats)):
            answer = await self._reason_for(number, rule, wanted, repeats=repeats)
            if answer.choice != _YES:
                raise _unreasoned(rule, answer)
            if repeats:
                return  # what it quotes was reasoned just now, though it may stand there cut

    async def _reason_for(self, number: int, rule: TaskRule, wanted: tuple[str, ...], *, repeats: bool) -> Answer:
        if repeats and any(self._refused.holds(rule.name, text, repeats=True) for text in wanted):
            return Answer(_NO, by="remembered")
        return await self._shared(
            rule.name,
            frozenset(map(plain, wanted)),
            lambda: self._ask_reason(number, rule, wanted, repeats=repeats),
            repeats=repeats,
        )

    async def _ask_reason(self, number: int, rule: TaskRule, texts: tuple[str, ...], *, repeats: bool) -> Answer:
        question = Question(
            f"policy wants a written reason for this kind of work: {rule.name}",
            (*([rule.message] if rule.message else []), "What was written:", *self._excerpt(texts[0])),
            (_NO, _YES),
            wants_reason=True,
        )
        answer = await self._asking.ask(question)
        reason = self._clean(answer.reason.strip())
        given = answer.choice == _YES and bool(reason)
        self._judged(number, "task", _cited(rule), "allowed" if given else "denied", reason, answer.by)
        (self._reasoned if given else self._refused).add(rule.name, texts, repeats=repeats)
        return Answer(_YES if given else _NO, reason, answer.by)

    def _excerpt(self, text: str) -> Iterable[str]:
        lines, columns = _EXCERPT
        written = self._clean(text).strip().splitlines()
        yield from (f"  {line[:columns]}" for line in written[:lines])
        if len(written) > lines:
            yield "  …"

    # Values replaced.

    def _not_let_through(self, masked: Sequence[Masked]) -> dict[str, str]:
        """Return placeholder to kind of the values that are replaced and were not let through yet."""
        return {
            one.placeholder: one.kind for one in masked if _replaces(one) and one.placeholder not in self._let_through
        }

    async def _ask_budget(self, number: int, fresh: dict[str, str], budget: int) -> Answer:
        question = Question(
            f"{_counted(fresh)} are replaced in this request, more than {budget}. Send it?",
            ("Their placeholders leave, the values do not.", "", *_kinds(fresh)),
            (_NO, _YES),
        )
        answer = await self._asking.ask(question)
        action = "allowed" if answer.choice == _YES else "denied"
        self._judged(number, "budget", f"wire.budget = {budget}", action, "", answer.by)
        if answer.choice == _YES:
            self._let_through |= fresh.keys()
        return answer

    # What all of it needs.

    async def _shared(
        self, rule: str, texts: frozenset[str], ask: Callable[[], Coroutine[Any, Any, Answer]], *, repeats: bool = False
    ) -> Answer:
        """Ask, or wait for the answer of whoever asks the same already; who leaves does not take it from the others."""
        for one in self._open:
            if one.rule == rule and (texts <= one.texts or repeats or (one.repeats and _quoted(texts, one.texts))):
                return await asyncio.shield(one.answer)
        task = asyncio.get_running_loop().create_task(ask())
        mine = _Asking(rule, texts, repeats, task)
        self._open.append(mine)
        task.add_done_callback(lambda _: self._open.remove(mine))
        return await asyncio.shield(task)

    def _is_news(self, *what: str) -> bool:
        """Whether this was not told before."""
        if what in self._told:
            return False
        self._told.add(what)
        return True

    def _judged(self, number: int, about: str, rule: str, action: str, reason: str = "", by: str = "policy") -> None:
        self._record(
            Judged(at=self._clock(), number=number, about=about, rule=rule, action=action, reason=reason, by=by)
        )


class _Answered:
    """For which texts something was answered; those of a client's own job are found in it, or it in them."""

    def __init__(self) -> None:
        self._same: set[tuple[str, bytes]] = set()
        self._texts: deque[tuple[str, str, bool]] = deque(maxlen=_MOST_ANSWERED)

    def add(self, rule: str, texts: Iterable[str], *, repeats: bool) -> None:
        for text in texts:
            self._same.add((rule, digest(text)))
            self._texts.append((rule, plain(text), repeats))

    def holds(self, rule: str, text: str, *, repeats: bool) -> bool:
        """Whether it was answered for `text`, or for what a client's own job (`repeats`) shares with it."""
        if (rule, digest(text)) in self._same:
            return True
        near = [(known, quotes) for of, known, quotes in self._texts if of == rule and (repeats or quotes)]
        text = plain(text) if near else ""
        return any((repeats and known in text) or (quotes and text in known) for known, quotes in near)


def _quoted(texts: Iterable[str], within: Iterable[str]) -> bool:
    """Whether each of `texts` stands in one of `within`."""
    return all(any(text in one for one in within) for text in texts)


def _replaces(masked: Masked) -> bool:
    return not masked.action


def _unreasoned(rule: TaskRule, answer: Answer) -> DeniedError:
    asked = f" ({rule.message.rstrip('.')})" if rule.message else ""
    what = f"this kind of work, `{rule.name}`, needs a written reason{asked}, and none was given"
    hint = _AT_A_TERMINAL if answer.by == "nobody" else f"ask again and give one, or {_ANOTHER_CONVERSATION}"
    return DeniedError(wording(what, "", rule.rule, hint), about="task", rule=_cited(rule))


def _cited(rule: TaskRule) -> str:
    """Name a rule by its place; its patterns may be what must not be told."""
    return f"{rule.name} {_place(rule.rule)}"


def _place(rule: Rule) -> str:
    return f"({rule.layer.value}, {rule.file}:{rule.line})"


def _named(model: str) -> str:
    """Return a model's name as it may be shown: it comes from the inside."""
    return "".join(one if one.isprintable() and one != "`" else "?" for one in model[:100])


def _counted(fresh: dict[str, str]) -> str:
    return f"{len(fresh)} different value{'' if len(fresh) == 1 else 's'}"


def _kinds(fresh: dict[str, str]) -> Iterable[str]:
    return (f"  {kind}: {count}" for kind, count in Counter(fresh.values()).most_common())

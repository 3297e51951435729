"""What every request passes before it may leave, whether it came by HTTP or as a WebSocket message.

In this order, and each step may end it:
1. May this agent ask this model from this workspace, and for this kind of work? (`judging`)
2. What the client adds by itself about who works here passes, is masked or dropped. (`identity`)
3. What is secret, or must not leave for another reason, is found. (`outgoing`, `redactors.pieces`)
4. The user is asked about the text of files of which policy says so. (`sending`)
5. What is found is replaced, let through or keeps the request here, kind by kind; a budget bounds what is replaced.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from redactors.engine import Engine
from redactors.finding import Finding
from redactors.vault import Vault
from wrapper.audit.events import Judged
from wrapper.gateway import attached
from wrapper.gateway.answer import Offload
from wrapper.gateway.denial import DeniedError, wording
from wrapper.gateway.dialect import Dialect
from wrapper.gateway.identity import Folders, Identity
from wrapper.gateway.judging import Judge
from wrapper.gateway.outgoing import PACKED, Examined, Masked, Outgoing, bytes_to_search, examine_request, outgoing
from wrapper.gateway.records import Records
from wrapper.gateway.recurring import Recurring
from wrapper.gateway.requests import Asked
from wrapper.gateway.rereading import Reader
from wrapper.gateway.sending import Held, Lines, closed_path, held, question
from wrapper.gateway.unfold import remembering
from wrapper.policy.model import Policy
from wrapper.policy.wire import Place
from wrapper.ports import Asking

_IDENTITY = "identity:"
_OF_UPLOAD = "take it out of what is packed in the file, since nothing can be replaced there"
_OF_ATTACHED = "take it out of the file before it is attached, since nothing can be replaced in there"
_IN_CONVERSATION = "go back to before it came into the conversation, or start a new one"


class Draft(NamedTuple):
    """A request as the client wrote it, its body decoded; headers are raw.

    `uploads`: it has a body that the provider may keep whatever it is asked.
    """

    number: int
    target: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    uploads: bool = False


class Cleared(NamedTuple):
    """What may leave, to which of the policy's upstreams (empty: the client's own), and the model that is asked."""

    outgoing: Outgoing
    upstream: str
    model: str


class Terms(NamedTuple):
    """What policy has to say, about whom, and whom to ask; `lines` as in `sending.held`."""

    policy: Policy
    place: Place
    asking: Asking
    folders: Folders = Folders()
    lines: Lines = lambda _path, _text: ""


class _Looked(NamedTuple):
    """What was found in a request; `leaving` is what may leave of it, None where the user is to be asked first."""

    examined: Examined
    added: tuple[Masked, ...]
    asked_about: tuple[Held, ...]
    leaving: Outgoing | None


class Checkpoint:
    """Clears requests; `records` take what was decided, `clock` gives seconds since the epoch."""

    def __init__(
        self,
        dialect: Dialect,
        engine: Engine,
        vault: Vault,
        terms: Terms,
        offload: Offload,
        records: Records,
        clock: Callable[[], float],
    ) -> None:
        self._dialect = dialect
        self._policy = terms.policy
        self._asking = terms.asking
        self._lines = terms.lines
        self._offload = offload
        self._records = records
        self._clock = clock
        self._judge = Judge(terms.policy, terms.place, terms.asking, records.append, clock, clean=self._clean)
        self._identity = Identity(
            dialect.name, lambda field: terms.policy.identity_action(field).action, terms.folders, vault
        )
        engine = engine.with_sources(*self._identity.sources)
        self._recurring = Recurring(vault, engine.find, self.forget)
        self._engine = engine.with_sources(self._recurring).watching(functools.cache(self._is_watched))
        self._memory = remembering(self._engine, self._recurring.marked)
        self._reader = Reader()
        self._answered: dict[str, bool] = {}

    def reads(self, target: bytes, body: bytes) -> Asked | None:
        """Say what a request asks of which model; None where it asks none. For one thread."""
        return self._reader.asked(self._dialect.name, target.decode("latin-1"), body)

    def forget(self) -> None:
        """Search everything anew from now on; from any thread."""
        self._memory.forget()

    def restored(self, value: bytes, joined: bool) -> None:  # noqa: FBT001 (a `restore.Restored`)
        """Take notice that the inside gets a value for a placeholder; from any thread."""
        self._recurring.restored(value, joined=joined)

    async def clear(self, draft: Draft, wanted: Asked | None) -> Cleared:
        """Give what may leave of a request. DeniedError where policy or the user keeps it here."""
        approval = await self._judge.admit(draft.number, wanted, sends=draft.uploads)
        looked = await self._offload(bytes_to_search(draft.headers, draft.body), self._looked_at, draft)
        leaving = looked.leaving or await self._asked_about(draft.number, looked)
        leaving = leaving._replace(masked=(*looked.added, *leaving.masked))
        if leaving.blocked:
            raise self._blocked(draft.number, leaving.blocked, looked.examined.body)
        secrets = [note for note in leaving.masked if not note.rule.startswith(_IDENTITY)]
        await self._judge.over_budget(draft.number, secrets)
        model = self._clean(wanted.model) if wanted is not None else ""  # the client's word, and it goes into the log
        return Cleared(leaving, approval.upstream if approval.action == "route" else "", model)

    def _looked_at(self, draft: Draft) -> "_Looked":
        own = self._identity.rewrite(draft.headers, draft.body)
        examined = self._examined(draft.target, own.headers, own.body)
        if self._recurring.learn(found for found in examined.findings if not self._is_watched(found.kind)):
            examined = self._examined(draft.target, own.headers, own.body)
        asked_about = held(examined.body, examined.findings, self._sends, self._lines)
        return _Looked(examined, own.notes, asked_about, None if asked_about else self._replaced(examined, frozenset()))

    def _examined(self, target: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Examined:
        return examine_request(target, headers, body, self._engine, self._memory)

    def _replaced(self, examined: Examined, free: frozenset[int]) -> Outgoing:
        return outgoing(examined, self._engine, lambda found: self._action(found, free))

    async def _asked_about(self, number: int, looked: "_Looked") -> Outgoing:
        """Ask about the text of files of which policy says so, and replace what may not leave."""
        free: set[int] = set()
        for one in looked.asked_about:
            if await self._may_send(number, one):
                free.update(found.start for found in one.findings)
        return await self._offload(len(looked.examined.body), self._replaced, looked.examined, frozenset(free))

    def _is_watched(self, kind: str) -> bool:
        return self._policy.wire_action(kind).action == "monitor"

    def _action(self, found: Finding, free: frozenset[int]) -> str:
        if found.rule.startswith(_IDENTITY):
            return "redact"  # `[identity]` has decided
        if found.start in free:
            return "monitor"
        action = self._policy.wire_action(found.kind).action
        return "redact" if action == "monitor" and closed_path(found) is not None else action

    def _sends(self, path: str) -> str:
        return self._policy.send(path).action

    async def _may_send(self, number: int, one: Held) -> bool:
        """Ask once for each content: a conversation repeats itself in every request."""
        known = self._answered.get(one.key)
        if known is not None:
            return known
        answer = await self._asking.ask(question(one))
        yes = answer.choice in ("yes", "always")
        if answer.by != "nobody":
            self._answered[one.key] = yes
        self._records.append(
            Judged(
                at=self._clock(),
                number=number,
                about="send",
                rule=f"{one.path}:{one.lines}",
                action="allowed" if yes else "denied",
                reason=answer.reason,
                by=answer.by,
            )
        )
        return yes

    def _blocked(self, number: int, notes: Sequence[Masked], body: bytes) -> DeniedError:
        self._records.kept_back(number, notes)
        for note in notes:
            self._records.append(
                Judged(at=self._clock(), number=number, about="kind", rule=note.rule, action="blocked", by="policy")
            )
        found = ", ".join(dict.fromkeys(_named(note, body) for note in notes))
        rules = [self._policy.wire_action(note.kind).rule for note in notes]
        rule = next((one for one in rules if one is not None), None)
        is_upload = all(note.where == PACKED for note in notes)
        hint = _OF_UPLOAD if is_upload else _IN_CONVERSATION
        if any(note.rule.startswith(attached.PACKED) for note in notes):
            hint = f"{_OF_ATTACHED}; {_IN_CONVERSATION}"
        return DeniedError(wording(f"it holds {found}", "", rule, hint), about="kind", rule=notes[0].rule)

    def _clean(self, text: str) -> str:
        return self._engine.redact(text.encode("utf-8", "backslashreplace")).data.decode("utf-8", "replace")


def _named(note: Masked, body: bytes) -> str:
    """Name what was found without showing it: its kind, the file where that is known, the attachment that it is in."""
    rule = note.rule.removeprefix(attached.PACKED)
    path = rule.removeprefix("fingerprint:")
    name = f"text of `{path}` ({note.kind})" if path != rule else note.kind
    if rule == note.rule:
        return name
    return f"{name} in what is attached as base64 at `{attached.place_of(body, int(note.where[1:]))}`"

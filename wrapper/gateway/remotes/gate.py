"""Holds a push back until it is known what it writes, and that it may; the same by ssh and by https.

The decision over each ref is on disk before a byte of the push is passed on (promise 4).
"""

from collections.abc import Callable, Mapping

from wrapper.audit.events import Judged
from wrapper.gateway.remotes import receive
from wrapper.gateway.remotes.receive import NotAPushError, Push, PushReader
from wrapper.messages import printable
from wrapper.policy.egress import RemoteRule
from wrapper.ports import AsyncAuditSink


class RefusedPushError(Exception):
    """A push that may not be: what happened, and what to do about it.

    `report` makes what git itself shows of it out of words for the user; empty where git has asked for no report.
    """

    def __init__(self, what: str, hint: str, report: Callable[[str], bytes] = lambda _words: b"") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.report = report(self.words)

    @property
    def words(self) -> str:
        """Give both in lines."""
        return f"safe-agent: {self.what}\nhint: {self.hint}\n"


class PushGate:
    """Judges one push by its rule. `redact` is given names and options; where it changes them they hold a secret."""

    def __init__(
        self,
        rule: RemoteRule,
        sink: AsyncAuditSink,
        *,
        redact: Callable[[bytes], bytes],
        clock: Callable[[], float],
    ) -> None:
        self._rule = rule
        self._sink = sink
        self._redact = redact
        self._clock = clock
        self._reader = PushReader()

    async def opens(self, data: bytes) -> bool:
        """Take the next bytes of a push; whether all that was taken may be passed on. Raises RefusedPushError."""
        try:
            push = self._reader.feed(data)
        except NotAPushError as error:
            await self._record((f"{self._rule.url}: {error}",), "denied")
            raise RefusedPushError(*receive.told(self._rule, str(error))) from error
        if push is not None:
            await self._judge(push)
        return push is not None

    async def _judge(self, push: Push) -> None:
        reasons = receive.refusals(push, self._rule) or self._hiding(push)
        lines = [f"{self._rule.url}: {one}" for one in push.commands]
        lines += [f"{self._rule.url}: push option {one}" for one in push.options]
        await self._record(lines, "denied" if reasons else "allowed")
        if reasons:
            what, hint = receive.told(self._rule, next(one for one in reasons.values() if one != receive.OTHER))
            raise RefusedPushError(what, hint, lambda words: receive.report(push, reasons, words))

    def _hiding(self, push: Push) -> Mapping[str, str]:
        plain = "\n".join((*(one.ref for one in push.commands), *push.options)).encode()
        return {one.ref: "a name holds a secret" for one in push.commands} if self._redact(plain) != plain else {}

    async def _record(self, lines: tuple[str, ...] | list[str], action: str) -> None:
        """Write one event for each line; on disk when this returns."""
        for at, line in enumerate(lines, 1):
            rule = printable(self._redact(f"{line}, {self._rule.rule}".encode()).decode("utf-8", "replace"))
            event = Judged(at=self._clock(), number=0, about="push", rule=rule, action=action, by="policy")
            if at < len(lines):
                self._sink.append(event)
            else:
                await self._sink.append_durable(event)

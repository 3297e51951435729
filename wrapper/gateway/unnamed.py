"""Hosts that no rule of the policy names: held until the user has decided, at the session's terminal or another one.

Rules of this file:
1. Only what policy leaves open is held: a host that some rule denies never is, and an answer never opens one.
2. An answer is on disk before anything is sent (promise 4), with who gave it.
3. A name waits once: where nobody answered it is refused at once for a while, so that a client that tries again does
   not hang again. Names wait within bounds; past them they are refused at once.
4. A user who has said no many times in a row is asked no more: what is inside could invent names, and take the
   terminal away with them. Names wait then, for `safe-agent allow`.
5. Patterns as in `network.allow`: no port means the web's two. `*` alone is for the policy file.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field

import msgspec

from wrapper.audit.events import Judged
from wrapper.gateway.refusal import NO_RULE
from wrapper.policy.globs import Pattern
from wrapper.policy.hosts import HostMatcher
from wrapper.ports import Asking, AsyncAuditSink, Question

_MOST_NAMES = 32  # that wait at the same time: a user reads no longer list
_MOST_CLIENTS = 64  # connections that wait
_MOST_REFUSED = 1000  # names that are remembered as refused
_MOST_NOES = 8  # in a row
_REFUSED_FOR = 600.0  # seconds: longer than clients go on trying
_NO, _ONCE, _ALWAYS = "no", "once", "always"
WEB_PORTS = (443, 80)
"""What a pattern without a port is about."""


@dataclass(frozen=True, slots=True)
class Said:
    """A verdict of the user's, or of nobody; see `egress.Verdict`."""

    action: str
    text: str


class Held(msgspec.Struct, frozen=True, array_like=True):
    """A host that waits: since when (seconds since the epoch), and how many connections do."""

    host: str
    port: int
    since: float
    clients: int


@dataclass(slots=True)
class _Wait:
    """One name that waits; `heard` is resolved when the user has decided."""

    since: float
    heard: "asyncio.Future[Said]"
    clients: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What policy says of such hosts: `unknown` (see policy.egress.UNKNOWN), how long, what is open to the user.

    `leaves(host, port)` is whether no rule says anything of it; `own(host, port)` whether the client calls it now by
    itself, and does well without: that is not waited for.
    """

    unknown: str
    seconds: float
    leaves: Callable[[str, int], bool]
    own: Callable[[str, int], bool]


@dataclass(slots=True)
class _Granted:
    """What the user has allowed in this session: the pattern, and in which words that stands in the log."""

    words: dict[str, str] = field(default_factory=dict)

    def verdict(self, host: str, port: int) -> Said | None:
        found = next((text for pattern, text in self.words.items() if covers((pattern,), host, port)), None)
        return None if found is None else Said("allow", found)


class Waiting:
    """Implements `egress.Unnamed` for one event loop.

    `asking` asks at the session's terminal; `always` remembers a host for good, and blocks; `on_held` hears of what
    begins to wait without being asked about. `refused_for` is for tests.
    """

    def __init__(
        self,
        terms: Terms,
        sink: AsyncAuditSink,
        *,
        asking: Asking | None = None,
        always: Callable[[str], None] | None = None,
        on_held: Callable[[str, int], None] | None = None,
        clock: Callable[[], float] = time.time,
        refused_for: float = _REFUSED_FOR,
    ) -> None:
        self._terms = terms
        self._sink = sink
        self._asking = asking
        self._always = always
        self._on_held = on_held or _nothing
        self._clock = clock
        self._refused_for = refused_for
        self._waits: dict[tuple[str, int], _Wait] = {}
        self._refused: dict[tuple[str, int], float] = {}
        self._granted = _Granted()
        self._answering: set[asyncio.Task[Said]] = set()
        self._noes = 0
        self._turn = asyncio.Lock()

    async def heard(self, host: str, port: int) -> Said | None:
        """See `egress.Unnamed`."""
        if not self._terms.leaves(host, port):
            return None
        return self._granted.verdict(host, port) or await self._decided(host, port)

    def held(self) -> tuple[Held, ...]:
        """List what waits, the oldest first."""
        return tuple(Held(*name, one.since, one.clients) for name, one in self._waits.items())

    def waits(self, pattern: str) -> tuple[str, ...]:
        """Name what a pattern would let go on."""
        return tuple(f"{host}:{port}" for host, port in self._waits if covers((pattern,), host, port))

    async def allow(self, pattern: str, who: str) -> tuple[str, ...]:
        """Let hosts go on, now and for the rest of the session; give those that waited.

        `who` is the log's word for who said so. Raises AuditError where it cannot be recorded: nothing is allowed then.
        """
        await self._record(pattern, "allowed", "user", who)
        self._granted.words[pattern] = f"allowed by {who}"
        going = self.waits(pattern)
        for name in [name for name in self._refused if covers((pattern,), *name)]:
            del self._refused[name]
        for name, one in self._waits.items():
            if covers((pattern,), *name) and not one.heard.done():
                one.heard.set_result(Said("allow", f"allowed by {who}"))
        return going

    async def take_back(self, pattern: str, who: str) -> bool:
        """Allow this pattern no longer; whether it was. Connections that stand go on."""
        if self._granted.words.pop(pattern, None) is None:
            return False
        await self._record(pattern, "denied", "user", who)
        return True

    async def _decided(self, host: str, port: int) -> Said | None:
        name = (host, port)
        full = sum(one.clients for one in self._waits.values()) >= _MOST_CLIENTS
        wait = None if full else self._waits.get(name) or self._begun(name)
        if wait is None:
            return None
        wait.clients += 1
        try:
            return await asyncio.shield(wait.heard)
        finally:
            wait.clients -= 1
            if not wait.clients:
                wait.heard.cancel()  # nothing where it is done
                if self._waits.get(name) is wait:
                    del self._waits[name]

    def _begun(self, name: tuple[str, int]) -> _Wait | None:
        """Let a name wait; None where it is refused at once."""
        pointless = self._terms.unknown == "deny" or self._terms.own(*name) or self._is_refused(name)
        if pointless or len(self._waits) >= _MOST_NAMES:
            return None
        wait = self._waits[name] = _Wait(self._clock(), asyncio.get_running_loop().create_future())
        deciding = asyncio.create_task(self._decide(name, wait))
        wait.heard.add_done_callback(lambda _: deciding.cancel())
        if not self._asks:
            self._on_held(*name)
        return wait

    @property
    def _asks(self) -> bool:
        """Whether the user is asked at the session's terminal."""
        return self._terms.unknown == "ask" and self._noes < _MOST_NOES

    def _is_refused(self, name: tuple[str, int]) -> bool:
        until = self._refused.get(name)
        if until is not None and until <= self._clock():
            del self._refused[name]
            until = None
        return until is not None

    async def _decide(self, name: tuple[str, int], wait: _Wait) -> None:
        """Ask, or let the time pass; this task is cancelled once there is an answer, or nobody waits any more."""
        try:
            choice, by = await self._asked(*name) or await self._nobody()
            said = await self._finished(self._answered(name, choice, by))
        except Exception as error:  # noqa: BLE001 (those who wait must hear of it)
            if not wait.heard.done():
                wait.heard.set_exception(error)
            return
        if not wait.heard.done():
            wait.heard.set_result(said)

    async def _finished(self, answering: Coroutine[None, None, Said]) -> Said:
        """Do what follows from an answer to its end, also where the client that had asked leaves meanwhile."""
        task = asyncio.create_task(answering)
        self._answering.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: "asyncio.Task[Said]") -> None:
        self._answering.discard(task)
        if not task.cancelled():
            task.exception()  # where nobody waits any more, nobody else looks at it

    async def _nobody(self) -> tuple[str, str]:
        await asyncio.sleep(self._terms.seconds)
        return _NO, "nobody"

    async def _asked(self, host: str, port: int) -> tuple[str, str] | None:
        """Ask, where the user is asked; what they say, and who it was."""
        ports = "ports 443 and 80" if port in WEB_PORTS else f"port {port}"
        question = Question(
            f"may the client connect to `{host}:{port}`? no rule of your policy names that host",
            ("once: for the rest of this session", f"always: in each workspace and later session, on {ports}"),
            (_NO, _ONCE, _ALWAYS),
            patience=self._terms.seconds,
        )
        async with self._turn:
            if not self._asks:
                return None
            assert self._asking is not None  # noqa: S101 (who has no terminal to ask at makes it wait)
            answer = await self._asking.ask(question)
            if answer.by == "user":
                self._noes = self._noes + 1 if answer.choice == _NO else 0
        return answer.choice, answer.by

    async def _answered(self, name: tuple[str, int], choice: str, by: str) -> Said:
        host, port = name
        pattern = f"{host}:{port}"
        if choice == _NO:
            while len(self._refused) >= _MOST_REFUSED:
                del self._refused[next(iter(self._refused))]
            self._refused[name] = self._clock() + self._refused_for
            why = "no" if by == "user" else f"nobody allowed it within {self._terms.seconds:g} seconds"
            await self._record(pattern, "denied", by, why)
            return Said("deny", f"{NO_RULE}, and {'the user said no' if by == 'user' else why}")
        who = f"the user, asked at the session's terminal, {choice}"
        await self._record(pattern, "allowed", by, who)
        self._granted.words[pattern] = f"allowed by {who}"
        if choice == _ALWAYS and self._always is not None:
            # a port that policy names may be spoken to in any protocol: only TLS was asked for
            await asyncio.to_thread(self._always, host if port in WEB_PORTS else pattern)
        return Said("allow", f"allowed by {who}")

    async def _record(self, pattern: str, action: str, by: str, reason: str) -> None:
        judged = Judged(at=self._clock(), number=0, about="host", rule=pattern, action=action, reason=reason, by=by)
        await self._sink.append_durable(judged)


def _nothing(host: str, port: int) -> None:
    """Do nothing."""


def covers(patterns: Iterable[str], host: str, port: int) -> bool:
    """Whether one of some patterns is about a host's port."""
    matcher = HostMatcher([Pattern(text, 0, at) for at, text in enumerate(patterns)], 1)
    return matcher.best(f"{host}:{port}") is not None

"""What the guard serves on the sockets that were made inside: gateways, the egress proxy, loopback forwards.

Nearly all of their cost is imports, so each starts when its first connection is there: a listening socket queues that.
"""

import asyncio
import importlib
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from wrapper.gateway.refusal import NO_RULE
from wrapper.guard.duties import GuardDuties
from wrapper.guard.wire import Wire
from wrapper.policy.model import Decision
from wrapper.ports import Asking, AsyncAuditSink
from wrapper.programs import trusted_path

if TYPE_CHECKING:
    from wrapper.gateway.intercept.authority import Authority
    from wrapper.gateway.records import Log
    from wrapper.gateway.unnamed import Waiting
    from wrapper.guard.intercepting import Interception

_MODULES = ("wrapper.gateway.server", "wrapper.gateway.egress", "wrapper.gateway.loopback")


class Service(Protocol):
    """What serves one socket."""

    async def start(self, sock: socket.socket) -> None:
        """Serve what `sock` accepts."""

    async def close(self) -> None:
        """Serve no more."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """A decision of the policy, with the rule in words."""

    action: str
    text: str

    @classmethod
    def of(cls, decision: Decision) -> Self:
        return cls(decision.action, str(decision.rule) if decision.rule else NO_RULE)


def _names_port(decision: Decision) -> bool:
    """Whether the rule names the port too: then the user knows what is spoken there, and it need not be TLS."""
    return decision.rule is not None and decision.rule.pattern.rpartition(":")[2].isdigit()


class Lazy:
    """A service that starts when the first connection waits for it; `failed` hears why it could not."""

    def __init__(
        self,
        sock: socket.socket,
        warm: Callable[[], None],
        make: Callable[[], Service],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._sock = sock
        self._warm = warm
        self._make = make
        self._failed = failed
        self._service: Service | None = None
        self._starting: asyncio.Task[None] | None = None
        asyncio.get_running_loop().add_reader(sock, self._begin)

    def _begin(self) -> None:
        asyncio.get_running_loop().remove_reader(self._sock)
        self._starting = asyncio.create_task(self._start())

    async def _start(self) -> None:
        try:
            await asyncio.to_thread(self._warm)
            self._service = self._make()
            await self._service.start(self._sock)
        except Exception as error:  # noqa: BLE001 (a service that cannot start ends the session)
            self._failed(error)

    async def close(self) -> None:
        """End it, started or not."""
        if self._starting is None:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()
            return
        await self._starting
        if self._service is not None:
            await self._service.close()


def warm(wire: Wire) -> None:
    """Import and compile what the services need, while the client itself boots."""
    for module in _MODULES:
        importlib.import_module(module)
    wire.engine()


def warm_for(use: str, wire: Wire) -> None:
    """Do of it what the service for one use needs: only a gateway waits for what is redacted on the wire."""
    if use in ("egress", "ssh") or use.isdigit():
        for module in _MODULES:
            importlib.import_module(module)
    else:
        warm(wire)


class Serving:
    """Makes the service for one use (see `messages.Listening`). All gateways write to one log and ask one user."""

    def __init__(
        self,
        duties: GuardDuties,
        wire: Wire,
        sink: AsyncAuditSink,
        asking: Asking,
        authority: "Callable[[], Authority | None]",
        waiting: "Waiting | None" = None,
        publish: Callable[[], None] = lambda: None,
    ) -> None:
        self._duties = duties
        self._wire = wire
        self._sink = sink
        self._asking = asking
        self._authority = authority
        self._waiting = waiting
        self._publish = publish
        self._closing: list[Callable[[], None]] = []
        self._log: Log | None = None

    def service(self, use: str) -> Service:
        """Make it; `warm_for` has imported what it needs."""
        if use == "egress":
            return self._egress()
        if use == "ssh":
            return self._broker()
        return self._gateway(use) if use in self._duties.gateways else self._forward(int(use))

    def close(self) -> None:
        """Let go of what several services share, when they are closed."""
        for close in self._closing:
            close()

    def _egress(self) -> Service:
        from wrapper.gateway.egress import EgressProxy  # noqa: PLC0415 (aiohttp: 200 ms, while the client boots)

        policy, engine = self._duties.policy, self._duties.engine
        return EgressProxy(
            lambda host, port: _Verdict.of(policy.host(host, port)),
            self._sink,
            redact=lambda name: engine.redact(name).data,
            is_internal=policy.is_internal,
            outward=self._duties.outward,
            intercepting=self._intercepting(),
            terms=policy.egress.terms,
            unnamed=self._waiting,
            any_protocol=lambda host, port: _names_port(policy.host(host, port)),
        )

    def _intercepting(self) -> "Interception | None":
        authority = self._authority()
        if authority is None:
            return None
        from wrapper.guard.intercepting import interception  # noqa: PLC0415 (for policies that ask for it only)

        made = interception(self._duties, authority, self._wire.engine(), self._records(), self._publish)
        self._closing.append(made.close)
        self._wire.when_learned(made.forget)
        return made

    def _forward(self, port: int) -> Service:
        from wrapper.gateway.loopback import LoopbackForward  # noqa: PLC0415 (as above)

        rule = next((one for one in self._duties.policy.egress.loopback if one.port == port), None)
        if rule is None:
            return LoopbackForward(port, self._sink)
        login = self._duties.services.get(port)
        if login is None or login.account is None:
            return LoopbackForward(port, self._sink, rule=str(rule.rule))
        from wrapper.gateway.databases.speaking import database  # noqa: PLC0415 (for policies that ask for it only)

        spoken = database(login.protocol, login.account, login.placeholders)
        return LoopbackForward(port, self._sink, database=spoken, rule=str(rule.rule))

    def _broker(self) -> Service:
        from redactors.known import KnownValues  # noqa: PLC0415 (as above)
        from redactors.knownstream import KnownStream  # noqa: PLC0415
        from wrapper.gateway.remotes.broker import Broker  # noqa: PLC0415
        from wrapper.gateway.remotes.program import users_ssh  # noqa: PLC0415

        duties, engine = self._duties, self._duties.engine
        path = trusted_path(duties.environ.get("PATH", ""), but=(duties.workspace,))
        ssh = users_ssh(shutil.which("ssh", path=path) or "ssh", duties.environ, path)
        known, vault = engine.known or KnownValues(engine.vault), engine.vault
        return Broker(
            duties.policy.egress.remotes,
            self._sink,
            ssh=ssh,
            redact=lambda text: engine.redact(text).data,
            masking=lambda: KnownStream(known, vault),
        )

    def _records(self) -> "Log":
        from wrapper.gateway.records import Log  # noqa: PLC0415 (as above)

        self._log = self._log or Log(self._sink)
        return self._log

    def _gateway(self, use: str) -> Service:
        from wrapper.gateway.checkpoint import Terms  # noqa: PLC0415 (as above)
        from wrapper.gateway.server import Gateway  # noqa: PLC0415

        duties = self._duties
        terms = Terms(duties.policy, duties.place, self._asking, self._wire.folders(), self._wire.lines)
        gateway = Gateway(
            duties.gateways[use](), self._wire.engine(), duties.vault, self._records(), terms, outward=duties.outward
        )
        self._wire.when_learned(gateway.forget)
        return gateway

"""Serves the hosts at which TLS ends in the egress proxy: `gateway.egress.Intercepting`."""

from collections.abc import Awaitable, Callable

from redactors.engine import Engine
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.authority import Authority
from wrapper.gateway.intercept.bindings import Binding, Bindings
from wrapper.gateway.intercept.exchanging import Limits
from wrapper.gateway.intercept.judging import Judge
from wrapper.gateway.intercept.serving import serve
from wrapper.gateway.intercept.upstream import Kept
from wrapper.gateway.outward import Outward
from wrapper.gateway.records import Log
from wrapper.gateway.remotes.smarthttp import GitRequests
from wrapper.gateway.tunnel import Streams
from wrapper.guard.duties import GuardDuties
from wrapper.policy.egress import Egress


class Interception:
    """Hosts of which `egress` wants it. Towards the inside it is `authority` that vouches for them."""

    def __init__(self, egress: Egress, authority: Authority, judge: Judge, outward: Outward) -> None:
        self._egress = egress
        self._authority = authority
        self._judge = judge
        self._kept = Kept(outward.tls, Limits())

    def wants(self, host: str, port: int) -> bool:
        """Whether TLS to a host's port ends here."""
        return self._egress.terms(host, port).intercepts

    def forget(self) -> None:
        """Search all anew; from any thread."""
        self._judge.forget()

    def close(self) -> None:
        """Let go of the connections that wait, and of what searches."""
        self._kept.close()
        self._judge.close()

    async def serve(
        self, streams: Streams, destination: Destination, connect: Callable[[], Awaitable[Streams]]
    ) -> None:
        """Serve one connection until either end has closed it."""
        await serve(
            streams,
            destination,
            context=self._authority.context,
            connect=connect,
            handle=self._judge.handler(destination),
            kept=self._kept,
            refused=self._judge.refused(destination),
            limits=Limits(idle=self._egress.terms(*destination).idle_seconds),
        )


def interception(
    duties: GuardDuties, authority: Authority, engine: Engine, log: Log, publish: Callable[[], None]
) -> Interception:
    """Put it together from what the guard works with; `engine` is the wire's, `log` that of the gateways.

    `publish` tells all who mask of values that have become known.
    """
    bindings = Bindings(Binding.of(one.rule, one.value, one.placeholder) for one in duties.bound if one.placeholder)

    def captured(binding: Binding) -> None:
        bindings.add(binding)
        publish()

    remotes = tuple(one for one in duties.policy.egress.remotes if not one.ssh)
    git = GitRequests(remotes, log.sink, redact=lambda data: engine.redact(data).data)
    judge = Judge(
        duties.policy,
        engine,
        log.sink,
        numbers=log.numbers,
        bindings=bindings,
        inspections=(git,) if remotes else (),
        captures=duties.captures(captured),
    )
    return Interception(duties.policy.egress, authority, judge, duties.outward)

"""How much may go to one host: connections at the same time, bytes in the session, time without a byte. Pure.

Rules of this file:
1. Budgets are of a host, whatever its port, over all of its connections, tunnelled and intercepted: many small ones
   are one large one.
2. What would go over a budget does not leave: a connection is cut before that byte.
3. 0 is no limit. There are as many accounts as hosts that were let through; past `_MOST` hosts no new one is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from wrapper.gateway.destination import Destination
from wrapper.gateway.refusal import RefusedError
from wrapper.policy.egress import Egress, Terms

_MOST: Final = 10_000  # hosts in a session; `*.example.org` lets the inside invent names


class CutError(ConnectionAbortedError):
    """A connection that is cut: the reason is its text. An OSError, as a transport expects of its socket."""


@dataclass(slots=True)
class _Account:
    """What one host has had in this session; `told` are the limits of which the user has heard."""

    sent: int = 0
    received: int = 0
    open: int = 0
    told: set[str] = field(default_factory=set)


class Use:
    """One connection's part: `sent` and `received` are its own bytes, `cut` says why it was cut, where it was."""

    def __init__(self, host: str, terms: Terms, account: _Account) -> None:
        self._host = host
        self._account = account
        self.terms = terms
        self.sent = 0
        self.received = 0
        self.cut = ""
        account.open += 1

    @property
    def total(self) -> int:
        """Bytes both ways."""
        return self.sent + self.received

    def on_sent(self, size: int) -> None:
        """Count bytes that are about to leave. Raises CutError where they may not."""
        if 0 < self.terms.send_bytes < self._account.sent + size:
            raise self.ending(_spent("send_bytes", self.terms.send_bytes))
        self._account.sent += size
        self.sent += size

    def on_received(self, size: int) -> None:
        """Count bytes that are about to be given to the inside. Raises CutError where they may not."""
        if 0 < self.terms.receive_bytes < self._account.received + size:
            raise self.ending(_spent("receive_bytes", self.terms.receive_bytes))
        self._account.received += size
        self.received += size

    def ending(self, why: str) -> CutError:
        """Note why this connection ends, and make the error that ends it."""
        self.cut = self.cut or why
        return CutError(why)

    def idle(self) -> CutError:
        """Note that nothing came either way for too long."""
        return self.ending(f"nothing was sent either way for {self.terms.idle_seconds:g} seconds")

    def first_told(self) -> bool:
        """Whether the user has not yet heard of a cut of this kind at this host; has now."""
        told = self.cut in self._account.told
        self._account.told.add(self.cut)
        return bool(self.cut) and not told

    def leave(self) -> None:
        """Give the place to another connection."""
        self._account.open -= 1


class Limits:
    """The accounts of a session; `terms` is what policy says of a host's port."""

    def __init__(self, terms: Callable[[str, int], Terms] | None = None) -> None:
        self._terms = terms or Egress().terms
        self._accounts: dict[str, _Account] = {}

    def enter(self, destination: Destination) -> Use:
        """Take a place for a new connection. RefusedError where there is none, or a budget is used up."""
        host = destination.host
        terms = self._terms(*destination)
        account = self._accounts.get(host)
        if account is None:
            if len(self._accounts) >= _MOST:
                raise RefusedError(503, f"{_MOST} hosts were reached in this session, and no more are")
            account = self._accounts[host] = _Account()
        if 0 < terms.connections <= account.open:
            what = f"{terms.connections} connections to `{host}` are open already"
            raise RefusedError(503, what, hint="close some, or raise `connections` under `[[hosts]]` in your policy")
        for key, budget, used in (
            ("send_bytes", terms.send_bytes, account.sent),
            ("receive_bytes", terms.receive_bytes, account.received),
        ):
            if 0 < budget <= used:
                raise RefusedError(403, f"`{host}`: {_spent(key, budget)}", hint=f"raise `{key}` in your policy")
        return Use(host, terms, account)


def _spent(key: str, budget: int) -> str:
    return f"the {budget} bytes that `{key}` grants for the session are used up"

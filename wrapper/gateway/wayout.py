"""The way from this machine to a host that policy allows: directly, or by way of the company's proxy.

Rules of this file:
1. Names are resolved here, outside, and the connection goes to the very address that was checked. One address that is
   not public, or is this machine's, refuses the connection: a name that changes its mind (DNS rebinding) finds nothing
   of this network. Each connection is checked anew.
2. Where the user's environment names a company's proxy for a host, the way goes through that, and the proxy resolves
   the name. What this machine's resolver knows of the name is checked all the same; names that only a private network
   can know, and the proxy itself, are refused. What a name means to the proxy alone cannot be checked here.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wrapper.errors import SessionError
from wrapper.gateway.destination import Destination, is_internal_name, is_metadata_name, is_private, is_public
from wrapper.gateway.dialling import Dial, Resolve, dial_address, is_this_machine, resolve_name
from wrapper.gateway.outward import Outward
from wrapper.gateway.proxies import Proxy
from wrapper.gateway.refusal import RefusedError
from wrapper.gateway.tunnel import Streams, through

_PLAIN = 80
_MOST_UNKNOWN = 1000  # names


class NotPublicError(Exception):
    """A destination that must not be reached although policy allows its name; the text goes on from the rule's."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for one attempt to connect; for this machine's resolver where a proxy has its own; for a proxy."""

    connect: float
    own: float
    answer: float


class WayOut:
    """Opens connections. `is_internal`, `resolve`, `dial` and `allow_private` as `EgressProxy` has them."""

    def __init__(
        self,
        outward: Outward,
        patience: Patience,
        *,
        is_internal: Callable[[str, int], bool],
        resolve: Resolve | None,
        dial: Dial | None,
        allow_private: Callable[[str], bool] | None,
    ) -> None:
        self._outward = outward
        self._patience = patience
        self._is_internal = is_internal
        self.resolve = resolve or resolve_name
        self.dial = dial or dial_address
        self._allow_private = allow_private or _none
        self._unknown: set[str] = set()
        self._tls: ssl.SSLContext | None = None

    async def checked(self, destination: Destination) -> tuple[Proxy | None, Sequence[str]]:
        """Give the company's proxy to go by, or the addresses that may be dialled.

        Raises NotPublicError, and RefusedError where the name cannot be resolved.
        """
        for one in self._outward.proxies.every():
            if destination.host == one.host.removesuffix("."):
                raise NotPublicError(f"it is the proxy in {one.variable} itself")
        proxy = self._proxy_to(destination)
        if proxy is None:
            return None, await self._checked_addresses(destination)
        await self._check_by_name(destination)
        return proxy, ()

    async def open(self, destination: Destination) -> Streams:
        """Check, and connect. Raises as `checked` does, and RefusedError where the host cannot be reached."""
        proxy, addresses = await self.checked(destination)
        if proxy is None:
            return await self._dialled(destination, addresses)
        within = self._patience
        return await through(proxy, destination, self._trusted, connect=within.connect, answer=within.answer)

    def _trusted(self) -> ssl.SSLContext:
        """Give what proxies are verified with; making it takes 20 ms, and a package manager opens many tunnels."""
        if self._tls is None:
            self._tls = self._outward.tls()
        return self._tls

    def _proxy_to(self, destination: Destination) -> Proxy | None:
        scheme = "http" if destination.port == _PLAIN else "https"
        try:
            return self._outward.proxies.to(scheme, *destination)
        except SessionError as error:
            raise RefusedError(502, error.what, hint=error.hint) from error

    async def _checked_addresses(self, destination: Destination) -> Sequence[str]:
        try:
            async with asyncio.timeout(self._patience.connect):
                addresses = await self.resolve(*destination)
        except (OSError, UnicodeError) as error:
            raise RefusedError(502, f"`{destination.host}` cannot be resolved", hint="check the name") from error
        if not addresses:
            raise NotPublicError("it has no address")
        self._check(destination, addresses)
        return addresses

    def _check(self, destination: Destination, addresses: Sequence[str]) -> None:
        own = self._is_internal(*destination)
        for one in addresses:
            if not (is_public(one) or (own and is_private(one)) or self._allow_private(one)):
                raise NotPublicError(f"it resolves to {one}, which is no public address")
            if is_public(one) and not own and is_this_machine(one):  # what listens there may trust who is on it
                raise NotPublicError(f"it resolves to {one}, which is this machine")

    async def _check_by_name(self, destination: Destination) -> None:
        """Refuse what must not be reached by way of a proxy, which looks the name up by itself."""
        if is_metadata_name(destination.host):
            raise NotPublicError("clouds answer there with credentials")
        addresses = await self._known_here(destination)
        if not addresses and is_internal_name(destination.host) and not self._is_internal(*destination):
            raise NotPublicError("it is a name of a private network")
        self._check(destination, addresses)

    async def _known_here(self, destination: Destination) -> Sequence[str]:
        """Give what this machine's resolver knows: behind a proxy often nothing, and that late, so it is asked once."""
        if destination.host in self._unknown:
            return ()
        try:
            async with asyncio.timeout(self._patience.own):
                return await self.resolve(*destination)
        except (OSError, UnicodeError):
            if len(self._unknown) < _MOST_UNKNOWN:
                self._unknown.add(destination.host)
            return ()

    async def _dialled(self, destination: Destination, addresses: Sequence[str]) -> Streams:
        """Connect to the first checked address that answers. The address is numeric: nothing is resolved again."""
        slow = False
        for address in addresses:
            try:
                async with asyncio.timeout(self._patience.connect):
                    return await self.dial(address, destination.port)
            except TimeoutError:
                slow = True
            except OSError:
                slow = False
        status, what = (504, "does not answer") if slow else (502, "cannot be reached")
        raise RefusedError(status, f"`{destination.host}:{destination.port}` {what}", hint="check your network")


def _none(address: str) -> bool:  # noqa: ARG001
    return False

"""The provider's key: a placeholder inside, put into the outgoing header outside.

What the inside puts into such a header never counts: else the gateway would turn a placeholder there into its value,
and hand a forge's token to the provider.
"""

from collections.abc import Mapping
from typing import Protocol

CREDENTIAL_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "proxy-authorization", "cookie", "set-cookie"})
"""Lower-case names of headers that are never recorded."""


class Credential(Protocol):
    """Gives the headers that authenticate a request."""

    async def headers(self, inside: Mapping[str, str]) -> Mapping[str, str]:
        """Return lower-case header names with real values.

        `inside` holds the credential headers that the inside sent (lower-case names). They are all dropped from the
        request; what is returned takes their place. May read or renew a login. Raises SafeAgentError if none is had.
        """

    async def close(self) -> None:
        """Let a renewal that is under way come to its end."""

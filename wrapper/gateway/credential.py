"""The provider's key: a placeholder inside, put into the outgoing header outside.

What the inside puts into such a header never counts: else the gateway would turn a placeholder there into its value,
and hand a forge's token to the provider.
"""

from collections.abc import Mapping
from typing import Protocol

from wrapper.errors import StateError

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


class OwnKey:
    """The key of an upstream that policy names: what the variable `name` held at the start; no name, no key."""

    def __init__(self, name: str, value: str, kind: str) -> None:
        self._name = name
        value = value.strip()
        self._headers = {"x-api-key": value} if kind == "anthropic" else {"authorization": f"Bearer {value}"}
        self._is_there = bool(value)

    async def headers(self, inside: Mapping[str, str]) -> Mapping[str, str]:  # noqa: ARG002 - nothing of it goes there
        """Return the header that this kind of API takes. StateError where the variable was empty."""
        if self._name and not self._is_there:
            raise StateError(
                f"the variable `{self._name}`, which holds the key of this upstream, is not set",
                hint="set it outside and start again",
            )
        return self._headers if self._name else {}

    async def close(self) -> None:
        """Nothing is under way."""

"""A token that a command of the user's prints, outside: asked for again long before it ends.

Rules of this file:
1. One command runs at a time, and what it printed serves all requests of the next minutes.
2. What the client has besides goes along, and never what the inside sent.
"""

import asyncio
import time
from collections.abc import Callable, Mapping

from wrapper.gateway.credential import Credential

_FRESH = 240.0  # seconds; tools that mint tokens renew them five minutes before their end


class Minted:
    """The credential of a session (`gateway.credential.Credential`) with a bearer token besides.

    `mint` gives the token, and takes seconds; it raises SafeAgentError where there is none. `clock` is in seconds.
    """

    def __init__(
        self, beside: Credential, mint: Callable[[], str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._beside = beside
        self._mint = mint
        self._clock = clock
        self._minting = asyncio.Lock()
        self._token = ""
        self._until = 0.0

    async def headers(self, inside: Mapping[str, str]) -> Mapping[str, str]:
        """Give the headers. Raises what `mint` raises."""
        headers = await self._beside.headers(inside)
        async with self._minting:
            if self._clock() >= self._until:
                self._token = await asyncio.to_thread(self._mint)
                self._until = self._clock() + _FRESH
        return {**headers, "authorization": f"Bearer {self._token}"}

    async def close(self) -> None:
        """Let a renewal of the other one come to its end."""
        await self._beside.close()

"""A login kept in a client's own file: read outside for each request, and renewed outside when it ends.

Rules of this file:
1. The inside sees a login that never ends, so it never tries to renew what it does not have.
2. The bare client may renew the same login at any time: the file is read again whenever it has changed, and its newer
   token wins over ours.
3. A renewal that has begun comes to its end, whoever goes away: the provider may have made the old token invalid with
   its answer. Of several sessions one renews; the others wait for it and read what it got (`turns`).
4. The file is written in place. Its cover, which hides it from the inside, stays on it; a new file would stand in the
   client's folder without one for a moment, in which the inside could open it (seen, also if it is covered at once).
   The price: another process that reads it in several pieces in the same microseconds may get parts of both.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

import aiohttp

from wrapper.errors import SessionError, StateError
from wrapper.gateway.inplace import write_in_place
from wrapper.gateway.outward import Outward
from wrapper.gateway.turns import Turn, nobody_else
from wrapper.gateway.upstream import upstream_fault

_EARLY = 120.0  # seconds before its end at which a login is renewed: a request must not outlive its token
_TRIES = 2
_SETTLE = 0.5  # seconds for another process, which may have used up the token first, to write down what it got
_LONGEST_ANSWER = 1 << 20

_Stamp = tuple[int, int, int]


class Renewal(Protocol):
    """A POST of `body` (JSON) to `url` (RFC 6749, section 6)."""

    @property
    def url(self) -> str:
        """The provider's token endpoint."""

    @property
    def body(self) -> bytes:
        """The request's JSON."""


class LoginFile(Protocol):
    """The login as the client's adapter reads it; see `agents.client.LoginFile`."""

    @property
    def path(self) -> Path:
        """The real file."""

    @property
    def expires(self) -> float | None:
        """Seconds since the epoch."""

    @property
    def renewal(self) -> Renewal | None:
        """How it is renewed, if it can be."""

    @property
    def renewed(self) -> Callable[[bytes, float], bytes]:
        """Makes the new file from the provider's answer and the time; ValueError where it is none."""


class Identity(Protocol):
    """Who the client is at the provider; see `agents.client.Credential`."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names, real values."""

    @property
    def login(self) -> LoginFile | None:
        """The login file they come from, if they come from one."""


Post = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]
"""Sends JSON to a URL and returns status and body. Raises OSError."""


class LiveCredential:
    """The credential of a session (`gateway.credential.Credential`).

    `read` gives it anew from the client's files, and makes its secrets known; `post` sends a renewal, in a `turn` of
    its own. `settle` is called before the file is looked at: it writes there what the inside has made of its login.
    """

    def __init__(
        self,
        read: Callable[[], Identity | None],
        post: Post,
        *,
        clock: Callable[[], float] = time.time,
        turn: Turn = nobody_else,
        settle: Callable[[], object] = lambda: None,
    ) -> None:
        self._read = read
        self._post = post
        self._clock = clock
        self._turn = turn
        self._settle = settle
        self._identity: Identity | None = None
        self._stamp: _Stamp | None = None
        self._renewal: asyncio.Task[Identity | None] | None = None
        self._refused: tuple[_Stamp | None, StateError] | None = None

    async def headers(self, inside: Mapping[str, str]) -> Mapping[str, str]:
        """Give the headers; what the inside sent does not count. Raises StateError where there is no valid login."""
        del inside
        identity = self._current()
        if identity is not None and self._ends(identity):
            identity = await self._renewed()
        return {} if identity is None else identity.headers

    async def close(self) -> None:
        """Let a renewal that is under way come to its end."""
        if self._renewal is not None:
            await asyncio.wait([self._renewal])

    def _current(self) -> Identity | None:
        self._settle()
        login = None if self._identity is None else self._identity.login
        stamp = None if login is None else _stamp(login.path)
        if self._identity is None or (login is not None and (stamp is None or stamp != self._stamp)):
            self._identity = self._read()
            self._stamp = stamp  # from before it was read: a change meanwhile shows next time
        return self._identity

    def _ends(self, identity: Identity) -> bool:
        login = identity.login
        return login is not None and login.expires is not None and login.expires < self._clock() + _EARLY

    async def _renewed(self) -> Identity | None:
        """Renew once for all who ask meanwhile."""
        if self._renewal is None or self._renewal.done():
            if self._refused is not None and self._refused[0] == self._stamp:
                raise self._refused[1]  # the same token would be refused again
            self._renewal = asyncio.create_task(self._renew())
            self._renewal.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody may wait for it
        return await asyncio.shield(self._renewal)

    async def _renew(self) -> Identity | None:
        try:
            async with self._turn():
                return await self._renewed_in_turn()
        except OSError as error:
            raise _ended(str(error)) from error

    async def _renewed_in_turn(self) -> Identity | None:
        identity = self._current()
        if identity is not None and not self._ends(identity):
            return identity  # another session was before us
        login = None if identity is None else identity.login
        if login is None or login.renewal is None:
            raise _ended("it cannot be renewed")
        try:
            answer = await self._answer(login.renewal)
            current = self._current()
            now = None if current is None else current.login
            if now is None or now.renewal is None or now.renewal.body != login.renewal.body:
                return current  # whoever has changed the login meanwhile knows better
            write_in_place(now.path, now.renewed(answer, self._clock()))
        except (OSError, ValueError, TypeError) as error:
            raise _ended(str(error)) from error
        except StateError as error:
            await asyncio.sleep(_SETTLE)
            identity = self._current()
            if identity is not None and not self._ends(identity):
                return identity
            self._refused = self._stamp, error
            raise
        return self._current()

    async def _answer(self, renewal: Renewal) -> bytes:
        """Give the provider's answer. Raises StateError where it refuses, OSError where it is not reached."""
        for tries_left in reversed(range(_TRIES)):
            try:
                status, answer = await self._post(renewal.url, renewal.body)
            except OSError:
                if not tries_left:
                    raise
                continue
            if status == 200:
                return answer
            if status < 500:
                raise _ended(f"the provider answered {status}")
        raise OSError(f"the provider answered {status}")


def _ended(reason: str) -> StateError:
    return StateError(
        f"the client's login has ended and could not be renewed: {reason}",
        hint="log in again with the bare client, outside safe-agent",
    )


def _stamp(path: Path) -> _Stamp | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size


def posting(outward: Outward) -> Post:
    """Make what sends a renewal over verified TLS, the way that `outward` says.

    Never to a redirect's target, since the body holds the refresh token.
    """

    async def post(url: str, body: bytes) -> tuple[int, bytes]:
        try:
            hop = outward.proxies.toward(url)
        except SessionError as error:
            raise OSError(error.what) from error
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=outward.is_plain or outward.tls()),
                    timeout=aiohttp.ClientTimeout(total=30),
                ) as session,
                session.post(
                    url,
                    data=body,
                    headers={"content-type": "application/json"},
                    allow_redirects=False,
                    proxy=hop.url if hop else None,
                    proxy_headers=hop.headers if hop else None,
                ) as answer,
            ):
                return answer.status, await answer.content.read(_LONGEST_ANSWER)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OSError(upstream_fault(error, url, hop, unread=outward.unread()).what) from error

    return post

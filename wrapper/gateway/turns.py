"""One after the other, over all sessions of a user: a refresh token is good once (RFC 9700, section 4.14.2).

The lock is flock(2) on a file beside safe-agent's own state: it ends with its holder, whatever that dies of. The inside
does not see the file. The bare client does not know of it; see `login` for what becomes of its renewals.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

_LONGEST = 90.0  # seconds; another's exchange is over by then: two tries of 30 seconds
_AGAIN = 0.02

Turn = Callable[[], AbstractAsyncContextManager[None]]
"""Holds off all others while it is entered. Raises OSError where it cannot."""


@contextlib.asynccontextmanager
async def nobody_else() -> AsyncIterator[None]:
    """Hold off nobody: for a login that nobody else has."""
    yield


def turns(folder: Path, login: Path) -> Turn:
    """Make what holds off other sessions that have this login file; `folder` is made where it is missing."""
    file = folder / hashlib.sha256(os.fsencode(login)).hexdigest()[:16]

    @contextlib.asynccontextmanager
    async def turn() -> AsyncIterator[None]:
        descriptor = _opened(file)
        try:
            async with asyncio.timeout(_LONGEST):
                while not _locked(descriptor):  # noqa: ASYNC110 (another process has it)
                    await asyncio.sleep(_AGAIN)
            yield
        finally:
            os.close(descriptor)

    return turn


def _opened(file: Path) -> int:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

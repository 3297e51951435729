"""`safe-agent allow` from another terminal: a socket in the session's own folder, served by the guard.

Rules of this file:
1. Only the session's own user is heard: the folder is theirs alone (mode 0700), and the kernel says who called
   (SO_PEERCRED, unix(7)). The sandbox sees nothing of that folder.
2. A request is one frame, an answer another: four bytes of length, big-endian, then MessagePack.
3. What policy denies is refused with its rule. What is allowed is in the log before it holds (`gateway.unnamed`).
"""

import asyncio
import contextlib
import os
import pwd
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

from wrapper.errors import AuditError
from wrapper.gateway.unnamed import WEB_PORTS, Held, Waiting
from wrapper.policy.hosts import problem
from wrapper.policy.model import Policy

SOCKET = "allow"
"""Its name in the session's folder."""

_LONGEST = 1 << 20  # bytes of a frame: 32 names wait at most
_PATIENCE = 5.0  # seconds for a request
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class Show(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Say what waits."""


class Allow(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Let hosts go on, from now to the session's end; `how` is the log's word for it: `once` or `always`."""

    pattern: str
    how: str


class TakeBack(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Allow no longer what was allowed so."""

    pattern: str


class Shown(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What waits, whose client asks, and where it works."""

    held: tuple[Held, ...]
    client: str
    workspace: str


class Done(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """It is so; `going` are the hosts that had waited, or the pattern that was taken back."""

    going: tuple[str, ...] = ()


class Refusing(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """It is not done, and why."""

    why: str


Request = Show | Allow | TakeBack
Reply = Shown | Done | Refusing


def frame(message: Request | Reply) -> bytes:
    """Make a frame."""
    data = msgspec.msgpack.encode(message)
    return len(data).to_bytes(4, "big") + data


@contextlib.contextmanager
def reachable(folder: Path) -> Iterator[str]:
    """Give a path of the socket that is short enough for the kernel (108 bytes), wherever the folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


def ask(folder: Path, request: Request, *, within: float = 5.0) -> Reply:
    """Ask the session whose folder this is. Raises OSError where it cannot be reached or does not answer."""
    with reachable(folder) as path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(within)
        connection.connect(path)
        if _caller(connection)[1] != os.geteuid():
            raise PermissionError("the session is another user's")
        connection.sendall(frame(request))
        with connection.makefile("rb") as answer:
            size = int.from_bytes(answer.read(4), "big")
            data = answer.read(min(size, _LONGEST))
    try:
        reply: Reply = msgspec.msgpack.decode(data, type=Reply)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConnectionError("the session gave no answer") from error
    return reply


def _listening(folder: Path) -> socket.socket:
    with reachable(folder) as path:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.bind(path)
            Path(path).chmod(0o600)
        except OSError:
            made.close()
            raise
    return made


class Desk:
    """Serves the socket. `policy` and `client` are the session's."""

    def __init__(self, folder: Path, waiting: Waiting, policy: Policy, client: str, workspace: str) -> None:
        self._folder = folder
        self._waiting = waiting
        self._policy = policy
        self._client = client
        self._workspace = workspace
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin. Raises OSError."""
        self._server = await asyncio.start_unix_server(self._served, sock=_listening(self._folder))

    async def close(self) -> None:
        """End, and take the socket away."""
        if self._server is not None:
            self._server.close()
            (self._folder / SOCKET).unlink(missing_ok=True)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            pid, uid, _ = _caller(writer.get_extra_info("socket"))
            if uid == os.geteuid():
                async with asyncio.timeout(_PATIENCE):
                    request = await _request(reader)
                    writer.write(frame(await self._answer(request, f"{_name(uid)} at another terminal (pid {pid})")))
                    await writer.drain()
        except (OSError, TimeoutError, EOFError, msgspec.DecodeError, UnicodeDecodeError):
            pass  # who says something else, or goes, is not answered
        finally:
            writer.close()

    async def _answer(self, request: Request, who: str) -> Reply:
        try:
            match request:
                case Show():
                    return Shown(self._waiting.held(), self._client, self._workspace)
                case TakeBack(pattern):
                    return Done((pattern,) if await self._waiting.take_back(pattern, who) else ())
                case Allow(pattern, how):
                    why = refused(self._policy, pattern)
                    return Refusing(why) if why else Done(await self._waiting.allow(pattern, f"{who}, {how}"))
        except AuditError as error:
            return Refusing(f"the log cannot be written: {error.what}")


def misspelt(pattern: str) -> str:
    """Say why a text is no host as in `network.allow`, or more than one can be allowed here; "" where it is one."""
    wrong = "is every host: that is for the policy file" if pattern.startswith("*:") or pattern == "*" else ""
    wrong = wrong or problem(pattern)
    return f"`{pattern}` {wrong}" if wrong else ""


def refused(policy: Policy, pattern: str) -> str:
    """Say why a host (as in `network.allow`, but for `*`) cannot be allowed by the user; "" where it can."""
    if wrong := misspelt(pattern):
        return wrong
    host, _, port = pattern.partition(":")
    for one in (int(port),) if port else WEB_PORTS:
        decision = policy.host(host.replace("*", "any"), one)
        if decision.action != "allow" and decision.rule is not None:
            return f"`{pattern}` is denied by {decision.rule}"
    return ""


async def _request(reader: asyncio.StreamReader) -> Request:
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > _LONGEST:
        raise EOFError
    request: Request = msgspec.msgpack.decode(await reader.readexactly(size), type=Request)
    return request


def _caller(connection: socket.socket) -> tuple[int, int, int]:
    pid, uid, gid = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid, gid


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)

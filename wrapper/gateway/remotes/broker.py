"""Does git's fetch and push by ssh for the inside, outside: keys and agent stay there.

Rules of this file:
1. What is asked for is one service of git's for a repository that `[[remotes]]` lists; all else is refused, recorded
   and told. What is run is the rule's words, never the inside's.
2. The decision is on disk before ssh starts (promise 4), and what a push writes before a byte of it is passed on.
3. ssh ends with the stub's connection, and with this process.
4. The inside hears what ssh and the server say, known values masked: names of key files and of the home folder too,
   without which nobody could mend it. It never hears a key, and nobody is asked for a passphrase.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence

from wrapper.audit.events import Connection
from wrapper.errors import AuditError
from wrapper.gateway.remotes import addresses
from wrapper.gateway.remotes.addresses import RECEIVE, Asked, Granted
from wrapper.gateway.remotes.carrying import FAILED, Counts, carry, start
from wrapper.gateway.remotes.frames import FrameError, greeting
from wrapper.gateway.remotes.gate import PushGate
from wrapper.gateway.remotes.inside import HELLO
from wrapper.gateway.remotes.program import Ssh
from wrapper.gateway.remotes.talk import Masking, Stub
from wrapper.messages import printable
from wrapper.policy.egress import RemoteRule
from wrapper.ports import AsyncAuditSink

_MOST_CONNECTIONS = 64  # submodules are fetched eight or so at once
_GREETING = 10.0  # seconds
_SSH_PORT = 22


class _NotDoneError(Exception):
    """What the user of git is told instead: lines that end with a line feed."""


class Broker:
    """Serves our stub's connections on a listening socket.

    `redact` is given what travels in plain text (host, command, names of refs); where it changes that, it holds a
    secret. `masking` makes what masks known values in the words of ssh and the server.
    """

    def __init__(
        self,
        rules: Sequence[RemoteRule],
        sink: AsyncAuditSink,
        *,
        ssh: Ssh,
        redact: Callable[[bytes], bytes],
        masking: Callable[[], Masking],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = tuple(one for one in rules if one.ssh)
        self._sink = sink
        self._ssh = ssh
        self._redact = redact
        self._masking = masking
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self, sock: socket.socket) -> None:
        """Serve connections accepted from `sock` (listening)."""
        self._server = await asyncio.start_server(self._accepted, sock=sock)

    async def close(self) -> None:
        """Accept no more, and end what runs."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await asyncio.sleep(0)  # transports close their sockets in the loop's next round

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._served(Stub(reader, writer)))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _served(self, stub: Stub) -> None:
        try:
            await stub.leave(*await self._answered(stub))
        except OSError:
            pass  # the stub is gone; there is nobody to tell
        finally:
            stub.close()

    async def _answered(self, stub: Stub) -> tuple[str, int]:
        """Do what is asked for; give the last words and the exit code."""
        try:
            asked, protocol = await self._asked(stub)
            what = addresses.granted(asked, self._rules)
            if what is None:
                return self._refused(asked), FAILED
            return await self._run(stub, what, protocol)
        except AuditError as error:
            return f"safe-agent: nothing was sent, because the log cannot be written: {error.what}\n", FAILED
        except FrameError as error:
            self._record_denied("?", 0, str(error))
            return f"safe-agent: this is not what git says to ssh: {error}\n", FAILED
        except _NotDoneError as error:
            return str(error), FAILED

    async def _asked(self, stub: Stub) -> tuple[Asked, str]:
        if len(self._open) > _MOST_CONNECTIONS:
            raise _NotDoneError(f"safe-agent: {_MOST_CONNECTIONS} connections by ssh are open already\n")
        try:
            async with asyncio.timeout(_GREETING):
                one = await stub.frame()
        except TimeoutError:
            raise FrameError("nothing") from None
        if one is None or one[0] != HELLO:
            raise FrameError("no beginning")
        return greeting(one[1])

    def _refused(self, asked: Asked) -> str:
        why, hint = addresses.refused(asked, self._rules), addresses.wanted(asked)
        what = why if addresses.command(asked.command) else f"{why}: {asked.command or asked.target}"
        self._record_denied(asked.host, asked.port or _SSH_PORT, what)
        return f"safe-agent: {why}\n" + (f"hint: {hint}\n" if hint else "")

    def _record_denied(self, host: str, port: int, why: str) -> None:
        event = Connection(
            at=self._clock(), host=self._harmless(host), port=port, allowed=False, rule=self._harmless(why)
        )
        self._sink.append(event)

    def _harmless(self, text: str) -> str:
        return printable(self._redact(text.encode()).decode("utf-8", "replace"))

    async def _run(self, stub: Stub, what: Granted, protocol: str) -> tuple[str, int]:
        counts = Counts()
        await self._sink.append_durable(self._connection(what, counts))
        try:
            process = await start(self._ssh.words(what), self._ssh.around(protocol))
        except OSError as error:
            raise _NotDoneError(f"safe-agent: ssh cannot be started outside: {error.strerror}\n") from error
        gate = PushGate(what.rule, self._sink, redact=self._redact, clock=self._clock)
        try:
            return await carry(stub, process, gate if what.service == RECEIVE else None, counts, self._masking())
        finally:
            self._sink.append(self._connection(what, counts))

    def _connection(self, what: Granted, counts: Counts) -> Connection:
        rule = what.rule
        return Connection(
            at=self._clock(),
            host=rule.host,
            port=rule.port or _SSH_PORT,
            allowed=True,
            rule=f"{rule.rule}: {what.service} by ssh",
            sent=counts.sent,
            received=counts.received,
        )

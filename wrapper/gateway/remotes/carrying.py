"""Runs the real ssh for one stub, and carries bytes between the two until one of them ends.

A push goes through a `PushGate`: the server gets nothing of it before it is judged. Of a refused one it hears a flush,
as of a push that has nothing to write, and ends by itself.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wrapper import linux
from wrapper.gateway.remotes.gate import PushGate, RefusedPushError
from wrapper.gateway.remotes.inside import INPUT, MOST, OUTPUT
from wrapper.gateway.remotes.pktline import Mark
from wrapper.gateway.remotes.talk import Masking, Stub

FAILED = 255
"""ssh(1): "exits with the exit status of the remote command or with 255 if an error occurred"."""

_ENDING = 5.0  # seconds for ssh to end by itself
_REFUSED = 1
_DEAF = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTOU, signal.SIGHUP, signal.SIGTERM)
_HINT = "hint: what ssh says is about this machine outside, where the user's keys and known hosts are\n"


@dataclass(slots=True)
class Counts:
    """Bytes carried so far."""

    sent: int = 0
    received: int = 0

    def on_received(self, size: int) -> None:
        """Count what came from the server."""
        self.received += size


async def start(words: Sequence[str], environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start ssh in a process group of its own. Raises OSError."""
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd="/",  # the workspace is the agent's
            start_new_session=True,
            preexec_fn=_as_child,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:  # half started, it would not be killed with its helpers, and waited for
        await _ended(await starting)
        raise


async def carry(
    stub: Stub, process: asyncio.subprocess.Process, gate: PushGate | None, counts: Counts, masking: Masking
) -> tuple[str, int]:
    """Carry until ssh has ended; give words for the user, and the exit code. Raises OSError, FrameError, AuditError.

    `masking` is for what ssh and the server say to the user.
    """
    back = asyncio.create_task(_back(stub, process, counts, masking))
    forth = asyncio.create_task(_forth(stub, process, gate, counts))
    try:
        await asyncio.wait({back, forth}, return_when=asyncio.FIRST_COMPLETED)
        if forth.done():
            await forth
        code = await back
        return (_HINT if code == FAILED else ""), code % 256
    except RefusedPushError as error:
        await _cancelled(back)
        await _nothing_to_write(process)
        if not error.report:
            return error.words, _REFUSED
        await stub.report(error.report)
        return "", 0
    finally:
        await _cancelled(back, forth)
        await _ended(process)


async def _back(stub: Stub, process: asyncio.subprocess.Process, counts: Counts, masking: Masking) -> int:
    assert process.stdout is not None  # noqa: S101 (a pipe was asked for)
    assert process.stderr is not None  # noqa: S101 (as above)
    errors = asyncio.create_task(stub.tell(process.stderr, masking, counts.on_received))
    try:
        await stub.copy(OUTPUT, process.stdout, counts.on_received)
        # a helper of ssh's may hold its errors open behind it
        async with asyncio.timeout(_ENDING):
            await errors
            return await process.wait()
    except TimeoutError:
        return FAILED
    finally:
        await _cancelled(errors)


async def _forth(stub: Stub, process: asyncio.subprocess.Process, gate: PushGate | None, counts: Counts) -> None:
    """Carry what the stub says. Ends by an error only: the stub stays until it has heard its exit code."""
    assert process.stdin is not None  # noqa: S101 (a pipe was asked for)
    held = bytearray()
    while (one := await stub.frame()) is not None:
        kind, data = one
        if kind != INPUT:
            process.stdin.close()
            continue
        held += data
        if gate is not None and not await gate.opens(data):
            continue
        gate = None
        counts.sent += len(held)
        if not process.stdin.is_closing():
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # ssh has ended, and says itself why
                process.stdin.write(held)
                await process.stdin.drain()
        held = bytearray()
    raise ConnectionResetError("the stub is gone")


async def _nothing_to_write(process: asyncio.subprocess.Process) -> None:
    """Let the server end by itself, instead of complaining of us in its log."""
    assert process.stdin is not None  # noqa: S101 (a pipe was asked for)
    with contextlib.suppress(OSError, TimeoutError):
        process.stdin.write(Mark.FLUSH.value)
        process.stdin.close()
        async with asyncio.timeout(_ENDING):
            await _silent(process)


async def _silent(process: asyncio.subprocess.Process) -> None:
    """Wait for its end, and keep nothing of what it says until then: that may be much."""

    async def unread(source: asyncio.StreamReader | None) -> None:
        while source is not None and await source.read(MOST):
            pass

    await asyncio.gather(unread(process.stdout), unread(process.stderr), process.wait())


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Kill ssh and all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_ENDING):
            await _silent(process)  # a pipe that is not read to its end stays open
            await _closed(process)


async def _closed(process: asyncio.subprocess.Process) -> None:
    """Close its input, and take note of why that broke: else asyncio shows a traceback on the user's terminal."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
            await process.stdin.wait_closed()


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _as_child() -> None:
    """Be an ordinary program that ends with the guard: its deafness to signals would be inherited."""
    linux.set_parent_death_signal(signal.SIGKILL)
    for number in _DEAF:
        signal.signal(number, signal.SIG_DFL)

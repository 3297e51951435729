"""A body that is judged and recorded while it is sent: nothing of it leaves before it is on disk (promise 4).

What comes while a record is being written is judged meanwhile, and gets one record: a disk that takes its time slows a
long body down little.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from wrapper.errors import AuditError
from wrapper.gateway.answer import Offload
from wrapper.gateway.intercept.archives import Unpacking
from wrapper.gateway.intercept.finding import Looked, Weighing
from wrapper.gateway.intercept.recording import Entry
from wrapper.gateway.intercept.searching import LONG, packed_in
from wrapper.gateway.intercept.stretches import Stretches
from wrapper.gateway.intercept.wholes import Gathered
from wrapper.gateway.outgoing import Masked
from wrapper.gateway.refusal import RefusedError

_QUIET: Final = 0.02  # seconds without a byte, after which whole lines are judged and sent: a call may wait for it
_AHEAD: Final = 4 * 2**20  # bytes that are judged and wait for their record


class Passage:
    """`weigh` records what is found, and raises RefusedError where it must not leave.

    `check` looks at each stretch before, with what is around it, and at whether it is the first. RefusedError.
    """

    def __init__(
        self,
        got: Gathered,
        weighing: Weighing,
        entry: Entry,
        weigh: Callable[[Sequence[Masked]], None],
        offload: Offload,
        check: Callable[[bytes, bool], None],
    ) -> None:
        assert got.rest is not None  # noqa: S101  (else it would be a whole one)
        self._reading = got.rest
        self._entry = entry
        self._weigh = weigh
        self._offload = offload
        self._check = check
        self._is_first = True
        self._weighing = weighing
        self._stretches = Stretches(weighing)
        self._unpacking = Unpacking()
        self._stretches.take(got.data)
        self._first = b""
        self._ahead: list[tuple[Looked, bool]] = []
        self._size = 0  # bytes of these
        self._failed: Exception | None = None
        self._moved = asyncio.Event()

    async def begin(self) -> None:
        """Record the request with what of its body can be judged now. RefusedError, AuditError."""
        first = [looked async for looked in self._due()]
        self._first = b"".join(looked.leaving for looked in first)
        await self._entry.leaves(b"".join(looked.logged for looked in first), ended=False)

    async def pieces(self, broken: Callable[[RefusedError | AuditError], None]) -> AsyncIterator[bytes]:
        """Give what may leave; `broken` hears why no more does, before that is raised."""
        judging = asyncio.ensure_future(self._judge_ahead())
        try:
            if self._first:
                yield self._first
            ended = False
            while not ended:
                leaving, logged, ended = await self._waiting()
                await self._entry.leaves(logged, ended=ended)
                if leaving:
                    yield leaving
        except (RefusedError, AuditError) as error:
            broken(error)
            raise
        finally:
            judging.cancel()
            self._reading.drop()

    async def _judge_ahead(self) -> None:
        try:
            async for looked, ended in self._judged():
                while self._size > _AHEAD:
                    await self._change()
                self._ahead.append((looked, ended))
                self._size += len(looked.leaving)
                self._moved.set()
        except Exception as error:  # noqa: BLE001  raised where the body is read, behind what was judged before
            self._failed = error
            self._moved.set()

    async def _waiting(self) -> tuple[bytes, bytes, bool]:
        """Give all that is judged and not recorded: as it leaves, as the log keeps it, and whether it is the end."""
        while not self._ahead:
            if self._failed is not None:
                raise self._failed
            await self._change()
        ahead, self._ahead, self._size = self._ahead, [], 0
        self._moved.set()
        leaving = b"".join(looked.leaving for looked, _ in ahead)
        same = all(looked.logged is looked.leaving for looked, _ in ahead)
        return leaving, leaving if same else b"".join(looked.logged for looked, _ in ahead), ahead[-1][1]

    async def _change(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    async def _judged(self) -> AsyncIterator[tuple[Looked, bool]]:
        """Give what may leave next, and whether that is the end."""
        while not self._reading.ended:
            try:
                piece = await self._reading.piece(_QUIET if self._stretches.settled else None)
            except TimeoutError:
                while self._stretches.settled:
                    yield await self._next(self._stretches.pause), False
                continue
            self._stretches.take(piece)
            async for looked in self._due():
                yield looked, False
        while self._stretches.held:
            looked = await self._next(self._stretches.next)
            yield looked, not self._stretches.held
            if not self._stretches.held:
                return
        yield Looked(b"", b""), True

    async def _due(self) -> AsyncIterator[Looked]:
        while self._stretches.due:
            yield await self._next(self._stretches.next)

    async def _next(self, judge: Callable[[], Looked]) -> Looked:
        self._check(self._stretches.upcoming, self._is_first)
        self._is_first = False
        looked = await self._offload(LONG, judge)
        packed = await self._packed_in(self._stretches.judged) if self._weighing.unpacks else []
        self._weigh((*looked.notes, *packed))
        return looked

    async def _packed_in(self, judged: bytes) -> list[Masked]:
        return await packed_in(judged, self._unpacking.feed(judged), self._weighing, self._offload)

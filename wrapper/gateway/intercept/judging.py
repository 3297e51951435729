"""Judges and records each request to an intercepted host before it leaves, and takes its answer back.

In this order, and each step may end it:
1. Route: does policy let this method and path go to this host? First, since it needs nothing of the body, and what may
   not be asked is not worth a search. What an inspection covers is that inspection's to allow.
2. Codings of the body are undone, since nothing that is packed can be judged; it leaves as plain bytes.
3. Inspections (git): they know what a request means in its own protocol, and say so in its own words.
4. Judging: line, headers and body are searched for what must not leave (see `finding`). What the inside wrote is
   searched, before any swap: placeholders are no findings, and a real value has no business inside.
5. Record: on disk before anything leaves (promise 4), with placeholders: it comes before the swap.
6. Swap: placeholders become values where a rule allows it.
7. Send. A body that is long, or does not end, is judged and recorded stretch by stretch while it is sent; where one
   must not leave, the request is broken off before it.
8. Captures (logins) see the exchange as the host does, since they keep outside what it gives.
9. The answer is masked, last: whatever came before, the inside gets no value that is known.
A WebSocket is a request whose messages take steps 4, 5 and 7, each for itself. The steps are in `course`.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, Protocol, TypeVar

from redactors.engine import Engine
from redactors.known import KnownValues
from wrapper.errors import AuditError
from wrapper.gateway.destination import Destination
from wrapper.gateway.intercept.bindings import Bindings
from wrapper.gateway.intercept.clean import Clean
from wrapper.gateway.intercept.course import Course, Means
from wrapper.gateway.intercept.exchange import Answer, Handler, Request, RequestHead, Send
from wrapper.gateway.intercept.finding import Weighing
from wrapper.gateway.intercept.masking import Masker
from wrapper.gateway.intercept.pipeline import AnsweredError, Capture, Inspection
from wrapper.gateway.intercept.recording import Recording
from wrapper.gateway.refusal import RefusedError
from wrapper.policy.egress import Egress, Terms
from wrapper.policy.model import Decision
from wrapper.ports import AsyncAuditSink

P = ParamSpec("P")
T = TypeVar("T")

_IN_LOOP: Final = 64 * 2**10  # as in `server`: what is longer is searched in a thread


class Policed(Protocol):
    """What is needed of the policy."""

    @property
    def egress(self) -> Egress:
        """What it says about hosts."""

    def wire_action(self, kind: str) -> Decision:
        """Decide over a kind: `monitor`, `redact` or `block`."""


class Judge:
    """Judges the requests of one session.

    `engine` is that of the wire: with the context's terms and the closed files. `numbers` count requests, together with
    those to providers. `bindings`, `inspections` and `captures` as in the file's docstring.
    """

    def __init__(  # noqa: PLR0913  each step's part comes in by argument
        self,
        policy: Policed,
        engine: Engine,
        sink: AsyncAuditSink,
        *,
        numbers: Iterator[int],
        bindings: Bindings | None = None,
        inspections: Sequence[Inspection] = (),
        captures: Sequence[Capture] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._policy = policy
        self._wire = functools.cache(lambda kind: policy.wire_action(kind).action)
        self._engine = engine.watching(lambda kind: self._wire(kind) == "monitor")
        self._masker = Masker(engine.known or KnownValues(engine.vault), engine.vault)
        known = engine.known
        self._clean = Clean((lambda: known.generation) if known is not None else (lambda: 0))
        self._bindings = bindings or Bindings()
        self._inspections = tuple(inspections)
        self._captures = tuple(captures)
        self._recording = Recording(sink, engine, numbers, clock)
        self._scans = ThreadPoolExecutor(1, "egress-scan")

    def close(self) -> None:
        """End the thread that searches."""
        self._scans.shutdown(wait=False)

    def forget(self) -> None:
        """Search all anew; from any thread, when the engine finds what it did not find before."""
        self._clean.forget()

    def handler(self, destination: Destination) -> Handler:
        """Give what handles the requests of connections to one host."""
        terms = self._policy.egress.terms(*destination)

        async def handle(request: Request, send: Send) -> Answer:
            return await self._handled(destination, terms, request, send)

        return handle

    def refused(self, destination: Destination) -> Callable[[RefusedError], None]:
        """Give what records what never became a request to a host."""
        head = RequestHead("?", destination.host, "/", ())
        return lambda error: self._recording.entry(destination, head).refused(error.what)

    async def _handled(self, destination: Destination, terms: Terms, request: Request, send: Send) -> Answer:
        try:
            entry = self._recording.entry(destination, request.head)
        except AuditError as error:
            raise _unlogged(error) from error
        try:
            return await Course(self._means(destination, terms), destination, terms, entry, send).run(request)
        except AnsweredError as error:
            entry.refused(error.what)
            return error.answer
        except RefusedError as error:
            entry.refused(error.what)
            raise
        except AuditError as error:
            raise _unlogged(error) from error
        except BaseException as error:
            entry.refused(f"it was broken off ({type(error).__name__})")
            raise

    def _means(self, destination: Destination, terms: Terms) -> Means:
        return Means(
            Weighing(self._engine, self._wire, terms.found, clean=self._clean),
            self._masker,
            self._bindings.at(*destination),
            self._inspections,
            self._captures,
            self._offload,
        )

    async def _offload(self, size: int, scan: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a search of `size` bytes in the loop if it is short, else in the searching thread, one after another."""
        if size <= _IN_LOOP:
            return scan(*args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._scans, lambda: scan(*args, **kwargs))


def _unlogged(error: AuditError) -> RefusedError:
    return RefusedError(503, f"nothing was sent, because the log cannot be written: {error.what}", hint=error.hint)

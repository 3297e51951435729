"""What requests are redacted with: the session's engine, and what policy says must not leave besides secrets.

Context rules and the fingerprints of closed files count on the wire alone: files, the terminal and its log stay as they
are. Both are made in the background while the client boots. A request that comes earlier waits for them in the
listening socket's queue: nothing leaves unlooked-at, and how much there is to read is bounded. What cannot be made
ends the session (promise 5).
"""

import os
import pwd
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from wrapper.guard.duties import GuardDuties
from wrapper.plan.closed import closes_files

if TYPE_CHECKING:
    from redactors.engine import Engine


class Wire:
    """Makes the engine at the first call of `engine`, from whatever thread; `warn` takes what the user must know."""

    def __init__(self, duties: GuardDuties, warn: Callable[[str], None]) -> None:
        self._duties = duties
        self._warn = warn
        self._making = threading.Lock()
        self._engine: Engine | None = None

    def engine(self) -> "Engine":
        """Give the engine; the first call compiles and reads. Raises what keeps it from being made."""
        with self._making:
            if self._engine is None:
                self._engine = self._made()
            return self._engine

    def _made(self) -> "Engine":
        duties = self._duties
        engine = self._with_context(duties.engine)
        if closes_files(duties.policy):
            from wrapper.guard.closed import closed_files_source  # noqa: PLC0415 (for such policies only)

            closed = closed_files_source(
                duties.workspace, duties.policy, duties.engine.known, cache=duties.cache, warn=self._warn
            )
            engine = engine.with_sources(closed) if closed is not None else engine
        engine.redact_json(b"{}")  # whatever is compiled at first use is compiled now
        return engine

    def _with_context(self, engine: "Engine") -> "Engine":
        tables = self._duties.policy.context
        if not tables:
            return engine
        from wrapper.plan.context import wire_engine  # noqa: PLC0415 (for policies that ask for it only)

        return wire_engine(engine, tables, user=_user(), workspace=self._duties.workspace)


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container often runs with an id that nobody has named
        return os.environ.get("USER", "")

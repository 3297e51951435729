"""What requests are redacted with: the session's engine, and what policy says must not leave besides secrets.

Context rules, the fingerprints of closed files and what clients say of themselves count on the wire alone: files, the
terminal and its log stay as they are. The engine is made in the background while the client boots. A request that comes
earlier waits for it in the listening socket's queue: nothing leaves unlooked-at, and how much there is to read is
bounded. What cannot be made ends the session (promise 5).
"""

import os
import pwd
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wrapper.guard.duties import GuardDuties
from wrapper.plan.closed import closes_files
from wrapper.plan.contents import read_regular

if TYPE_CHECKING:
    from redactors.engine import Engine
    from wrapper.gateway.identity import Folders
    from wrapper.gateway.paths import FolderNames

_MOST_READ: Final = 1 << 20  # bytes of a file, to tell which of its lines are about to leave
_TELLING: Final = 8  # characters; a shorter line (`else:`, `}`) stands anywhere


class Wire:
    """Makes the engine at the first call of `engine`, from whatever thread; `warn` takes what the user must know."""

    def __init__(self, duties: GuardDuties, warn: Callable[[str], None]) -> None:
        self._duties = duties
        self._warn = warn
        self._making = threading.Lock()
        self._engine: Engine | None = None
        self._forgetting: tuple[Callable[[], None], ...] = ()

    def engine(self) -> "Engine":
        """Give the engine; the first call compiles and reads. Raises what keeps it from being made."""
        with self._making:
            if self._engine is None:
                self._engine = self._made()
            return self._engine

    def when_learned(self, forget: Callable[[], None]) -> None:
        """Have `forget` called, from whatever thread, whenever the engine finds what it did not find before.

        That is when a closed file has changed; who remembers what was searched must search it again.
        """
        self._forgetting = (*self._forgetting, forget)

    def folders(self) -> "Folders":
        """Give the folders whose names say who works here."""
        from wrapper.gateway.identity import Folders  # noqa: PLC0415 (where a gateway is made)

        return Folders(_ways(Path.home()), _ways(self._duties.workspace))

    def lines(self, path: str, text: bytes) -> str:
        """Say which lines of a closed file a text holds, such as `12-40`; empty where that cannot be told."""
        try:
            content = read_regular(f"{self._duties.workspace}/{path}", _MOST_READ)
        except OSError:
            return ""
        told = {line.strip() for line in text.splitlines()}
        found = [
            number
            for number, line in enumerate(content.splitlines(), 1)
            if len(line.strip()) >= _TELLING and line.strip() in told
        ]
        return "" if not found else f"{found[0]}" if len(found) == 1 else f"{found[0]}-{found[-1]}"

    def _made(self) -> "Engine":
        duties = self._duties
        engine = self._with_context(duties.engine)
        if closes_files(duties.policy):
            from wrapper.guard.closed import closed_files_source  # noqa: PLC0415 (for such policies only)

            others = engine.with_sources(*self._folder_sources())
            closed = closed_files_source(duties.workspace, duties.policy, others, cache=duties.cache, warn=self._warn)
            closed.when_learned(self._learned)
            engine = engine.with_sources(closed)
        engine.redact_json(b"{}")  # whatever is compiled at first use is compiled now
        return engine

    def _folder_sources(self) -> "tuple[FolderNames, ...]":
        from wrapper.gateway.identity import folder_sources  # noqa: PLC0415 (where a gateway is made)

        return folder_sources(lambda field: self._duties.policy.identity_action(field).action, self.folders())

    def _learned(self) -> None:
        for forget in self._forgetting:
            forget()

    def _with_context(self, engine: "Engine") -> "Engine":
        tables = self._duties.policy.context
        if not tables:
            return engine
        from wrapper.plan.context import wire_engine  # noqa: PLC0415 (for policies that ask for it only)

        return wire_engine(engine, tables, user=_user(), workspace=self._duties.workspace)


def _ways(folder: Path) -> tuple[str, ...]:
    """Give a folder's path, and the one that it has without links."""
    return tuple(dict.fromkeys((str(folder), str(folder.resolve()))))


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container often runs with an id that nobody has named
        return os.environ.get("USER", "")

"""What the log gets of a terminal: the output as it was shown, and the keys, both masked by rules too.

The user may see a key that the agent has just made; the log may not. Rules need whole words, so a line is recorded when
it is over, or when nothing has come for a second (`Flow` says so): no record holds one half of a token and the next the
other. What is recorded stands in the order in which it came, each stream for itself; keys may stand up to a line behind
the output that answered them.

A client that paints its screen whole may never end a line nor pause. It marks each picture (synchronized output, mode
2026); at the end of one no word is in the middle, so what stands then is recorded, too.
"""

import time
from collections.abc import Callable
from typing import Final

from wrapper.audit.events import Output, Typed
from wrapper.ports import AuditSink
from wrapper.terminal.flow import Redactor

_PAINTED: Final = b"\x1b[?2026l"


class Transcript:
    """Events for `log`. `redactor` makes one for each stream; it is to mask by rules. To be closed at the end.

    Redactors are made when the first bytes come: until the relay runs, a signal would end the wrapper at once.
    """

    def __init__(
        self, log: AuditSink, redactor: Callable[[], Redactor], clock: Callable[[], float] = time.time
    ) -> None:
        self._log = log
        self._redactor = redactor
        self._clock = clock
        self._streams: dict[str, Redactor] = {}
        self._keys: Redactor | None = None

    def shown(self, stream: str, data: bytes) -> None:
        """Record what is shown; no `data` says that nothing more comes for now."""
        redactor = self._streams.get(stream)
        if redactor is None:
            redactor = self._streams[stream] = self._redactor()
        painted, mark, rest = data.rpartition(_PAINTED)
        if mark:
            self._output(stream, redactor.feed(painted + mark) + redactor.flush())
        self._output(stream, redactor.feed(rest) if data else redactor.flush())
        if not data:
            self._flush_keys()

    def typed(self, data: bytes) -> None:
        """Record keys; a line of them comes at once, when it has been ended."""
        self._keys = self._keys or self._redactor()
        self._type(self._keys.feed(data))

    def close(self) -> None:
        """Record what is held back."""
        self._flush_keys()
        for stream, redactor in self._streams.items():
            self._output(stream, redactor.flush())

    def _output(self, stream: str, data: bytes) -> None:
        if data:
            self._log.append(Output(at=self._clock(), stream=stream, data=data))

    def _flush_keys(self) -> None:
        if self._keys is not None:
            self._type(self._keys.flush())

    def _type(self, data: bytes) -> None:
        if data:
            self._log.append(Typed(at=self._clock(), data=data))

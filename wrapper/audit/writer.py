"""Writes one session's log; runs in the recorder process only.

- A record is on disk when `sync` has returned, and then it is also signed: a checkpoint goes before each fsync.
- A segment that is large or old is ended by a CONTINUED frame, and the next one begins; where the process dies between
  the two, the log ends as one whose recorder was killed.
- After a failed write nothing more is written: what the disk holds then is not known (fsync reports an error once).
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from wrapper.audit import format as layout
from wrapper.audit.format import Position
from wrapper.audit.refusals import hint
from wrapper.audit.segment import Place, Segment
from wrapper.durable import sync_folder
from wrapper.errors import AuditError


class Limits(NamedTuple):
    """When a segment ends: after so many bytes, or so many seconds from its start (asleep or awake)."""

    size: int = 64 << 20
    seconds: float = 24 * 3600.0


class SessionWriter:
    """The log of the session whose folder is `directory`; its name is the session's id.

    Makes the folder (0700), the key file for `recipients` and the log. `on_rotated` is told where a segment ended when
    the next one stands. Raises AuditError where that fails, or where the folder holds a log already.
    """

    def __init__(
        self,
        directory: Path,
        recipients: Sequence[str],
        *,
        limits: Limits = Limits(),  # noqa: B008 (frozen)
        clock: Callable[[], float] = time.time,
        on_rotated: Callable[[Position], None] = lambda _ended: None,
    ) -> None:
        self._directory = directory
        self._recipients = recipients
        self._limits = limits
        self._clock = clock
        self._on_rotated = on_rotated
        self._failed: AuditError | None = None
        with self._failing("cannot start the log"):
            directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.mkdir(mode=0o700, exist_ok=True)
            self._segment = Segment(directory, recipients, created=clock())
            sync_folder(directory.parent)
        self._begun = _since_boot()

    def append(self, record: bytes) -> int:
        """Take one record (an encoded event); written soon, on disk after `sync`. Raises AuditError.

        Returns its frame's number in the session.
        """
        self._refuse_after_failure()
        if len(record) > layout.MAX_RECORD:
            raise AuditError(f"a record of {len(record)} bytes is too large for the log")
        with self._failing("cannot write the log"):
            sequence = self._segment.append(record)
            if self._segment.is_full:
                self._end_epoch()
        return sequence

    def sync(self) -> None:
        """Sign and bring to disk all that was appended. Raises AuditError where the disk refuses."""
        self._refuse_after_failure()
        with self._failing("cannot write the log"):
            if self._segment.is_open:
                self._end_epoch()
            self._segment.sync()

    def disown(self) -> None:
        """Forget the keys: for a copy of the process, in which nothing may be read or written with them."""
        self._failed = AuditError("the log is another process's")
        self._segment.disown()

    @property
    def header_hash(self) -> str:
        """The hex hash of the running segment's header."""
        return self._segment.header_hash.hex()

    @property
    def position(self) -> Position:
        """How far the running segment is; after `sync` all of it is signed and on disk."""
        return Position(self._segment.place.number, self._segment.size, self._segment.root())

    def close(self) -> None:
        """Seal the log: write the END frame and bring all to disk. Raises AuditError."""
        self._refuse_after_failure()
        with self._failing("cannot write the log"):
            self._segment.checkpoint(layout.END)
            self._segment.sync()
        self._failed = AuditError("the log is sealed")
        self._segment.close()

    def _end_epoch(self) -> None:
        aged = _since_boot() - self._begun >= self._limits.seconds
        if not aged and self._segment.written < self._limits.size:
            self._segment.checkpoint()
            return
        ended = self._segment
        signer = ended.checkpoint(layout.CONTINUED)
        ended.sync()
        position = self.position
        place = Place(position.segment + 1, ended.place.first + position.size, position.root)
        self._segment = Segment(self._directory, self._recipients, created=self._clock(), place=place, signer=signer)
        self._begun = _since_boot()
        ended.close()  # only now: a reader must never find a log that nobody holds
        self._on_rotated(position)

    def _refuse_after_failure(self) -> None:
        if self._failed is not None:
            raise self._failed

    @contextlib.contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            self._failed = AuditError(f"{what}: `{error.filename}` exists already")
            raise self._failed from error
        except OSError as error:
            todo = f"{hint(error, self._directory.parent)}, then start again"
            self._failed = AuditError(f"{what}: {error.strerror}", hint=todo)
            raise self._failed from error
        except AuditError as error:
            self._failed = error
            raise


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)  # not set back, and counts while the machine sleeps

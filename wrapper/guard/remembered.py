"""What the user has answered for good: `answers.json` in the configuration folder, mode 0600, replaced in one step.

An entry holds the question's digest, never what it was about but in redacted words. The file opens what policy leaves
to the user, so it is believed only if nobody else could have written it; it lies where no sandbox reaches.
"""

import fcntl
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from wrapper.plan.caching import replace_file

KEPT = ("always", "never")
_MOST = 10_000  # answers; the oldest go first
_LONGEST = 16 << 20  # bytes; nothing that we wrote is longer

Choice = Literal["always", "never"]


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    workspace: str
    key: str
    choice: Choice
    at: str  # UTC, RFC 3339
    what: str


class _Answers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    answers: tuple[_Kept, ...] = ()


class _DamagedError(Exception):
    """The file cannot be believed; the text says why."""


class Remembered:
    """The answers for one workspace. Without `path`, or where the file cannot be used, they last for this session.

    `warn` takes one line for the user. A file that has changed is read again: who deletes an entry is asked again.
    """

    def __init__(self, path: Path | None, workspace: Path, warn: Callable[[str], None]) -> None:
        self._path = path
        self._workspace = os.fsencode(workspace).decode("utf-8", "backslashreplace")
        self._warn = warn
        self._said = ""
        self._stamp: tuple[int, ...] | None = None
        self._read: dict[str, str] = {}
        self._ours: dict[str, str] = {}

    def choice(self, key: str) -> str:
        """Give what was answered for good under this key; "" for nothing."""
        self._refresh()
        return self._read.get(key) or self._ours.get(key, "")

    def keep(self, key: str, choice: str, what: str) -> None:
        """Remember; `what` tells, in redacted words, what was asked. Blocks for the disk."""
        try:
            if self._path is not None:
                self._store(self._path, key, choice, what)
                return
        except _DamagedError as error:
            self._complain(str(error))
        except OSError as error:
            self._complain(f"cannot be written: {error.strerror}")
        self._ours[key] = choice

    def _refresh(self) -> None:
        """Read the file if it is not the one that was read last."""
        if self._path is None:
            return
        try:
            found = self._path.lstat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode, found.st_uid)
        except OSError:
            self._stamp, self._read = None, {}
            return
        if stamp == self._stamp:
            return
        self._stamp, self._read = stamp, {}
        try:
            answers = _read(self._path)
        except _DamagedError as error:
            self._complain(str(error))
        else:
            self._read = {one.key: one.choice for one in answers if one.workspace == self._workspace}

    def _store(self, path: Path, key: str, choice: str, what: str) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = msgspec.convert(
            {
                "workspace": self._workspace,
                "key": key,
                "choice": choice,
                "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "what": what,
            },
            _Kept,
        )
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)  # two sessions may answer at once
            others = [one for one in _read(path) if (one.workspace, one.key) != (self._workspace, key)]
            answers = _Answers(1, (*others, kept)[-_MOST:])
            replace_file(path, msgspec.json.format(msgspec.json.encode(answers), indent=2) + b"\n", durable=True)
        finally:
            os.close(folder)

    def _complain(self, why: str) -> None:
        if why != self._said:
            self._said = why
            self._warn(f"answers that were given for good are not remembered: `{self._path}` {why}")


def _read(path: Path) -> tuple[_Kept, ...]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _DamagedError(f"cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise _DamagedError("could have been written by somebody else; look at it, then delete it")
        content = file.read(_LONGEST)
    try:
        return msgspec.json.decode(content, type=_Answers).answers
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _DamagedError("is damaged; look at it, then delete it") from error

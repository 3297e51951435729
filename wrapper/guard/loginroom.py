"""A client's login in a folder of the session's own: placeholders there, values in the real file outside.

Rules of this file:
1. The inside may do with the folder what it likes, so what stands there is read like a stranger's: a regular file of
   bounded size, opened without following a link. It is JSON or it does not count.
2. Only what the provider gave for a login becomes a value where the login stands, and any other value only where it
   stood before: else the inside could have one secret sent as if it were another (promise 1), by the client outside.
   A token of the inside's own is no login of the user's, where an agent may have written it: the file does not count.
3. The real file is replaced whole, by rename, when nothing runs inside any more. Before that it is written in place
   where the client's login must count at once: its cover stays on it then (see `gateway.login`).
4. What changed outside meanwhile is read again right before it is written.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from redactors.vault import PLACEHOLDER, Vault
from wrapper.agents.client import Mask, Room
from wrapper.gateway.inplace import write_in_place

_MOST = 1 << 20  # bytes; a login file has some kilobytes
_EMPTY = b"{}"  # what is made where a file is missing, to be covered
_PLACEHOLDER = re.compile(PLACEHOLDER.decode())
_TRIES = 5

_Stamp = tuple[int, int, int]


class _ForeignError(ValueError):
    """A token that no provider gave for this login."""


class LoginRoom:
    """The room of one session, in `folder`."""

    def __init__(self, room: Room, folder: Path, vault: Vault) -> None:
        self.folder = folder
        self._room = room
        self._file = folder / room.name
        self._vault = vault
        self._given: set[bytes] = set()
        self._before: dict[str, str] = {}  # what stood where in the file that the inside was shown
        self._shown: bytes | None = None  # that file, then what has been settled; values put back
        self._stamp: _Stamp | None = None

    def take(self, value: bytes) -> None:
        """Take notice of a value that the provider gave for the login."""
        self._given.add(value)

    def fill(self, issue: Mask) -> None:
        """Make it; `issue` gives placeholders. Raises OSError."""

        def given(kind: str, value: bytes) -> str:
            placeholder = issue(kind, value)
            issued[placeholder] = value
            return placeholder

        issued: dict[str, bytes] = {}
        self.folder.mkdir(mode=0o700)
        shown = self._room.shown(given)
        for name, content in {**self._room.beside, **({} if shown is None else {self._room.name: shown})}.items():
            with os.fdopen(os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
        if shown is not None:
            self._before = dict(_strings(json.loads(shown)))
            here = (one for path, one in self._before.items() if self._room.owns(path))
            self._given |= {issued[mark] for one in here for mark in _PLACEHOLDER.findall(one) if mark in issued}
            self._shown = self._restored(json.loads(shown))
        self._stamp = _stamp(self._file)

    def settle(self) -> None:
        """Let what was written inside count, where it may while the inside runs.

        What cannot be written now is tried again: where the bare client has removed the real file, nothing covers a new
        one before the end.
        """
        stamp = _stamp(self._file)
        if not self._room.settles or stamp == self._stamp:
            return
        now = self._now()
        if now is not None or stamp is None:
            with contextlib.suppress(OSError):
                self._merge(now, lambda content: write_in_place(self._room.path, content or _EMPTY))
                self._stamp = stamp

    def finish(self) -> tuple[str, ...]:
        """Let it count when nothing runs inside any more; gives warnings."""
        try:
            now = self._now()
            if now is not None or _stamp(self._file) is None:
                self._merge(now, self._replace)
            if (_read(self._room.path) or b"").strip() == _EMPTY:
                self._room.path.unlink()
        except OSError as error:
            why = f"the login could not be written to `{self._room.path}`: {error.strerror}; log in again"
            return (why,)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)  # a key that the user typed would stand there as it is
        return ()

    def _merge(self, now: bytes | None, write: Callable[[bytes | None], None]) -> None:
        for _ in range(_TRIES):
            real = _read(self._room.path)
            merged = self._room.merged(real, now, self._shown)
            if _read(self._room.path) == real:
                break
        if merged != real:
            write(merged)
        self._shown = now

    def _replace(self, content: bytes | None) -> None:
        path = self._room.path
        if content is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.safe-agent-{secrets.token_hex(8)}")
        try:
            # The inside of another session may have put links here: none is followed, for this is a token's value.
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _mode(path)), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    def _now(self) -> bytes | None:
        """Give what stands in the room with values put back; None where that is no JSON, or nothing."""
        try:
            descriptor = os.open(self._file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(_MOST + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        with contextlib.suppress(ValueError, RecursionError):
            told = json.loads(content) if len(content) <= _MOST else None
            if isinstance(told, dict):
                return self._restored(told)
        return None

    def _restored(self, told: Any) -> bytes:
        """Put values back. Raises _ForeignError."""
        return json.dumps(self._walked(told, "")).encode()

    def _walked(self, told: Any, path: str) -> Any:
        if isinstance(told, dict):
            return {key: self._walked(one, f"{path}/{key}".removeprefix("/")) for key, one in told.items()}
        if isinstance(told, list):
            return [self._walked(one, path) for one in told]
        return self._text(told, path) if isinstance(told, str) else told

    def _text(self, text: str, path: str) -> str:
        stood = self._before.get(path) == text

        def value(found: re.Match[str]) -> str:
            hidden = self._vault.value_of(found[0])
            known = hidden is not None and (stood or (hidden in self._given and self._room.owns(path)))
            return hidden.decode("utf-8", "surrogatepass") if hidden is not None and known else found[0]

        restored = _PLACEHOLDER.sub(value, text)
        if self._room.settles and restored == text and text and not stood and self._room.owns(path):
            raise _ForeignError(path)
        return restored


def _strings(told: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(told, dict):
        for key, one in told.items():
            yield from _strings(one, f"{path}/{key}".removeprefix("/"))
    elif isinstance(told, str):
        yield path, told


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _mode(path: Path) -> int:
    try:
        about = path.lstat()
    except OSError:
        return 0o600
    return stat.S_IMODE(about.st_mode) if stat.S_ISREG(about.st_mode) else 0o600


def _stamp(path: Path) -> _Stamp | None:
    try:
        about = path.lstat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size

"""Where the values of `[[secrets]]` and `[[loopback]]` come from: outside, once, before anything runs inside.

A value that is not there is no error: what needs it does not work then, and the user is told so.
"""

import contextlib
import json
import os
import select
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wrapper.policy.egress import Source
from wrapper.programs import trusted_path

if TYPE_CHECKING:
    import subprocess

_MOST_BYTES: Final = 1 << 20
_LONGEST: Final = 1 << 15  # of a value: no header holds more, and all that is sent or shown is searched for it
_NO_TEXT: Final = bytes({*range(32), 127} - set(b"\t\n\r"))
_AT_ONCE: Final = 1 << 16
_MOST_LINKS: Final = 40  # as the kernel (path_resolution(7))
_PATIENCE: Final = 60.0  # seconds for a command: a password manager may ask its user


@dataclass(frozen=True, slots=True)
class Value:
    """What a source held; empty, and `why` says it, where that is nothing."""

    value: bytes = field(default=b"", repr=False)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Sources:
    """The user's machine as sources see it. `written` are folders that the inside may write: nothing there counts.

    `quiet`: what a command says besides is nobody's to read: the terminal is the client's.
    """

    environ: Mapping[str, str] = field(repr=False)
    home: Path
    written: Sequence[Path] = ()
    quiet: bool = False

    def read(self, source: Source) -> Value:
        """Get the value, without white space around it."""
        match source.kind:
            case "env":
                found = _of_variable(self.environ, source.text)
            case "file":
                found = self._of_file(source.text)
            case "cmd":
                found = self._of_command(source.text)
            case _:
                found = _of_keyring(source.text)
        value = found.value.strip()
        if b"\n" in value and source.kind == "cmd":  # `pass` prints the password first, then notes
            value = value.partition(b"\n")[0].strip()
        if value.translate(None, _NO_TEXT) != value:
            return Value(why="it is no text: there are control characters in it")
        if len(value) > _LONGEST:
            return Value(why=f"it is longer than {_LONGEST >> 10} KiB")
        return Value(value, "" if value else found.why or "it is empty")

    def _of_file(self, text: str) -> Value:
        path, _, key = text.partition("#")
        place = self.home / path.removeprefix("~/") if path.startswith("~/") else Path(path)
        try:
            if self._is_written(place):
                # an agent could have put a link to another file of the user's there, for the secret's host to get
                return Value(why=f"`{path}` lies where the inside can write")
            data = _read(place)
        except OSError as error:
            return Value(why=f"`{path}` cannot be read: {error.strerror}")
        return _under(data, key, path) if key else Value(data)

    def _of_command(self, text: str) -> Value:
        import shlex  # noqa: PLC0415 (10 ms with what follows, where a command is named)
        import subprocess  # noqa: PLC0415

        path = trusted_path(self.environ.get("PATH", ""), but=self.written)
        try:
            words = shlex.split(text)
            if "/" in words[0] and self._is_written(self.home / words[0]):
                return Value(why=f"its command `{words[0]}` lies where the inside can write")
            with subprocess.Popen(
                words,
                env={**self.environ, "PATH": path},
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL if self.quiet else None,
            ) as process:
                try:
                    said = _beginning(process)
                except BaseException:
                    process.kill()
                    raise
        except TimeoutError:
            return Value(why=f"its command did not end within {_PATIENCE:.0f} seconds")
        except (OSError, ValueError) as error:
            return Value(why=f"its command cannot be run: {error.strerror if isinstance(error, OSError) else error}")
        if process.returncode:
            return Value(why=f"its command ended with code {process.returncode}")
        return Value(said)

    def _is_written(self, place: Path) -> bool:
        closed = [folder.resolve() for folder in self.written]
        return any(one.is_relative_to(folder) for one in _ways(place) for folder in closed)


def _beginning(process: "subprocess.Popen[bytes]") -> bytes:
    """Give the beginning of what a command prints, when it has ended. Raises TimeoutError where it does not.

    It may print without end, and what it leaves running (an agent of a password manager) may keep its output open.
    """
    assert process.stdout is not None  # noqa: S101 (a pipe was asked for)
    output, ended = process.stdout.fileno(), os.pidfd_open(process.pid)
    said, until, is_open = b"", time.monotonic() + _PATIENCE, True
    try:
        while True:
            waited = [ended, output] if is_open else [ended]
            ready = select.select(waited, [], [], max(0.0, until - time.monotonic()))[0]
            if not ready or time.monotonic() > until:
                raise TimeoutError
            if ended in ready and (output not in ready or len(said) == _MOST_BYTES):
                process.wait()
                return said
            if output in ready:
                data = os.read(output, _AT_ONCE)
                is_open = bool(data)
                said = (said + data)[:_MOST_BYTES]
    finally:
        os.close(ended)


def _ways(place: Path) -> Iterator[Path]:
    """Give all that stands on the way to a file, folders and links, each by the real path of its folder."""
    here, rest, links = Path("/"), list(place.parts[1:]), 0
    while rest:
        part = rest.pop(0)
        if part == "..":
            here = here.parent
            continue
        here /= part
        yield here
        if here.is_symlink() and links < _MOST_LINKS:
            target = here.readlink()
            links += 1
            rest[:0] = target.parts[1:] if target.is_absolute() else target.parts
            here = Path("/") if target.is_absolute() else here.parent


def _of_variable(environ: Mapping[str, str], name: str) -> Value:
    value = environ.get(name, "")
    return Value(value.encode("utf-8", "surrogateescape"), "" if value else f"the variable {name} is not set")


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would hold the start
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is no file")
        return file.read(_MOST_BYTES)


def _under(data: bytes, key: str, path: str) -> Value:
    """Give the text under a dotted key of a JSON document; a number is a place in a list."""
    found: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(data)
    for part in key.split("."):
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            found = None
    with contextlib.suppress(UnicodeEncodeError):  # half of a surrogate pair
        if isinstance(found, str):
            return Value(found.encode())
    return Value(why=f"`{path}` has no text under `{key}`")


def _of_keyring(text: str) -> Value:
    service, _, user = text.rpartition("/")
    try:
        import keyring  # noqa: PLC0415 (an extra, and 60 ms)
    except ImportError:
        return Value(why="the package `keyring` is not installed: install `safe-agent[keyring]`, or use `cmd:`")
    try:
        value = keyring.get_password(service, user)
    except Exception as error:  # noqa: BLE001 (backends are others' code, and raise what their libraries raise)
        return Value(
            why=f"the keyring does not answer: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
        )
    return Value(value.encode()) if value else Value(why=f"the keyring has nothing for `{service}`, user `{user}`")

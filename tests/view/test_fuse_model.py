"""Random work inside and outside against a plain model: after each step both sides are what the model says."""

import os
import re
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.view.served import PLACEHOLDER, SECRET, served

_NAMES = st.sampled_from(["a", "b", "c.env", "d", "e.passed"])
_FOLDERS = st.sampled_from(["", "x", "y", "x/z"])
_PIECES = st.lists(
    st.sampled_from([PLACEHOLDER, b"A=1\n", b"text", b"-", b"MASKED-", PLACEHOLDER[:11], PLACEHOLDER[11:], b"\0" * 5]),
    max_size=5,
).map(b"".join)


_RUN_BEFORE = re.compile(rb"[A-Z0-9-]*\Z")
_RUN_BEHIND = re.compile(rb"[A-Z0-9-]*")


def _real(shown: bytes) -> bytes:
    return shown.replace(PLACEHOLDER, SECRET)


class _File:
    """A file of the model: what is on disk. A placeholder there is one that was left in a binary."""

    def __init__(self, real: bytes) -> None:
        self.real = real
        self.has_left = False

    @property
    def shown(self) -> bytes:
        return self.real.replace(SECRET, PLACEHOLDER)

    def write(self, at: int, data: bytes) -> None:
        """Restore in a file that shows placeholders, and in a text with the write that completes one."""
        if not data:
            return
        before = self.shown
        after = before.ljust(at, b"\0")[:at] + data + before[at + len(data) :]
        if SECRET in self.real:
            self.real = _real(after)
            return
        runs = _RUN_BEFORE.search(after[:at]), _RUN_BEHIND.match(after[at + len(data) :])
        window = (runs[0].group() if runs[0] else b"") + data + (runs[1].group() if runs[1] else b"")
        self.has_left = self.has_left or PLACEHOLDER in window
        self._set(after)

    def cut(self, size: int) -> None:
        after = self.shown[:size].ljust(size, b"\0")
        if SECRET in self.real and size:
            self.real = _real(after)
        else:
            self._set(after)

    def _set(self, after: bytes) -> None:
        """What was left in what looked like a binary is restored once that is none."""
        is_text = b"\0" not in after
        self.real = _real(after) if self.has_left and is_text else after
        self.has_left = self.has_left and not is_text


class ViewMachine(RuleBasedStateMachine):
    """Files by path (several paths may be one file), and folders."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="view-", dir="/var/tmp")
        self.real = Path(self._folder.name)
        self._served = served(self.real)
        self.inside = self._served.__enter__()
        self.files: dict[str, _File] = {}
        self.folders = {""}

    def teardown(self) -> None:
        self._served.__exit__(None, None, None)
        self._folder.cleanup()

    @initialize()
    def begin(self) -> None:
        for folder in ("x", "x/z", "y"):
            (self.inside / folder).mkdir()
            self.folders.add(folder)

    def _path(self, folder: str, name: str) -> str:
        return f"{folder}/{name}".lstrip("/")

    def _rewritten(self, path: str, data: bytes) -> None:
        file = self.files.setdefault(path, _File(b""))
        file.cut(0)
        file.write(0, data)

    def _rewritten_outside(self, path: str, data: bytes) -> None:
        file = self.files.setdefault(path, _File(b""))
        file.real, file.has_left = _real(data), False

    def _is_passed(self, path: str) -> bool:
        return path.endswith(".passed")

    @rule(folder=_FOLDERS, name=_NAMES, data=_PIECES)
    def write_whole_inside(self, folder: str, name: str, data: bytes) -> None:
        path = self._path(folder, name)
        if self._is_passed(path):
            return
        (self.inside / path).write_bytes(data)
        self._rewritten(path, data)

    @rule(folder=_FOLDERS, name=_NAMES, data=_PIECES)
    def append_inside(self, folder: str, name: str, data: bytes) -> None:
        path = self._path(folder, name)
        if path not in self.files:
            return
        with (self.inside / path).open("ab", buffering=0) as opened:
            for at in range(0, len(data), 7):
                opened.write(data[at : at + 7])
                self.files[path].write(len(self.files[path].shown), data[at : at + 7])

    @rule(folder=_FOLDERS, name=_NAMES, data=_PIECES, place=st.integers(0, 60))
    def write_in_place_inside(self, folder: str, name: str, data: bytes, place: int) -> None:
        path = self._path(folder, name)
        if path not in self.files or not data:
            return
        with (self.inside / path).open("r+b", buffering=0) as opened:
            opened.seek(place)
            opened.write(data)
        self.files[path].write(place, data)

    @rule(folder=_FOLDERS, name=_NAMES, size=st.integers(0, 60))
    def cut_inside(self, folder: str, name: str, size: int) -> None:
        path = self._path(folder, name)
        if path not in self.files:
            return
        os.truncate(self.inside / path, size)
        self.files[path].cut(size)

    @rule(folder=_FOLDERS, name=_NAMES, data=_PIECES)
    def write_outside(self, folder: str, name: str, data: bytes) -> None:
        path = self._path(folder, name)
        if self._is_passed(path):
            return
        (self.real / path).write_bytes(_real(data))
        self._rewritten_outside(path, data)

    @rule(folder=_FOLDERS, name=_NAMES, data=_PIECES)
    def replace_outside(self, folder: str, name: str, data: bytes) -> None:
        path = self._path(folder, name)
        if self._is_passed(path):
            return
        beside = self.real / f"{path}.new"
        beside.write_bytes(_real(data))
        beside.replace(self.real / path)
        self.files[path] = _File(_real(data))

    @rule(folder=_FOLDERS, name=_NAMES, outside=st.booleans())
    def remove(self, folder: str, name: str, *, outside: bool) -> None:
        path = self._path(folder, name)
        if path in self.files:
            ((self.real if outside else self.inside) / path).unlink()
            del self.files[path]

    @rule(one=_FOLDERS, name=_NAMES, two=_FOLDERS, other=_NAMES, outside=st.booleans())
    def rename(self, one: str, name: str, two: str, other: str, *, outside: bool) -> None:
        path, target = self._path(one, name), self._path(two, other)
        if path not in self.files or self._is_passed(target):
            return
        top = self.real if outside else self.inside
        same = self.files.get(target) is self.files[path]
        (top / path).rename(top / target)
        if not same:  # two names of one file: rename(2) does nothing
            self.files[target] = self.files.pop(path)

    @rule(one=_FOLDERS, name=_NAMES, two=_FOLDERS, other=_NAMES, outside=st.booleans())
    def link(self, one: str, name: str, two: str, other: str, *, outside: bool) -> None:
        path, target = self._path(one, name), self._path(two, other)
        if path not in self.files or target in self.files or self._is_passed(target):
            return
        top = self.real if outside else self.inside
        os.link(top / path, top / target)
        self.files[target] = self.files[path]

    @rule(folder=st.sampled_from(["x", "y", "x/z"]), outside=st.booleans())
    def move_folder_away_and_back(self, folder: str, *, outside: bool) -> None:
        top = self.real if outside else self.inside
        (top / folder).rename(top / "moved")
        names = {one.name for one in (self.real / "moved").iterdir()}
        _soon(partial(_is_listed, self.inside / "moved", names), "moved")
        (top / "moved").rename(top / folder)

    @precondition(lambda self: self.files)
    @invariant()
    def both_sides_are_right(self) -> None:
        for path, one in self.files.items():
            _soon(partial(_is_on_disk, self.real / path, one.real), f"{path} is not {one.real!r} on disk")
            _soon(partial(_is_shown, self.inside / path, one.shown), f"{path} is not {one.shown!r}")

    @invariant()
    def names_are_right(self) -> None:
        for folder in self.folders:
            wanted = {path.rpartition("/")[2] for path in self.files if path.rpartition("/")[0] == folder}
            wanted |= {one.rpartition("/")[2] for one in self.folders if one and one.rpartition("/")[0] == folder}
            _soon(partial(_is_listed, self.inside / folder, wanted), f"{folder} does not hold {wanted}")


def _is_on_disk(path: Path, real: bytes) -> bool:
    return path.read_bytes() == real


def _is_shown(path: Path, shown: bytes) -> bool:
    return path.read_bytes() == shown and path.stat().st_size == len(shown)


def _is_listed(folder: Path, wanted: set[str]) -> bool:
    return {one.name for one in folder.iterdir()} == wanted


def _soon(holds: Callable[[], bool], what: str) -> None:
    """A change from outside is seen inside a moment later."""
    end, last = time.monotonic() + 2, ""
    while True:
        try:
            if holds():
                return
        except FileNotFoundError:
            pass
        except OSError as error:
            last = str(error)
        assert time.monotonic() < end, f"{what} {last}"
        time.sleep(0.002)


TestView = ViewMachine.TestCase
TestView.settings = settings(
    max_examples=int(os.environ.get("VIEW_EXAMPLES", "250")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

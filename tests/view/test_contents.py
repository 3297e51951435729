"""Files that change within one tick of the clock that stamps them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.view.served import PLACEHOLDER, SECRET, PlainJudge, Scribe
from wrapper.view import contents as module
from wrapper.view import wire
from wrapper.view.contents import YOUNG, Contents, Mode
from wrapper.view.history import History
from wrapper.view.lower import Lower
from wrapper.view.nodes import Node, Nodes
from wrapper.view.verdicts import Verdicts

_STAMP = 1_000_000_000_000_000_000  # nanoseconds since 1970; all states of all files bear it
_PLAIN = b"A=" + b"x" * len(SECRET)
_HIDDEN = b"A=" + SECRET


class _Counting(PlainJudge):
    looked = 0

    def masked(self, path: bytes, data: bytes, mode: Mode) -> bytes | None:
        self.looked += 1
        return super().masked(path, data, mode)


class _Scene:
    """One file, looked at by a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "a"
        self.file.write_bytes(_PLAIN)
        self.now = _STAMP + YOUNG // 4
        self.judge = _Counting()
        self.root = os.open(folder, os.O_PATH)
        self.told: list[bytes] = []
        lower, nodes = Lower(self.root, 64), Nodes(os.fstat(self.root), lambda _: None)
        nodes.root.descriptor = self.root
        verdicts = Verdicts(nodes, self.judge, lambda _: None)
        history = History(Scribe(), lambda: None)
        self.contents = Contents(
            lower,
            verdicts,
            self.judge,
            history,
            tell=self.told.append,
            tell_now=self.told.append,
            masked_changed=lambda: None,
            clock=lambda: self.now,
        )
        self.node: Node = nodes.named(nodes.root, b"a", self.file.stat())

    def read(self) -> bytes:
        buffer = memoryview(bytearray(100))
        return bytes(buffer[: self.contents.read(self.node, 0, buffer)])


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Scene]:
    monkeypatch.setattr(module, "signature_of", lambda about: (_STAMP, _STAMP, about.st_size))
    scene = _Scene(tmp_path)
    yield scene
    os.close(scene.root)


def test_a_young_state_is_not_mistaken_for_the_next_with_the_same_times(scene: _Scene) -> None:
    assert scene.read() == _PLAIN
    scene.file.write_bytes(_HIDDEN)
    assert scene.read() == b"A=" + PLACEHOLDER
    assert scene.contents.size(scene.node, scene.file.stat()) == 2 + len(PLACEHOLDER)


def test_a_young_state_that_stays_is_not_judged_twice(scene: _Scene) -> None:
    for _ in range(5):
        assert scene.read() == _PLAIN
    assert scene.judge.looked == 1


def test_a_state_is_trusted_once_it_was_seen_to_stand_until_all_was_written_back(scene: _Scene) -> None:
    scene.read()
    scene.now = _STAMP + 2 * YOUNG
    scene.read()
    assert scene.node.content is not None
    assert scene.node.content.young is not None
    scene.now = _STAMP + 60_000_000_000
    scene.read()
    assert scene.node.content is not None
    assert scene.node.content.young is None


def test_a_state_that_was_young_when_looked_at_is_compared_though_it_is_old_now(scene: _Scene) -> None:
    scene.read()
    scene.file.write_bytes(_HIDDEN)
    scene.now = _STAMP + 2 * YOUNG
    assert scene.read() == b"A=" + PLACEHOLDER


def test_a_young_file_is_not_taken_for_clean_unread(scene: _Scene) -> None:
    scene.judge.is_clean = lambda path, about: True  # type: ignore[method-assign]
    scene.file.write_bytes(_HIDDEN)
    assert scene.read() == b"A=" + PLACEHOLDER
    scene.now = _STAMP + 2 * YOUNG
    scene.contents.changed_outside(scene.node)
    assert scene.read() == _HIDDEN  # as the judge says


def test_a_read_under_way_gets_what_was_shown_until_the_size_is_asked_again(scene: _Scene) -> None:
    """The kernel cuts what is read at the size that it knows."""
    scene.read()
    scene.file.write_bytes(_HIDDEN)
    scene.contents.wrote(scene.node)
    assert scene.contents.look(scene.node)
    assert scene.told[-1] == wire.invalidate_attributes(scene.node.number)
    assert scene.read() == _HIDDEN  # as the inside wrote it
    assert scene.contents.size(scene.node, scene.file.stat()) == 2 + len(PLACEHOLDER)
    assert scene.read() == b"A=" + PLACEHOLDER


def test_what_the_host_put_there_meanwhile_is_not_read_as_what_was_shown(scene: _Scene) -> None:
    scene.read()
    scene.file.write_bytes(_HIDDEN)
    scene.contents.wrote(scene.node)
    scene.contents.look(scene.node)
    scene.contents.changed_outside(scene.node)
    assert scene.read() == b"A=" + PLACEHOLDER

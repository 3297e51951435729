"""A covered file against a plain model: whatever is written where, disk holds the real values, the inside never."""

import contextlib
import errno
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.view.staged import SECRET, SHOWN, VALUES, VAULT, FakeView, judge, masked, put_in_place, real
from wrapper.disguises import Denied, Document, Fixed
from wrapper.view import covers as module
from wrapper.view.covers import Covers, Disguise


@pytest.fixture
def view(tmp_path: Path) -> FakeView:
    (tmp_path / "staging").mkdir()
    (tmp_path / "work").mkdir()
    return FakeView(tmp_path / "staging")


@pytest.fixture
def work(view: FakeView) -> Path:
    return view.staging.parent / "work"


def covering(view: FakeView, work: Path, judged: Callable[[str], Disguise | None] = judge) -> Covers:
    return Covers(view, judged, lambda _path, data: VAULT.restore_in_file(data), roots=[str(work)])


def early(view: FakeView, work: Path, content: bytes, disguise: Disguise | None = None) -> tuple[Covers, Path]:
    """Cover one file before anything runs."""
    file = work / ".env"
    file.write_bytes(content)
    covers = covering(view, work)
    covers.add(str(file), disguise or Document(masked, VAULT, bytes), early=True)
    return covers, file


def inside_writes(view: FakeView, covers: Covers, path: Path, content: bytes) -> None:
    staged = view.standing[str(path)]
    put_in_place(staged, content)
    covers.inside_wrote(str(staged))


def test_what_is_written_inside_is_on_disk_at_once_with_the_real_values(view: FakeView, work: Path) -> None:
    covers, file = early(view, work, b"A=" + VALUES[0])
    inside_writes(view, covers, file, b"A=" + SHOWN[0] + b"\nB=1\n")
    assert file.read_bytes() == b"A=" + VALUES[0] + b"\nB=1\n"


def test_a_file_covered_late_is_restored_only_at_the_end(view: FakeView, work: Path) -> None:
    """Promise 2: it may still be open inside by its real inode."""
    covers, file = covering(view, work), work / "late.env"
    file.write_bytes(b"A=" + VALUES[0])
    covers.host_changed(str(file))
    inside_writes(view, covers, file, b"B=" + SHOWN[0])
    assert file.read_bytes() == b"A=" + VALUES[0]
    assert list(covers.finish()) == []
    assert file.read_bytes() == b"B=" + VALUES[0]


def test_a_file_that_takes_a_removed_ones_place_and_inode_number_counts_as_late(view: FakeView, work: Path) -> None:
    """Promise 2: file systems give the number of a removed file to the next one."""
    covers, file = early(view, work, b"A=" + VALUES[0])
    file.write_bytes(b"B=" + SHOWN[0])  # made inside after the host removed the first, with the same number
    covers.replaced(str(file))
    covers.host_changed(str(file))
    inside_writes(view, covers, file, b"B=" + SHOWN[0] + b"\n")
    assert VALUES[0] not in file.read_bytes()
    assert list(covers.finish()) == []
    assert file.read_bytes() == b"B=" + VALUES[0] + b"\n"


def test_a_file_replaced_on_the_host_counts_as_late(view: FakeView, work: Path) -> None:
    """Promise 2: until it is covered again, its new inode can be opened inside."""
    covers, file = early(view, work, b"A=" + VALUES[0])
    (work / "new").write_bytes(b"B=1")
    (work / "new").replace(file)
    covers.host_changed(str(file))
    inside_writes(view, covers, file, b"B=" + SHOWN[0])
    assert file.read_bytes() == b"B=1"
    assert list(covers.finish()) == []
    assert file.read_bytes() == b"B=" + VALUES[0]


def remake(file: Path, content: bytes) -> None:
    """Remove a file and make another one, which gets its inode number where the file system is like that."""
    file.unlink()
    time.sleep(0.01)  # a tick of the clock that files are stamped with
    file.write_bytes(content)


@pytest.mark.parametrize("way", ["removed and made", "removed, seen so, and made", "renamed over"])
@pytest.mark.parametrize("content", [b"", b"B=1"])
def test_what_was_written_into_a_file_that_the_host_then_replaced_is_not_written_into_the_new_one(
    view: FakeView, work: Path, content: bytes, way: str
) -> None:
    """Promise 3: the last writer wins, also where the new file holds what the one before held."""
    covers, file = early(view, work, b"A=" + VALUES[0])
    covers.replaced(str(file))
    file.write_bytes(content)
    covers.host_changed(str(file))
    inside_writes(view, covers, file, b"C=" + SHOWN[1])
    if way == "renamed over":
        (work / "new").write_bytes(content)
        (work / "new").replace(file)
    elif way == "removed and made":
        remake(file, content)
    else:
        file.unlink()
        covers.replaced(str(file))
        covers.host_changed(str(file))
        file.write_bytes(content)
    covers.replaced(str(file))
    covers.host_changed(str(file))
    assert view.seen(str(file)) == content
    assert list(covers.finish()) == []
    assert file.read_bytes() == content


def test_a_file_that_is_told_of_twice_keeps_what_was_written_inside(view: FakeView, work: Path) -> None:
    """Promise 3: a folder that appears is read besides being watched, so a new file may be told of again."""
    covers, file = early(view, work, b"A=" + VALUES[0])
    covers.replaced(str(file))
    inside_writes(view, covers, file, b"B=" + SHOWN[0])
    covers.replaced(str(file))
    covers.host_changed(str(file))
    assert list(covers.finish()) == []
    assert file.read_bytes() == b"B=" + VALUES[0]


@pytest.mark.parametrize("content", [b"", b"A=1"])
def test_nothing_is_restored_into_a_file_that_took_the_place_of_a_covered_one_before_we_heard_of_it(
    view: FakeView, work: Path, content: bytes
) -> None:
    """Promise 2: the inside wrote, the host removed the file, and the inside made it anew and holds it open."""
    covers, file = early(view, work, content)
    staged = view.standing[str(file)]
    put_in_place(staged, b"B=" + SHOWN[0])
    remake(file, content)
    covers.inside_wrote(str(staged))
    covers.write_back()
    assert file.read_bytes() == content


def test_what_takes_the_place_of_a_file_that_was_moved_and_removed_counts_as_late(view: FakeView, work: Path) -> None:
    """Promises 2 and 3: all of it happened before we heard that it was moved."""
    covers, file = early(view, work, b"A=" + VALUES[0])
    file.rename(work / "moved")
    remake(work / "moved", b"")
    (work / "moved").unlink()
    file.write_bytes(b"B=" + SHOWN[0])  # made inside
    covers.moved(str(file), str(work / "moved"))
    covers.host_changed(str(file))
    assert file.read_bytes() == b"B=" + SHOWN[0]
    assert list(covers.finish()) == []
    assert file.read_bytes() == b"B=" + VALUES[0]


def test_a_file_that_gets_another_name_counts_as_late(view: FakeView, work: Path) -> None:
    """Promise 2: the other name may be open inside before it is covered too."""
    covers, file = early(view, work, b"A=" + VALUES[0])
    (work / "other").hardlink_to(file)
    covers.host_changed(str(file))
    inside_writes(view, covers, file, b"A=" + SHOWN[0] + b"\n")
    assert file.read_bytes() == b"A=" + VALUES[0]
    assert list(covers.finish()) == []
    assert file.read_bytes() == b"A=" + VALUES[0] + b"\n"


def test_a_file_of_the_insides_own_making_that_quotes_a_placeholder_is_restored_at_the_end(
    view: FakeView, work: Path
) -> None:
    covers, file = covering(view, work), work / "new.py"
    file.write_bytes(b"key = " + SHOWN[1])
    covers.host_changed(str(file))
    assert file.read_bytes() == b"key = " + SHOWN[1]
    assert list(covers.finish()) == []
    assert file.read_bytes() == b"key = " + VALUES[1]


def test_a_full_disk_while_a_cover_is_renewed_never_reaches_the_real_file(view: FakeView, work: Path) -> None:
    """Promise 3: a staging file that was written in part is not what the inside wrote."""
    covers, file = early(view, work, b"A=" + VALUES[0])
    put_in_place(file, b"C=" + VALUES[1])
    view.full = True
    with pytest.raises(OSError, match="No space"):
        covers.host_changed(str(file))
    covers.inside_wrote(str(view.staged(str(file))))
    covers.write_back()
    assert list(covers.finish()) == []
    assert file.read_bytes() == b"C=" + VALUES[1]


def test_a_cover_that_failed_is_made_when_there_is_room_again(view: FakeView, work: Path) -> None:
    covers, file = covering(view, work), work / ".env"
    file.write_bytes(b"A=" + VALUES[0])
    view.full = True
    with pytest.raises(OSError, match="No space"):
        covers.host_changed(str(file))
    put_in_place(file, b"B=" + VALUES[0])
    view.full = False
    covers.host_changed(str(file))
    assert view.seen(str(file)) == b"B=" + SHOWN[0]
    assert list(covers.finish()) == []
    assert file.read_bytes() == b"B=" + VALUES[0]


def test_a_full_disk_leaves_the_real_file_whole(view: FakeView, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 3: room for what is restored is had before the old content goes."""
    covers, file = early(view, work, b"A=" + VALUES[0])

    def full(descriptor: int, offset: int, length: int) -> None:
        os.ftruncate(descriptor, offset + length // 2)  # what a file system may leave behind
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    inside_writes(view, covers, file, b"A=" + SHOWN[0] + b"\nmore\n")
    assert file.read_bytes() == b"A=" + VALUES[0]
    assert list(covers.finish()) == [str(file)]
    monkeypatch.undo()
    assert list(covers.finish()) == []
    assert file.read_bytes() == b"A=" + VALUES[0] + b"\nmore\n"


def test_a_file_too_large_to_mask_cannot_be_opened(view: FakeView, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    covers, file = early(view, work, b"A=" + VALUES[0])
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    put_in_place(file, b"A=" + VALUES[0] + b"x" * 100)
    covers.host_changed(str(file))
    assert view.seen(str(file)) is None
    view.standing[str(file)].write_bytes(b"through a descriptor that was open before")
    assert list(covers.finish()) == []
    assert file.read_bytes() == b"A=" + VALUES[0] + b"x" * 100


def test_a_file_that_cannot_be_read_is_closed_and_never_shown_as_empty(
    view: FakeView, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 3: an edit of what only seemed empty would replace the real content."""
    file = work / ".env"
    file.write_bytes(b"A=" + VALUES[0])
    covers = covering(view, work)
    monkeypatch.setattr(covers, "_read", lambda *_: None)
    covers.add(str(file), Document(masked, VAULT, bytes), early=True)
    assert view.seen(str(file)) is None


def test_a_large_file_that_quotes_a_placeholder_is_named_at_the_end(
    view: FakeView, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 64)
    monkeypatch.setattr(module, "_WINDOW", 50)
    covers = covering(view, work, lambda _: None)
    for name, content in (("quoting", b"x" * 90 + SHOWN[0] + b"x" * 70), ("plain", b"x" * 300)):
        (work / name).write_bytes(content)
        covers.host_changed(str(work / name))
    assert list(covers.finish()) == [str(work / "quoting")]


def test_no_value_is_written_into_a_file_that_is_larger_than_what_is_looked_at(
    view: FakeView, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 2: the next session would show what lies behind that as it is."""
    covers, file = early(view, work, VALUES[0], Document(masked, VAULT, bytes))
    late = work / "late"
    covers.host_changed(str(late))
    monkeypatch.setattr(module, "MOST_BYTES", 64)
    view.standing[str(file)].write_bytes(SHOWN[0] + b"x" * 64 + SHOWN[0])
    late.write_bytes(b"x" * 64 + SHOWN[0])
    covers.host_changed(str(late))
    covers.inside_wrote(str(view.standing[str(file)]))
    assert sorted(covers.finish()) == sorted(map(str, (file, late)))
    assert file.read_bytes() == VALUES[0]
    assert late.read_bytes() == b"x" * 64 + SHOWN[0]


def test_a_closed_file_is_never_written(view: FakeView, work: Path) -> None:
    for disguise in (Denied(), Fixed(lambda: b"shown")):
        covers, file = early(view, work, b"real", disguise)
        view.standing[str(file)].write_bytes(b"from inside")
        covers.inside_wrote(str(view.standing[str(file)]))
        assert list(covers.finish()) == []
        assert file.read_bytes() == b"real"


def test_a_folder_swapped_for_a_link_leads_no_write_elsewhere(view: FakeView, work: Path, tmp_path: Path) -> None:
    """The inside moves the covered file's folder away and puts a link to a folder of the user's in its place."""
    (work / "conf").mkdir()
    file = work / "conf" / "a.env"
    file.write_bytes(b"A=" + VALUES[0])
    covers = covering(view, work)
    covers.add(str(file), Document(masked, VAULT, bytes), early=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.env").write_bytes(b"mine")
    (work / "conf").rename(work / "away")
    (work / "conf").symlink_to(elsewhere)
    inside_writes(view, covers, file, b"A=overwritten")
    assert list(covers.finish()) == [str(file)]
    assert (elsewhere / "a.env").read_bytes() == b"mine"


def test_a_link_put_in_a_quoting_files_place_leads_no_write_elsewhere(
    view: FakeView, work: Path, tmp_path: Path
) -> None:
    covers, file = covering(view, work), work / "note"
    file.write_bytes(SHOWN[0])
    covers.host_changed(str(file))
    target = tmp_path / "target"
    target.write_bytes(SHOWN[0])
    file.unlink()
    file.symlink_to(target)
    list(covers.finish())
    assert target.read_bytes() == SHOWN[0]


def test_a_pipe_in_a_files_place_holds_nothing_up(view: FakeView, work: Path) -> None:
    covers, file = early(view, work, b"A=" + VALUES[0])
    file.unlink()
    os.mkfifo(file)
    covers.host_changed(str(file))
    covers.write_back()
    assert list(covers.finish()) == []


def test_a_notice_of_a_file_that_is_none_of_ours_is_ignored(view: FakeView, work: Path) -> None:
    covers = covering(view, work)
    covers.inside_wrote(str(view.staging / "99"))
    covers.moved(str(work / "a"), str(work / "b"))
    covers.replaced(str(work / "a"))
    covers.host_changed(str(work / "missing"))
    assert list(covers.finish()) == []


_PIECE = st.sampled_from([*range(3), "\n", "x", "PORT=1\n"])
_TEXT = st.lists(_PIECE, max_size=5)
_NAMES = ("a.env", "b.env", "c.txt", "d.txt")
_NAME = st.sampled_from(_NAMES)


def spelled(pieces: list[int | str], values: list[bytes]) -> bytes:
    return b"".join(values[one] + b";" if isinstance(one, int) else one.encode() for one in pieces)


class CoversMachine(RuleBasedStateMachine):
    """Both sides write, replace, rename and remove; notices come in order, at once or late.

    `expected` holds each file's content with real values as long as no two writers were at it between two notices
    (then the later notice wins, and all that is asked is that the file is one of what was ever written).
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        (self.root / "staging").mkdir()
        self.work = self.root / "work"
        self.work.mkdir()
        self.view = FakeView(self.root / "staging")
        self.numbers = itertools.count()
        self.written: set[bytes] = {b""}
        self.expected: dict[str, bytes] = {}
        self.exposed: dict[tuple[str, int], bytes] = {}
        self.contested = False
        self.pending: list[Callable[[], None]] = []
        self.covers = covering(self.view, self.work)
        for name, content in (("a.env", b"A=" + VALUES[0]), ("c.txt", b"plain")):
            (self.work / name).write_bytes(content)
            self.note(name, content)
        self.covers.add(self.path("a.env"), Document(masked, VAULT, bytes), early=True)

    def path(self, name: str) -> str:
        return str(self.work / name)

    def note(self, name: str, content: bytes) -> None:
        self.expected[name] = real(content)
        self.written.add(real(content))

    def tell(self, late: bool, *notices: Callable[[], None]) -> None:  # noqa: FBT001
        if self.pending:
            self.contested = True  # somebody wrote while we had not yet heard of what was before
        self.pending += notices
        if not late:
            self.deliver()

    def changed(self, name: str) -> Callable[[], None]:
        return lambda: self.covers.host_changed(self.path(name))

    def replaced(self, name: str) -> Callable[[], None]:
        def notice() -> None:
            self.covers.replaced(self.path(name))
            self.covers.host_changed(self.path(name))

        return notice

    def expose(self, name: str) -> None:
        """The inside opens whatever is not covered and keeps it open: only the two writers may change it."""
        if self.path(name) not in self.view.standing and (self.work / name).exists():
            file = self.work / name
            self.exposed[name, file.stat().st_ino] = file.read_bytes()

    @rule(name=_NAME, pieces=_TEXT, late=st.booleans())
    def inside_writes(self, name: str, pieces: list[int | str], late: bool) -> None:  # noqa: FBT001
        """In place: through the cover if there is one."""
        content, staged = spelled(pieces, SHOWN), self.view.standing.get(self.path(name))
        if staged is not None:
            put_in_place(staged, content)
            self.note(name, content)
            self.tell(late, lambda: self.covers.inside_wrote(str(staged)))
        elif (self.work / name).exists():
            put_in_place(self.work / name, content)
            self.note(name, content)
            self.expose(name)
            self.tell(late, self.changed(name))
        else:
            (self.work / name).write_bytes(content)
            self.note(name, content)
            self.expose(name)
            self.tell(late, self.replaced(name))

    @rule(name=_NAME, pieces=_TEXT, late=st.booleans())
    def host_writes(self, name: str, pieces: list[int | str], late: bool) -> None:  # noqa: FBT001
        content = spelled(pieces, VALUES)
        existed = (self.work / name).exists()
        is_other = not existed or (self.work / name).read_bytes() != content
        if existed:
            put_in_place(self.work / name, content)
        else:
            (self.work / name).write_bytes(content)
        if is_other:  # else it is no more than a new time: what was written inside stands
            self.note(name, content)
        self.exposed = {place: seen for place, seen in self.exposed.items() if place[0] != name}
        self.tell(late, self.changed(name) if existed else self.replaced(name))

    @rule(name=_NAME, pieces=_TEXT, late=st.booleans())
    def host_replaces(self, name: str, pieces: list[int | str], late: bool) -> None:  # noqa: FBT001
        content, beside = spelled(pieces, VALUES), self.root / f"new-{next(self.numbers)}"
        beside.write_bytes(content)
        beside.replace(self.work / name)
        self.view.standing.pop(self.path(name), None)
        self.note(name, content)
        self.exposed = {place: seen for place, seen in self.exposed.items() if place[0] != name}
        self.tell(late, self.replaced(name))

    @rule(name=_NAME, onto=_NAME, late=st.booleans())
    def host_renames(self, name: str, onto: str, late: bool) -> None:  # noqa: FBT001
        if name == onto or not (self.work / name).exists():
            return
        (self.work / name).rename(self.work / onto)
        self.view.standing.pop(self.path(onto), None)
        if (staged := self.view.standing.pop(self.path(name), None)) is not None:
            self.view.standing[self.path(onto)] = staged
        self.expected[onto] = self.expected.pop(name)
        self.exposed = {
            (onto if place == name else place, inode): seen
            for (place, inode), seen in self.exposed.items()
            if place != onto
        }
        self.tell(
            late,
            lambda: self.covers.moved(self.path(name), self.path(onto)),
            self.changed(name),
            self.changed(onto),
        )

    @rule(name=_NAME, late=st.booleans())
    def host_removes(self, name: str, late: bool) -> None:  # noqa: FBT001
        if (self.work / name).exists():
            (self.work / name).unlink()
            self.view.standing.pop(self.path(name), None)
            del self.expected[name]
            self.exposed = {place: seen for place, seen in self.exposed.items() if place[0] != name}
            self.tell(late, self.replaced(name))

    @precondition(lambda self: self.pending)
    @rule()
    def deliver(self) -> None:
        for notice in self.pending:
            with contextlib.suppress(FileNotFoundError):
                notice()
        self.pending.clear()

    @invariant()
    def what_the_inside_holds_open_is_not_restored_under_it(self) -> None:
        """Promise 2."""
        for (name, inode), content in self.exposed.items():
            file = self.work / name
            if file.exists() and file.stat().st_ino == inode:
                assert file.read_bytes() == content

    @precondition(lambda self: not self.pending)
    @invariant()
    def nothing_masked_is_shown(self) -> None:
        """Promise 1, once the notices are in."""
        for name in _NAMES:
            assert SECRET.search(self.view.seen(self.path(name)) or b"") is None

    def teardown(self) -> None:
        try:
            self.deliver()
            assert list(self.covers.finish()) == []
            for file in self.work.iterdir():
                assert file.read_bytes() in self.written
            if not self.contested:
                assert self.contents() == self.expected
        finally:
            shutil.rmtree(self.root)

    def contents(self) -> Mapping[str, bytes]:
        return {file.name: file.read_bytes() for file in self.work.iterdir()}


TestCovers = CoversMachine.TestCase
TestCovers.settings = settings(max_examples=150, stateful_step_count=20, deadline=None)

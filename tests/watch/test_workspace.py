"""WorkspaceWatch against the real kernel: every change, also under load, and nothing outside."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from wrapper.errors import ProtectionError, SafeAgentError, SessionError
from wrapper.watch import reader
from wrapper.watch.reader import EVENTS, Reader
from wrapper.watch.workspace import WorkspaceWatch

Change = tuple[str, str, str]


class Heard:
    """What a watch reported, with the time of each; `gate` closed stalls the watch's thread."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.times: list[float] = []
        self.overflows = 0
        self.failures: list[SafeAgentError] = []
        self.gate = threading.Event()
        self.gate.set()

    def change(self, path: str, action: str, target: str) -> None:
        self.gate.wait(30)
        self.changes.append((path, action, target))
        self.times.append(time.monotonic())

    def overflow(self) -> None:
        self.overflows += 1

    def has(self, path: str, action: str, target: str = "") -> bool:
        return (path, action, target) in self.changes


def eventually(check: Callable[[], bool], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def open_descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def scanned(path: str) -> bool:
    return "node_modules/" not in path and not path.endswith(".git/objects/")


def made(root: Path, heard: Heard) -> WorkspaceWatch:
    return WorkspaceWatch(
        root,
        is_scanned=scanned,
        on_change=heard.change,
        on_overflow=heard.overflow,
        on_failed=heard.failures.append,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    for name in ("src/deep/er", ".git/hooks", ".git/objects/aa", "node_modules/thing"):
        (folder / name).mkdir(parents=True)
    (folder / "src/old.txt").write_text("old")
    return folder


@pytest.fixture
def heard(root: Path) -> Iterator[Heard]:
    heard = Heard()
    watch = made(root, heard)
    watch.start()
    yield heard
    heard.gate.set()
    watch.stop()


def test_a_new_file_is_created_then_modified(root: Path, heard: Heard) -> None:
    (root / "src/deep/er/new.txt").write_text("x")
    assert eventually(lambda: heard.has("src/deep/er/new.txt", "modified"))
    assert heard.changes == [("src/deep/er/new.txt", "created", ""), ("src/deep/er/new.txt", "modified", "")]


def test_a_change_is_reported_within_50_ms(root: Path, heard: Heard) -> None:
    late: list[float] = []
    for number in range(40):
        start = time.monotonic()
        (root / f"src/{number}").write_text("x")
        assert eventually(lambda number=number: heard.has(f"src/{number}", "modified"))  # type: ignore[misc]
        late.append(heard.times[-1] - start)
    assert sorted(late)[35] < 0.05


def test_a_file_that_stays_open_is_reported_all_the_same(root: Path, heard: Heard) -> None:
    late: list[float] = []
    for number in range(5):
        with (root / f"src/log{number}").open("w") as file:
            file.write("line")
            file.flush()
            start = time.monotonic()
            assert eventually(lambda number=number: heard.has(f"src/log{number}", "modified"))  # type: ignore[misc]
            late.append(time.monotonic() - start)
    assert median(late) < 0.1


def test_a_deleted_file_is_deleted(root: Path, heard: Heard) -> None:
    (root / "src/old.txt").unlink()
    assert eventually(lambda: heard.has("src/old.txt", "deleted"))


def test_a_renamed_file_is_one_move(root: Path, heard: Heard) -> None:
    (root / "src/old.txt").rename(root / "src/deep/new.txt")
    assert eventually(lambda: heard.has("src/old.txt", "moved", "src/deep/new.txt"))
    assert len(heard.changes) == 1


def test_a_save_by_rename_is_a_move_onto_the_file(root: Path, heard: Heard) -> None:
    (root / "src/.old.tmp").write_text("new")
    (root / "src/.old.tmp").rename(root / "src/old.txt")
    assert eventually(lambda: heard.has("src/.old.tmp", "moved", "src/old.txt"))


def test_a_file_moved_out_is_deleted_within_100_ms(root: Path, heard: Heard, tmp_path: Path) -> None:
    late: list[float] = []
    for number in range(5):
        path = root / f"src/old{number}.txt"
        path.write_text("old")
        assert eventually(lambda path=path: heard.has(f"src/{path.name}", "modified"))  # type: ignore[misc]
        start = time.monotonic()
        path.rename(tmp_path / path.name)
        assert eventually(lambda path=path: heard.has(f"src/{path.name}", "deleted"))  # type: ignore[misc]
        late.append(heard.times[-1] - start)
    assert median(late) < 0.1


def test_a_tree_made_at_once_is_reported_whole(root: Path, heard: Heard) -> None:
    for number in range(100):
        folder = root / f"fresh/{number}/a/b"
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    wanted = {f"fresh/{number}/a/b/file" for number in range(100)}
    assert eventually(lambda: wanted <= {path for path, _, _ in heard.changes})


def test_a_tree_moved_in_is_reported_whole_and_watched(root: Path, heard: Heard, tmp_path: Path) -> None:
    (tmp_path / "outside/a").mkdir(parents=True)
    (tmp_path / "outside/a/file").write_text("x")
    (tmp_path / "outside").rename(root / "inside")
    assert eventually(lambda: heard.has("inside/a/file", "created"))
    (root / "inside/a/file").write_text("y")
    assert eventually(lambda: heard.has("inside/a/file", "modified"))


def test_what_lies_in_a_renamed_folder_moves_and_stays_watched(root: Path, heard: Heard) -> None:
    (root / "src").rename(root / "lib")
    assert eventually(lambda: heard.has("src/old.txt", "moved", "lib/old.txt"))
    assert heard.changes[0] == ("src", "moved", "lib")
    (root / "lib/deep/er/late").write_text("x")
    assert eventually(lambda: heard.has("lib/deep/er/late", "modified"))
    assert not any(path.startswith("src") for path, action, _ in heard.changes if action != "moved")


def test_a_folder_moved_out_is_watched_no_longer(root: Path, heard: Heard, tmp_path: Path) -> None:
    (root / "src").rename(tmp_path / "gone")
    assert eventually(lambda: heard.has("src", "deleted"))
    (tmp_path / "gone/secret").write_text("x")
    (root / "mark").write_text("x")
    assert eventually(lambda: heard.has("mark", "modified"))
    assert not any("secret" in path for path, _, _ in heard.changes)


def test_a_folder_renamed_out_of_the_skipped_is_watched(root: Path, heard: Heard) -> None:
    (root / "node_modules/thing/.env").write_text("A=1")
    (root / "node_modules/thing").rename(root / "taken")
    assert eventually(lambda: heard.has("taken/.env", "created"))


def test_skipped_folders_get_no_watch_and_their_neighbours_do(root: Path, heard: Heard) -> None:
    (root / ".git/objects/aa/blob").write_text("x")
    (root / "node_modules/thing/x").write_text("x")
    (root / ".git/hooks/pre-commit").write_text("x")
    assert eventually(lambda: heard.has(".git/hooks/pre-commit", "modified"))
    assert not [path for path, _, _ in heard.changes if "objects" in path or "node_modules" in path]


def test_a_link_is_reported_and_never_followed(root: Path, heard: Heard, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "link").symlink_to(outside)
    assert eventually(lambda: heard.has("link", "created"))
    (outside / "file").write_text("x")
    (root / "mark").write_text("x")
    assert eventually(lambda: heard.has("mark", "modified"))
    assert not any("file" in path for path, _, _ in heard.changes)


def test_a_folder_swapped_for_a_link_is_not_watched_through_it(tmp_path: Path, root: Path) -> None:
    """Whoever races the watch with a link must not make it report files outside as the workspace's."""
    (tmp_path / "outside/deep").mkdir(parents=True)
    (root / "swapped").symlink_to(tmp_path / "outside")
    heard = Heard()
    watch = made(root, heard)
    watch.start()
    try:
        with watch._lock:
            assert watch._reader is not None
            assert watch._reader.watch(str(root / "swapped"), EVENTS) is None
            assert watch._reader.watch(str(root / "swapped/deep"), EVENTS) is None
    finally:
        watch.stop()


def test_a_name_that_is_not_utf8_is_reported_as_the_system_decodes_it(root: Path, heard: Heard) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/\xff.txt")).write_text("x")
    assert eventually(lambda: heard.has(os.fsdecode(b"\xff.txt"), "modified"))


def test_a_dropped_event_is_noticed_and_folders_made_meanwhile_are_watched(root: Path, heard: Heard) -> None:
    """Promise 4's ground: 16,384 events are queued, the rest is lost; the loss must not pass unseen."""
    heard.gate.clear()
    (root / "src/first").write_text("x")
    for number in range(9_000):
        descriptor = os.open(root / f"src/{number}", os.O_CREAT | os.O_WRONLY)
        os.close(descriptor)
    (root / "lost/deep").mkdir(parents=True)
    (root / "src/deep/er").rmdir()
    heard.gate.set()
    assert eventually(lambda: heard.overflows == 1)
    assert not any(path.startswith("lost") for path, _, _ in heard.changes)
    (root / "lost/deep/file").write_text("x")
    assert eventually(lambda: heard.has("lost/deep/file", "modified"))
    (root / "src/0").write_text("x")
    assert eventually(lambda: heard.has("src/0", "modified"))
    assert not heard.failures


def test_many_folders_do_not_make_one_overflow_into_the_next(root: Path) -> None:
    """Taking off 17,000 watches would queue 17,000 events: more than the queue holds."""
    for number in range(17_000):
        (root / f"many/{number // 500}/{number}").mkdir(parents=True)
    heard = Heard()
    watch = made(root, heard)
    watch.start()
    watch.on_queue_overflow()
    (root / "many/0/0/file").write_text("x")
    assert eventually(lambda: heard.has("many/0/0/file", "modified"))
    watch.stop()
    assert heard.overflows == 1


def test_a_burst_of_50000_changes_is_either_heard_or_known_to_be_lost(root: Path, heard: Heard) -> None:
    for number in range(25_000):
        path = root / f"src/{number}"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        path.unlink()
    (root / "mark").write_text("x")
    assert eventually(lambda: heard.has("mark", "modified") or heard.overflows > 0, 20)
    deleted = sum(action == "deleted" for _, action, _ in heard.changes)
    assert deleted == 25_000 or heard.overflows > 0


def test_what_is_queued_when_the_watch_ends_is_still_reported(root: Path) -> None:
    heard = Heard()
    watch = made(root, heard)
    watch.start()
    for number in range(500):
        (root / f"src/{number}").write_text("x")
    (root / "src/499").rename(root.parent / "out")
    watch.stop()
    assert heard.has("src/498", "modified")
    assert heard.has("src/499", "deleted")


def test_what_could_not_be_read_before_the_end_counts_as_lost(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_LAST_LOOK", 0)
    heard = Heard()
    heard.gate.clear()
    watch = made(root, heard)
    watch.start()
    (root / "first").write_text("x")
    time.sleep(0.05)
    (root / "second").write_text("x")
    threading.Timer(0.1, heard.gate.set).start()
    watch.stop()
    assert heard.overflows == 1


def test_nothing_is_reported_after_stop_and_no_descriptor_stays_open(root: Path) -> None:
    before = open_descriptors()
    heard = Heard()
    watch = made(root, heard)
    watch.start()
    watch.stop()
    (root / "late").write_text("x")
    time.sleep(0.05)
    assert heard.changes == []
    assert open_descriptors() == before


def test_stop_twice_and_before_start_is_harmless(root: Path) -> None:
    watch = made(root, Heard())
    watch.stop()
    watch.start()
    watch.stop()
    watch.stop()


def test_the_descriptor_is_not_inherited_by_programs(root: Path) -> None:
    watch = made(root, Heard())
    watch.start()
    try:
        assert watch._reader is not None
        assert not os.get_inheritable(watch._reader._inotify_fd)
    finally:
        watch.stop()


def test_the_limit_of_watches_is_refused_with_the_setting_to_raise(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr(Reader, "watch", full)
    threads = threading.active_count()
    with pytest.raises(ProtectionError, match="limit of inotify watches") as caught:
        made(root, Heard()).start()
    assert "sysctl fs.inotify.max_user_watches" in caught.value.hint
    assert threading.active_count() == threads


def test_the_limit_reached_later_ends_the_watch_with_an_error(
    root: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr(Reader, "watch", full)
    (root / "one-too-many").mkdir()
    assert eventually(lambda: len(heard.failures) == 1)
    assert isinstance(heard.failures[0], ProtectionError)


def test_a_workspace_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtectionError, match="cannot be watched"):
        made(tmp_path / "missing", Heard()).start()


def test_a_workspace_moved_away_ends_the_watch_with_an_error(root: Path, heard: Heard) -> None:
    root.rename(root.with_name("elsewhere"))
    assert eventually(lambda: len(heard.failures) == 1)
    assert isinstance(heard.failures[0], SessionError)


def test_an_error_in_a_callback_does_not_end_the_watch_in_silence(root: Path) -> None:
    failures: list[SafeAgentError] = []

    def broken(_path: str, _action: str, _target: str) -> None:
        raise RuntimeError("broken")

    watch = WorkspaceWatch(
        root, is_scanned=scanned, on_change=broken, on_overflow=lambda: None, on_failed=failures.append
    )
    watch.start()
    (root / "file").write_text("x")
    assert eventually(lambda: len(failures) == 1)
    watch.stop()

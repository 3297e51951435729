"""What the inside reads and what lands on disk: binaries, damage, names that policy knows, changes of the host."""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.machine import until
from tests.view.served import PLACEHOLDER, SECRET, PlainJudge, served
from tests.view.told import Told
from wrapper.view import changes
from wrapper.view.contents import Mode
from wrapper.view.daemon import Daemon

CUT = PLACEHOLDER[:-3]
DOTENV = b"A=1\nPASSWORD=" + SECRET + b"\nB=2\n"
SHOWN = DOTENV.replace(SECRET, PLACEHOLDER)


class View:
    """A served folder: `real` outside, `inside`, and what the witness heard."""

    def __init__(self, real: Path, inside: Path, told: Told) -> None:
        self.real, self.inside, self.told = real, inside, told


@pytest.fixture
def view(top: Path) -> Iterator[View]:
    with served(top / "real", told=top / "told") as inside:
        yield View(top / "real", inside, Told(top / "told"))


@pytest.fixture
def strict(top: Path) -> Iterator[View]:
    with served(top / "real", PlainJudge(strict=True), told=top / "told") as inside:
        yield View(top / "real", inside, Told(top / "told"))


def _soon(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 3
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def _refused(call: Callable[[], object]) -> int | None:
    try:
        call()
    except OSError as error:
        return error.errno
    return None


def test_a_placeholder_in_a_binary_stays_and_is_told_once(view: View) -> None:
    data = b"\0binary" + PLACEHOLDER
    (view.inside / "image.bin").write_bytes(data)
    with (view.inside / "image.bin").open("ab") as file:
        file.write(PLACEHOLDER)
    assert (view.real / "image.bin").read_bytes() == data + PLACEHOLDER
    assert view.told.rows("left") == [(b"image.bin", "it is a binary file")]


_LONG = b"a-value-that-is-longer-than-its-placeholder-" + b"0123456789" * 4


class _OtherLength(PlainJudge):
    """One whose secret is longer than the placeholder; the plain one's is shorter."""

    def masked(self, path: bytes, data: bytes, mode: Mode) -> bytes | None:
        del path, mode
        return data.replace(_LONG, PLACEHOLDER)

    def restored(self, data: bytes) -> bytes:
        return data.replace(PLACEHOLDER, _LONG) if PLACEHOLDER in data else data


@pytest.mark.parametrize(("judge", "secret"), [(PlainJudge(), SECRET), (_OtherLength(), _LONG)])
@pytest.mark.parametrize("name", ["server.log", "made.env"])
def test_who_writes_on_after_the_file_came_to_rest_writes_to_its_end(
    top: Path, judge: PlainJudge, secret: bytes, name: str
) -> None:
    with served(top / "real", judge) as inside:
        real, wanted = top / "real" / name, b""
        with (inside / name).open("wb", buffering=0) as file:
            for number in range(4):
                line = b"%d PASSWORD=%b\n%d\n" % (number, secret, number)
                file.write(line)
                file.write(b"more\n")
                wanted += line + b"more\n"
                shown = wanted.replace(secret, PLACEHOLDER)
                _soon(lambda shown=shown: (inside / name).read_bytes() == shown)  # type: ignore[misc]
                assert real.read_bytes() == wanted
        with (inside / name).open("r+b", buffering=0) as file:
            file.seek(0, os.SEEK_END)
            file.write(b"end\n")
            file.seek(0)
            file.write(b"9")
        assert real.read_bytes() == b"9" + wanted[1:] + b"end\n"
        assert (inside / name).read_bytes() == real.read_bytes().replace(secret, PLACEHOLDER)


@pytest.mark.parametrize(("judge", "secret"), [(PlainJudge(), SECRET), (_OtherLength(), _LONG)])
@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_a_copy_of_what_was_just_written_is_whole(top: Path, judge: PlainJudge, secret: bytes, pause: float) -> None:
    """The kernel copies as much as it takes the file to hold, and does not ask for that anew."""
    data = b"A=1\nPASSWORD=" + secret + b"\nB=2\n"
    (top / "real/old.env").write_bytes(data)
    with served(top / "real", judge) as inside:
        assert (inside / "old.env").read_bytes() == data.replace(secret, PLACEHOLDER)
        for name, wanted in (("new.env", data), ("old.env", data + data)):
            with (inside / name).open("ab") as file:
                file.write(data)
            with (inside / name).open("rb") as source, (inside / "copy").open("wb") as copy:
                time.sleep(pause)
                while os.copy_file_range(source.fileno(), copy.fileno(), 1 << 20):
                    pass
            assert (top / "real/copy").read_bytes() == wanted
            _soon(lambda wanted=wanted: (inside / "copy").read_bytes() == wanted.replace(secret, PLACEHOLDER))  # type: ignore[misc]


def test_who_writes_on_after_what_was_copied_came_to_rest_writes_to_its_end(view: View) -> None:
    (view.inside / "new.env").write_bytes(DOTENV)
    with (view.inside / "new.env").open("rb") as source, (view.inside / "copy").open("wb", buffering=0) as copy:
        assert os.copy_file_range(source.fileno(), copy.fileno(), 1 << 20) == len(DOTENV)
        _soon(lambda: (view.inside / "copy").read_bytes() == SHOWN)
        copy.write(b"more\n")
        assert (view.real / "copy").read_bytes() == DOTENV + b"more\n"
        assert (view.inside / "copy").read_bytes() == SHOWN + b"more\n"


def test_a_nul_that_is_written_over_does_not_make_a_binary(view: View) -> None:
    with (view.inside / "text").open("w+b", buffering=0) as file:
        file.truncate(len(SHOWN))
        file.write(SHOWN)
    assert (view.real / "text").read_bytes() == DOTENV


def test_a_file_that_looked_like_a_binary_while_it_was_made_is_restored_when_it_rests(view: View) -> None:
    with (view.inside / "text").open("w+b", buffering=0) as file:
        file.truncate(2 * len(SHOWN))
        file.write(SHOWN)
        file.write(SHOWN)
    _soon(lambda: (view.real / "text").read_bytes() == 2 * DOTENV)
    _soon(lambda: (view.inside / "text").read_bytes() == 2 * SHOWN)
    assert not view.told.rows("left")


def test_room_made_in_a_masked_file_is_there_on_disk_too(view: View) -> None:
    (view.real / "a.env").write_bytes(DOTENV)
    with (view.inside / "a.env").open("r+b", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, len(SHOWN) + 100)
        file.seek(len(SHOWN) + 200)
        file.write(PLACEHOLDER)
    assert (view.real / "a.env").read_bytes() == DOTENV + bytes(200) + SECRET
    assert (view.inside / "a.env").read_bytes() == SHOWN + bytes(200) + PLACEHOLDER


def test_a_masked_file_with_a_nul_stays_consistent(view: View) -> None:
    (view.real / "a.env").write_bytes(DOTENV)
    with (view.inside / "a.env").open("r+b", buffering=0) as file:
        file.seek(2)
        file.write(b"\0")
    assert (view.real / "a.env").read_bytes() == b"A=\0\n" + DOTENV[4:]


def test_a_secret_that_the_inside_makes_is_masked_once_the_file_rests_and_never_read_in_part(view: View) -> None:
    (view.inside / "made").write_bytes(DOTENV)
    read = set()

    def is_masked() -> bool:
        read.add((view.inside / "made").read_bytes())
        return SHOWN in read

    _soon(is_masked)
    assert read <= {DOTENV, SHOWN}
    assert (view.inside / "made").stat().st_size == len(SHOWN)
    assert (view.real / "made").read_bytes() == DOTENV


def test_a_damaging_write_is_refused_where_policy_is_strict(strict: View) -> None:
    (strict.real / "a.env").write_bytes(DOTENV)
    with (strict.inside / "a.env").open("r+b", buffering=0) as file:
        assert _refused(lambda: file.write(b"PASSWORD=" + CUT + b" damaged\nmore\n")) == errno.EIO
    assert (strict.real / "a.env").read_bytes() == DOTENV
    path, text, real, refused = strict.told.rows("damaged")[0]
    assert (path, real, refused) == (b"a.env", DOTENV, True)
    assert "is cut" in str(text)


def test_a_placeholder_may_come_in_pieces_where_policy_is_strict(strict: View) -> None:
    (strict.real / "a.env").write_bytes(DOTENV)
    with (strict.inside / "a.env").open("r+b", buffering=0) as file:
        for at in range(len(SHOWN)):
            file.write(SHOWN[at : at + 1])
    assert (strict.real / "a.env").read_bytes() == DOTENV


def test_a_damaging_rewrite_is_refused_though_the_file_was_emptied_first(strict: View) -> None:
    (strict.real / "a.env").write_bytes(DOTENV)
    assert _refused(lambda: (strict.inside / "a.env").write_bytes(SHOWN.replace(PLACEHOLDER, CUT))) == errno.EIO
    assert strict.told.rows("damaged")[0][2] == DOTENV


def test_a_damaging_rename_is_refused_where_policy_is_strict(strict: View) -> None:
    (strict.real / "a.env").write_bytes(DOTENV)
    (strict.inside / "new").write_bytes(SHOWN.replace(PLACEHOLDER, CUT))
    assert _refused(lambda: (strict.inside / "new").rename(strict.inside / "a.env")) == errno.EIO
    assert (strict.real / "a.env").read_bytes() == DOTENV


@pytest.mark.parametrize("by_rename", [False, True])
def test_damage_is_told_with_the_real_content_from_before(view: View, *, by_rename: bool) -> None:
    (view.real / "a.env").write_bytes(DOTENV)
    damaged = SHOWN.replace(PLACEHOLDER, CUT)
    assert (view.inside / "a.env").read_bytes() == SHOWN
    if by_rename:
        (view.inside / "new").write_bytes(damaged)
        (view.inside / "new").rename(view.inside / "a.env")
    else:
        (view.inside / "a.env").write_bytes(damaged)
    path, _, real, refused = view.told.rows("damaged")[0]
    assert (path, real, refused) == (b"a.env", DOTENV, False)
    assert (view.real / "a.env").read_bytes() == damaged


def test_what_was_damaged_before_is_not_told_again(view: View) -> None:
    (view.real / "a.env").write_bytes(DOTENV + CUT + b"\n")
    with (view.inside / "a.env").open("ab") as file:
        file.write(b"C=3\n")
    assert view.told.rows("changed")
    assert not view.told.rows("damaged")


def test_a_key_that_the_inside_makes_is_shown_to_it_masked_wherever_it_moves_it(view: View) -> None:
    (view.inside / "own.key").write_bytes(DOTENV)
    _soon(lambda: (view.inside / "own.key").read_bytes() == SHOWN)
    (view.inside / "own.key").rename(view.inside / "other.key")
    assert (view.inside / "other.key").read_bytes() == SHOWN
    assert view.inside / "other.key" in view.inside.iterdir()


def test_nothing_is_made_where_something_hidden_stands(view: View) -> None:
    (view.real / "host.key").write_bytes(DOTENV)
    (view.inside / "new").write_bytes(b"x")
    assert not (view.inside / "host.key").exists()
    for make in (
        lambda: (view.inside / "host.key").write_bytes(b"x"),
        (view.inside / "host.key").mkdir,
        lambda: (view.inside / "host.key").symlink_to("x"),
        lambda: (view.inside / "host.key").hardlink_to(view.inside / "new"),
        lambda: (view.inside / "new").rename(view.inside / "host.key"),
    ):
        assert _refused(make) == errno.EACCES
    assert (view.real / "host.key").read_bytes() == DOTENV


@pytest.mark.parametrize("name", ["x.denied", "x.hidden"])
def test_nothing_is_made_at_a_name_that_is_closed(view: View, name: str) -> None:
    (view.inside / "new").write_bytes(b"x")
    for make in (
        lambda: (view.inside / name).write_bytes(b"x"),
        (view.inside / name).mkdir,
        lambda: (view.inside / "new").rename(view.inside / name),
        lambda: (view.inside / name).hardlink_to(view.inside / "new"),
    ):
        assert _refused(make) == errno.EACCES
    assert not (view.real / name).exists()


def test_a_denied_file_is_listed_and_neither_read_written_moved_nor_removed(view: View) -> None:
    (view.real / "a.denied").write_bytes(DOTENV)
    place = view.inside / "a.denied"
    assert place in view.inside.iterdir()
    for use in (
        place.read_bytes,
        lambda: place.write_bytes(b"x"),
        lambda: os.truncate(place, 0),
        lambda: place.rename(view.inside / "b"),
        place.unlink,
        lambda: place.chmod(0o777),
        lambda: (view.inside / "b").hardlink_to(place),
    ):
        assert _refused(use) in {errno.EACCES, errno.EPERM}
    assert (view.real / "a.denied").read_bytes() == DOTENV


@pytest.mark.parametrize("name", ["moved.passed", ".passed/moved"])
def test_nothing_that_holds_values_gets_a_name_that_passes(view: View, name: str) -> None:
    """The next session would show it as it is."""
    (view.real / ".passed").mkdir()
    (view.real / "folder").mkdir()
    (view.real / "folder" / "a").write_bytes(DOTENV)
    (view.inside / "own").write_bytes(SHOWN)
    for file in ("own", "folder/a"):
        assert _refused(lambda: (view.inside / file).rename(view.inside / name)) == errno.EACCES  # noqa: B023
        assert _refused(lambda: (view.inside / name).hardlink_to(view.inside / file)) == errno.EACCES  # noqa: B023
    assert _refused(lambda: (view.inside / "folder").rename(view.inside / ".passed" / "folder")) == errno.EACCES
    assert (view.real / "own").read_bytes() == (view.real / "folder" / "a").read_bytes() == DOTENV


@pytest.mark.parametrize("name", ["moved.passed", ".passed/moved"])
def test_no_value_is_put_into_what_was_moved_to_where_all_passes(view: View, name: str) -> None:
    (view.real / ".passed").mkdir()
    (view.inside / "plain").write_bytes(b"A=1\n")
    (view.inside / "plain").rename(view.inside / name)
    (view.inside / name).write_bytes(SHOWN)
    assert (view.real / name).read_bytes() == SHOWN
    (view.inside / name).write_bytes(DOTENV)  # its own; what is so shown gets no others
    until(lambda: (view.inside / name).read_bytes() == SHOWN)
    with pytest.raises(PermissionError), (view.inside / name).open("ab") as file:
        file.write(PLACEHOLDER)
    assert (view.real / name).read_bytes() == DOTENV


def test_what_the_inside_has_written_itself_gets_a_name_that_passes(view: View) -> None:
    """`.env.example` is written beside and put in place."""
    (view.inside / "own.env").write_bytes(DOTENV)
    until(lambda: (view.inside / "own.env").read_bytes() == SHOWN)
    (view.inside / "own.env").rename(view.inside / "own.passed")
    assert (view.real / "own.passed").read_bytes() == DOTENV


@pytest.mark.parametrize("by", ["a placeholder", "a write of the host's", "a file of the host's", "a name of its own"])
def test_it_does_not_once_something_else_has_come_into_it(view: View, by: str) -> None:
    (view.real / "host.env").write_bytes(DOTENV)
    (view.inside / "a.env").write_bytes(DOTENV)
    match by:
        case "a placeholder":
            (view.inside / "a.env").write_bytes(SHOWN)
        case "a write of the host's":
            (view.real / "a.env").write_bytes(DOTENV + DOTENV)
        case "a file of the host's":
            (view.real / "host.env").rename(view.real / "a.env")
        case _:
            (view.inside / "a.env").unlink()
            (view.inside / "host.env").rename(view.inside / "a.env")
    assert _refused(lambda: (view.inside / "a.env").rename(view.inside / "a.passed")) == errno.EACCES


def test_no_file_has_names_that_pass_and_others(view: View) -> None:
    """One of them may not be known when a placeholder is written by the other."""
    (view.inside / ".passed").mkdir()
    (view.inside / ".passed" / "a").write_bytes(b"1")
    (view.inside / "b").write_bytes(b"1")
    assert _refused(lambda: (view.inside / "c").hardlink_to(view.inside / ".passed" / "a")) == errno.EACCES
    assert _refused(lambda: (view.inside / ".passed" / "c").hardlink_to(view.inside / "b")) == errno.EACCES
    (view.inside / "c").hardlink_to(view.inside / "b")
    assert _refused(lambda: (view.inside / "c").rename(view.inside / ".passed" / "c")) == errno.EACCES
    (view.inside / ".passed" / "folder").mkdir()
    (view.inside / ".passed" / "folder" / "c").hardlink_to(view.inside / ".passed" / "a")
    assert _refused(lambda: (view.inside / ".passed" / "folder").rename(view.inside / "folder")) == errno.EACCES
    (view.inside / ".passed" / "a").unlink()
    (view.inside / ".passed" / "folder").rename(view.inside / "folder")


def test_what_was_written_where_all_passes_is_restored_where_it_is_looked_at(view: View) -> None:
    (view.inside / ".passed").mkdir()
    (view.inside / ".passed" / "a").write_bytes(SHOWN)
    assert (view.real / ".passed" / "a").read_bytes() == SHOWN
    (view.inside / ".passed" / "a").rename(view.inside / "b")
    assert (view.real / "b").read_bytes() == DOTENV
    assert (view.inside / "b").read_bytes() == SHOWN


def test_a_folder_brings_nothing_to_where_it_may_not_be_made(top: Path) -> None:
    real = top / "real"
    with served(real, PlainJudge(protected=(b"tools/deep/hook",)), told=top / "told") as inside:
        (inside / "new" / "deep").mkdir(parents=True)
        (inside / "new" / "deep" / "hook").write_bytes(b"evil")
        assert _refused(lambda: (inside / "new").rename(inside / "tools")) == errno.EACCES
        (inside / "new" / "deep" / "hook").unlink()
        (inside / "new").rename(inside / "tools")
        assert Told(top / "told").rows("refused") == [(b"tools/deep/hook",)]


def test_no_link_comes_to_stand_where_a_folder_with_something_protected_would(top: Path) -> None:
    with served(top / "real", PlainJudge(protected=(b"tools/deep/hook",))) as inside:
        (inside / "other").mkdir()
        (inside / "link").symlink_to("other")
        for make in (
            lambda: (inside / "tools").symlink_to("other"),
            lambda: (inside / "link").rename(inside / "tools"),
            lambda: os.link(inside / "link", inside / "tools", follow_symlinks=False),
        ):
            assert _refused(make) == errno.EACCES
        (inside / "tools").mkdir()


def test_protected_paths_are_read_only_and_may_not_be_made(top: Path) -> None:
    real = top / "real"
    (real / ".vscode").mkdir()
    (real / ".vscode" / "tasks.json").write_bytes(b"{}")
    protected = (b".vscode/tasks.json", b".envrc")
    with served(real, PlainJudge(protected=protected), told=top / "told") as inside:
        (inside / "new").write_bytes(b"x")
        there = inside / ".vscode" / "tasks.json"
        for use in (
            lambda: there.write_bytes(b"x"),
            lambda: os.truncate(there, 0),
            there.unlink,
            lambda: there.rename(inside / "b"),
            lambda: there.chmod(0o777),
            lambda: os.utime(there),
            lambda: (inside / "b").hardlink_to(there),
            lambda: (inside / "new").rename(there),
            lambda: (inside / ".envrc").write_bytes(b"x"),
            (inside / ".envrc").mkdir,
            lambda: (inside / ".envrc").symlink_to("new"),
            lambda: (inside / "new").rename(inside / ".envrc"),
            lambda: (inside / ".vscode").rename(inside / "c"),
        ):
            assert _refused(use) == errno.EACCES
        assert _refused((inside / ".vscode").rmdir) == errno.ENOTEMPTY
        assert there.read_bytes() == b"{}"
        refused = sorted(Told(top / "told").rows("refused"))
    assert refused == [(b".envrc",), (b".vscode",), (b".vscode/tasks.json",)]
    assert sorted(one.name for one in real.iterdir()) == [".vscode", "new"]


def test_a_protected_file_replaced_by_what_it_says_already_stays_itself(top: Path) -> None:
    """Git writes its settings anew to set what is set; it must not fail, and nothing may come to stand there by it."""
    real = top / "real"
    (real / "config").write_bytes(DOTENV)
    number = (real / "config").stat().st_ino
    with served(real, PlainJudge(protected=(b"config",)), told=top / "told") as inside:
        shown = (inside / "config").read_bytes()
        (inside / "config.lock").write_bytes(shown)
        (inside / "config.lock").rename(inside / "config")
        assert not (inside / "config.lock").exists()
        _soon(lambda: (inside / "config").stat().st_ino == number)
        for other in (shown + b"\n", shown[:-1], b""):
            (inside / "config.lock").write_bytes(other)
            assert _refused(lambda: (inside / "config.lock").rename(inside / "config")) == errno.EACCES
        assert _refused(lambda: (inside / "config").write_bytes(shown)) == errno.EACCES
        (inside / "config.lock").unlink()
        (inside / "config.lock").symlink_to("config")
        assert _refused(lambda: (inside / "config.lock").rename(inside / "config")) == errno.EACCES
        (real / "config").write_bytes(DOTENV + b"MORE=1\n")
        _soon(lambda: (inside / "config").read_bytes() == shown + b"MORE=1\n")
    assert (real / "config").stat().st_ino == number
    assert (real / "config").read_bytes() == DOTENV + b"MORE=1\n"


def test_files_are_looked_at_again_when_new_values_are_known(top: Path) -> None:
    """The judge learns of its secret only once a file says so."""
    real, known = top / "real", top / "known"
    (real / "a").write_bytes(DOTENV)

    class Learner(PlainJudge):
        def masked(self, path: bytes, data: bytes, mode: object) -> bytes:
            return data.replace(SECRET, PLACEHOLDER) if known.exists() else data

    def learn(daemon: Daemon) -> None:
        while not known.exists():
            time.sleep(0.002)
        daemon.values_changed()

    with served(real, Learner(), beside=learn) as inside:
        assert (inside / "a").read_bytes() == DOTENV
        known.touch()
        _soon(lambda: (inside / "a").read_bytes() == SHOWN)
        assert (inside / "a").stat().st_size == len(SHOWN)


def test_the_inside_never_reads_a_file_that_the_host_masks_by_writing_as_it_is(view: View) -> None:
    """The host swaps ordinary for secret content all the time, in place and by rename."""
    plain = DOTENV.replace(SECRET, b"x" * len(SECRET))
    (view.real / "a").write_bytes(plain)
    seen, end, count = set(), time.monotonic() + 2, 0
    pid = os.fork()
    if not pid:
        while True:
            for data in (plain, DOTENV):
                (view.real / "a").write_bytes(data)
                (view.real / "b").write_bytes(data)
                (view.real / "b").replace(view.real / "a")
    try:
        while time.monotonic() < end:
            with contextlib.suppress(OSError), (view.inside / "a").open("rb", buffering=0) as file:
                seen.add(file.read())  # ESTALE where it was replaced between the two
                count += 1
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert count > 100
    assert not [one for one in seen if SECRET in one]


def test_a_change_of_the_host_is_seen_within_milliseconds(view: View) -> None:
    waited = []
    (view.real / "a.env").write_bytes(DOTENV)
    for number in range(50):
        assert (view.inside / "a.env").read_bytes()
        new = DOTENV + b"N=%d\n" % number
        (view.real / "new").write_bytes(new)
        begun = time.monotonic()
        (view.real / "new").replace(view.real / "a.env")
        shown = new.replace(SECRET, PLACEHOLDER)
        _soon(lambda shown=shown: (view.inside / "a.env").read_bytes() == shown)  # type: ignore[misc]
        waited.append(time.monotonic() - begun)
    assert sorted(waited)[25] < 0.01


def test_a_hard_link_outside_of_the_view_is_seen_to_change(view: View, top: Path) -> None:
    (top / "outside").write_bytes(b"one")
    (view.real / "inside").hardlink_to(top / "outside")
    assert (view.inside / "inside").read_bytes() == b"one"
    (top / "outside").write_bytes(b"second")
    _soon(lambda: (view.inside / "inside").read_bytes() == b"second")


def test_appends_of_the_inside_and_of_the_host_are_all_kept(view: View) -> None:
    (view.real / "log").write_bytes(b"")
    with (
        (view.inside / "log").open("ab", buffering=0) as inside,
        (view.real / "log").open("ab", buffering=0) as outside,
    ):
        for number in range(200):
            inside.write(b"i%03d\n" % number)
            outside.write(b"o%03d\n" % number)
    assert len((view.real / "log").read_bytes().split()) == 400


def test_what_changes_in_a_folder_that_cannot_be_watched_is_seen_all_the_same(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's limit of watches is reached (inotify(7))."""

    class Full:
        def __getattr__(self, name: str) -> object:
            return (lambda *_: -1) if name == "inotify_add_watch" else getattr(libc, name)

    libc = changes._libc
    monkeypatch.setattr(changes, "_libc", Full())
    real = top / "real"
    (real / "a").write_bytes(b"plain")
    with served(real) as inside:
        assert (inside / "a").read_bytes() == b"plain"
        assert not (inside / "new").exists()
        (real / "a").write_bytes(DOTENV)
        (real / "new").write_bytes(DOTENV)
        _soon(lambda: (inside / "a").read_bytes() == SHOWN)
        _soon((inside / "new").exists)
        assert sorted(one.name for one in inside.iterdir()) == ["a", "new"]
        (real / "a").unlink()
        _soon(lambda: [one.name for one in inside.iterdir()] == ["new"])


class _Frozen(PlainJudge):
    def is_protected(self, path: bytes) -> bool:
        return b"/evals/" in b"/" + path


def test_a_folder_in_whose_name_its_files_are_protected_is_not_moved_away(top: Path) -> None:
    for name in ("late/evals", "late/other"):
        (top / "real" / name).mkdir(parents=True)
        (top / "real" / name / "a.py").write_text("x = 1\n")
    with served(top / "real", _Frozen()) as inside:
        (inside / "late/other").rename(inside / "late/moved")
        with pytest.raises(PermissionError):
            (inside / "late/evals").rename(inside / "late/away")
        assert (inside / "late/evals/a.py").read_text() == "x = 1\n"


def test_what_was_left_in_a_binary_is_restored_later_though_the_kernel_forgot_the_file(view: View) -> None:
    (view.inside / "folder").mkdir()
    (view.real / "folder").rename(view.real / "moved")
    until(lambda: [one.name for one in view.inside.iterdir()] == ["moved"])
    (view.real / "moved").rename(view.real / "folder")
    until(lambda: [one.name for one in view.inside.iterdir()] == ["folder"])
    file = view.inside / "folder/file"
    file.write_bytes(PLACEHOLDER + b"\n\0\0\0")
    until(lambda: file.read_bytes() == PLACEHOLDER + b"\n\0\0\0")
    os.truncate(file, len(PLACEHOLDER) + 1)
    until(lambda: (view.real / "folder/file").read_bytes() == SECRET + b"\n")

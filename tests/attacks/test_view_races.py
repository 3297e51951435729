"""The host changes files in every way while the inside reads them as fast as it can: promise 2, without a window.

The inside writes what it has read, each content once, in a cipher that no redactor knows. By binds there are windows,
which tests/contracts lists.
"""

import itertools
import mmap
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.machine import Machine, ciphered, deciphered, fake, private_key

_SECONDS = 1.5

_READ = r"""
import mmap, os, sys, threading, time
seen = set()
def keep(data):
    if data not in seen:
        seen.add(data)
def copied(mapping):
    out = os.memfd_create("x")
    try: os.pwrite(out, mapping, 0)  # by the kernel: a file that shrinks is no SIGBUS
    except OSError: pass
    data = os.pread(out, 1 << 20, 0)
    os.close(out)
    return data
def mapped(at):
    size = os.fstat(at).st_size
    return copied(mmap.mmap(at, size, prot=mmap.PROT_READ)) if size else b""
def sent(at):
    out = os.memfd_create("x")
    os.sendfile(out, at, 0, 1 << 20)
    data = os.pread(out, 1 << 20, 0)
    os.close(out)
    return data
ways = (lambda at: os.pread(at, 1 << 20, 0), mapped, sent, lambda at: os.pread(at, 4096, os.fstat(at).st_size // 2))
def hunt(names, number):
    held, kept = {}, []
    for name in names:  # mapped from the start, whatever becomes of the file
        try: kept.append(mmap.mmap(os.open(name, os.O_RDONLY), 65536, prot=mmap.PROT_READ))
        except (OSError, ValueError): pass
    while not os.path.exists("stop"):
        for one in kept: keep(copied(one))
        for name in names:
            for way in ways:
                try:
                    at = os.open(name, os.O_RDONLY)
                    keep(way(at))
                    old = held.pop((name, number), None)
                    if old is not None:
                        keep(way(old))
                        os.close(old)
                    held[name, number] = at
                except (OSError, ValueError): pass
        try: keep(repr([(one.name, one.stat().st_size) for one in os.scandir(".")]).encode())
        except OSError: pass
names = sys.argv[1:]
hunters = [threading.Thread(target=hunt, args=(names, number)) for number in range(2)]
for one in hunters: one.start()
open("hunting", "w").close()
for one in hunters: one.join()
for one in seen: os.write(1, b"<<" + one + b">>\n")
"""


@contextmanager
def _hunted(machine: Machine, *names: str) -> Iterator[list[str]]:
    """Let the inside read these files over and over while the body runs; then the list holds what it has seen."""
    (machine.workspace / "hunt.py").write_text(_READ)
    machine.give()
    out: list[str] = []
    with machine.running(ciphered(f"python3 hunt.py {' '.join(names)}")) as running:
        running.reached("hunting")
        yield out
        (machine.workspace / "stop").touch()
        out.append(deciphered(running.end().stdout))


def _for_a_while(*steps: Callable[[int], None]) -> int:
    """Do the steps in turn until the time is over; give how often."""
    end = time.monotonic() + _SECONDS
    for number in itertools.count():
        for step in steps:
            step(number)
        if time.monotonic() > end:
            return number
    return 0


def _distinct(seen: str) -> int:
    return seen.count("<<")


def _put(path: Path, text: str) -> None:
    """Put a new file in a file's place, as an editor does."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text)
    draft.rename(path)


def test_a_plain_file_that_becomes_a_secret_one_and_back_is_never_seen_as_it_is(anyones: Machine) -> None:
    """Promise 2: by rename, in place, by exchange; each time with values that nobody has known before."""
    work, values = anyones.workspace, list[str]()

    def fresh(prefix: str = "") -> str:
        values.append(fake(prefix, 24))
        return values[-1]

    for name in ("a.txt", ".env", "b.txt", "c.txt"):
        (work / name).write_text("harmless\n")

    def steps(number: int) -> None:
        _put(work / "a.txt", f"token = {fresh('sk' + '_live_')}\n" if number % 2 else f"harmless {number}\n")
        _put(work / ".env", f"PASSWORD={fresh()}\n")
        (work / "b.txt").write_text(
            f"{number % 7 * 'x'}token = {fresh('sk' + '_live_')}\n" if number % 2 else "plain\n"
        )
        (work / "c.txt").unlink()
        (work / "c.txt").write_text(f"key: {fresh('sk' + '_live_')}\n" if number % 2 else "plain\n")

    with _hunted(anyones, "a.txt", ".env", "b.txt", "c.txt") as out:
        rounds = _for_a_while(steps)
    (seen,) = out
    assert rounds > 50
    assert _distinct(seen) > 20, "the inside read too little; this test must be made sharper"
    assert "PASSWORD=MASKED-" in seen
    assert [value for value in values if value in seen] == []


def test_a_state_that_looks_like_the_one_before_is_looked_at_all_the_same(machine: Machine) -> None:
    """Promise 2: same size, times set back (`touch -r`, `cp -p`, `rsync -t`), same inode or another."""
    work = machine.workspace
    secret = "token = " + fake("sk" + "_live_", 24) + "\n"
    machine.planted["same"] = secret[8:-1]
    plain = "x" * (len(secret) - 1) + "\n"
    for name in ("a.txt", "b.txt"):
        (work / name).write_text(plain)

    def steps(number: int) -> None:
        before = (work / "a.txt").stat()
        with (work / "a.txt").open("r+") as file:
            file.write(secret if number % 2 else plain)
            file.flush()
            os.utime(file.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
        before = (work / "b.txt").stat()
        draft = work / ".draft"
        draft.write_text(secret if number % 2 else plain)
        os.utime(draft, ns=(before.st_atime_ns, before.st_mtime_ns))
        draft.rename(work / "b.txt")

    with _hunted(machine, "a.txt", "b.txt") as out:
        _for_a_while(steps)
        (work / "a.txt").write_text(plain)
        steps(1)
        time.sleep(0.2)
    (seen,) = out
    assert "token = MASKED-" in seen
    assert not machine.leaks(seen)


def test_a_folder_swapped_for_a_link_on_the_host_leads_nobody_out(anyones: Machine) -> None:
    """Promise 2: a path that led through a folder leads through a link to the user's keys for a moment."""
    work, ssh = anyones.workspace, anyones.home / ".ssh"
    (ssh / "id_plain").write_text(anyones.planted["odd"])
    (work / "conf").mkdir()
    (work / "conf/id_plain").write_text("harmless\n")
    (work / "conf/deep").mkdir()
    (work / "conf/deep/id_plain").write_text("harmless\n")
    (ssh / "deep").mkdir()
    (ssh / "deep/id_plain").write_text(anyones.planted["odd"])

    def steps(_number: int) -> None:
        (work / "conf").rename(work / "away")
        (work / "conf").symlink_to(ssh)
        (work / "conf").unlink()
        (work / "away").rename(work / "conf")

    with _hunted(anyones, "conf/id_plain", "conf/deep/id_plain") as out:
        assert _for_a_while(steps) > 100
    (seen,) = out
    assert "harmless" in seen
    assert not anyones.leaks(seen)


def test_another_name_does_not_unmask_a_file(anyones: Machine) -> None:
    """Promise 2: hard links and renames by the host, before and during the session; exchanged with a plain file."""
    work = anyones.workspace
    (work / "before.txt").hardlink_to(work / ".env")
    (work / "plain.txt").write_text("harmless\n")
    libc = __import__("ctypes").CDLL(None)

    def steps(number: int) -> None:
        if number % 20 == 0:
            (work / f"during{number}.png").hardlink_to(work / ".env")
            (work / f"during{number}.txt").hardlink_to(work / "before.txt")
        libc.renameat2(-100, os.fsencode(work / ".env"), -100, os.fsencode(work / "plain.txt"), 2)  # RENAME_EXCHANGE
        (work / "before.txt").rename(work / "after.txt")
        (work / "after.txt").rename(work / "before.txt")

    names = (
        "plain.txt",
        ".env",
        "before.txt",
        "after.txt",
        "during0.png",
        "during20.txt",
        "during20.png",
        "during40.png",
    )
    with _hunted(anyones, *names) as out:
        assert _for_a_while(steps) > 50
    (seen,) = out
    assert "harmless" in seen
    assert "STRIPE_KEY=MASKED-" in seen
    assert not anyones.leaks(seen)


def test_a_secret_that_comes_in_pieces_or_grows_is_not_pieced_together(machine: Machine) -> None:
    """Promise 2: written by the host in two parts, and appended to all the time; a mapping kept over all of it."""
    work = machine.workspace
    token, key = fake("sk" + "_live_", 24), private_key()
    machine.planted |= {"whole": token, "key": key.splitlines()[3]}
    for name in ("two.txt", "grows.log", "key.pem"):
        (work / name).write_text("begin\n" * 300)
    stop = threading.Event()

    def grow() -> None:
        with (work / "grows.log").open("a") as file:
            while not stop.wait(0.002):
                file.write(f"request with {token} done\n")
                file.flush()

    growing = threading.Thread(target=grow)

    def steps(number: int) -> None:
        with (work / "two.txt").open("r+") as file:
            file.write(f"{number % 10} token = {token[:20]}")
            file.flush()
            time.sleep(0.002)
            file.write(f"{token[20:]}\n")
        with (work / "key.pem").open("w") as file:
            for line in key.splitlines(keepends=True):
                file.write(line)
                file.flush()

    with _hunted(machine, "two.txt", "grows.log", "key.pem") as out:
        growing.start()
        _for_a_while(steps)
        stop.set()
        growing.join()
    (seen,) = out
    assert "request with MASKED-" in seen
    assert token not in seen
    assert key.splitlines()[3] not in seen.replace("\n", "")


@pytest.mark.parametrize(
    "size", [3 << 20, 40 << 20, 4 << 30], ids=["longer than a scan's window", "too long", "sparse"]
)
def test_a_large_file_with_a_secret_is_masked_or_closed(machine: Machine, size: int) -> None:
    """Promise 2: in its first 16 MiB, however large it is or pretends to be; looking at it holds up nobody."""
    machine.planted["far"] = fake("sk" + "_live_", 24)
    with (machine.workspace / "large.txt").open("wb") as file:
        file.write(b"line\n" * (400 << 10))
        file.write(f"token = {machine.planted['far']}\n".encode())
        file.truncate(size)
    begin = time.monotonic()
    seen = machine.seen(
        "head -c 2200000 large.txt | tail -c 180000 | tr -d '\\000'; tail -c 100 large.txt | wc -c; stat -c %s large.txt; cat app.py"
    )
    assert time.monotonic() - begin < 20
    assert not machine.leaks(seen)
    assert "print('hello')" in seen
    assert "MASKED-STRIPE" in seen or "Permission denied" in seen


_RACE_INSIDE = r"""
import ctypes, mmap, os, sys, threading, time
token, seen, libc = os.environb[b"GITHUB_TOKEN"], set(), ctypes.CDLL(None)
places = ["a.txt", "b.txt", ".git/logs/x", ".git/FETCH_HEAD", "node_modules/x", "d/x", ".git/refs/d/x", "c.png"]
for folder in ("d", ".git/refs/d", "node_modules"): os.makedirs(folder, exist_ok=True)
end = time.monotonic() + float(sys.argv[1])
def attempt(work, *words):
    try: return work(*words)
    except (OSError, ValueError): return None
def read():
    while time.monotonic() < end:
        for place in [*places, ".env"]:
            at = attempt(os.open, place, os.O_RDONLY)
            if at is None: continue
            seen.add(attempt(os.pread, at, 9999, 0))
            seen.add(b"%d" % os.fstat(at).st_size)
            copy = os.memfd_create("x")
            size = os.fstat(at).st_size
            if size: attempt(lambda: os.pwrite(copy, mmap.mmap(at, size, prot=mmap.PROT_READ), 0))
            seen.add(os.pread(copy, 9999, 0))
            os.close(copy); os.close(at)
def write():
    number = 0
    while time.monotonic() < end:
        for one, other in zip(places, places[1:] + places[:1]):
            number += 1
            at = attempt(os.open, one, os.O_RDWR | os.O_CREAT)
            if at is not None:
                attempt(os.pwrite, at, token[: 10 + number % 30], 0); attempt(os.pwrite, at, token, 0)
                if number % 5 == 0: attempt(os.ftruncate, at, number % 40)
                os.close(at)
            (lambda: attempt(os.rename, one, other), lambda: libc.renameat2(-100, one.encode(), -100, other.encode(), 2),
             lambda: (attempt(os.unlink, other), attempt(os.link, one, other)), lambda: attempt(os.unlink, one))[number % 4]()
        attempt(os.rename, "d", ".git/refs/e"); attempt(os.rename, ".git/refs/e", "d")
        attempt(os.rename, ".env", "d/y"); attempt(os.rename, "d/y", ".git/logs/y"); attempt(os.rename, ".git/logs/y", ".env")
threads = [threading.Thread(target=work) for work in (read, read, write, write)]
for one in threads: one.start()
for one in threads: one.join()
for one in seen: os.write(1, b"<<%s>>\n" % one if one else b"")
print("DONE")
"""


def test_renames_links_and_writes_inside_let_no_reader_see_a_value(anyones: Machine) -> None:
    """Promise 2: two write placeholders and move them about among places that are shown otherwise, two read them."""
    (anyones.workspace / "race.py").write_text(_RACE_INSIDE)
    anyones.give()
    seen = anyones.seen(f"python3 race.py {_SECONDS + 1}")
    assert seen.endswith("DONE\n"), seen[-1000:]
    assert "<<MASKED-GITHUB-TOKEN-" in seen
    assert not anyones.leaks(seen)


_OWN_KEYS = r"""
import os, sys, time
seen, end = set(), time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDONLY):
        try: at = os.open("own.key", flags)
        except OSError: continue
        try:
            seen.add(os.pread(at, 999, 0))
            if flags & os.O_CREAT and not os.fstat(at).st_size: os.pwrite(at, b"mine", 0)
            seen.add(os.pread(at, 999, 0))
            seen.add(open("own.key", "rb").read())
        except OSError: pass
        os.close(at)
    try: os.unlink("own.key")
    except OSError: pass
for one in seen: os.write(1, b"<<%s>>\n" % one)
print("DONE")
"""


def test_a_key_store_of_the_hosts_is_not_taken_for_the_insides_own(machine: Machine) -> None:
    """Promise 2: at a name that the inside makes and removes all the time; inode numbers come again."""
    work, mark = machine.workspace, fake("", 30)
    machine.planted["store"] = mark
    (work / "own.py").write_text(_OWN_KEYS)
    with machine.running(ciphered(f"touch ready; python3 own.py {_SECONDS}")) as running:
        running.reached("ready")

        def step(number: int) -> None:
            time.sleep(number % 4 / 1000)
            try:
                at = os.open(work / "own.key", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                if number % 5 == 0:
                    (work / "own.key").unlink(missing_ok=True)  # in doubt it is the host's, and hidden
                return
            os.write(at, mark.encode())
            os.close(at)
            time.sleep(0.0005)
            (work / "own.key").unlink(missing_ok=True)

        rounds = _for_a_while(step)
        seen = deciphered(running.end().stdout)
    assert rounds > 50
    assert seen.endswith("DONE\n"), seen[-1000:]
    assert "<<mine>>" in seen
    assert not machine.leaks(seen)


def test_a_value_that_becomes_known_is_masked_where_it_was_read_before(machine: Machine) -> None:
    """Promise 2: the user puts into a dotenv what a plain file has held all along; nobody reads it there any more."""
    machine.planted["known"] = fake("", 26)
    (machine.workspace / "notes.txt").write_text(f"remember {machine.planted['known']}\n")
    script = "exec 3<notes.txt; cat notes.txt > /dev/null; touch read; until [ -e go ]; do sleep 0.01; done; "
    with machine.running(script + ciphered("cat notes.txt; cat <&3; cat /proc/self/fd/3")) as running:
        running.reached("read")
        (machine.workspace / ".env.local").write_text(f"PASSWORD={machine.planted['known']}\n")
        time.sleep(0.5)
        (machine.workspace / "go").touch()
        seen = deciphered(running.end().stdout)
    assert seen.count("remember MASKED-") == 3
    assert not machine.leaks(seen)


_UNCACHED = r"""
import os, time
at = os.open("table.txt", os.O_RDONLY)
def read():
    os.posix_fadvise(at, 0, 0, os.POSIX_FADV_DONTNEED)
    return os.pread(at, 100, 8192)
print(read())
open("looked", "w").close()
while not os.path.exists("go"): time.sleep(0.01)
for _ in range(5):
    print(read(), open("table.txt", "rb").read()[8192:8292])
    time.sleep(0.05)
"""


def test_what_the_host_writes_through_a_mapping_is_looked_at(machine: Machine) -> None:
    """Promise 2: such a write moves no time stamp while the page is dirty already, and inotify says nothing of it."""
    work = machine.workspace
    (work / "table.txt").write_text("harmless line\n" * 5000)
    (work / "uncached.py").write_text(_UNCACHED)
    token = machine.planted["mapped"] = fake("sk" + "_live_", 24)
    script = "touch begun; until [ -e start ]; do sleep 0.01; done; " + ciphered("python3 uncached.py")
    with (
        (work / "table.txt").open("r+b") as file,
        mmap.mmap(file.fileno(), 0) as mapped,
        machine.running(script) as running,
    ):
        running.reached("begun")
        mapped[8192:8200] = b"changed\n"
        time.sleep(1)  # so that the state is not a young one
        (work / "start").touch()
        running.reached("looked")
        before = (work / "table.txt").stat().st_mtime_ns
        mapped[8192 : 8194 + len(token)] = b"\n" + token.encode() + b"\n"  # a word of its own, else no rule knows it
        assert (work / "table.txt").stat().st_mtime_ns == before, "the page was clean; this test must be made sharper"
        (work / "go").touch()
        seen = deciphered(running.end().stdout)
    assert "changed" in seen
    assert not machine.leaks(seen)


def test_values_of_a_dotenv_are_known_under_any_name_that_the_host_gives_it(machine: Machine) -> None:
    """Promise 2: what stood in a dotenv for a moment only stays a secret, also in a file whose name says nothing."""
    work = machine.workspace
    machine.planted["moment"] = fake("", 22)
    script = "cat .env > /dev/null; touch begun; until [ -e go ]; do sleep 0.01; done; " + ciphered(
        "cat notes.txt copy.txt"
    )
    with machine.running(script) as running:
        running.reached("begun")
        (work / ".env.local").write_text(f"ODDLY={machine.planted['moment']}\n")
        time.sleep(0.3)
        (work / "copy.txt").write_text(f"I noted {machine.planted['moment']} here\n")
        (work / ".env.local").rename(work / "notes.txt")
        (work / "go").touch()
        seen = deciphered(running.end().stdout)
    assert "I noted MASKED-" in seen
    assert not machine.leaks(seen)

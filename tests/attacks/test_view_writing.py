"""Writing a placeholder to read its value back: promise 2 for what the inside writes into the FUSE view.

On disk stands the value, from the moment of the write on; no name, no descriptor, no mapping, no size and no program
that runs inside may tell it.
"""

import re

import pytest

from tests.machine import Machine

_REAL = r"""
import ctypes, errno, fcntl, mmap, os, subprocess, sys
token = os.environb[b"GITHUB_TOKEN"]
libc = ctypes.CDLL(None, use_errno=True)
def show(what, data):
    os.write(1, b"%s: %s\n" % (what.encode(), data if isinstance(data, bytes) else str(data).encode()))
def read(path):
    with open(path, "rb") as file: return file.read()
"""

_BACK = (
    _REAL
    + r"""
held = os.open("held", os.O_RDWR | os.O_CREAT)
os.ftruncate(held, 8192)
before = mmap.mmap(held, 8192)
show("before", before[:4])
os.pwrite(held, token + b"\n", 0)
show("mapping from before", before[:60])
os.ftruncate(held, len(token) + 1)
for name, make in {
    "hard": lambda: os.link("held", "hard"), "soft": lambda: os.symlink("held", "soft"),
    "copied": lambda: open("copied", "wb").write(read("held")), "renamed.png": lambda: os.link("held", "renamed.png"),
    "passed.o": lambda: os.link("held", "passed.o"), "notes.pyc": lambda: os.link("held", "notes.pyc"),
}.items():
    make()
    show(name, read(name))
    show(name + " stat", os.stat(name).st_size)
for pid in ("self", "thread-self", os.getpid()): show("fd", read(f"/proc/{pid}/fd/{held}"))
for one in os.listdir("/proc/self/map_files"):
    try: show("map_files", read(f"/proc/self/map_files/{one}") if os.readlink(f"/proc/self/map_files/{one}").endswith("held") else b"")
    except OSError as error: show("map_files", error)
copied = os.memfd_create("x")
os.sendfile(copied, held, 0, 4096); show("sendfile", os.pread(copied, 4096, 0))
other = os.open("ranged", os.O_RDWR | os.O_CREAT)
try: os.copy_file_range(held, other, 4096, 0, 0)
except OSError as error: show("copy_file_range", error)
show("copy_file_range", os.pread(other, 4096, 0))
try: fcntl.ioctl(other, 0x40049409, held)  # FICLONE
except OSError as error: show("clone", error)
os.posix_fadvise(held, 0, 0, os.POSIX_FADV_DONTNEED); show("uncached", os.pread(held, 4096, 0))
direct = None
try:
    direct = os.open("held", os.O_RDONLY | os.O_DIRECT)
    page = mmap.mmap(-1, 4096)
    os.preadv(direct, [page], 0); show("direct", page[:80])
except OSError as error: show("direct", error)
unlinked = os.open("gone", os.O_RDWR | os.O_CREAT); os.unlink("gone"); os.write(unlinked, token); show("unlinked", os.pread(unlinked, 99, 0))
try:
    nameless = os.open(".", os.O_RDWR | os.O_TMPFILE); os.write(nameless, token); show("nameless", os.pread(nameless, 99, 0))
except OSError as error: show("nameless", error)
for name, text in {"run.sh": b"#!/bin/sh\necho ran " + token, "run.py": b"#!/usr/bin/env python3\nprint('ran', '" + token + b"')"}.items():
    with open(name, "wb") as file: file.write(text)
    os.chmod(name, 0o755); show(name, subprocess.run(["./" + name], capture_output=True).stdout)
with open("args", "wb") as file: file.write(b"#!/bin/echo " + token + b"\n")
os.chmod("args", 0o755); show("interpreter's argument", subprocess.run(["./args"], capture_output=True).stdout)
for tool in (["cat", "held"], ["grep", "-r", "ghp", "."], ["sh", "-c", ". ./held"], ["tar", "cf", "-", "held"], ["base64", "held"],
             ["rev", "held"], ["git", "diff", "--no-index", "/dev/null", "held"], ["cp", "--reflink=auto", "held", "/dev/stdout"],
             ["git", "hash-object", "-w", "held"], ["gzip", "-c", "held"], ["xxd", "held"], ["cmp", "-l", "held", "app.py"]):
    try: done = subprocess.run(tool, capture_output=True)
    except OSError: continue
    show(tool[0], done.stdout + done.stderr)
DONE = show("DONE", "")
"""
)


def test_a_placeholder_that_is_written_is_read_by_no_way_as_its_value(anyones: Machine) -> None:
    """Promise 2: other names, links, /proc, copies, sent, uncached, direct, unlinked, executed, by common programs."""
    (anyones.workspace / "back.py").write_text(_BACK)
    anyones.give()
    seen = anyones.seen("python3 back.py")
    assert seen.rstrip().endswith("DONE:"), seen[-2000:]
    assert not anyones.leaks(seen)
    assert seen.count("MASKED-GITHUB-TOKEN-") > 20
    assert "ran MASKED-GITHUB-TOKEN-" in seen
    assert (anyones.workspace / "held").read_text() == anyones.planted["github"] + "\n"
    shown = len(re.findall(r"MASKED-GITHUB-TOKEN-[0-9A-Z]{8}", seen)[0])
    assert {int(size) for size in re.findall(r"stat: (\d+)", seen)} == {shown + 1}


_PIECES = (
    _REAL
    + r"""
import threading
half = len(token) // 2
def opened(name, flags=0): return os.open(name, os.O_RDWR | os.O_CREAT | flags)
one = opened("halves"); os.pwrite(one, token[:half], 0); show("half", os.pread(one, 99, 0)); os.pwrite(one, token[half:], half)
show("halves", read("halves"))
one = opened("backwards")
for at in reversed(range(len(token))): os.pwrite(one, token[at : at + 1], at)
show("backwards", read("backwards"))
one = opened("mixed")
for at in [*range(0, len(token), 2), *range(1, len(token), 2)]: os.pwrite(one, token[at : at + 1], at); os.pread(one, 99, 0)
show("mixed", read("mixed"))
one, two = opened("appended", os.O_APPEND), opened("appended", os.O_APPEND)
for at in range(0, len(token), 5): os.write((one, two)[at % 2], token[at : at + 5])
show("appended", read("appended"))
child = os.fork()
one = opened("both")
if child: os.waitpid(child, 0); os.pwrite(one, token[half:], half)
else: os.pwrite(one, token[:half], 0); os._exit(0)
show("both", read("both"))
one = opened("mapped"); os.write(one, b"\n" * 200); m = mmap.mmap(one, 200); m[50 : 50 + half] = token[:half]; m.flush()
m[50 + half : 50 + len(token)] = token[half:]; m.flush(); show("mapped", read("mapped"))
one = opened("racing")
def write(start):
    for _ in range(100): os.pwrite(one, token[start : start + half + 1], start)
writers = [threading.Thread(target=write, args=(start,)) for start in (0, half)]
for each in writers: each.start()
for _ in range(200): show("racing", os.pread(one, 99, 0))
for each in writers: each.join()
show("racing", read("racing"))
one = opened("cut"); os.write(one, token + token)
for size in range(2 * len(token), 0, -7): os.ftruncate(one, size); show("cut", os.pread(one, 999, 0)); show("size", os.fstat(one).st_size)
os.ftruncate(one, 100); show("grown", os.pread(one, 999, 0))
one = opened("holes"); os.write(one, b"A=" + token + b"\nB=" + token + b"\n")
for mode in (0, 1, 2 | 1, 8, 16 | 1, 16, 32):
    code = libc.fallocate(one, mode, ctypes.c_long(0), ctypes.c_long(4096 if mode in (8, 32) else 10)); show("fallocate", os.pread(one, 9999, 0))
for offset in range(0, 40, 3): os.pwrite(one, b"#", offset); show("punched", os.pread(one, 9999, 0))
show("hole", os.lseek(one, 0, os.SEEK_HOLE)); show("data", os.lseek(one, 0, os.SEEK_DATA))
for start in (b"M", b"ghp_", b"x" * 95, b"MASKED-", token[:-1], token + token[:5]):
    with open("beside", "wb") as file: file.write(start + token)
    show("beside", read("beside"))
    with open("beside", "wb") as file: file.write(token + start)
    show("beside", read("beside"))
for name in os.listdir("."):
    if os.path.isfile(name) and not name.endswith(".py"): show(name, read(name))
show("DONE", "")
"""
)


def test_a_placeholder_that_comes_in_pieces_is_read_as_placeholder_only(anyones: Machine) -> None:
    """Promise 2: halves, backwards, mixed, appended by two, by two processes, mapped, racing, cut, holes, beside others.

    And promise 3: what was completed is the value on disk.
    """
    (anyones.workspace / "pieces.py").write_text(_PIECES)
    anyones.give()
    seen = anyones.seen("python3 pieces.py")
    assert seen.rstrip().endswith("DONE:"), seen[-2000:]
    assert not anyones.leaks(seen)
    token = anyones.planted["github"]
    for name in ("halves", "backwards", "mixed", "appended", "both", "racing"):
        assert (anyones.workspace / name).read_text() == token, name
    assert token in (anyones.workspace / "mapped").read_text()


_PLACES = (
    _REAL
    + r"""
def attempt(what, work):
    try: show(what, work())
    except OSError as error: show(what, error)
def exchange(one, other):
    if libc.renameat2(-100, one.encode(), -100, other.encode(), 2): raise OSError(ctypes.get_errno(), "exchange")
def copy(start, place):
    with open(place, "wb") as file: file.write(read(start))
def made_and_exchanged(start, place):
    open(place, "w").close()
    exchange(start, place)
ways = ((os.rename, lambda start, place: os.replace(place, start)), (os.link, lambda _, place: os.unlink(place)),
    (copy, lambda _, place: os.unlink(place)), (lambda start, place: os.symlink(os.path.abspath(start), place), lambda _, place: os.unlink(place)),
    (made_and_exchanged, lambda start, place: (exchange(place, start), os.unlink(place))))
def through(place):
    for start in (".env", "own"):
        for do, undo in ways:
            if start == "own":
                with open(start, "wb") as file: file.write(b"A=" + token + b"\n")
            os.makedirs(os.path.dirname(place) or ".", exist_ok=True)
            try:
                do(start, place)
            except OSError as error:
                show(place, error)
                if os.path.lexists(place): os.unlink(place)
                continue
            try: show(place, read(place)); show(place, os.stat(place).st_size)
            except OSError as error: show(place, error)
            undo(start, place)
places = [".git/COMMIT_EDITMSG", ".git/FETCH_HEAD", ".git/refs/x", ".git/logs/x", ".git/index.x", ".git/packed-refs.lock", ".git/lfs/x",
    ".git/objects/x", ".git/reftable/x", "node_modules/x", "build/x.o", "x.png", "x.so", "x.pyc", ".cache/x", "README.md", "native/x",
    ".env.example", "x.env.example", "example.env", "allowed.txt", "/tmp/x"]
for place in places: through(place)
for folder in (".git/logs", ".git/refs", ".git/lfs", "node_modules", "build", "native", ".git/objects"):
    os.makedirs("d/e", exist_ok=True); os.makedirs(folder, exist_ok=True)
    for name in ("d/x", "d/e/x"):
        with open(name, "wb") as file: file.write(token + b"\n")
    attempt(folder, lambda: os.rename("d", folder + "/d"))
    for name in ("x", "e/x"): attempt(folder, lambda: read(f"{folder}/d/{name}"))
    attempt(folder, lambda: os.rename(folder + "/d/e", "back"))
    attempt(folder, lambda: read("back/x"))
    attempt(folder, lambda: subprocess.run(["rm", "-rf", "d", "back", folder + "/d"]))
os.makedirs("conf"); os.rename(".env", "conf/.env"); os.rename("conf", ".git/logs/conf"); attempt("moved", lambda: read(".git/logs/conf/.env"))
attempt("moved", lambda: os.rename(".git/logs/conf/.env", ".git/logs/conf/HEAD"))
os.rename(".git/logs/conf", "node_modules/conf"); attempt("moved", lambda: read("node_modules/conf/.env"))
os.rename("node_modules/conf/.env", "node_modules/conf/x"); attempt("moved", lambda: read("node_modules/conf/x"))
os.rename("node_modules/conf/x", ".env"); attempt("back", lambda: read(".env"))
show("DONE", "")
"""
)


def test_no_place_that_is_shown_otherwise_unmasks_what_is_moved_there(anyones: Machine) -> None:
    """Promise 2: git's own files, unscanned and native folders, names that policy passes; by rename, link, exchange.

    Promise 3: it comes back as it was.
    """
    anyones.show_by("fuse", 'pass = ["allowed.txt"]', 'native = ["native/"]')
    (anyones.workspace / "native").mkdir()
    (anyones.workspace / ".git/lfs").mkdir()
    (anyones.workspace / "places.py").write_text(_PLACES)
    anyones.give()
    real = (anyones.workspace / ".env").read_text()
    seen = anyones.seen("python3 places.py")
    assert seen.rstrip().endswith("DONE:"), seen[-2000:]
    assert seen.count("MASKED-GITHUB-TOKEN-") > 50
    assert not anyones.leaks(seen)
    assert (anyones.workspace / ".env").read_text() == real, "moving it about changed the real file"


def test_no_object_of_gits_shows_the_value_while_anything_runs_inside(machine: Machine) -> None:
    """Promise 2: git's objects are shown as they are, so none with a value may be made for what the inside adds.

    And promise 3: it is made when the inside has ended.
    """
    me = "git -c user.name=t -c user.email=t@example.com"
    script = (
        "echo $GITHUB_TOKEN > f; git add f; git hash-object -w f; git add -f .env; sleep 0.5; git show :f :.env; "
        f"{me} commit -qm one; echo $GITHUB_TOKEN >> app.py; {me} commit -qam two; {me} tag -a v1 -m $GITHUB_TOKEN; "
        f"echo x$GITHUB_TOKEN >> f; {me} stash -q; git worktree add -q ../w 2>/dev/null || git worktree add -q w; sleep 1.5; "
        "git fsck --lost-found; git log -p --all; git status --short; "
        "git cat-file --batch-all-objects --batch | tr -d '\\000'; cat w/f .git/lost-found/*/*; echo DONE"
    )
    seen = machine.seen(script)
    assert seen.endswith("DONE\n")
    assert not machine.leaks(seen)
    assert seen.count("MASKED-GITHUB-TOKEN-") > 5
    assert machine.git("show", "HEAD:f") == machine.planted["github"] + "\n"
    assert machine.git("show", "HEAD:.env") == (machine.workspace / ".env").read_text()


def test_a_placeholder_in_a_name_stays_a_name(machine: Machine) -> None:
    """Promise 2: names are not restored, or a listing on the host's side would tell; neither are links' targets."""
    seen = machine.seen(
        'touch "$GITHUB_TOKEN"; mkdir "d-$GITHUB_TOKEN"; ln -s "$GITHUB_TOKEN" link; readlink link; ls; '
        "setfattr -n user.x -v $GITHUB_TOKEN app.py; getfattr -d app.py; python3 -c \"import os; os.setxattr('app.py', 'user.y', "
        "os.environb[b'GITHUB_TOKEN']); print(os.getxattr('app.py', 'user.y'))\""
    )
    assert not machine.leaks(seen)
    names = [path.name for path in machine.workspace.iterdir()]
    assert [name for name in names if name.startswith("MASKED-GITHUB-TOKEN-")]
    assert not machine.leaks(*names, str((machine.workspace / "link").readlink()))


@pytest.mark.parametrize("place", ["made.txt", ".env"])
def test_the_room_on_the_disk_is_that_of_what_is_shown_to_a_block(machine: Machine, place: str) -> None:
    """Promise 2: st_size is exact and the shown one; st_blocks tells blocks only, and no hole tells where a value is."""
    code = (
        f"import os; at = os.open('{place}', os.O_RDWR | os.O_CREAT); os.write(at, os.environb[b'GITHUB_TOKEN'] * 3); "
        "about = os.fstat(at); print(about.st_size, os.lseek(at, 0, os.SEEK_END), len(os.pread(at, 1 << 20, 0)), about.st_blocks <= 8)"
    )
    seen = machine.seen(f'python3 -c "{code}"')
    one, two, three, small = seen.split()
    assert one == two == three
    assert small == "True"
    assert int(one) % 3 == 0 or place == ".env"

"""Making the FUSE view hang or run out: nothing that lies in the workspace, and nothing done inside, holds up all else.

Promises 2 and 5: under load the inside sees placeholders or errors, and the session goes on to its end.
"""

import fcntl
import os
import signal
import time
from pathlib import Path

import pytest

from tests.machine import Machine, ciphered, deciphered

_WAIT = "until [ -e go ]; do sleep 0.01; done; "


def test_nothing_special_on_the_host_makes_a_request_hang(anyones: Machine) -> None:
    """Promise 5: a pipe that nobody writes to in a file's place, a device, a link to a device, a file that is leased."""
    work = anyones.workspace
    for name in ("becomes.txt", "leased.txt"):
        (work / name).write_text("harmless\n")
    os.mkfifo(work / "early")
    (work / "zero").symlink_to("/dev/zero")
    (work / "console").symlink_to("/dev/console")
    anyones.give()
    read = (
        "for f in becomes.txt early leased.txt console; do timeout 5 cat $f; echo $f ended with $?; done; "
        "timeout 5 head -c 4 zero | wc -c; timeout 5 sh -c 'echo x > becomes.txt'; timeout 5 sh -c 'echo more >> leased.txt'; "
        "timeout 5 ls -la; timeout 5 cat .env; timeout 5 find . -name '*.txt' -exec cat {} +; echo DONE"
    )
    with anyones.running(f"cat becomes.txt; touch read; {_WAIT}" + ciphered(read)) as running:
        running.reached("read")
        (work / "becomes.txt").unlink()
        os.mkfifo(work / "becomes.txt")
        leased = os.open(work / "leased.txt", os.O_RDWR)
        before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # the kernel asks for the lease back by it
        try:
            fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            (work / "go").touch()
            begin = time.monotonic()
            done = running.end(within=40)
        finally:
            os.close(leased)
            signal.signal(signal.SIGIO, before)
    seen = deciphered(done.stdout.split("\n", 1)[1])
    assert seen.endswith("DONE\n")
    assert time.monotonic() - begin < 15
    assert "becomes.txt ended with 124" not in seen, "a read of the pipe hung"
    assert "early ended with 124" not in seen
    assert "leased.txt ended with 124" not in seen, "the daemon waits for a lease of the host's"
    assert "STRIPE_KEY=MASKED-" in seen


def test_a_folder_of_a_hundred_thousand_files_is_listed_while_others_are_served(machine: Machine) -> None:
    """Promise 5: one that the host puts there; what is in it is masked like all else."""
    crowd = machine.root / "crowd"
    crowd.mkdir()
    for number in range(100_000):
        os.mknod(crowd / f"file{number}")
    (crowd / ".env").write_text(f"PASSWORD={machine.planted['odd']}\n")
    script = (
        f"cat .env > /dev/null; touch read; {_WAIT} (ls -f crowd | wc -l > /tmp/count) & "
        "python3 -c \"import time; t=time.time(); [open('.env').read() for _ in range(20)]; print('slowest', time.time() - t)\"; "
        "wait; cat /tmp/count; cat crowd/.env; cat crowd/file99999; echo DONE"
    )
    with machine.running(ciphered(script)) as running:
        running.reached("read")
        crowd.rename(machine.workspace / "crowd")
        (machine.workspace / "go").touch()
        seen = deciphered(running.end(within=60).stdout)
    assert "100003\n" in seen
    assert seen.endswith("DONE\n")
    assert not machine.leaks(seen)
    assert float(seen.split("slowest ")[1].split()[0]) < 8


_MANY = r"""
import os, resource, time
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
os.mkdir("many")
begin, made = time.time(), 0
while made < 20000 and time.time() - begin < 4:
    os.close(os.open(f"many/{made}", os.O_CREAT | os.O_WRONLY)); made += 1
print("made", made)
opened, children = 0, []
while opened < 50000:
    begin = time.time()
    if not os.fork():
        held = []
        try:
            while len(held) < 25000: held.append(os.open(f"many/{len(held) % made}", os.O_RDWR))
        except OSError as error: os.write(1, b"stopped: %s\n" % os.strerror(error.errno).encode())
        os.write(1, b"held %d\n" % len(held))
        time.sleep(3)
        os._exit(0)
    opened += 25000
time.sleep(1.5)
print(open(".env").read())
with open(".env", "a") as file: file.write("MORE=1\n")
with open("made-under-load", "w") as file: file.write(os.environ["GITHUB_TOKEN"])
print(open("made-under-load").read())
try:
    while True: os.wait()
except ChildProcessError: pass
print("DONE")
"""


def test_fifty_thousand_open_files_and_many_new_ones_starve_nobody(machine: Machine) -> None:
    """Promises 2, 3 and 5: the daemon holds fewer descriptors than the inside; masked files stay masked and writable."""
    (machine.workspace / "many.py").write_text(_MANY)
    seen = machine.seen("python3 many.py")
    assert seen.endswith("DONE\n"), seen
    assert int(seen.split("made ")[1].split()[0]) > 1000
    assert sum(int(part.split()[0]) for part in seen.split("held ")[1:]) >= 10_000
    assert not machine.leaks(seen)
    assert "STRIPE_KEY=MASKED-" in seen
    assert (machine.workspace / ".env").read_text().endswith("MORE=1\n")
    assert (machine.workspace / "made-under-load").read_text() == machine.planted["github"]


_HUGE = r"""
import os, resource
def attempt(what, work):
    try: print(what, work())
    except OSError as error: print(what, os.strerror(error.errno))
at, plain = os.open(".env", os.O_RDWR), os.open("plain", os.O_RDWR | os.O_CREAT)
for size in (4 << 30, 1 << 40):
    attempt("masked", lambda: os.ftruncate(at, size))
    attempt("masked write", lambda: os.pwrite(at, b"x", size))
    attempt("masked room", lambda: os.posix_fallocate(at, 0, size))
attempt("plain", lambda: os.ftruncate(plain, 4 << 30))
attempt("plain write", lambda: os.pwrite(plain, os.environb[b"GITHUB_TOKEN"], 3 << 30))
attempt("plain read", lambda: os.pread(plain, 60, 3 << 30))
attempt("plain size", lambda: os.fstat(plain).st_size)
os.ftruncate(plain, 0)
print(open(".env").read())
print("DONE")
"""


def test_a_masked_file_made_enormous_does_not_fill_the_daemons_memory(machine: Machine) -> None:
    """Promises 3 and 5: what must be held whole has a bound; beyond it the inside gets an error, the file stays."""
    (machine.workspace / "huge.py").write_text(_HUGE)
    real = (machine.workspace / ".env").read_text()
    seen = machine.seen("python3 huge.py")
    assert seen.endswith("DONE\n"), seen
    assert seen.count("masked File too large") == seen.count("masked room File too large") == 2
    assert not machine.leaks(seen)
    assert (machine.workspace / ".env").read_text().rstrip("\0") == real
    assert (machine.workspace / ".env").stat().st_size < 1 << 20


_DEEP = r"""
import os
for depth in range(60):
    os.mkdir("d" * 200); os.chdir("d" * 200)
with open(".env", "w") as file: file.write("TOKEN=" + os.environ["GITHUB_TOKEN"] + "\n")
print(open(".env").read(), os.stat(".env").st_size)
os.rename(".env", "e" * 255); print(open("e" * 255).read())
for name in ("e" * 256, "x/" * 2040 + "y"):
    try: open(name, "w")
    except OSError as error: print(os.strerror(error.errno))
for depth in range(60): os.chdir("..")
print(sorted(os.listdir(".")), "DONE")
"""


def test_paths_longer_than_a_path_can_be_are_served(machine: Machine) -> None:
    """Promises 2 and 3: folder by folder the inside gets deeper than any system call takes a path (PATH_MAX)."""
    (machine.workspace / "deep.py").write_text(_DEEP)
    seen = machine.seen("python3 deep.py")
    assert seen.rstrip().endswith("DONE"), seen
    assert not machine.leaks(seen)
    assert seen.count("TOKEN=MASKED-GITHUB-TOKEN-") == 2
    assert seen.count("File name too long") >= 1
    here = os.open(machine.workspace, os.O_PATH)
    for _ in range(60):
        below = os.open("d" * 200, os.O_PATH, dir_fd=here)
        os.close(here)
        here = below
    with open("e" * 255, opener=lambda name, flags: os.open(name, flags, dir_fd=here)) as file:
        assert file.read() == f"TOKEN={machine.planted['github']}\n"
    os.close(here)
    machine.host("rm", "-rf", "d" * 200, check=True)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_who_is_stopped_or_killed_in_a_request_leaves_the_view_standing(
    machine: Machine, number: signal.Signals
) -> None:
    """Promise 5: readers and writers that go away in the middle, many times."""
    code = (
        "import os, signal, sys, time\n"
        "for _ in range(60):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        while True:\n"
        "            for name in ('.env', 'other'):\n"
        "                with open(name, 'a+') as file: file.write(os.environ['GITHUB_TOKEN'] + chr(10)); file.seek(0); file.read()\n"
        "            os.truncate('.env', 22)\n"
        f"    time.sleep(0.01); os.kill(child, {int(number)}); os.kill(child, 9); os.waitpid(child, 0)\n"
        "print(open('.env').read()[:200]); print('DONE')\n"
    )
    (machine.workspace / "gone.py").write_text(code)
    done = machine.inside(ciphered("python3 gone.py"))
    seen = deciphered(done.stdout)
    assert seen.endswith("DONE\n"), done
    assert done.returncode == 0
    assert not machine.leaks(seen)
    assert Path(machine.workspace, ".env").read_text().startswith("# settings\nDEBUG=true\n")

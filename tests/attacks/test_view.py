"""Ways around the FUSE view to the real tree below it, and what happens when its daemon is attacked or dies."""

import ctypes
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

from tests.machine import Machine, Running, ciphered, deciphered, until

_DOORS = r"""
import os, sys
shown = os.stat(".")
def show(what, place):
    for name in (".env", "work/.env", "config/.env"):
        try:
            with open(os.path.join(place, name), "rb") as file: print(what, name, file.read().decode(errors="replace"))
        except OSError: pass
for pid in [name for name in os.listdir("/proc") if name.isdigit()] + ["self", "thread-self"]:
    doors = [f"/proc/{pid}/root{os.getcwd()}", f"/proc/{pid}/root/..", f"/proc/{pid}/cwd", f"/proc/{pid}/cwd/.."]
    for folder in (f"/proc/{pid}/fd", f"/proc/{pid}/map_files", f"/proc/{pid}/task"):
        try: doors += [f"{folder}/{one}" for one in os.listdir(folder)]
        except OSError: pass
    for door in doors:
        show(door, door)
        show(door, door + "/..")
for start in (".git/objects", ".git/objects/pack", ".git/objects/info"):
    for flags in (os.O_RDONLY, os.O_PATH):
        try: at = os.open(start, flags | os.O_DIRECTORY)
        except OSError: continue
        for up in range(1, 12):
            place = "/".join([".."] * up)
            for name in (".env", "work/.env", "config"):
                try: print(start, place, name, os.read(os.open(f"{place}/{name}", os.O_RDONLY, dir_fd=at), 9999).decode())
                except OSError: pass
    os.chdir(start)
    for up in range(1, 12):
        show(start, "/".join([".."] * up))
    os.chdir(sys.argv[1])
paths = set()
for line in open("/proc/self/mountinfo"):
    words = line.split()
    paths |= {words[3], words[4], words[words.index("-") + 2]}
    print("mount", line)
for path in sorted(paths):
    show("path of mountinfo", path)
    show("path of mountinfo", path + "/" + os.path.basename(os.getcwd()))
print("DONE")
"""


def test_no_door_leads_to_the_real_tree(anyones: Machine) -> None:
    """Promise 2: roots, folders and descriptors of all processes, `..` from what is shown natively, paths of mounts."""
    (anyones.workspace / "doors.py").write_text(_DOORS)
    anyones.give()
    seen = anyones.seen(f"python3 doors.py {anyones.workspace}")
    assert seen.endswith("DONE\n"), seen[-2000:]
    assert f" {anyones.workspace}/.git/objects " in seen, "nothing was shown natively; this test must be made sharper"
    assert "STRIPE_KEY=MASKED-" in seen
    assert not anyones.leaks(seen)


_libc = ctypes.CDLL(None, use_errno=True)


def _handle(path: Path) -> bytes:
    """Ask the kernel for a file's handle (name_to_handle_at(2)): what an attacker could guess, generation and all."""
    space = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    mount = ctypes.c_int()
    assert _libc.name_to_handle_at(-100, os.fsencode(path), space, ctypes.byref(mount), 0) == 0, os.strerror(
        ctypes.get_errno()
    )
    size, kind = struct.unpack_from("Ii", space)
    return struct.pack("Ii", size, kind) + space.raw[8 : 8 + size]


_BY_HANDLE = r"""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.open_by_handle_at.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
for mount in (".git/objects", ".", "/usr", "/", "/tmp", "m"):
    for flags in (os.O_RDONLY, os.O_PATH):
        try: at = os.open(mount, flags)
        except OSError: continue
        for handle in sys.argv[1:]:
            opened = libc.open_by_handle_at(at, bytes.fromhex(handle), os.O_RDONLY)
            if opened < 0:
                print("refused", os.strerror(ctypes.get_errno()))
                continue
            print("opened", handle)
            try: print(os.listdir(opened), os.read(os.open(".env", os.O_RDONLY, dir_fd=opened), 9999))
            except OSError: print(os.read(opened, 9999))
print("DONE")
"""


def test_no_handle_opens_a_file_below_the_view(anyones: Machine) -> None:
    """Promise 2: open_by_handle_at(2) needs no path; a folder that is shown natively names the real file system."""
    work = anyones.workspace
    handles = " ".join(
        _handle(path).hex() for path in (work / ".env", work, anyones.home, anyones.home / ".ssh/id_ed25519")
    )
    (work / "handle.py").write_text(_BY_HANDLE)
    anyones.give()
    run = f"python3 handle.py {handles}"
    seen = anyones.seen(
        f"{run}; unshare -Urm {run}; unshare -Urm sh -c 'mkdir -p m; mount --bind .git/objects m; {run}'"
    )
    assert seen.count("DONE") == 3, seen
    assert "opened" not in seen
    assert not anyones.leaks(seen)


_TREES = r"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
CLONE, RECURSIVE, EMPTY, FROM_EMPTY = 1, 0x8000, 0x1000, 4
os.makedirs("/tmp/t", exist_ok=True)
here = os.getcwd()
parts = here.split("/")
for flags in (CLONE, CLONE | RECURSIVE):
    for path in ["/".join(parts[:n]) or "/" for n in range(1, len(parts) + 1)] + [here + "/.git", here + "/.git/objects", "/"]:
        tree = libc.syscall(428, -100, path.encode(), flags)  # open_tree(2)
        if tree < 0: continue
        for below in (".env", "work/.env", here[1:] + "/.env", here[len(path):].strip("/") + "/.env", "../.env", "../../.env"):
            try: print("in the tree of", path, os.read(os.open(below, os.O_RDONLY, dir_fd=tree), 9999).decode())
            except OSError: pass
        if libc.syscall(429, tree, b"", -100, b"/tmp/t", FROM_EMPTY) == 0:  # move_mount(2)
            os.system("cat /tmp/t/.env /tmp/t/work/.env /tmp/t%s/.env; umount -l /tmp/t" % here)
libc.syscall(442, -100, here.encode(), RECURSIVE, (ctypes.c_uint64 * 4)(0, 1, 0, 0), 32)  # mount_setattr(2)
print("DONE")
"""


def test_no_mount_of_the_insides_own_uncovers_the_real_tree(anyones: Machine) -> None:
    """Promise 2: in nested namespaces: unmounted, moved, mounted over, cloned, bound with its parent, in a bubblewrap."""
    work = anyones.workspace
    (work / "trees.py").write_text(_TREES)
    anyones.give()
    inner = (
        f"echo root in $(id -u); W={work}; M=/tmp/m; mkdir -p $M; "
        "for p in $W $W/.git/objects / $W/.. /var; do umount $p; umount -l $p; umount -f $p; mount --move $p $M; cat $M/.env; "
        "mount --bind $p $M && cat $M/.env $M/work/.env $M$W/.env $M/../.env; umount -l $M; mount --rbind $p $M; "
        "umount $M/.git/objects; umount -l $M/work; umount -l $M$W; cat $M/.env $M/work/.env $M$W/.env; umount -l $M; "
        "mount --make-rprivate $p; mount -o remount,bind,rw $p; done; "
        "mkdir -p /tmp/o && mount -t tmpfs t /tmp/o && mkdir /tmp/o/u /tmp/o/w && "
        "mount -t overlay -o lowerdir=$W,upperdir=/tmp/o/u,workdir=/tmp/o/w v $M && cat $M/.env; umount -l $M; "
        "fusermount -u $W; fusermount3 -u $W; fusermount3 -uz $W; "
        "mount -t fusectl f $M; echo 1 > $M/*/abort; echo 1 > /sys/fs/fuse/connections/*/abort; "
        f"cd {work}; python3 {work}/trees.py; /usr/sbin/chroot {work}/.git/objects /../.env; cat {work}/.env; /usr/sbin/pivot_root . .git; cat .env"
    )
    wrapped = (
        f"bwrap --dev-bind / / cat .env; bwrap --bind / / --proc /proc --dev /dev cat {work}/.env; "
        f"bwrap --ro-bind /usr /usr --symlink usr/lib64 /lib64 --symlink usr/lib /lib --bind {work.parent} /p --bind {work} /q "
        "--bind .git /g --unshare-all cat /p/work/.env /q/.env /g/../.env /g/objects/../../.env; "
        f"bwrap --dev-bind / / --tmpfs {work} --bind {work} /mnt cat /mnt/.env {work}/.env"
    )
    script = (
        f"unshare -Urm --propagation unchanged sh -c '{inner}'; unshare -Urmpf sh -c '{inner}'; {wrapped}; "
        f"umount -l {work}; umount -l .git/objects; fusermount3 -uz {work}; cat .env"
    )
    seen = anyones.seen(script)
    assert seen.count("root in 0") == 2
    assert seen.count("DONE") == 2
    assert not anyones.leaks(seen)
    assert seen.count("STRIPE_KEY=MASKED-") >= 5
    assert seen.rstrip().splitlines()[-1].startswith("ODD=MASKED-"), "the view does not stand any more"


def test_the_device_of_the_view_and_its_switches_are_not_there(anyones: Machine) -> None:
    """Promise 2: who reads from the device answers for all files; who aborts the connection ends the view."""
    script = (
        "ls /dev; ls -la /dev/fuse /sys/fs/fuse/connections /sys; mknod f c 10 229 && exec 3<>f && echo opened; "
        "unshare -Urm sh -c 'mknod /tmp/f c 10 229 && exec 3<>/tmp/f && echo opened; mount -t devtmpfs d /tmp && echo opened; "
        "mount -t fusectl f /tmp && echo opened; mount -t fuse.x x /tmp -o fd=3,rootmode=40000,user_id=0,group_id=0 && echo opened'; "
        "ls -l /proc/[0-9]*/fd | grep -i fuse; echo DONE"
    )
    seen = anyones.seen(script)
    assert "DONE" in seen
    assert "opened" not in seen
    assert "/dev/fuse" not in seen.replace("cannot access '/dev/fuse'", "")


def _daemon(running: Running) -> int:
    """Find the view's daemon of a session."""
    table = subprocess.run(["ps", "-eo", "pid,ppid,comm"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in table.splitlines()[1:]]
    below = {running.process.pid}
    for _ in rows:
        below |= {int(row[0]) for row in rows if int(row[1]) in below}
    (daemon,) = (int(row[0]) for row in rows if int(row[0]) in below and row[2] == "safe-view")
    return daemon


_TELL = r"""
import ctypes, os, signal, sys, time
while not os.path.exists("told"): time.sleep(0.01)
pid = int(open("told").read())
libc = ctypes.CDLL(None, use_errno=True)
class Part(ctypes.Structure): _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t)]
space = ctypes.create_string_buffer(4096)
for one in range(max(1, pid - 300), pid + 300):
    if one == os.getpid() or one == os.getppid(): continue
    for number in (signal.SIGSTOP, signal.SIGKILL):
        try: os.kill(one, number); print("signalled", one)
        except OSError: pass
    if libc.ptrace(16, one, 0, 0) == 0: print("traced", one)
    if libc.process_vm_readv(one, ctypes.byref(Part(ctypes.addressof(space), 4096)), 1, ctypes.byref(Part(0x400000, 4096)), 1, 0) > 0:
        print("read", one)
    for door in ("root", "cwd", "fd", "mem", "environ", "maps"):
        if os.path.exists(f"/proc/{one}/{door}"): print("seen", one)
try: os.pidfd_open(pid); print("pidfd", pid)
except OSError: pass
print(open(".env").read())
"""


def test_the_daemon_cannot_be_signalled_traced_or_read(machine: Machine) -> None:
    """Promises 2 and 5: it is in no namespace of the inside, which has nothing to name it by."""
    mark = machine.workspace / "told"
    (machine.workspace / "tell.py").write_text(_TELL)
    with machine.running(ciphered("python3 tell.py")) as running:
        daemon = _daemon(running)
        draft = mark.with_name("draft")
        draft.write_text(str(daemon))
        draft.rename(mark)
        done = running.end()
    seen = deciphered(done.stdout)
    assert "STRIPE_KEY=MASKED-" in seen
    assert not [word for word in ("signalled", "traced", "read ", "seen", "pidfd") if word in seen], seen
    assert done.returncode == 0


_AT_DEATH = r"""
import mmap, os, sys, threading, time
held = [os.open(".env", os.O_RDWR) for _ in range(5)]
folder = os.open(".", os.O_PATH)
mapped = mmap.mmap(held[0], 0, prot=mmap.PROT_READ)
objects = os.open(".git/objects", os.O_PATH)
def look():
    ways = [lambda: open(".env", "rb").read(), lambda: os.pread(held[1], 9999, 0), lambda: mapped[:],
        lambda: os.read(os.open(".env", os.O_RDONLY, dir_fd=folder), 9999),
        lambda: os.read(os.open("../../.env", os.O_RDONLY, dir_fd=objects), 9999),
        lambda: os.read(os.open(f"/proc/self/fd/{held[2]}", os.O_RDONLY), 9999),
        lambda: os.read(os.open(f"/proc/self/root{os.getcwd()}/.env", os.O_RDONLY), 9999), lambda: str(os.listdir(".")).encode()]
    while True:
        for number, way in enumerate(ways):
            try: said = way()
            except OSError as error: said = os.strerror(error.errno).encode()
            os.write(1, b"%d " % number + said + b"\n")
        try: os.pwrite(held[3], b"# written\n", 0)
        except OSError: pass
for _ in range(3): threading.Thread(target=look, daemon=True).start()
open("ready", "w")
time.sleep(30)
"""


def test_nothing_shows_the_real_tree_when_the_daemon_dies(anyones: Machine) -> None:
    """Promises 2 and 5: who has files, folders and mappings open over its death sees errors, and the session ends."""
    (anyones.workspace / "death.py").write_text(_AT_DEATH)
    anyones.give()
    with anyones.running(ciphered("python3 death.py")) as running:
        running.reached("ready")
        time.sleep(0.2)
        os.kill(_daemon(running), signal.SIGKILL)
        begin = time.monotonic()
        done = running.end(within=20)
        took = time.monotonic() - begin
    seen = deciphered(done.stdout)
    assert "STRIPE_KEY=MASKED-" in seen
    assert not anyones.leaks(seen, done.stdout)
    assert done.returncode == 125
    assert "view" in done.stderr
    assert took < 5
    assert anyones.planted["stripe"] in (anyones.workspace / ".env").read_text()
    until(lambda: str(anyones.root) not in Path("/proc/self/mountinfo").read_text())


_BY_FOLDER = {
    ".vscode/tasks.json": "mkdir v; echo evil > v/tasks.json; mv v .vscode",
    ".husky/pre-commit": "mkdir q; echo evil > q/pre-commit; mv q .husky",
    "sub/.devcontainer/post.sh": "mkdir -p sub/x; echo evil > sub/x/post.sh; mv sub/x sub/.devcontainer",
    "s/.vscode/tasks.json": "mkdir w s; echo evil > w/tasks.json; ln -s ../w s/.vscode",
    "t/.claude/settings.json": "mkdir -p t/.claude u; echo evil > u/settings.json; mv -T --exchange u t/.claude || mv -T u t/.claude",
}


def test_a_folder_that_is_moved_or_linked_to_where_programs_are_looked_for_does_not_bring_one(machine: Machine) -> None:
    """Promise 2: what may not be made file by file comes with its folder, or lies behind a link in the folder's place."""
    done = machine.inside("\n".join(_BY_FOLDER.values()))
    assert [name for name in _BY_FOLDER if (machine.workspace / name).exists()] == []
    for name in (".vscode", ".husky", "sub/.devcontainer", "s/.vscode", "t/.claude"):
        assert f"`{name}" in done.stderr, name

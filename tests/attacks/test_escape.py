"""Ways out of the sandbox itself: mounts, namespaces, the kernel's keys, what is left behind."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.machine import Machine, until
from wrapper.attacks import keyring

_READ_KEYS = r"""
import ctypes, platform
number = {"x86_64": 250, "aarch64": 219}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
for ring in (-3, -4, -5):
    found = libc.syscall(number, 10, ring, b"user", b"safe-agent-test", 0)
    data = ctypes.create_string_buffer(100)
    if found > 0:
        libc.syscall(number, 11, found, data, 100)
    print(ring, found, data.value.decode())
print(open("/proc/keys").read())
"""


def test_a_cover_cannot_be_taken_off(anyones_shown: Machine) -> None:
    """Promise 2: not by unmounting, remounting, binding another file over it, or reading past it."""
    script = (
        "umount .env; umount -l .env; mount -o remount,rw .git/hooks; mount --bind app.py .env; umount .git/config; "
        "mkdir m; mount --bind . m; cat m/.env; cat .env; chmod 777 .env .git/hooks; touch .git/hooks/x; cat .env"
    )
    seen = anyones_shown.seen(script)
    assert not anyones_shown.leaks(seen)
    assert "STRIPE_KEY=MASKED-" in seen
    assert not (anyones_shown.workspace / ".git/hooks/x").exists()


def test_a_cover_cannot_be_taken_off_in_a_namespace_of_ones_own(anyones_shown: Machine) -> None:
    """Promise 2: in a nested user namespace the inside is root and may mount; the covers are locked there.

    (mount_namespaces(7): mounts that come from a more privileged namespace are locked together.)
    """
    inner = (
        "echo root in $(id -u); umount .env; umount -l .env; cat .env; mkdir -p m; mount --bind . m && cat m/.env; "
        "mount --rbind . m && umount m/.env; cat m/.env; mount -o remount,bind,rw .git/hooks; touch .git/hooks/x; "
        "mkdir -p o/u o/w o/m; mount -t tmpfs t o && mkdir -p o/u o/w o/m && "
        "mount -t overlay -o lowerdir=.,upperdir=o/u,workdir=o/w v o/m && cat o/m/.env; "
        "umount -l .; umount -l $PWD; cat .env; pivot_root . m"
    )
    seen = anyones_shown.seen(f"unshare -Urm --propagation unchanged sh -c '{inner}'; unshare -Urm sh -c '{inner}'")
    assert "root in 0" in seen
    assert not anyones_shown.leaks(seen)
    assert not (anyones_shown.workspace / ".git/hooks/x").exists()


def test_root_inside_cannot_reach_the_kernels_settings(anyones: Machine) -> None:
    """Promise 2: `core_pattern` names a program that the kernel starts outside, as root, when anything crashes.

    The kernel asks for no capability there, only for root's id. (Opened, not written: it would hold for this machine.)
    """
    names = "sys/kernel/core_pattern sys/kernel/modprobe sys/vm/drop_caches sysrq-trigger scsi/scsi mtrr irq/default_smp_affinity"
    attempt = f"for name in {names}; do (exec 3>>$P/$name) && echo opened $name; done"
    nested = f"mkdir -p p; mount -t proc p p && P=p; echo looking in $P; {attempt}"
    seen = anyones.seen(
        f"P=/proc; {attempt}; export P; unshare -Urmpf sh -c '{nested}'; unshare -Urmnpf sh -c '{nested}'; "
        "unshare -Urmn sh -c 'mkdir -p s; mount -t sysfs s s && echo opened sysfs'; ls /sys"
    )
    assert seen.count("looking in") == 2
    assert "opened" not in seen


def test_devices_cannot_be_made_or_opened(anyones: Machine) -> None:
    """Promise 2: a disk's device file shows every file on it."""
    number = anyones.workspace.stat().st_dev
    script = (
        f"ls /dev; mknod disk b {os.major(number)} {os.minor(number)} && head -c 100 disk; "
        f"unshare -Ur mknod disk b {os.major(number)} {os.minor(number)} && head -c 100 disk; echo done"
    )
    seen = anyones.seen(script)
    devices = set(seen.split())
    assert not {"mem", "kmsg", "vda", "sda", "fuse", "kvm"} & devices
    assert "done" in seen
    assert not (anyones.workspace / "disk").exists()


def test_keys_of_the_callers_session_cannot_be_read(machine: Machine) -> None:
    """Promise 2: the kernel's session keyring is inherited by every process (Kerberos, ecryptfs and others use it)."""
    secret = machine.planted["odd"].encode()
    child = os.fork()
    if child == 0:
        keyring.keep("safe-agent-test", secret)  # a session keyring of the test's own
        os.environ.clear()
        os.environ.update(machine.environ)
        os.chdir(machine.workspace)
        with Path(machine.root, "seen").open("w") as out:
            script = f"python3 -c '{_READ_KEYS}' | tr 'A-Za-z' 'N-ZA-Mn-za-m'"
            done = subprocess.run(["safe-agent", "exec", "--", "sh", "-c", script], stdout=out, check=False)
        os._exit(done.returncode)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    import codecs

    seen = codecs.decode(Path(machine.root, "seen").read_text(), "rot13")
    assert "-3 -1" in seen
    assert not machine.leaks(seen)


@pytest.mark.parametrize(
    "way",
    [
        "setsid sleep {0} >/dev/null 2>&1 &",
        "nohup sleep {0} >/dev/null 2>&1 &",
        "(sleep {0} &) &",
        "setsid sh -c 'setsid sleep {0} & exit' </dev/null >/dev/null 2>&1 &",
        "unshare -Urpf --kill-child=CONT setsid sleep {0} >/dev/null 2>&1 &",
        (
            "python3 -c 'import os,signal,time; [signal.signal(n, signal.SIG_IGN) for n in (1,2,13,15)]; "
            'os.fork() and os._exit(0); os.setsid(); os.execvp("sleep", ["sleep", "{0}"])\' >/dev/null 2>&1 &'
        ),
    ],
    ids=["setsid", "nohup", "orphan", "twice", "namespace", "daemon"],
)
def test_no_process_outlives_the_session(machine: Machine, way: str) -> None:
    """Promises 1 and 2: a process left behind would see files after they were restored."""
    mark = f"77{os.getpid()}{time.monotonic_ns() % 100000}"
    done = machine.inside(way.format(mark) + " sleep 0.1; echo over")
    assert done.stdout == "over\n"
    assert not _running(mark)


def test_the_inside_cannot_type_into_the_callers_terminal(machine: Machine) -> None:
    """Promise 2: TIOCSTI puts characters into a terminal as if typed; the caller's shell would run them."""
    inject = 'import fcntl,termios; [fcntl.ioctl(open("/dev/tty"), termios.TIOCSTI, c) for c in "touch owned\\n"]'
    script = f"safe-agent exec -- python3 -c '{inject}'; sleep 0.3"
    machine.host("script", "-qec", script, "/dev/null")
    time.sleep(0.2)
    assert not (machine.workspace / "owned").exists()


def test_a_socket_of_another_address_family_reaches_nobody(machine: Machine) -> None:
    """Promise 1: network namespaces do not hold every family (vsock(7) reaches the machine that runs this one)."""
    code = (
        "import socket\n"
        "for family in range(1, 46):\n"
        "    for kind in (1, 2, 3, 5):\n"
        "        try: socket.socket(family, kind); print('open', family)\n"
        "        except OSError: pass\n"
    )
    seen = machine.seen(f'python3 -c "{code}"; echo nested; unshare -Urn python3 -c "{code}"')
    families = {int(line.split()[1]) for line in seen.splitlines() if "open" in line}
    assert "nested" in seen  # there it is root, and may have packets
    assert {1, 2} <= families <= {1, 2, 10, 16}  # local, inet, inet6, netlink: these live within the network namespace


def test_a_nested_session_is_refused(machine: Machine) -> None:
    """Promise 5: a session inside a session would look protected by rules that are not in force."""
    import sys

    command = f"{sys.executable} -c 'from wrapper.cli.main import main; main()' exec -- true"
    done = machine.inside(f"cd {Path(__file__).parents[2]} && {command}")
    assert done.returncode != 0
    nested = machine.host("safe-agent", "exec", "--", "true", SAFE_AGENT_SESSION="1")
    assert nested.returncode == 125
    assert "already inside" in nested.stderr


def _running(mark: str) -> bool:
    def there() -> bool:
        table = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        return any(line.strip() == f"sleep {mark}" for line in table.splitlines())

    try:
        until(lambda: not there(), within=1.0)
    except AssertionError:
        return True
    return False

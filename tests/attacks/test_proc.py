"""What the kernel tells a process about others: environments, memory, descriptors, the processes themselves."""

import os
import subprocess

from tests.machine import CIPHER, Machine, deciphered

_MEMORY = r"""
import ctypes, os, sys
out = sys.stdout.buffer
for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
    try:
        maps, mem = open(f"/proc/{pid}/maps"), open(f"/proc/{pid}/mem", "rb")
    except OSError:
        continue
    out.write(b"memory of " + pid.encode() + b"\n")
    for line in maps:
        place, rights = line.split()[:2]
        low, high = (int(end, 16) for end in place.split("-"))
        if "w" in rights and high - low < 64 << 20:
            try:
                mem.seek(low)
                out.write(mem.read(high - low))
            except (OSError, ValueError, OverflowError):
                pass
"""

_TRACE = r"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in range(1, 40000):
    if libc.kill(pid, 0) == 0 or ctypes.get_errno() == 1:
        print("sees", pid, open(f"/proc/{pid}/comm").read().strip())
"""


def test_no_environment_in_proc_holds_a_secret(anyones: Machine) -> None:
    """Promise 2: `/proc/*/environ` shows what each process was started with, whatever it cleared since."""
    script = (
        "cat /proc/self/environ /proc/1/environ /proc/$PPID/environ /proc/[0-9]*/environ /proc/[0-9]*/cmdline; env; "
        "cat /proc/[0-9]*/task/*/environ; sh -c 'cat /proc/$PPID/environ'"
    )
    seen = anyones.seen(script)
    assert not anyones.leaks(seen)
    assert "GITHUB_TOKEN=MASKED-GITHUB-TOKEN-" in seen


def test_no_memory_that_can_be_read_holds_a_secret(anyones: Machine) -> None:
    """Promise 2: `/proc/*/mem` of everything that lets itself be read."""
    seen = anyones.seen(f"python3 -c '{_MEMORY}' | tr -d '\\000'")
    assert "memory of" in seen
    assert not anyones.leaks(seen)


def test_no_process_of_the_host_can_be_seen_traced_or_signalled(anyones: Machine) -> None:
    """Promise 2: a process that can be traced gives everything it holds; ours hold all secrets."""
    seen = anyones.seen(f"python3 -c '{_TRACE}'; cat /proc/[0-9]*/comm; ls /proc/{os.getpid()} /proc/{os.getppid()}")
    names = {line.split()[-1] for line in seen.splitlines() if line.startswith("sees")}
    assert names == {"bwrap", "sh", "tr", "python3"}
    assert "safe-agent" not in seen


def test_roots_folders_and_descriptors_of_processes_lead_nowhere(anyones: Machine) -> None:
    """Promise 2: `/proc/*/root`, `cwd` and `fd` are doors into what another process has open."""
    home = anyones.home
    script = (
        f"cat /proc/[0-9]*/root{home}/.ssh/id_ed25519 /proc/[0-9]*/root{home}/.aws/credentials "
        f"/proc/[0-9]*/root/etc/shadow /proc/[0-9]*/cwd/../home/.ssh/id_ed25519; ls -l /proc/[0-9]*/fd; "
        "for file in /proc/[0-9]*/fd/[0-9]*; do [ -f $file ] && cat $file; [ -d $file ] && ls -a $file; done"
    )
    seen = anyones.seen(script)
    assert not anyones.leaks(seen)
    assert "root:" not in seen
    assert "/proc/" in seen
    assert "mnt:[" not in seen
    assert "user:[" not in seen


def test_a_descriptor_that_the_caller_left_open_does_not_get_in(anyones: Machine) -> None:
    """Promise 2: a shell that has a file open as 9 hands that to whatever it starts."""
    cipher = " ".join(CIPHER)
    script = f'exec 9<~/.ssh/id_ed25519; safe-agent exec -- sh -c "cat <&9 | {cipher}; ls -l /proc/self/fd"'
    done = anyones.host("sh", "-c", script)
    assert not anyones.leaks(done.stdout, deciphered(done.stdout))
    assert "id_ed25519" not in done.stdout


def test_the_sessions_own_processes_cannot_be_read_by_others_of_the_user(machine: Machine) -> None:
    """Promise 2: what the user's other programs may trace, the client's helpers outside may trace as well."""
    with machine.running("until [ -e go ]; do sleep 0.05; done") as running:
        ours = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
        children = _family(running.process.pid, ours)
        readable = []
        for pid in children:
            done = subprocess.run(
                ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "cat", f"/proc/{pid}/environ"],
                capture_output=True,
                check=False,
            )
            if machine.leaks(done.stdout):
                readable.append(pid)
        (machine.workspace / "go").touch()
        running.end()
    assert len(children) >= 5
    assert readable == []


def _family(top: int, table: str) -> list[int]:
    rows = [tuple(int(word) for word in line.split()[:2]) for line in table.splitlines()[1:]]
    found = [top]
    for pid in found:
        found += [child for child, parent in rows if parent == pid]
    return found

"""Reading what must not be read: files of the host, and masked files that change while the session runs."""

import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import Machine, ciphered, deciphered, fake


def test_nothing_of_the_host_can_be_read_but_the_system_and_the_workspace(anyones: Machine) -> None:
    """Promise 2: the user's home, other users' homes, the system's secrets and safe-agent's own folders."""
    home = anyones.home
    script = (
        f"cat {home}/.ssh/id_ed25519 {home}/.aws/credentials /etc/shadow /etc/gshadow /etc/sudoers /etc/machine-id; "
        f"ls -A {home} {home}/.config {home}/.local {home}/.ssh /root /home /var /var/lib /var/log /run /tmp /mnt /srv "
        f"{home}/.config/safe-agent/keys {home}/.local/state/safe-agent /var/tmp {home}/..; "
        "cat ~/.config/safe-agent/keys/*; find / -xdev -name '*audit.key*' -o -xdev -name masking.key"
    )
    seen = anyones.seen(script)
    assert not anyones.leaks(seen)
    for absent in ("audit.key", "id_ed25519\n", "AGE-SECRET-KEY", "root:", "credentials\n", "shadow:\n"):
        assert absent not in seen.replace("cannot access", "").replace("No such file", "")
    for folder in ("/etc/shadow", "/etc/sudoers", "/root", "/home", f"{home}/.ssh"):
        assert f"'{folder}': No such file" in seen or f"{folder}: No such file" in seen, folder


def test_a_denied_file_stays_closed_whatever_its_permission_bits(anyones: Machine) -> None:
    """Promise 2: chmod, copy, link, move and replace of a private key that is covered."""
    key = (anyones.home / ".ssh/id_ed25519").read_text()
    (anyones.workspace / "server.key").write_text(key)
    (anyones.workspace / "id_rsa").write_text(key)
    anyones.give()
    anyones.git("add", "id_rsa")
    script = (
        "cat id_rsa server.key; chmod 777 id_rsa server.key; cat id_rsa server.key; cp id_rsa a; ln id_rsa b; mv id_rsa c; "
        "cat a b c; dd if=id_rsa; python3 -c 'print(open(\"id_rsa\").read())'; rm -f id_rsa; cat id_rsa"
    )
    seen = anyones.seen(script)
    assert not anyones.leaks(seen)
    assert (anyones.workspace / "id_rsa").read_text() == key
    assert (anyones.workspace / "server.key").read_text() == key


@pytest.fixture
def served(machine: Machine) -> Iterator[list[str]]:
    """Sockets of host processes at the places where such sockets are, one of them abstract."""
    runtime = Path(tempfile.mkdtemp(dir="/run" if os.getuid() == 0 else "/dev/shm"))
    shared = Path(tempfile.mkdtemp(dir="/tmp"))
    places = [
        str(place)
        for place in (
            runtime / "docker.sock", runtime / "bus", shared / "agent.1", shared / "X0", shared / "default",
            machine.home / ".gnupg.S", machine.workspace / "app.sock", machine.workspace / ".git/fsmonitor--daemon.ipc",
        )
    ]  # fmt: skip
    places.append(f"\0safe-agent-test-{os.getpid()}")
    listening = []
    for place in places:
        opened = socket.socket(socket.AF_UNIX)
        opened.bind(place)
        opened.listen()
        threading.Thread(target=_greet, args=(opened,), daemon=True).start()
        listening.append(opened)
    yield places
    for opened in listening:
        opened.close()
    for folder in (runtime, shared):
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def _greet(listening: socket.socket) -> None:
    try:
        while True:
            connection, _ = listening.accept()
            connection.send(b"reached a host process\n")
            connection.close()
    except OSError:
        return


_CONNECT = r"""
import os, socket, sys
for place in sys.argv[1:]:
    place = place.replace("@", "\0") if place.startswith("@") else place
    one = socket.socket(socket.AF_UNIX)
    try:
        one.connect(place)
        print(repr(place), one.recv(99))
    except OSError as error:
        print(repr(place), error)
"""


def test_no_socket_of_a_host_process_can_be_reached(machine: Machine, served: list[str]) -> None:
    """Promise 1: whoever reaches docker, an ssh agent, D-Bus, X11, tmux or an editor has a process outside."""
    names = " ".join(place.replace("\0", "@") for place in served)
    seen = machine.seen(f"python3 -c '{_CONNECT}' {names}")
    assert seen.count("\n") == len(served)
    assert "reached" not in seen


def _by_rename(path: Path, text: str) -> None:
    new = path.with_name(".new")
    new.write_text(text)
    new.rename(path)


def test_no_secret_is_seen_after_the_file_was_opened_in_the_window_of_binds(machine: Machine) -> None:
    """Promise 2, by binds: a file that the host replaced can be held open from the moment when no cover stood.

    Through that descriptor the inside would read whatever is written back to the file, so nothing is, until nobody
    inside is left: else it could write the placeholder of any secret there and read the value.
    """
    catch = (
        "import os, time\n"
        "held = {}\n"
        "while not os.path.exists('.over'):\n"
        "    try: one = os.open('.env', os.O_RDONLY)\n"
        "    except OSError: continue\n"
        "    file = os.fstat(one)\n"
        "    name = f'{file.st_dev}-{file.st_ino}'\n"
        "    if name in held: os.close(one)\n"
        "    else:\n"
        "        held[name] = one\n"
        "        open('.caught-' + name, 'x').close()\n"
        "open('.env', 'a').write('COPY=' + os.environ['GITHUB_TOKEN'] + '\\n')\n"
        "time.sleep(1)\n"
        "for name, one in held.items(): print('caught', name, os.pread(one, 9999, 0).decode())\n"
    )
    new = "HARMLESS=true\n"
    machine.show_by("binds")
    with machine.running(ciphered(f'python3 -c "{catch}"')) as running:
        caught = _until_caught(machine.workspace, new)
        (machine.workspace / ".over").touch()
        done = running.end()
    seen = deciphered(done.stdout)
    assert f"caught {caught} {new}" in seen
    assert machine.planted["github"] not in seen
    assert (machine.workspace / ".env").read_text() == f"{new}COPY={machine.planted['github']}\n"


def _until_caught(workspace: Path, text: str) -> str:
    """Replace the file until the inside holds the new one open; a busy machine may take many attempts."""
    for _ in range(600):
        _by_rename(workspace / ".env", text)
        file = (workspace / ".env").stat()
        name = f"{file.st_dev}-{file.st_ino}"
        for _ in range(20):
            time.sleep(0.005)
            if (workspace / f".caught-{name}").exists():
                return name
    raise AssertionError("the window was not hit: make this test sharper")


def test_1500_masked_files_do_not_keep_a_session_from_starting(shown: Machine) -> None:
    """Promise 5: all of them are covered; bubblewrap's own binds would take seconds and then fail."""
    for number in range(1500):
        folder = shown.workspace / f"service{number}"
        folder.mkdir()
        (folder / ".env").write_text(f"PASSWORD={fake('', 24)}\n")
    seen = shown.seen("cat service*/.env | grep -vc PASSWORD=MASKED-; ls -d service* | wc -l")
    assert seen.split() == ["0", "1500"]

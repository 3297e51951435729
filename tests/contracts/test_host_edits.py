"""What the host does to files while a session runs, and when the inside sees it: promise 2.

By FUSE in the order in which it happened: the inside has looked for `go` before, so it sees `go` when it sees all that
the host did before it (a name never looked for would be seen some milliseconds sooner). By binds within a second, so
there the inside is let loose after one.
"""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.machine import Machine, ciphered, deciphered, fake

_WINDOW: Final = {"fuse": 0.0, "binds": 1.0}
"""Seconds."""


def _in_place(path: Path, text: str) -> None:
    path.write_text(text)


def _by_rename(path: Path, text: str) -> None:
    new = path.with_name(".new")
    new.write_text(text)
    new.rename(path)


def _with_a_backup(path: Path, text: str) -> None:
    path.rename(path.with_name(f"{path.name}~"))
    path.write_text(text)
    path.with_name(f"{path.name}~").unlink()


def _removed_first(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def _appended(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _from_a_backup(path: Path, text: str) -> None:
    backup = path.with_name("backup.txt")
    path.rename(backup)
    backup.write_text(text)
    backup.rename(path)


_WAYS: Final[dict[str, Callable[[Path, str], None]]] = {
    "in place": _in_place,
    "by rename": _by_rename,
    "with a backup": _with_a_backup,
    "removed first": _removed_first,
    "appended": _appended,
    "from a backup": _from_a_backup,
}

_WAIT: Final = "until [ -e go ]; do sleep 0.01; done; "
_READ: Final = f"[ -e go ]; touch read; {_WAIT}"


def test_a_masked_file_that_the_host_saves_is_masked_again(anyones_shown: Machine) -> None:
    """Promise 2: in all ways in which editors save; the inside sees what was saved, masked."""
    work = anyones_shown.workspace
    for way in _WAYS:
        (work / way).mkdir()
        (work / way / ".env").write_text(f"OLD_PASSWORD={fake('', 24)}\n")
        anyones_shown.planted[way] = fake("", 24)
    anyones_shown.give()
    read = ciphered('for f in */.env; do echo $f; cat "$f"; done')
    with anyones_shown.running(f"cat */.env > /dev/null; {_READ} {read}") as running:
        running.reached("read")
        for way, save in _WAYS.items():
            save(work / way / ".env", f"FRESH_PASSWORD={anyones_shown.planted[way]}\n")
        anyones_shown.give()
        time.sleep(_WINDOW[anyones_shown.view])
        (work / "go").touch()
        seen = deciphered(running.end().stdout)
    assert not anyones_shown.leaks(seen)
    assert seen.count("FRESH_PASSWORD=MASKED-") == len(_WAYS), seen
    assert seen.count("OLD_PASSWORD=MASKED-") == 1, "only what was appended to has the old line, too"
    for way in _WAYS:
        assert (work / way / ".env").read_text().endswith(f"FRESH_PASSWORD={anyones_shown.planted[way]}\n")


def test_a_secret_file_that_appears_later_is_covered(anyones_shown: Machine) -> None:
    """Promise 2: by name or by content, also in folders that appear with it, moved there, and by a further link."""
    work = anyones_shown.workspace
    names = (".env.local", "conf/deep/.env", "notes.md", "deploy.key", "moved/in/.env", "hard.txt")
    anyones_shown.planted |= {f"late {name}": fake("sk" + "_live_", 24) for name in names}
    read = ciphered("; ".join(f"echo {name}; cat {name}" for name in names))
    with anyones_shown.running(f"ls -laR > /dev/null; cat {' '.join(names)} 2>/dev/null; {_READ} {read}") as running:
        running.reached("read")
        for name in names[:4]:
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(f"token = {anyones_shown.planted[f'late {name}']}\n")
        elsewhere = anyones_shown.root / "elsewhere"
        (elsewhere / "in").mkdir(parents=True)
        (elsewhere / "in/.env").write_text(f"token = {anyones_shown.planted['late moved/in/.env']}\n")
        elsewhere.rename(work / "moved")
        (work / ".env.hard").write_text(f"SECRET={anyones_shown.planted['late hard.txt']}\n")
        (work / "hard.txt").hardlink_to(work / ".env.hard")
        anyones_shown.give()
        time.sleep(_WINDOW[anyones_shown.view])
        (work / "go").touch()
        done = running.end()
    seen = deciphered(done.stdout)
    assert not anyones_shown.leaks(seen, done.stdout)
    assert seen.count("MASKED-") == 5, seen
    assert "deploy.key: Permission denied" in seen or "deploy.key: No such file" in seen


def test_what_the_host_edits_is_seen_inside_also_by_who_has_it_open(shown: Machine) -> None:
    """The inside works with the files as they are: by name, by a descriptor from before, in a listing, removed ones."""
    work = shown.workspace
    (work / "gone.py").write_text("print('gone')\n")
    (work / "d").mkdir()
    (work / "d/old").touch()
    script = f"exec 3<.env 4<app.py; cat gone.py; ls d; cat app.py; {_READ} sleep 0.5; " + ciphered(
        "cat <&3; cat <&4; cat .env app.py; cat gone.py; ls d; stat -c '%s bytes' app.py"
    )
    with shown.running(script) as running:
        running.reached("read")
        with (work / ".env").open("a") as env:
            env.write("ADDED=plain\n")
        (work / "app.py").write_text("print('changed by the host')\n")
        (work / "gone.py").unlink()
        (work / "d/old").rename(work / "d/new")
        (work / "go").touch()
        seen = deciphered(running.end().stdout)
    assert not shown.leaks(seen)
    assert seen.count("ADDED=plain") + seen.count("ADDED=MASKED-") == 2
    assert seen.count("print('changed by the host')") == 2
    assert "gone.py: No such file" in seen
    assert "new\n29 bytes" in seen


def test_sockets_pipes_and_devices_of_the_host_are_out_of_reach(shown: Machine) -> None:
    """Promise 1: whoever reaches one talks to a process outside; those of the start and later ones, own ones work."""
    work = shown.workspace
    place = work / "early.sock"
    listening = [_listening(place)]
    connect = (
        "import socket, sys\n"
        "for place in sys.argv[1:]:\n"
        "    try: one = socket.socket(socket.AF_UNIX); one.settimeout(1); one.connect(place); print(place, one.recv(99))\n"
        "    except OSError as error: print(place, error.strerror)\n"
    )
    (work / "connect.py").write_text(connect)
    own = 'python3 -c \'import socket; s=socket.socket(1); s.bind("own.sock"); s.listen(); s.accept()[0].send(b"mine")\' & '
    script = (
        f"{own} until [ -e own.sock ]; do sleep 0.01; done; {_WAIT} python3 connect.py early.sock late.sock own.sock"
    )
    with shown.running(script + "; mkfifo pipe; (echo through > pipe &); cat pipe") as running:
        listening.append(_listening(work / "late.sock"))
        time.sleep(_WINDOW[shown.view])
        (work / "go").touch()
        done = running.end()
    for one in listening:
        one.close()
    rows = done.stdout.splitlines()
    assert [row.split()[0] for row in rows[:3]] == ["early.sock", "late.sock", "own.sock"], done
    assert "reached" not in done.stdout
    assert rows[2:] == ["own.sock b'mine'", "through"]


def _listening(place: Path) -> socket.socket:
    """Listen as a process of the host does; a connection that gets through is told `reached` by the kernel's queue."""
    import threading

    def greet() -> None:
        try:
            listening.accept()[0].send(b"reached a host process")
        except OSError:
            return

    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(place))
    listening.listen()
    threading.Thread(target=greet, daemon=True).start()
    return listening

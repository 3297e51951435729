"""Calls that programs make on masked files: mapped pages, appending, exchanged names, what is unlinked while open."""

# Inside, programs make the plain calls:
# ruff: noqa: PTH101, PTH108, PTH123

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import until
from tests.view.entered import called, command
from tests.view.served import PLACEHOLDER
from tests.view.workplace import DOTENV, SEEN, SHOWN, VALUE, Workplace, workplace


@pytest.fixture
def work() -> Iterator[Workplace]:
    with workplace() as made:
        yield made


def test_a_mapped_page_written_inside_is_the_real_value_on_disk(work: Workplace) -> None:
    work.write("mapped.txt", "-" * 6000)
    work.python(f"""
        import mmap
        with open('mapped.txt', 'r+b') as file, mmap.mmap(file.fileno(), 0) as area:
            area[4090:4090 + {len(SHOWN)}] = b'{SHOWN}'
        with open('secret.env', 'r+b') as file, mmap.mmap(file.fileno(), 0) as area:
            at = area.find(b'USER=me')
            area[at:at + 7] = b'USER=ab'
    """)
    assert (work.real / "mapped.txt").read_text() == "-" * 4090 + VALUE + "-" * (6000 - 4090 - len(SHOWN))
    assert (work.real / "secret.env").read_text() == DOTENV.replace("USER=me", "USER=ab")


def test_lines_of_two_appending_processes_stay_whole(work: Workplace) -> None:
    script = 'n=0; while [ $n -lt 200 ]; do echo "$1 $n PASSWORD=$2" >>log.env; n=$((n+1)); done'
    running = [
        subprocess.Popen(command(work.inside, "sh", "-c", script, "sh", who, SHOWN), env={"PATH": work.shell.path})
        for who in ("one", "two")
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    wanted = sorted(f"{who} {number} PASSWORD={VALUE}" for who in ("one", "two") for number in range(200))
    assert sorted((work.real / "log.env").read_text().splitlines()) == wanted


def test_a_masked_file_that_is_unlinked_while_open_stays_masked(work: Workplace) -> None:
    def inside() -> bytes:
        os.link("secret.env", "second.env")
        os.unlink("second.env")
        Path("gone.env").write_text(SEEN)
        with open("gone.env", "r+b", buffering=0) as opened:
            os.unlink("gone.env")
            opened.seek(0, os.SEEK_END)
            opened.write(b"MORE=" + PLACEHOLDER)
            opened.seek(0)
            return opened.read()

    assert called(inside, work.inside) == (SEEN + f"MORE={SHOWN}").encode()


def test_a_masked_file_whose_rights_are_taken_while_open_can_be_written(work: Workplace) -> None:
    def inside() -> bytes:
        with open("secret.env", "r+b", buffering=0) as opened:
            os.chmod("secret.env", 0)
            opened.seek(0, os.SEEK_END)
            opened.write(b"MORE=1\n")
            opened.seek(0)
            data = opened.read()
        os.chmod("secret.env", 0o600)
        return data

    assert called(inside, work.inside) == (SEEN + "MORE=1\n").encode()
    assert (work.real / "secret.env").read_text() == DOTENV + "MORE=1\n"


def test_files_exchanged_by_rename_keep_their_values(work: Workplace) -> None:
    work.write("other.env", f"OTHER={VALUE}\n")
    work.run("sh", "-ec", "mv secret.env x; mv other.env secret.env; mv x other.env")
    assert (work.inside / "secret.env").read_text() == f"OTHER={SHOWN}\n"
    assert (work.inside / "other.env").read_text() == SEEN
    work.python("""
        import ctypes
        assert ctypes.CDLL(None).renameat2(-100, b'secret.env', -100, b'other.env', 2) == 0
    """)
    assert (work.inside / "secret.env").read_text() == SEEN
    assert (work.real / "other.env").read_text() == f"OTHER={VALUE}\n"


def test_a_far_offset_leaves_a_hole_and_no_memory_is_filled(work: Workplace) -> None:
    work.python("""
        import os
        with open('compiled.bin', 'wb') as file:
            file.seek(4 << 30)
            file.write(b'end')
        assert os.stat('compiled.bin').st_size == (4 << 30) + 3
        with open('compiled.bin', 'rb') as file:
            assert file.read(10) == bytes(10)
            file.seek(-5, 2)
            assert file.read() == b'\\0\\0end'
    """)
    about = (work.real / "compiled.bin").stat()
    assert (about.st_size, about.st_blocks < 1000) == ((4 << 30) + 3, True)
    (work.real / "compiled.bin").unlink()


_WATCHER = """
    import ctypes, os, select, struct
    from pathlib import Path
    libc = ctypes.CDLL(None)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    kinds = {0x2: 'modify', 0x40: 'from', 0x80: 'to', 0x100: 'create', 0x200: 'delete'}
    assert libc.inotify_add_watch(watch, b'.', sum(kinds)) == 1

    def heard():
        told = []
        while select.select([watch], [], [], 0.2)[0]:
            data = os.read(watch, 65536)
            while data:
                _, mask, _, size = struct.unpack_from('iIII', data)
                told.append((kinds[mask], data[16:16 + size].rstrip(b'\\0').decode()))
                data = data[16 + size:]
        return told
"""


def test_a_watcher_inside_hears_of_changes_made_inside(work: Workplace) -> None:
    script = """
    Path('made').write_text('x')
    os.rename('made', 'moved')
    os.unlink('moved')
    print(heard())
    """
    told = [("create", "made"), ("modify", "made"), ("from", "made"), ("to", "moved"), ("delete", "moved")]
    assert work.python(_WATCHER + script).strip() == str(told)


def test_a_watcher_inside_sees_the_hosts_changes_only_when_it_looks(work: Workplace) -> None:
    """The kernel tells watchers of a FUSE file system what was done through it, and no more."""
    work.write("seen.txt", "one")
    work.write("gone.txt", "one")
    script = """
    Path('ready').touch()
    while not Path('done').exists():
        pass
    print(Path('seen.txt').read_text(), Path('gone.txt').exists(), [one for one in heard() if one[1] != 'ready'])
    """
    words = command(work.inside, sys.executable, "-c", textwrap.dedent(_WATCHER + script))
    running = subprocess.Popen(words, stdout=subprocess.PIPE, env={"PATH": work.shell.path})
    until((work.real / "ready").exists)
    work.write("seen.txt", "two")
    (work.real / "gone.txt").unlink()
    work.write("done", "")
    assert running.communicate(timeout=30)[0].decode().strip() == "two False []"


def test_temporary_files_of_programs_work(work: Workplace) -> None:
    work.python(f"""
        import tempfile, os, shutil
        with tempfile.TemporaryFile(dir='.') as file:
            file.write(b'{SHOWN}'); file.seek(0); assert file.read() == b'{SHOWN}'
        with tempfile.NamedTemporaryFile(dir='.', delete=False) as file:
            file.write(open('secret.env', 'rb').read())
        os.replace(file.name, 'secret.env')
        folder = tempfile.mkdtemp(dir='.')
        shutil.copytree('deep', folder + '/deep')
        shutil.rmtree(folder)
    """)
    assert (work.real / "secret.env").read_text() == DOTENV

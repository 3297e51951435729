"""A served folder with masked files, in which real programs work as a user would run them.

When the work is done, nothing on the disk holds a placeholder in place of a value and nothing that can be read inside holds
the value (`Workplace.check`).
"""

import contextlib
import os
import shutil
import sys
import sysconfig
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.machine import CLIENTS
from tests.view.entered import Shell
from tests.view.served import PLACEHOLDER, SECRET, PlainJudge, served
from wrapper.view.contents import Mode
from wrapper.view.daemon import Daemon

VALUE, SHOWN = SECRET.decode(), PLACEHOLDER.decode()
DOTENV = f"# settings\nUSER=me\nPASSWORD={VALUE}\nPORT=5432\n"
"""What the masked files hold, and"""
SEEN = DOTENV.replace(VALUE, SHOWN)
"""what they show."""


_TRACKED = ("secret.env", "deep/er/settings.env")


class PolicyLike(PlainJudge):
    """As the plain one, but git's own files pass unseen, as policy has it, and masked files are known from the start."""

    def masked_paths(self) -> Iterable[bytes]:
        return map(str.encode, _TRACKED)

    def by_name(self, path: bytes, *, is_folder: bool, is_own: bool = False) -> Mode:
        if b".git" in path.split(b"/"):
            return Mode.PASS
        return super().by_name(path, is_folder=is_folder, is_own=is_own)


def programs() -> str:
    """Give a PATH with the tests' own Python first and the ripgrep that Codex brings along last."""
    vendored = sorted(str(found.parent) for found in CLIENTS.glob("node_modules/@openai/codex-*/vendor/*/*/rg"))
    return os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath), *vendored])


@dataclass(frozen=True)
class Workplace:
    """A folder with masked files, served."""

    real: Path
    inside: Path
    shell: Shell

    def run(self, *words: str, fails: bool = False, **environ: str) -> str:
        return self.shell.run(*words, fails=fails, environ=environ)

    def python(self, script: str) -> str:
        return self.run(sys.executable, "-c", textwrap.dedent(script))

    def write(self, path: str, text: str) -> None:
        """Write outside, as the user would have before."""
        (self.real / path).parent.mkdir(parents=True, exist_ok=True)
        (self.real / path).write_text(text)

    def is_masked(self, path: str) -> bool:
        """Tell whether the value stands in the real file, and the placeholder in what is shown a moment later.

        What a program inside has written itself (git, from its objects) can be read back until it has come to rest.
        """
        end = time.monotonic() + 2
        while time.monotonic() < end:
            real, shown = (self.real / path).read_bytes(), (self.inside / path).read_bytes()
            if SECRET in real and real.replace(SECRET, PLACEHOLDER) == shown:
                return True
            time.sleep(0.01)
        return False

    def check(self, binary: tuple[str, ...] = ()) -> None:
        """Look through all files on both sides. In `binary` ones a placeholder stays: restoring would break them."""
        for folder, _, names in os.walk(self.real):
            for path in (Path(folder, name) for name in names):
                name = str(path.relative_to(self.real))
                if not path.is_file() or path.is_symlink() or name.startswith(".git/"):
                    continue
                data = path.read_bytes()
                assert name in binary or PLACEHOLDER not in data, f"{name} on disk holds a placeholder"
                is_masked = self.is_masked(name) if SECRET in data else SECRET not in (self.inside / name).read_bytes()
                assert is_masked, f"{name} shows the value inside"
        for name in _TRACKED:
            assert self.is_masked(name), f"{name} is not what it was"


@contextlib.contextmanager
def workplace(beside: Callable[[Daemon], None] | None = None) -> Iterator[Workplace]:
    """Make a workplace; when the work is done, look through it. For `beside`, see `served`."""
    with tempfile.TemporaryDirectory(prefix="view-", dir="/var/tmp") as made:
        real, home = Path(made, "work"), Path(made, "home")
        for folder in (real / "deep/er", home):
            folder.mkdir(parents=True)
        for name in _TRACKED:
            (real / name).write_text(DOTENV)
        (home / ".gitconfig").write_text(
            '[user]\n name = t\n email = t@example.com\n[init]\n defaultBranch = main\n[protocol "file"]\n allow = always\n'
        )
        with served(real, PolicyLike(), beside=beside) as inside:
            found = Workplace(real, inside, Shell(inside, home, programs()))
            yield found
            found.check(binary=("all.tar", "compiled.bin"))


def needed(program: str) -> str:
    found = shutil.which(program, path=programs())
    assert found, f"`{program}` is needed by this test: install.sh --test installs it"
    return found

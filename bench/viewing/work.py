"""The repository that `view.py` serves, and the work that it measures there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.inventory import Place

MASKED: Final = 50  # dotenv files
_CLIENTS = Path(os.environ.get("SAFE_AGENT_TEST_CLIENTS", f"/var/tmp/safe-agent-tests-{os.getuid()}"))
_LARGE = 200 << 20  # bytes
_MADE = 2000  # files
_DEEPEST = 8  # folders in one another
_TESTS = 200


class Repository(Place):
    """Nested packages of source files of 0.2 to 20 KB, folders of tests, `MASKED` dotenv files, all tracked."""

    def _fill(self, files: int) -> None:
        words = ["".join(self._words.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(2000)]
        text = " ".join(self._words.choices(words, k=4000))
        folders = [self.workspace]
        for number in range(files // 12):
            above = self._words.choice(folders[-200:])
            if len(above.parts) - len(self.workspace.parts) == _DEEPEST:
                above = self.workspace
            folders.append(above / f"part{number}")
            folders[-1].mkdir()
        for number in range(files - MASKED):
            size = min(20_000, int(200 + self._words.lognormvariate(7.5, 1.1)))
            start = self._words.randrange(len(text) - 1)
            content = (text[start:] + "\n" + text * (size // len(text) + 1))[:size]
            kind = self._words.choice(("py", "py", "ts", "md", "json", "c"))
            (self._words.choice(folders) / f"file{number}.{kind}").write_text(content)
        for folder in folders[:: max(1, len(folders) // MASKED)][:MASKED]:
            (folder / ".env").write_text(f"PORT=5432\nDATABASE_PASSWORD={self._value()}\nAPI_TOKEN={self._value()}\n")
        self._fill_suite()
        (self.workspace / ".gitignore").write_text("__pycache__/\n.pytest_cache/\nscratch/\n")
        self.git("init", "-q")
        self.git("add", ".")
        self.git("-c", "user.name=b", "-c", "user.email=b@example.com", "commit", "-qm", "b")
        self.git("gc", "-q")
        (self.workspace / "scratch/beside").mkdir(parents=True)  # see `twin`
        (self.workspace / "scratch/large").write_bytes(self._words.randbytes(1 << 20) * (_LARGE >> 20))

    def twin(self) -> Path:
        """Make a copy that nobody serves: what is done there must not be work for the daemon as well.

        Its scratch folder is made beside the other one: ext4 gives a file an inode near its folder's, and how long that
        takes hangs on what was made and removed there before. So both sides find the same.
        """
        twin = self.workspace.parent / "twin"
        _run("cp", "-a", str(self.workspace), str(twin))
        beside, scratch = self.workspace / "scratch/beside", twin / "scratch"
        (scratch / "large").rename(beside / "large")
        shutil.rmtree(scratch)
        beside.rename(scratch)
        _run("git", "-C", str(twin), "update-index", "-q", "--refresh")
        return twin

    def _fill_suite(self) -> None:
        (self.workspace / "suite").mkdir()
        test = (
            "def test_{0}(tmp_path):\n    (tmp_path / 'x').write_text(str({0}))\n"
            "    settings = HERE.parent.joinpath('.gitignore').read_text()\n"
            "    assert hashlib.pbkdf2_hmac('sha256', settings.encode(), b'{0}', 2000)\n"
        )
        head = "import hashlib\nfrom pathlib import Path\n\nHERE = Path(__file__).parent\n\n"
        for number in range(0, _TESTS, 10):
            tests = head + "\n".join(test.format(number + more) for more in range(10))
            (self.workspace / f"suite/test_{number}.py").write_text(tests)


def _run(*words: str, wanted: int = 0) -> bytes:
    environ = {"PATH": os.defpath, "HOME": "/nonexistent", "LANG": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0"}
    environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "GIT_CONFIG_COUNT": "1"}
    environ |= {"GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    done = subprocess.run(words, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == wanted, f"{words[0]}: exit {done.returncode}: {(done.stderr or done.stdout)[-300:]!r}"
    return done.stdout


def _git_status() -> None:
    told = _run("git", "status", "--porcelain")
    assert not told, f"git status is not clean: {told[:200]!r}"


def _ripgrep() -> None:
    vendored = [str(found) for found in sorted(_CLIENTS.glob("node_modules/@openai/codex-*/vendor/*/*/rg"))]
    program = shutil.which("rg") or (vendored or [""])[0]
    assert program, "ripgrep is needed"
    _run(program, "--hidden", "--glob=!.git", "--glob=!scratch", "-c", "DATABASE_PASSWORD=", ".")


def _find() -> None:
    _run("find", ".", "-size", "+1000000k")


def _tar() -> None:
    _run("sh", "-c", "tar -cf - --exclude=./.git --exclude=./scratch . | wc -c")


def _make_and_remove() -> None:
    for number in range(_MADE):
        Path(f"scratch/made{number}").write_bytes(b"a line of text\n")
    for number in range(_MADE):
        Path(f"scratch/made{number}").unlink()


def _write() -> None:
    piece = os.urandom(1 << 20)
    with Path("scratch/written").open("wb", buffering=0) as file:
        file.writelines(piece for _ in range(_LARGE >> 20))


def _copy() -> None:
    _run("cp", "scratch/large", "scratch/copied")


def _suite() -> None:
    told = _run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "suite")
    assert f"{_TESTS} passed".encode() in told, told[-300:]


@dataclass(frozen=True)
class Work:
    """Something to be measured, with the ratio that it is to stay under; `leaves` is removed before each run."""

    name: str
    most: float
    run: Callable[[], None]
    leaves: tuple[str, ...] = ()


WORK: Final = (
    Work("git status", 1.5, _git_status),
    Work("rg", 1.7, _ripgrep),
    Work("find", 2.5, _find),
    Work("tar", 1.3, _tar),
    Work(f"create and unlink {_MADE}", 2, _make_and_remove),
    Work("write 200 MB", 2, _write, ("written",)),
    Work("cp 200 MB", 2, _copy, ("copied",)),
    Work("test suite", 1.2, _suite),
)

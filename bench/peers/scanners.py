"""Our engine and its peers behind one call, so that one piece of code scores and times them all.

The peers are installed for the bench only, into a folder of their own, at these versions.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from bench.peers.worker import PEERS, Found, places
from redactors import Vault, load

_PACKAGES = ("kingfisher-secret-scanner==1.5.0", "detect-secrets==1.5.0", "credsweeper==1.19.5")
_GITLEAKS = "github.com/zricethezav/gitleaks/v8@v8.30.1"


class Scan(NamedTuple):
    """What one scanner found: `found[i]` in bytes of `texts[i]`; `seconds` of processor time for all texts."""

    seconds: float
    found: list[Found]


class Scanner(Protocol):
    """One way to find secrets."""

    name: str

    def scan(self, texts: Sequence[str]) -> Scan:
        """Scan each text by itself."""
        ...


class Ours:
    """This repository's engine, in this process, with the bundled rules and nothing known."""

    name = "safe-agent"

    def __init__(self) -> None:
        self._engine = load(Vault(bytes(32)))

    def scan(self, texts: Sequence[str]) -> Scan:
        """Scan each text by itself."""
        encoded = [text.encode() for text in texts]
        start = time.process_time()
        found = [self._engine.find(text) for text in encoded]
        seconds = time.process_time() - start
        return Scan(seconds, [[[(one.start, one.end)] for one in findings] for findings in found])


class Peer:
    """A peer that is a Python library, in a process of its own that stays until the bench ends."""

    def __init__(self, name: str, python: Path) -> None:
        self.name = name
        worker = Path(__file__).with_name("worker.py")
        environ = {"PATH": os.environ["PATH"], "HOME": str(python.parents[2]), "LANG": "C.UTF-8"}
        self._process = subprocess.Popen(
            [python, worker, name], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def scan(self, texts: Sequence[str]) -> Scan:
        """Scan each text by itself; `ValueError` if the peer ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(list(texts)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise ValueError(f"{self.name} ended with {self._process.wait()}")
        return Scan(**json.loads(answer))


class Gitleaks:
    """gitleaks, a program: one run over a folder with a file for each text; it tells values."""

    name = "gitleaks"

    def __init__(self, program: Path) -> None:
        self._program = program

    def scan(self, texts: Sequence[str]) -> Scan:
        """Scan each text by itself; the seconds are those of the whole process, start and file reads included."""
        with tempfile.TemporaryDirectory() as folder:
            for number, text in enumerate(texts):
                (Path(folder) / f"{number}.txt").write_text(text)
            report = Path(folder) / "report.json"
            before = os.times()
            command = [
                str(self._program),
                "dir",
                "--no-banner",
                "--exit-code",
                "0",
                "--redact=0",
                "--max-decode-depth",
                "0",
            ]
            subprocess.run([*command, "-f", "json", "-r", str(report), folder], check=True, capture_output=True)
            after = os.times()
            seconds = after.children_user + after.children_system - before.children_user - before.children_system
            return Scan(seconds, _found_in_report(texts, json.loads(report.read_text())))


def _found_in_report(texts: Sequence[str], report: Sequence[dict[str, str]]) -> list[Found]:
    found: list[Found] = [[] for _ in texts]
    for row in report:
        number = int(Path(row["File"]).stem)
        found[number].append(places(texts[number].encode(), row["Secret"]))
    return found


def installed(folder: Path) -> Iterator[Scanner]:
    """Install the peers into `folder`, unless they are there, and give them; gitleaks only where there is Go."""
    python = folder / "python" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *_PACKAGES], check=True, stderr=subprocess.DEVNULL)
    for name in PEERS:
        yield Peer(name, python)
    gitleaks = folder / "gitleaks"
    if shutil.which("go") and not gitleaks.exists():
        subprocess.run(["go", "install", _GITLEAKS], env={**os.environ, "GOBIN": str(folder)}, check=True)
    if gitleaks.exists():
        yield Gitleaks(gitleaks)

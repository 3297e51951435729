"""Finds a client's program behind the links and scripts that package managers put into PATH."""

import json
import os
import platform
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wrapper.agents.client import Program
from wrapper.errors import ClientNotFoundError
from wrapper.plan.facts import holds_more

_OURS = "safe-"  # a link `claude -> safe-claude` must not start a session in a session
_VERSION = re.compile(r"\d+\.\d+\.\d+[\w.+-]*")


def find(name: str, path: Sequence[str], home: Path, native: Callable[[Path], Path | None], hint: str) -> Program:
    """Find `name` in the absolute folders of `path`; `native` may name the real program behind a package's script.

    Raises ClientNotFoundError, with `hint` saying how to install it.
    """
    broken = ""
    for candidate in _candidates(name, path):
        program = native(candidate) or candidate
        if _is_binary(program) or _is_script(program):
            return Program(program, _roots(program, home), version(program))
        broken = broken or str(candidate)
    if broken:
        raise ClientNotFoundError(f"`{broken}` is not a complete installation of {name}", hint=hint)
    raise ClientNotFoundError(f"`{name}` is not in PATH", hint=hint)


def _candidates(name: str, path: Sequence[str]) -> Iterator[Path]:
    for folder in path:
        file = Path(folder, name)
        if not file.is_absolute() or not file.is_file() or not os.access(file, os.X_OK):
            continue
        resolved = file.resolve()
        if not resolved.name.startswith(_OURS):
            yield resolved


def _roots(program: Path, home: Path) -> tuple[Path, ...]:
    """Name the package's folder, else the file's: a native installation keeps its versions beside each other.

    The file alone where that folder holds more than programs: `~/package.json` makes no package of HOME.
    """
    folder = _package(program) or program.parent
    return (program,) if holds_more(folder, home) else (folder,)


def _package(program: Path) -> Path | None:
    for folder in program.parents:
        if folder.name == "node_modules":
            return None
        if _is_package(folder, program):
            return folder
    return None


def _is_package(folder: Path, program: Path) -> bool:
    """Whether a package manager put this folder where it is, or it is a checkout whose program this is (`npm link`)."""
    if not (folder / "package.json").is_file():
        return False
    above = folder.parent.parent if folder.parent.name.startswith("@") else folder.parent
    return above.name == "node_modules" or program in _programs_of(folder)


def _programs_of(package: Path) -> Iterator[Path]:
    """Yield what a package says it installs (package.json(5), "bin")."""
    found = _told(package).get("bin", {})
    for name in found.values() if isinstance(found, dict) else (found,):
        if isinstance(name, str):
            yield (package / name).resolve()


def _told(package: Path) -> dict[str, Any]:
    try:
        told = json.loads((package / "package.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def modules(program: Path) -> Iterator[Path]:
    """Yield the `node_modules` folders from the program's package upwards, its own first."""
    for folder in program.parents:
        if (folder / "node_modules").is_dir():
            yield folder / "node_modules"
        if folder.name == "node_modules":
            yield folder


def version(program: Path) -> str:
    """Return the version that the package (or the file's name, for native installations) says, else `""`."""
    package = _package(program)
    if package:
        return str(_told(package).get("version", ""))
    return program.name if _VERSION.fullmatch(program.name) else ""


def architecture() -> str:
    """Return the machine as npm names it: `x64` or `arm64`."""
    return {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _is_binary(file: Path) -> bool:
    return _start(file) == b"\x7fELF"


def _is_script(file: Path) -> bool:
    return _start(file)[:2] == b"#!"


def _start(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(4)
    except OSError:
        return b""

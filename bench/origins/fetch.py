"""Gets pinned packages with the ordinary tools, which know their own registries."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path


def go_module(module: str, folder: Path, parts: tuple[str, ...]) -> Path:
    """Copy `parts` of a Go module (`path@version`) into a writable folder beneath `folder`, with its `go.mod`."""
    answer = _run(["go", "mod", "download", "-json", module], folder)
    source = Path(json.loads(answer)["Dir"])
    place = folder / module.rpartition("/")[2].partition("@")[0]
    for part in ("go.mod", "go.sum", *parts):
        wanted = place / part
        wanted.parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, wanted)
        else:
            shutil.copyfile(source / part, wanted)
    for path in (place, *place.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # the module cache is read-only
    return place


def go(arguments: list[str], place: Path, *, given: str = "", **environ: str) -> str:
    """Run `go` in a module's folder with `given` as standard input; give its output, whatever its tests say."""
    done = subprocess.run(
        ["go", *arguments], cwd=place, env={**_environ(), **environ}, input=given, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if not done.stdout:
        raise ValueError(f"`go {arguments[0]}` gave nothing: {done.stderr[-500:]}")
    return done.stdout


def crate(name: str, version: str, folder: Path) -> Path:
    """Give the unpacked source of a crate (cargo 1.82 or later unpacks what it tells about)."""
    _run(["cargo", "info", f"{name}@{version}"], folder)
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    return next((home / "registry" / "src").glob(f"*/{name}-{version}"))


def sdist(name: str, version: str, folder: Path) -> Path:
    """Download and unpack a Python source distribution."""
    asked = ["--no-deps", "--no-binary", ":all:", "--dest", str(folder), f"{name}=={version}"]
    _run([sys.executable, "-m", "pip", "download", "--quiet", *asked], folder)
    _run(["tar", "-xzf", f"{name}-{version}.tar.gz"], folder)  # Python before 3.11.4 cannot unpack safely
    return folder / f"{name}-{version}"


def _run(command: list[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, env=_environ(), check=True, stdout=subprocess.PIPE, text=True).stdout


def _environ() -> dict[str, str]:
    """Give the tools what they need, not what this shell knows: other projects' tests run with it."""
    kept = ("PATH", "HOME", "LANG", "CARGO_HOME", "GOPATH", "GOPROXY", "GOMODCACHE", "GOCACHE")
    return {name: os.environ[name] for name in kept if name in os.environ}

"""`install.sh`, run for real: a fresh HOME, a checkout in a folder with blanks, packages fetched as a user's are.

The only tests that fetch packages. What pip needs to reach its index is carried over by name and never shown.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest

from wrapper.version import VERSION

pytestmark = pytest.mark.timeout(600)

REPOSITORY = Path(__file__).resolve().parents[2]
COMMANDS = ("safe-agent", "safe-claude", "safe-codex")
ALIASES = ["alias claude='safe-claude'", "alias codex='safe-codex'"]
KEYS = {"audit.key": 0o600, "audit.pub": 0o644, "masking.key": 0o600}
SOMEBODY = 12345  # an id that nobody has
_CARRIED = re.compile(
    r"PIP_(CERT|FIND_LINKS|INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST|CLIENT_CERT|PROXY|DEFAULT_TIMEOUT|RETRIES|CONFIG_FILE)"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|(?i:(https?|all|no)_proxy)"
)


@dataclass(frozen=True)
class Place:
    """A checkout and a HOME of the test's own; whom it belongs to runs the commands."""

    root: Path
    owner: int = field(default_factory=os.getuid)
    environ: Mapping[str, str] = field(
        repr=False, default_factory=dict
    )  # never shown: a proxy's URL may hold a password

    @property
    def checkout(self) -> Path:
        return self.root / "a checkout"

    @property
    def home(self) -> Path:
        return self.root / "a home"

    @property
    def keys(self) -> Path:
        return self.home / ".config/safe-agent/keys"

    @property
    def venv(self) -> Path:
        return self.home / ".local/share/safe-agent/venv"

    @property
    def packages(self) -> Path:
        (folder,) = (self.venv / "lib").glob("python3.*/site-packages")
        return folder

    def run(
        self, *command: str | Path, cwd: Path | None = None, more: Mapping[str, str] = MappingProxyType({})
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command as the owner, without standard input."""
        path = f"{self.home}/.local/bin:/usr/local/bin:/usr/bin:/bin"
        environ = {"HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8", **self.environ, **more}
        other = self.owner != os.getuid()
        return subprocess.run(
            [*(_becoming(self.owner) if other else ()), *map(str, command)],
            env=environ,
            cwd=cwd or self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )

    def install(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return self.run(self.checkout / "install.sh", *arguments, more=more)

    def python(self, code: str) -> str:
        """Run code in the installed environment, away from the checkout."""
        done = self.run(self.venv / "bin/python", "-I", "-c", code, cwd=Path("/"))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def _becoming(user: int) -> list[str]:
    return ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "--"]


def network() -> dict[str, str]:
    """Give the variables without which pip may not reach its index."""
    return {name: value for name, value in os.environ.items() if _CARRIED.fullmatch(name)}


def tracked() -> list[str]:
    """Name the files of the repository, those not yet committed included."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (REPOSITORY / name).is_file()]


def make_place(owner: int | None = None) -> Place:
    root = Path(tempfile.mkdtemp(prefix="safe-agent install ", dir="/var/tmp"))
    root.chmod(0o755)
    place = Place(root, os.getuid() if owner is None else owner, network())
    for name in tracked():
        target = place.checkout / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, target)
    place.home.mkdir()
    os.chown(place.home, place.owner, place.owner if owner else -1)
    return place


@pytest.fixture
def place() -> Iterator[Place]:
    """A checkout and an empty HOME; nothing is installed."""
    made = make_place()
    yield made
    shutil.rmtree(made.root)


# what leads pip and Python elsewhere, if it is believed
ASTRAY = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Installed(Place):
    """What `install.sh` left in a fresh HOME, and what it said."""

    said: "subprocess.CompletedProcess[str]" = field(repr=False, default=subprocess.CompletedProcess([], 0, "", ""))


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    place = make_place()
    astray = {name: str(place.root / "astray" / name) for name in ASTRAY}
    said = place.install(PIP_USER="1", PIP_REQUIRE_VIRTUALENV="1", PIP_REQUIRE_HASHES="1", **astray)
    assert said.returncode == 0, said.stderr
    yield Installed(place.root, place.owner, place.environ, said)
    shutil.rmtree(place.root)


def test_the_three_commands_run_from_anywhere(installed: Installed) -> None:
    for name in COMMANDS:
        link = installed.home / ".local/bin" / name
        assert link.readlink() == installed.venv / "bin" / name
    said = installed.run("safe-agent", "--version", cwd=Path("/"))
    assert (said.returncode, said.stdout) == (0, f"safe-agent, version {VERSION}\n")
    assert installed.run("safe-claude", cwd=Path("/")).returncode in (125, 127)


def test_it_prints_the_aliases_and_nothing_else_on_stdout(installed: Installed) -> None:
    assert lines(installed.said) == ALIASES
    elsewhere = installed.install(PATH="/usr/bin:/bin", SHELL="/bin/zsh")
    path, *aliases, completion = lines(elsewhere)
    assert 'export PATH="$HOME/.local/bin:$PATH"' in path
    assert aliases == ALIASES
    assert completion.endswith("source <(safe-agent completion zsh)")
    assert "~/.local/bin/safe-agent alias --write" in elsewhere.stderr
    assert (
        elsewhere.stdout
        == installed.run("safe-agent", "alias", more={"PATH": f"{installed.venv}/bin:/bin", "SHELL": "zsh"}).stdout
    )


def lines(said: "subprocess.CompletedProcess[str]") -> list[str]:
    """Give what a shell would run of the lines on standard output."""
    return [line for line in said.stdout.splitlines() if not line.startswith("#")]


def test_the_keys_are_made_and_only_the_user_reads_them(installed: Installed) -> None:
    assert stat.S_IMODE(installed.keys.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in installed.keys.iterdir()} == KEYS


def test_both_top_level_packages_belong_to_safe_agent_alone(installed: Installed) -> None:
    code = "import importlib.metadata as m, json; print(json.dumps(m.packages_distributions()))"
    owners = json.loads(installed.python(code))
    assert (owners["wrapper"], owners["redactors"]) == (["safe-agent"], ["safe-agent"])
    ours = [name for name, distributions in owners.items() if "safe-agent" in distributions]
    assert sorted(ours) == ["redactors", "wrapper"]


def test_the_environment_is_its_own_and_was_not_led_elsewhere(installed: Installed) -> None:
    assert not (installed.root / "astray").exists()
    assert "include-system-site-packages = false" in (installed.venv / "pyvenv.cfg").read_text()
    for package in ("wrapper", "redactors"):
        assert installed.python(f"import {package}; print({package}.__path__[0])") == str(installed.packages / package)
    assert installed.python("import site; print(site.ENABLE_USER_SITE)") == "False"


def test_no_variable_leads_a_command_to_code_in_the_current_folder(installed: Installed) -> None:
    """An empty entry of PYTHONPATH is the current folder: a stranger's clone, or what the last session wrote there."""
    clone = installed.root / "clone"
    clone.mkdir()
    for name in ("re", "msgspec", "wrapper"):
        (clone / f"{name}.py").write_text("raise SystemExit(9)\n")
    done = installed.run("safe-agent", "--version", cwd=clone, more={"PYTHONPATH": ":src", "PYTHONHOME": str(clone)})
    assert (done.returncode, done.stdout.split()[-1]) == (0, VERSION), done.stderr
    for command in COMMANDS:
        assert " -I" in (installed.venv / "bin" / command).read_text().split("\n# ")[0]


def test_it_holds_exactly_the_pinned_packages(installed: Installed) -> None:
    code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    found = {_normal(name): version for name, version in json.loads(installed.python(code)).items()}
    own = {"safe-agent": VERSION}
    brought = {name: found.pop(name) for name in ("pip", "setuptools") if name in found}  # by Python's own `venv`
    assert "pip" in brought
    assert found == pins("requirements.txt") | pins("requirements-build.txt") | own


def test_every_file_of_the_packages_and_every_profile_is_installed(installed: Installed) -> None:
    files = (path for package in ("wrapper", "redactors") for path in (installed.checkout / package).rglob("*.*"))
    code = [str(path.relative_to(installed.checkout)) for path in files if path.is_file()]
    assert {"redactors/rules/keys.toml", "wrapper/py.typed", "redactors/py.typed"} <= set(code)
    for name in code:
        assert (installed.packages / name).read_bytes() == (installed.checkout / name).read_bytes(), name
    for profile in (installed.checkout / "configs").iterdir():
        assert (installed.packages / "wrapper/_configs" / profile.name).read_bytes() == profile.read_bytes()
    compiled = {path.name.split(".")[0] for path in installed.packages.glob("wrapper/__pycache__/*.pyc")}
    assert compiled == {path.stem for path in installed.packages.glob("wrapper/*.py")}


@pytest.mark.parametrize("profile", ["default", "strict", "ci", "lab"])
def test_the_installed_command_finds_its_profiles(installed: Installed, profile: str) -> None:
    project = installed.root / "project"
    project.mkdir(exist_ok=True)
    shown = installed.run("safe-agent", "policy", "show", "--origin", "--profile", profile, cwd=project)
    assert shown.returncode == 0, shown.stderr
    assert f"{installed.packages}/wrapper/_configs/default.toml:" in shown.stdout
    assert str(installed.checkout) not in shown.stdout


def test_a_session_runs_and_need_not_compile_the_rules(installed: Installed) -> None:
    rules = installed.home / ".cache/safe-agent/rules"
    compiled = {path.name: path.stat().st_mtime_ns for path in rules.iterdir()}
    assert {Path(name).suffix for name in compiled} == {".json", ".hs"}
    project = installed.root / "project"
    project.mkdir(exist_ok=True)
    (project / ".env").write_text("PASSWORD=correct-horse-battery\n")
    done = installed.run("safe-agent", "exec", "--", "cat", ".env", cwd=project)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"PASSWORD=MASKED-[A-Z-]+-[0-9A-Z]{8}\n", done.stdout)
    assert {path.name: path.stat().st_mtime_ns for path in rules.iterdir()} == compiled


def test_again_it_makes_nothing_anew(installed: Installed) -> None:
    before = _times(installed)
    again = installed.install()
    assert again.returncode == 0, again.stderr
    assert _times(installed) == before
    assert lines(again) == ALIASES
    assert "making" not in again.stderr


def _times(installed: Installed) -> dict[str, int]:
    paths = [*installed.packages.rglob("*"), *installed.keys.rglob("*")]
    return {str(path): path.stat().st_mtime_ns for path in paths if path.is_file()}


def test_changed_sources_are_installed_and_the_environment_stays(installed: Installed) -> None:
    stamp = (installed.venv / ".requirements").stat().st_mtime_ns
    version = installed.checkout / "wrapper/version.py"
    text = version.read_text()
    version.write_text(text.replace(VERSION, "9.8.7"))
    try:
        assert installed.install().returncode == 0
        assert "9.8.7" in installed.run("safe-agent", "--version").stdout
    finally:
        version.write_text(text)
        assert installed.install().returncode == 0
    assert (installed.venv / ".requirements").stat().st_mtime_ns == stamp


def test_a_package_with_another_hash_is_refused_and_what_was_there_still_works(installed: Installed) -> None:
    pinned = installed.checkout / "requirements-build.txt"
    text = pinned.read_text()
    pinned.write_text(re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, text))
    try:
        refused = installed.install()
    finally:
        pinned.write_text(text)
    assert refused.returncode == 1
    assert "install.sh: could not install the Python packages\nhint: " in refused.stderr
    assert installed.run("safe-agent", "--version").returncode == 0
    assert not list(installed.venv.parent.glob("*.before"))
    assert "making" not in installed.install().stderr


def test_an_installation_without_reach_for_more_packages_stays_as_it_is(installed: Place) -> None:
    refused = installed.install("--corpus", PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert refused.returncode == 1
    assert "install.sh: could not install the Python packages\nhint: " in refused.stderr
    assert not (installed.venv.parent / "corpus").exists()
    assert "making" not in installed.install().stderr


def test_somebody_without_rights_installs_elsewhere_and_uninstalling_leaves_keys_logs_and_policies() -> None:
    place = make_place(SOMEBODY if os.getuid() == 0 else None)
    try:
        _install_and_uninstall(place)
    finally:
        shutil.rmtree(place.root)


def _install_and_uninstall(place: Place) -> None:
    data = place.home / "my data"
    where = {"XDG_DATA_HOME": str(data)}
    said = place.install(**where)
    assert said.returncode == 0, said.stderr
    assert (data / "safe-agent/venv/bin/safe-agent").exists()
    assert not place.venv.exists()
    project = place.home / "project"
    place.run("mkdir", project)
    assert place.run("safe-agent", "exec", "true", cwd=project).returncode == 0
    policy = place.home / ".config/safe-agent/policy.toml"
    policy.write_text("version = 1\n")
    stranger = place.home / ".local/bin/safe-codex"
    stranger.unlink()
    stranger.symlink_to("/usr/bin/true")
    kept = _files(place.keys) | _files(place.home / ".local/state/safe-agent")
    assert len(kept) > len(KEYS)
    bash, zsh = place.home / ".bashrc", place.home / ".zshrc"
    bash.write_text("export A=1\n")
    for shell in ("bash", "zsh"):
        assert place.run("safe-agent", "alias", "--write", "--shell", shell).returncode == 0
    zsh.write_text("# <<< safe-agent <<<\n" + zsh.read_text())  # somebody was at it by hand
    torn = zsh.read_text()
    removed = place.install("--uninstall", **where)
    assert (bash.read_text(), zsh.read_text()) == ("export A=1\n", torn)
    assert f"{bash}: removed" in removed.stderr
    assert f"{zsh} still has the lines" in removed.stderr
    assert removed.returncode == 0, removed.stderr
    assert not data.joinpath("safe-agent").exists()
    assert [path.name for path in (place.home / ".local/bin").iterdir()] == ["safe-codex"]
    assert not (place.home / ".cache/safe-agent").exists()
    assert _files(place.keys) | _files(place.home / ".local/state/safe-agent") == kept
    assert policy.exists()
    assert str(policy.parent) in removed.stderr
    assert place.install("--uninstall", **where).returncode == 0


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def tools(place: Place, *, without: str = "", **scripts: str) -> str:
    """Make a PATH of the system's tools but one, with stand-ins in front."""
    folder = place.root / "tools"
    folder.mkdir()
    for tool in sorted(Path("/usr/bin").iterdir()):
        if tool.name not in (without, "sudo"):
            (folder / tool.name).symlink_to(tool)
    for name, script in scripts.items():
        stand_in = folder / name.replace("_", "-")
        stand_in.unlink(missing_ok=True)
        stand_in.write_text(f"#!/bin/sh\n{script}\n")
        stand_in.chmod(0o755)
    return str(folder)


_ORDINARY = 'case "$*" in -u) echo 1000 ;; esac'


def test_a_missing_package_without_root_is_one_line_and_a_hint_and_nothing_is_made(place: Place) -> None:
    refused = place.install(PATH=tools(place, without="bwrap", id=_ORDINARY, apt_get="exit 9"))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "install.sh: missing: bubblewrap\nhint: run as root: apt-get install bubblewrap\n"
    assert list(place.home.iterdir()) == []


def test_on_another_system_it_refuses_and_makes_nothing(place: Place) -> None:
    refused = place.install(PATH=tools(place, uname="echo Darwin"))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("install.sh: safe-agent needs Linux, this is Darwin\nhint: ")
    assert list(place.home.iterdir()) == []


def test_with_sudo_the_missing_package_is_installed_by_it(place: Place) -> None:
    calls = place.root / "calls"
    path = tools(
        place,
        without="bwrap",
        id=_ORDINARY,
        sudo='[ "$1" = -n ] && shift; exec "$@"',
        apt_get=f'echo "$@" >>"{calls}"; case "$*" in *install*) exit 9 ;; esac',
    )
    refused = place.install(PATH=path)
    assert refused.returncode == 1
    assert calls.read_text() == "-qq update\n-qq install --no-install-recommends -y bubblewrap\n"
    assert refused.stderr.endswith(
        "install.sh: could not install bubblewrap\nhint: run as root: apt-get install bubblewrap\n"
    )
    assert list(place.home.iterdir()) == []


OURS_ONLY = ("bwrap", "--bind", "/", "/", "--dev", "/dev")  # the system's Python is called by its path


def test_a_python_without_its_venv_module_is_told_by_the_package_that_has_it(place: Place) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    path = tools(place, id=_ORDINARY)
    hidden = (*OURS_ONLY, "--tmpfs", f"/usr/lib/python{version}/ensurepip", "--")
    refused = place.run(*hidden, place.checkout / "install.sh", more={"PATH": path})
    assert refused.returncode == 1
    assert refused.stderr == (
        "install.sh: missing: python3 python3-venv\nhint: run as root: apt-get install python3 python3-venv\n"
    )
    assert list(place.home.iterdir()) == []


def test_a_python_that_is_too_old_is_told_and_nothing_is_installed(place: Place) -> None:
    calls = place.root / "calls"
    path = tools(place, apt_get=f'echo "$@" >>"{calls}"', python3="exit 1")
    for newer in (place.root / "tools").glob("python3.*"):
        newer.unlink()
    real = Path("/usr/bin/python3").resolve()
    old = (*OURS_ONLY, "--ro-bind", place.root / "tools/python3", real, "--")
    refused = place.run(*old, place.checkout / "install.sh", more={"PATH": path})
    assert refused.returncode == 1
    assert refused.stderr.startswith("install.sh: Python 3.11 or later is needed\nhint: install one beside the old")
    assert not calls.exists()


def test_on_another_system_it_names_what_is_missing(place: Place) -> None:
    path = tools(place, without="bwrap")
    (place.root / "tools/apt-get").unlink()
    refused = place.install(PATH=path)
    assert refused.returncode == 1
    assert "install.sh: missing: bubblewrap\nhint: install them with the package manager" in refused.stderr


def test_a_file_of_the_users_own_is_not_replaced(place: Place) -> None:
    mine = place.home / ".local/bin/safe-claude"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    refused = place.install()
    assert refused.returncode == 1
    assert f"{mine} is not ours\nhint: move it away" in refused.stderr
    assert mine.read_text() == "mine"
    assert not place.venv.exists()


@pytest.mark.parametrize("arguments", [["--frob"], ["demo"], ["--demo", "x"], ["--uninstall", "--demo"]])
def test_wrong_usage_is_refused_before_anything_is_done(place: Place, arguments: list[str]) -> None:
    refused = place.install(*arguments)
    assert refused.returncode == 1
    assert refused.stderr.endswith("hint: ./install.sh --help\n")
    assert list(place.home.iterdir()) == []


def test_without_a_home_it_refuses(place: Place) -> None:
    refused = place.install(HOME=str(place.root / "missing"))
    assert (refused.returncode, refused.stderr) == (
        1,
        "install.sh: HOME is not a folder\nhint: set HOME to your home folder\n",
    )


def test_the_help_tells_every_option(place: Place) -> None:
    shown = place.install("--help")
    assert shown.returncode == 0
    for option in ("--demo", "--corpus", "--test", "--uninstall", "Exit codes:"):
        assert option in shown.stdout
    assert "set -eu" not in shown.stdout


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, str]:
    """Read the pinned versions of a requirements file."""
    text = (REPOSITORY / file).read_text()
    return {_normal(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+) \\$", text, re.MULTILINE)}

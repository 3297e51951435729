"""What is pinned: complete, by hash, and without the name of any registry's host."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.install.test_install import REPOSITORY, pins, tracked

LISTS = ("requirements.txt", "requirements-build.txt", "requirements-corpus.txt", "tests/requirements.txt")
# spelled so that this file does not name them either
HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("anaconda", "org"),
        ("maven", "org"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
    )
)


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~;\[ ]", one)[0] for one in requirements}


def project() -> dict[str, dict[str, list[str]]]:
    table: dict[str, dict[str, list[str]]] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return table


def test_no_file_names_the_host_of_a_package_registry() -> None:
    for name in tracked():
        text = (REPOSITORY / name).read_bytes().decode(errors="replace").lower()
        assert [host for host in HOSTS if host in text] == [], name


@pytest.mark.parametrize("file", LISTS)
def test_every_line_of_a_list_is_a_pin_or_its_hash(file: str) -> None:
    blocks = re.split(r"\n(?! )", (REPOSITORY / file).read_text().strip())
    for block in blocks:
        assert re.fullmatch(r"[\w.-]+==\S+(?: \\\n    --hash=sha256:[0-9a-f]{64})+", block), block[:80]


def test_the_lists_hold_all_that_the_project_asks_for() -> None:
    asked = project()
    extras = asked["optional-dependencies"]
    installed, tested = pins("requirements.txt"), pins("tests/requirements.txt")
    corpus = pins("requirements-corpus.txt")
    assert names([*extras["corpus"], *extras["ray"], *extras["s3"]]) <= set(corpus)
    assert names(asked["dependencies"]) <= set(installed)  # type: ignore[arg-type] # a list beside tables
    assert names([*extras["test"], *extras["gates"]]) <= set(tested)
    build = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["build-system"]["requires"]
    assert names(build) | {"editables"} <= set(pins("requirements-build.txt"))


def test_tests_run_with_the_versions_that_are_installed() -> None:
    tested, build = pins("tests/requirements.txt"), pins("requirements-build.txt")
    corpus = pins("requirements-corpus.txt")
    assert pins("requirements.txt").items() <= corpus.items() <= tested.items()
    assert {name: build[name] for name in build.keys() & tested.keys()}.items() <= tested.items()


def test_the_clients_are_pinned_by_hash_and_by_no_address() -> None:
    folder = Path("tests/clients")
    wanted = json.loads((REPOSITORY / folder / "package.json").read_text())["dependencies"]
    locked = json.loads((REPOSITORY / folder / "package-lock.json").read_text())
    packages = locked["packages"]
    assert packages.pop("")["dependencies"] == wanted
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    assert not any("resolved" in one for one in packages.values())


def test_the_whole_check_runs_the_tests_and_every_gate() -> None:
    text = (REPOSITORY / ".ci/run").read_text()
    for step in ("install.sh --test", "ruff check", "ruff format --check", "mypy", "lint-imports", "shellcheck"):
        assert step in text

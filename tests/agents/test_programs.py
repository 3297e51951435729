import json
from pathlib import Path

import pytest

from wrapper.agents.claude import ClaudeCode
from wrapper.agents.codex import Codex
from wrapper.agents.programs import architecture
from wrapper.errors import ClientNotFoundError

ELF = b"\x7fELF" + b"\0" * 60


def program(path: Path, content: bytes = ELF) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def package(folder: Path, version: str = "9.8.7") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"version": version}))
    return folder


def link(at: Path, to: Path) -> Path:
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to(to)
    return at


def test_a_native_installation_is_found_with_its_version(tmp_path: Path) -> None:
    native = program(tmp_path / ".local/share/claude/versions/2.1.197")
    link(tmp_path / ".local/bin/claude", native)
    found = ClaudeCode().find([str(tmp_path / ".local/bin")], tmp_path)
    assert (found.path, found.roots, found.version) == (native, (native.parent,), "2.1.197")


def test_claude_from_a_package_is_its_native_program(tmp_path: Path) -> None:
    modules = tmp_path / "lib/node_modules"
    binary = program(package(modules / "@anthropic-ai/claude-code") / "bin/claude.exe")
    link(tmp_path / "bin/claude", binary)
    found = ClaudeCode().find([str(tmp_path / "bin")], tmp_path)
    assert (found.path, found.roots) == (binary, (modules / "@anthropic-ai/claude-code",))
    assert found.version == "9.8.7"


def test_claude_whose_postinstall_did_not_run_is_found_in_the_platforms_package(tmp_path: Path) -> None:
    modules = tmp_path / "lib/node_modules"
    stub = program(package(modules / "@anthropic-ai/claude-code") / "bin/claude.exe", b"echo run the postinstall")
    native = program(package(modules / f"@anthropic-ai/claude-code-linux-{architecture()}") / "claude")
    link(tmp_path / "bin/claude", stub)
    assert ClaudeCode().find([str(tmp_path / "bin")], tmp_path).path == native


def test_an_incomplete_installation_is_said_to_be_one(tmp_path: Path) -> None:
    stub = program(package(tmp_path / "node_modules/@anthropic-ai/claude-code") / "bin/claude.exe", b"echo no")
    link(tmp_path / "bin/claude", stub)
    with pytest.raises(ClientNotFoundError, match="not a complete installation"):
        ClaudeCode().find([str(tmp_path / "bin")], tmp_path)


@pytest.mark.parametrize("nested", [False, True])
def test_codex_is_the_native_program_behind_its_script(tmp_path: Path, *, nested: bool) -> None:
    modules = tmp_path / "lib/node_modules"
    script = program(package(modules / "@openai/codex") / "bin/codex.js", b"#!/usr/bin/env node\n")
    above = modules / "@openai/codex/node_modules" if nested else modules
    target = {"x64": "x86_64", "arm64": "aarch64"}[architecture()]
    platform = package(above / f"@openai/codex-linux-{architecture()}")
    native = program(platform / f"vendor/{target}-unknown-linux-musl/bin/codex")
    link(tmp_path / "bin/codex", script)
    found = Codex().find([str(tmp_path / "bin")], tmp_path)
    assert (found.path, found.roots) == (native, (platform,))


def test_a_client_that_is_a_script_runs_as_it_is(tmp_path: Path) -> None:
    script = program(package(tmp_path / "node_modules/@anthropic-ai/claude-code") / "cli.js", b"#!/usr/bin/env node\n")
    link(tmp_path / "bin/claude", script)
    assert ClaudeCode().find([str(tmp_path / "bin")], tmp_path).path == script


def test_a_link_to_ourselves_is_passed_over(tmp_path: Path) -> None:
    link(tmp_path / "first/claude", program(tmp_path / "venv/bin/safe-claude"))
    real = program(tmp_path / "second/claude")
    assert ClaudeCode().find([str(tmp_path / "first"), str(tmp_path / "second")], tmp_path).path == real


def test_what_is_not_there_or_cannot_run_is_not_found(tmp_path: Path) -> None:
    plain = program(tmp_path / "bin/codex")
    plain.chmod(0o644)
    for path in ([], [str(tmp_path / "bin")], ["relative"], [str(tmp_path / "missing")]):
        with pytest.raises(ClientNotFoundError, match="not in PATH") as refused:
            Codex().find(path, tmp_path)
        assert refused.value.exit_code == 127
        assert "npm install" in refused.value.hint


@pytest.mark.parametrize("place", [".", "tools", ".local/share", ".local"])
def test_a_package_file_that_lies_about_above_the_program_makes_no_package(tmp_path: Path, place: str) -> None:
    native = program(tmp_path / f"{place}/claude/versions/2.1.197")
    package(tmp_path / place)
    package(tmp_path)
    found = ClaudeCode().find([str(link(tmp_path / "b/claude", native).parent)], tmp_path)
    assert (found.roots, found.version) == ((native.parent,), "2.1.197")


@pytest.mark.parametrize("folder", [".", "Downloads", ".local", ".local/share", ".config/tools", ".ssh"])
def test_a_program_beside_the_users_own_things_is_shown_alone(tmp_path: Path, folder: str) -> None:
    native = program(tmp_path / folder / "codex-x86_64")
    found = Codex().find([str(link(tmp_path / "b/codex", native).parent)], tmp_path)
    assert found.roots == (native,)


def test_a_checkout_that_says_the_program_is_its_own_is_a_package(tmp_path: Path) -> None:
    script = program(package(tmp_path / "src/tool/cli") / "bin/claude.js", b"#!/usr/bin/env node\n")
    link(tmp_path / "b/claude", script)
    for told, root in (
        ({"bin": {"claude": "bin/claude.js"}}, "src/tool/cli"),
        ({"bin": "./bin/claude.js"}, "src/tool/cli"),
        ({"bin": {"other": "bin/other.js"}}, "src/tool/cli/bin"),
        ({"bin": [7]}, "src/tool/cli/bin"),
        ([], "src/tool/cli/bin"),
    ):
        (tmp_path / "src/tool/cli/package.json").write_text(json.dumps(told))
        assert ClaudeCode().find([str(tmp_path / "b")], tmp_path).roots == (tmp_path / root,)


def test_a_package_within_a_package_does_not_hide_it(tmp_path: Path) -> None:
    own = package(tmp_path / "lib/node_modules/@anthropic-ai/claude-code")
    script = program(own / "dist/cli.js", b"#!/usr/bin/env node\n")
    (own / "dist/package.json").write_text('{"type": "module"}')
    link(tmp_path / "b/claude", script)
    found = ClaudeCode().find([str(tmp_path / "b")], tmp_path)
    assert (found.roots, found.version) == ((own,), "9.8.7")

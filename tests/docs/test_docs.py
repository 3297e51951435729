"""The documents tell the truth: commands, options, links, paths, policy and the README's transcript are real."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.docs.shown import ROOT, TEXTS, Shown, blocks, spans
from tests.docs.shown import SHOWN as EVERY
from wrapper.cli.main import cli
from wrapper.look import DEGRADABLE
from wrapper.plan.launch import EGRESS_PORT, GATEWAY_PORT
from wrapper.policy.parse import parse
from wrapper.version import VERSION

README = TEXTS["README.md"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HOST = re.compile(r"\b(?:[a-z0-9-]+\.)+(?:org|com|net|io|dev|ai|cloud|app)\b")
# hosts that stand for the user's own, the forge in the examples, and the pages of formats
NAMED_HOSTS = re.compile(
    r"(?:[a-z0-9-]+\.)*example\.(?:org|com)|(?:(?:codeload|api)\.)?github\.com|age-encryption\.org|(?:c2sp|golang)\.org"
)
# pages that the comparison in the README rests on
SOURCES = (
    "code.claude.com", "developers.openai.com", "docs.asciinema.org", "docs.docker.com", "docs.litellm.ai", "github.com",
)  # fmt: skip
PLACES = ("wrapper/", "redactors/", "configs/", "docs/", "tests/", "bench/")
TEST_PLACES = tuple(f"{folder.name}/" for folder in (ROOT / "tests").iterdir() if folder.is_dir())
OF_OURS = re.compile(r"safe-(?:agent|claude|codex) |\./install\.sh")


def bare(shown: Shown) -> str:
    """Give a shown line without assignments and what it is piped into."""
    return re.sub(r"^(?:[A-Z_]+=\S+ )+", "", re.split(r"\s\|\s", shown.line)[0].strip())


SHOWN = sorted({(one.document, bare(one)) for one in EVERY if OF_OURS.match(bare(one))})


def all_commands(group: click.Group = cli) -> Iterator[click.Command]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield command
        if isinstance(command, click.Group):
            yield from all_commands(command)


def understood(arguments: list[str]) -> None:
    """Read a command line with the program's own parser, without running it."""
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        found = command.get_command(context, arguments[0])
        assert found is not None, f"no command {arguments[0]}"
        command, arguments = found, arguments[1:]
    try:
        command.make_context(command.name, arguments)
    except click.exceptions.Exit:
        return  # `--help`, `--version`
    except click.MissingParameter:
        assert not arguments, "only the bare name of a command may stand without what it needs"


@pytest.mark.parametrize(("document", "shown"), SHOWN)
def test_every_command_shown_is_one_and_takes_its_options(document: str, shown: str) -> None:
    program, *arguments = shlex.split(shown)
    if program == "safe-agent":
        if arguments in (["policy"], ["audit"], ["keys"]):
            return  # the group as such
        understood(arguments)
    elif program == "./install.sh":
        script = (ROOT / "install.sh").read_text()
        assert all(re.search(rf"^\s+(?:-\w \| )?{option}\)", script, re.MULTILINE) for option in arguments), document


def test_commands_are_found_in_the_documents_at_all() -> None:
    assert len(SHOWN) > 30


def test_a_wrong_option_would_be_noticed() -> None:
    with pytest.raises(click.NoSuchOption):
        understood(["audit", "show", "--nosuch"])
    with pytest.raises(AssertionError):
        understood(["audit", "nosuch"])


def test_every_option_named_is_an_option_of_something() -> None:
    ours = {
        option
        for command in all_commands()
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    others = (ROOT / "install.sh").read_text() + (ROOT / "wrapper/sandbox/bubblewrap.py").read_text()
    named = {
        option for text in TEXTS.values() for span in spans(text) for option in re.findall(r"(?<!\S)--[a-z-]+", span)
    }
    of_others = {
        "--resume",
        "--continue",
        "--device",
        "--watch",
        "--init",
        "--global",
        "--amend",
        "--oss",
        "--last",
        "--bg",
        "--device-auth",
        "--with-api-key",
    }  # clients', git's
    assert {one for one in named - ours - of_others if one not in others and one != "--help"} == set()


def test_what_may_be_degraded_is_what_is_named() -> None:
    named = {name for text in TEXTS.values() for name in re.findall(r"--allow-degraded ([a-z]+)", text)}
    assert named == set(DEGRADABLE)


def test_the_readme_shows_every_command() -> None:
    shown = {command.split()[1] for name, command in SHOWN if name == "README.md" and command.startswith("safe-agent ")}
    assert set(cli.list_commands(click.Context(cli))) <= shown


@pytest.mark.parametrize("document", TEXTS)
def test_every_link_leads_somewhere(document: str) -> None:
    targets = [target for target in LINK.findall(TEXTS[document]) if not target.startswith("https://")]
    missing = [target for target in targets if not (ROOT / document).parent.joinpath(target.partition("#")[0]).exists()]
    assert missing == []


@pytest.mark.parametrize("document", TEXTS)
def test_every_anchor_is_a_heading(document: str) -> None:
    for target in LINK.findall(TEXTS[document]):
        path, _, anchor = target.partition("#")
        if anchor and not path.startswith("https://"):
            text = (ROOT / document).parent.joinpath(path).read_text() if path else TEXTS[document]
            headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def exists(path: str) -> bool:
    return any(ROOT.glob(path.rstrip("/"))) if "*" in path else (ROOT / path).exists()


@pytest.mark.parametrize("document", TEXTS)
def test_every_path_of_the_repository_that_is_named_exists(document: str) -> None:
    words = [word for span in spans(TEXTS[document]) for word in span.split()]
    named = {word.partition("::")[0] for word in words if word.startswith(PLACES)}
    if document in ("docs/threat-model.md", "docs/faq.md"):
        named |= {word for word in words if word.startswith(TEST_PLACES) and word.endswith(".py")}
    assert {path for path in named if not exists(path) and not exists(f"tests/{path}")} == set()


def test_every_attack_that_is_tried_is_in_the_threat_model() -> None:
    text = TEXTS["docs/threat-model.md"]
    tried = {f"attacks/{file.name}" for file in (ROOT / "tests/attacks").glob("test_*.py")}
    assert {name for name in tried if f"`{name}`" not in text} == set()


@pytest.mark.parametrize("document", TEXTS)
def test_no_host_is_named_but_examples(document: str) -> None:
    """Above all none of a package registry: companies have their own."""
    named = set(HOST.findall(TEXTS[document])) | set(re.findall(r"https?://([^/:\s)\"`]+)", TEXTS[document]))
    assert {host for host in named if not NAMED_HOSTS.fullmatch(host)} - set(SOURCES) == set()


@pytest.mark.parametrize("document", TEXTS)
def test_no_path_of_somebodys_machine_is_named(document: str) -> None:
    assert re.findall(r"(?<![\w~.*])/(?:home|root|work|Users|var/tmp|tmp)/[\w.-]+", TEXTS[document]) == []


EXAMPLES = [(name, one) for name in TEXTS if name != "docs/policy.md" for one in blocks(TEXTS[name], "toml")]


@pytest.mark.parametrize(("document", "example"), EXAMPLES)
def test_a_policy_that_is_shown_is_valid(document: str, example: str) -> None:
    assert len(example.splitlines()) <= 25
    whole = example if "version = 1" in example else f"version = 1\n{example}"
    parse(whole.replace("age1…", "age1" + "q" * 58).encode(), document)


def test_the_layers_are_those_that_are_enforced() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in settings if contract["type"] == "layers")
    written = [layer.replace("wrapper.", "") for layer in layers]
    assert "\n".join(written) + "\n" in blocks(TEXTS["docs/architecture.md"])


def test_the_ports_are_those_that_listen() -> None:
    text = " ".join(TEXTS["docs/architecture.md"].split())
    assert f"127.0.0.1:{GATEWAY_PORT} (gateway), {EGRESS_PORT} (egress)" in text


def test_the_changelog_begins_with_this_version() -> None:
    first = re.findall(r"^## (\S+)", TEXTS["CHANGELOG.md"], re.MULTILINE)[0]
    assert first == VERSION


# what differs from one demonstration to the next, and what stands for it
VARYING = (
    (re.compile(r"(MASKED-[A-Z0-9-]+-)[0-9A-HJKMNP-TV-Z]{8}\b"), r"\1TAG"),
    (re.compile(r"[A-Za-z0-9+/_-]{1,8}\.\.\.[A-Za-z0-9+/_-]{4}"), "CUT"),
    (re.compile(r"\b\d{8}T\d{6}Z-[0-9a-f]{6}\b"), "SESSION"),
    (re.compile(r"\b\d+\.\d+\.\d+\b"), "VERSION"),
    (re.compile(r"\b\d+ records\b"), "N records"),
)


def shape(line: str) -> str:
    for pattern, stands_for in VARYING:
        line = pattern.sub(stands_for, line)
    return line.rstrip()


def test_the_transcript_is_what_the_demonstration_prints(tmp_path: Path) -> None:
    command, *lines = next(block for block in blocks(README) if block.startswith("$ ")).splitlines()
    assert command == "$ safe-agent demo"
    clients = Path(os.environ.get("SAFE_AGENT_TEST_CLIENTS", f"/var/tmp/safe-agent-tests-{os.getuid()}"))
    commands = Path(sys.executable).parent
    environment = {
        "HOME": str(tmp_path),
        "PATH": f"{commands}:{clients}/node_modules/.bin:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
    }
    played = subprocess.run(
        [commands / "safe-agent", "demo", "--client", "claude"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    printed = iter([shape(line) for line in played.stdout.splitlines()])
    for line in lines:
        if line and line != "…":
            assert shape(line) in printed, f"not printed, or not in this order: {line}"

"""Plays the demonstration: the installed commands, as a user would type them, against the scripted provider."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wrapper.agents.registry import adapter_for
from wrapper.demo import evidence, story
from wrapper.demo.project import Project, build
from wrapper.demo.provider import FakeProvider
from wrapper.demo.stage import Stage, Verdict
from wrapper.errors import ClientNotFoundError

CLIENTS: Final = ("claude", "codex", "builtin")
NAMES: Final = {"claude": "Claude Code", "codex": "Codex", "builtin": "the built-in client"}


@dataclass(frozen=True, slots=True)
class Performance:
    """Everything that was seen. `saw` and `left` are the texts of tool results by turn; `received` every byte.

    `screen` is what the session printed, `log` its log as the reviewer reads it, `dotenv` the real file afterwards.
    """

    client: str
    version: str
    code: int
    story: tuple[story.Ask, ...]
    saw: Mapping[int, str] = field(repr=False)
    left: Mapping[int, str] = field(repr=False)
    received: tuple[bytes, ...] = field(repr=False)
    size: int
    screen: bytes = field(repr=False)
    log: bytes = field(repr=False)
    refused: frozenset[str]
    verdict: Verdict
    dotenv: str = field(repr=False)


def choose(wanted: str | None, environ: Mapping[str, str]) -> str:
    """Name the client to show: the wanted one, else the first real one that is installed, else the built-in one.

    Raises ClientNotFoundError where the wanted one is not installed.
    """
    if wanted == "builtin":
        return wanted
    path = [entry for entry in environ.get("PATH", "").split(":") if entry]
    for name in (wanted,) if wanted else ("claude", "codex"):
        try:
            adapter_for(name, ())[0].find(path, Path("/nonexistent"))
        except ClientNotFoundError:
            if wanted:
                raise
        else:
            return name
    return "builtin"


def play(
    root: Path, client: str, environ: Mapping[str, str], tell: Callable[[str], None]
) -> tuple[Project, Performance]:
    """Make the project in `root` and play the whole piece; `tell` is given lines about what happens.

    Raises SafeAgentError where it cannot be played.
    """
    project = build(root, environ)
    tell(f"a throw-away project with {len(project.planted)} secrets: {project.workspace}")
    path = environ.get("PATH", "")
    fetch = story.fetching({"curl": shutil.which("curl", path=path) is not None})
    asks = story.asks(project, client, fetch)
    with FakeProvider(story.script(asks)) as provider:
        tell(f"a scripted model provider on this machine: {provider.url}")
        stage = Stage(project, client, provider.url)
        stage.prepare()
        tell(f"{NAMES[client]} starts in the sandbox: {stage.shown()}")
        code, screen = stage.act()
    verdict, log = stage.verdict(screen), stage.log()
    received = [bytes(part) for part in provider.wire]
    start = next((event for event in log if event["type"] == "start"), {})
    return project, Performance(
        client=client,
        version=str(start.get("agent_version", "")),
        code=code,
        story=asks,
        saw=evidence.of_transcript(stage.transcript()),
        left=evidence.of_requests(request.json for request in provider.requests),
        received=(*received, *(request.decoded for request in provider.requests)),
        size=sum(map(len, received)),
        screen=screen,
        log=json.dumps(log).encode(),
        refused=frozenset(one["host"] for one in log if one["type"] == "connection" and not one["allowed"]),
        verdict=verdict,
        dotenv=project.dotenv.read_text(),
    )

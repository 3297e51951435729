"""Which model provider Codex is set to, as far as the user says so: file, profile, then `-c`; never the project."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wrapper.agents.client import Read
from wrapper.errors import SessionError

_BUILT_IN = "openai"
_LOCAL = ("ollama", "lmstudio", "ollama-chat")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")  # TOML 1.0, "bare keys": what `-c a.b.c=…` can name


def effective(folder: Path, arguments: Sequence[str], read: Read) -> dict[str, Any]:
    """Merge the configuration in `folder` with the profile and the overrides in `arguments`."""
    config = _table(read(folder / "config.toml"))
    profile = next(_options(arguments, "-p", "--profile"), "")
    if _BARE_KEY.fullmatch(profile):
        config = _merged(config, _table(read(folder / f"{profile}.config.toml")))
    for override in _options(arguments, "-c", "--config"):
        key, _, text = override.partition("=")
        value = _value(text)
        for part in reversed(key.strip().split(".")):
            value = {part: value}
        config = _merged(config, value)
    return config


def provider(config: Mapping[str, Any], arguments: Sequence[str]) -> tuple[str, dict[str, Any] | None]:
    """Give the provider's name and its settings, None for those of the built-in one.

    Raises SessionError for a provider that the gateway cannot stand in front of.
    """
    name = str(config.get("model_provider") or _BUILT_IN)
    named = config.get("model_providers")
    settings = named.get(name) if isinstance(named, dict) else None
    if "--oss" in arguments or (name in _LOCAL and settings is None):
        raise SessionError(
            "Codex is set to a model server on this machine, which is not reached from inside",
            hint="leave out `--oss`, or choose another `model_provider`",
        )
    if name == _BUILT_IN:
        return name, None
    if not isinstance(settings, dict) or not _BARE_KEY.fullmatch(name):
        raise SessionError(
            f"Codex's provider `{name}` is not one that safe-agent can stand in front of",
            hint="choose `openai`, or one of `model_providers` in config.toml whose name has no dots or spaces",
        )
    return name, settings


def _table(data: bytes | None) -> dict[str, Any]:
    try:
        return tomllib.loads((data or b"").decode())
    except ValueError:  # the client says itself what is wrong with its file
        return {}


def _value(text: str) -> Any:
    """Read a value of `-c`: TOML, or the text itself where it is none (the client's own rule)."""
    try:
        return tomllib.loads(f"x={text}")["x"]
    except ValueError:
        return text


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _options(arguments: Sequence[str], short: str, long: str) -> Iterator[str]:
    """Yield the values of an option, in each of the spellings that the client's parser takes."""
    for place, argument in enumerate(arguments):
        if argument == "--":
            return
        if argument in (short, long) and place + 1 < len(arguments):
            yield arguments[place + 1]
        elif argument.startswith(f"{long}="):
            yield argument.removeprefix(f"{long}=")
        elif argument.startswith(short) and not argument.startswith("--") and len(argument) > len(short):
            yield argument.removeprefix(short).removeprefix("=")

"""Read the policy files of all layers and merge them: bundled profile, organisation, user, project."""

import os
import stat
from pathlib import Path
from typing import Final

from wrapper.errors import PolicyError
from wrapper.policy import bundled, trust
from wrapper.policy.layered import Layered
from wrapper.policy.merge import merge
from wrapper.policy.model import Layer, Notice, Policy
from wrapper.policy.parse import MOST_BYTES, parse

ORGANISATION: Final = Path("/etc/safe-agent/policy.toml")
USER_FILE: Final = "policy.toml"
ALLOWED_FILE: Final = "allowed.toml"
"""Hosts that the user allowed from the command line, beside the user's file."""
PROJECT_FILE: Final = ".safe-agent.toml"


def load_policy(
    *,
    profile: str,
    workspace: Path,
    config_home: Path,
    organisation: Path = ORGANISATION,
    explicit: Path | None = None,
) -> Policy:
    """Read and merge all layers; files that are not there say nothing, but `explicit` must be.

    `config_home` is safe-agent's own folder (`$XDG_CONFIG_HOME/safe-agent`); `explicit` (`--policy`,
    SAFE_AGENT_POLICY) stands in place of the user's files. Raises PolicyError for a file that cannot be read or is not
    valid, the terms files that it names among them, StateError for a list of trusted projects that cannot be believed.
    """
    layers = _bundled(profile)
    content = read(organisation)
    if content is not None:
        layers.append(Layered(Layer.ORGANISATION, parse(content, str(organisation))))
    user = config_home / USER_FILE if explicit is None else explicit
    content = read(user) if explicit is None else _required(explicit)
    if content is not None:
        layers.append(Layered(Layer.USER, parse(content, str(user))))
    if explicit is None:
        layers += _allowed(config_home / ALLOWED_FILE)
    project = workspace / PROJECT_FILE
    content = read(project)
    if content is not None:
        trusted = trust.is_trusted(config_home, workspace.resolve(), content)
        layers.append(Layered(Layer.PROJECT, parse(content, str(project)), trusted))
    if any(layered.source.document.context for layered in layers):
        from wrapper.policy.termfiles import with_terms  # noqa: PLC0415 (for such policies only)

        layers = [with_terms(layered) for layered in layers]
    return merge(profile, layers, home=os.path.realpath(Path("~").expanduser()))


def beyond_tightening(content: bytes, file: str) -> tuple[Notice, ...]:
    """Say what a project's file asks for that only trust would give it. Raises PolicyError as `load_policy` does."""
    return merge("default", [*_bundled("default"), Layered(Layer.PROJECT, parse(content, file), trusted=False)]).notices


def _allowed(file: Path) -> list[Layered]:
    content = read(file)
    if content is None:
        return []
    from wrapper.policy import allowed  # noqa: PLC0415 (where there is such a file only)

    return [Layered(Layer.USER, allowed.checked(parse(content, str(file))))]


def _bundled(profile: str) -> list[Layered]:
    return [Layered(Layer.BUNDLED, parse(_required(path), str(path))) for path in bundled.chain(profile)]


def read(path: Path) -> bytes | None:
    """Read a policy file, or give None where there is none. Raises PolicyError for anything else.

    The project's path is the work of strangers: it is opened without waiting (a pipe would hang the start) and read
    no further than a policy can reach.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        if path.is_symlink():
            raise PolicyError(f"{path}: is a link that leads nowhere", hint="repair or remove the link") from None
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PolicyError(f"{path}: is not a plain file", hint="a policy is a TOML text file")
    with os.fdopen(descriptor, "rb") as file:
        try:
            return file.read(MOST_BYTES + 1)
        except OSError as error:
            raise _unreadable(path, error) from error


def _required(path: Path) -> bytes:
    content = read(path)
    if content is None:
        raise PolicyError(f"{path}: no such file", hint="check the path given with --policy or SAFE_AGENT_POLICY")
    return content


def _unreadable(path: Path, error: OSError) -> PolicyError:
    return PolicyError(f"{path}: cannot be read: {error.strerror}", hint="make it readable, or move it away")

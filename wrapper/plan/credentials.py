"""The credential files of the user's HOME: never seen inside, but their values must be known on the wire.

An agent can come by such a value without the file: a tool prints it, an old transcript holds it, a script has a copy.
The clients' own login files are not here: the gateway deals with those tokens.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from redactors.engine import Engine
from wrapper.plan.learning import learn_file

FILES: Final = (
    ".aws/credentials", ".azure/accessTokens.json", ".azure/msal_token_cache.json", ".boto", ".cargo/credentials",
    ".cargo/credentials.toml", ".composer/auth.json", ".config/composer/auth.json", ".config/containers/auth.json",
    ".config/doctl/config.yaml", ".config/gh/hosts.yml", ".config/git/credentials", ".config/glab-cli/config.yml",
    ".config/hub", ".config/rclone/rclone.conf", ".config/netlify/config.json", ".databrickscfg", ".docker/config.json",
    ".fly/config.yml", ".gem/credentials", ".git-credentials", ".gitconfig", ".gradle/gradle.properties",
    ".huggingface/token", ".cache/huggingface/token", ".kube/config", ".m2/settings.xml", ".my.cnf", ".netrc",
    ".npmrc", ".nuget/NuGet/NuGet.Config", ".oci/config", ".pgpass", ".pypirc", ".s3cfg", ".snowsql/config",
    ".terraform.d/credentials.tfrc.json", ".vault-token", ".yarnrc.yml",
)  # fmt: skip
FOLDERS: Final = ((".ssh", ("id_", "identity"), ""), (".config/gcloud", ("",), ".json"))
"""Folder, beginnings of names, end of names; `.pub` never counts."""

_SETTINGS: Final = frozenset((".gitconfig",))  # mostly settings: only what is certainly a secret
_MOST_BYTES: Final = 1 << 20  # none of these is larger, and a start must not read a dump that bears such a name
_MOST_FILES: Final = 200


def credential_files(home: Path) -> Iterator[str]:
    """Yield the absolute paths of those that exist as files; they may be links (dotfile managers make them)."""
    for name in FILES:
        yield from _usable(f"{home}/{name}")
    for folder, starts, end in FOLDERS:
        try:
            names = sorted(os.listdir(f"{home}/{folder}"))[:_MOST_FILES]  # noqa: PTH208 - strings, as all paths here
        except OSError:
            continue
        for name in names:
            if name.startswith(starts) and name.endswith(end) and not name.endswith(".pub"):
                yield from _usable(f"{home}/{folder}/{name}")


def learn_home(home: Path, engine: Engine) -> tuple[str, ...]:
    """Make the secrets of these files known; give the paths (relative to HOME) of those that held any."""
    found = []
    for path in credential_files(home):
        name = path.removeprefix(f"{home}/")
        if learn_file(os.path.realpath(path), engine, path=name, whole=name not in _SETTINGS).kinds:
            found.append(name)
    return tuple(found)


def _usable(path: str) -> Iterator[str]:
    try:
        about = os.stat(path)  # noqa: PTH116
    except OSError:
        return
    if stat.S_ISREG(about.st_mode) and 0 < about.st_size <= _MOST_BYTES:
        yield path

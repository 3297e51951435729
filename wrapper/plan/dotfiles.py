"""What of HOME and /etc is made for the inside: git's configuration, and a hosts file."""

import os
from pathlib import Path

from wrapper.plan.places import Places

_HOSTS = b"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
_GIT = (".gitconfig", ".config/git/config", ".config/git/ignore", ".config/git/attributes")  # git-config(1), FILES


def git_files(home: Path) -> tuple[str, ...]:
    """Give the files of the user's git configuration that are there, absolute."""
    paths = (f"{home}/{name}" for name in _GIT)
    return tuple(path for path in paths if os.path.isfile(path) and not os.path.islink(path))  # noqa: PTH113, PTH114


def git_configurations(home: Path) -> tuple[str, ...]:
    """Give those that may hold tokens, in URLs and headers."""
    return tuple(path for path in git_files(home) if path.endswith("config"))


def hosts_file(places: Places) -> str:
    """Make the hosts file of the inside: the host's own names what is nobody's business there (hosts(5))."""
    file = places.cache / "hosts"
    if not file.is_file() or file.read_bytes() != _HOSTS:
        file.write_bytes(_HOSTS)
    return str(file)

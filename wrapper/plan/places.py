"""Where safe-agent keeps its own things outside; none of these folders is reachable inside."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wrapper.errors import StateError

_FOLDER = "safe-agent"


def is_text(path: Path) -> bool:
    """Tell whether a path can be said in the log and in messages between processes, which are UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one user, each ending in `safe-agent` (XDG Base Directory Specification 0.8)."""

    home: Path
    config: Path
    state: Path
    cache: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read HOME and the XDG variables. Raises StateError where HOME is not usable.

        Relative XDG paths are ignored, as the specification asks.
        """
        environ = os.environ if environ is None else environ
        home = Path(environ.get("HOME", ""))
        if not home.is_absolute() or not os.path.isdir(home):  # noqa: PTH112 (Path.is_dir raises where it may not look)
            raise StateError("HOME is not a folder", hint="set HOME to your home folder")

        def base(variable: str, fallback: str) -> Path:
            named = Path(environ.get(variable, ""))
            return (named if named.is_absolute() else home / fallback) / _FOLDER

        places = cls(
            home=home.resolve(),
            config=base("XDG_CONFIG_HOME", ".config"),
            state=base("XDG_STATE_HOME", ".local/state"),
            cache=base("XDG_CACHE_HOME", ".cache"),
        )
        if not all(map(is_text, (places.home, places.config, places.state, places.cache))):
            raise StateError(
                "the name of HOME, or of a folder that XDG_… names, is not UTF-8", hint="set it to one that is"
            )
        return places

    @property
    def sessions(self) -> Path:
        """One folder per session, named by its id."""
        return self.state / "sessions"

    @property
    def keys(self) -> Path:
        """The audit key pair and the masking key."""
        return self.config / "keys"

    def private(self, *folders: Path) -> None:
        """Make `folders` with mode 0700. Raises StateError where that fails."""
        for folder in folders:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise StateError(
                    f"cannot write `{folder}`: {error.strerror}",
                    hint="free space there, or point XDG_STATE_HOME, XDG_CONFIG_HOME and XDG_CACHE_HOME elsewhere",
                ) from error
            if not os.access(folder, os.W_OK | os.X_OK):
                raise StateError(
                    f"cannot write `{folder}`: permission denied",
                    hint="make the folder yours (`chown`), or point the XDG variables elsewhere",
                )

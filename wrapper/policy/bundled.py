"""Where the bundled profiles lie: in the wheel as `wrapper/_configs`, in a checkout as `configs/` beside `wrapper/`."""

from pathlib import Path
from typing import Final

from wrapper.errors import PolicyError

PROFILES: Final = ("default", "strict", "ci", "lab")


def folder() -> Path:
    """Find the folder of the bundled profiles. Raises PolicyError where an installation lost it.

    The wheel gets it by hatchling's `force-include`, which editable installs lack. The package's own path is used
    rather than `importlib.resources`: that import alone costs 5 ms, and an unpacked package is all we install.
    """
    package = Path(__file__).resolve().parent.parent
    for place in (package / "_configs", package.parent / "configs"):
        if (place / "default.toml").is_file():
            return place
    raise PolicyError("the bundled policy is missing", hint="reinstall safe-agent")


def chain(profile: str) -> tuple[Path, ...]:
    """Give the files of a profile in the order they are read: `default.toml`, then the profile's own on top.

    Raises PolicyError for a name that is no profile.
    """
    if profile not in PROFILES:
        raise PolicyError(
            f"there is no profile `{profile}`",
            hint=f"SAFE_AGENT_PROFILE and --profile take {', '.join(f'`{name}`' for name in PROFILES)}",
        )
    names = ("default",) if profile == "default" else ("default", profile)
    return tuple(folder() / f"{name}.toml" for name in names)

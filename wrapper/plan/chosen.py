"""The policy that is in effect for a command: its options first, then the environment, then the user's own file."""

from collections.abc import Mapping
from pathlib import Path

from wrapper.plan.places import Places
from wrapper.policy.load import load_policy
from wrapper.policy.model import Policy


def load_chosen(
    profile: str | None, policy: Path | None, *, environ: Mapping[str, str], workspace: Path, places: Places
) -> Policy:
    """Load it for `workspace`; `profile` and `policy` are `--profile` and `--policy`.

    Where they are None, SAFE_AGENT_PROFILE and SAFE_AGENT_POLICY say it. Raises PolicyError as `load_policy` does.
    """
    named = environ.get("SAFE_AGENT_POLICY", "")
    return load_policy(
        profile=profile or environ.get("SAFE_AGENT_PROFILE") or "default",
        workspace=workspace,
        config_home=places.config,
        explicit=policy or (Path(named) if named else None),
    )

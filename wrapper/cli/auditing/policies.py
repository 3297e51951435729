"""The policy for verbs that are about this machine, not about a project."""

import os
from pathlib import Path

from wrapper.errors import WorkspaceError
from wrapper.plan.chosen import load_chosen
from wrapper.plan.facts import find_workspace
from wrapper.plan.places import Places
from wrapper.policy.model import Policy


def policy_here(places: Places, profile: str | None, policy: Path | None) -> Policy:
    """Load what a session started here would have; where none may be started (a home folder), without a project."""
    try:
        workspace = find_workspace(None, places)[1]
    except WorkspaceError:
        workspace = places.config  # our own folder: no project's file lies there
    return load_chosen(profile, policy, environ=os.environ, workspace=workspace, places=places)

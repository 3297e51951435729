"""Policies for tests, written as TOML and merged without a disk."""

import pytest

from wrapper.errors import PolicyError
from wrapper.policy import bundled
from wrapper.policy.layered import Layered
from wrapper.policy.merge import merge
from wrapper.policy.model import Layer, Policy
from wrapper.policy.parse import parse

DEFAULT = (bundled.folder() / "default.toml").read_bytes()

NOTHING = """
version = 1
[files]
view = "auto"
damaged = "keep"
restore = "all"
commits = "rewrite"
[files.scan]
enabled = true
max_bytes = 1000
[home]
cache = true
[audit]
keystrokes = false
keep_days = 0
segment_bytes = 67108864
segment_hours = 24
[provenance]
capture = true
sticky = 0.3
unwatched = "unknown"
claims = "show"
require_review = false
require_reason = false
[terminal]
status_line = true
[limits]
body_bytes = 1000
[wire]
budget = 0
[approved]
default = "allow"
[network]
unknown = "deny"
wait_seconds = 60
"""


def layer(which: Layer, text: str, *, trusted: bool = True) -> Layered:
    """One layer from TOML; `version = 1` is put before it."""
    return Layered(which, parse(f"version = 1\n{text}".encode(), f"{which.value}.toml"), trusted)


def refused(text: str | bytes, *, version: bool = True) -> PolicyError:
    """Give the error of a file that must not be taken; `version = 1` is put before a text."""
    content = text if isinstance(text, bytes) else (("version = 1\n" if version else "") + text).encode()
    with pytest.raises(PolicyError) as caught:
        parse(content, "policy.toml")
    return caught.value


def policy(
    *,
    bundle: str | bytes = NOTHING,
    organisation: str | None = None,
    user: str | None = None,
    project: str | None = None,
    trusted: bool = False,
    home: str = "/home/user",
) -> Policy:
    """Merge the given layers; without `bundle` over one that only has the settings that must be there."""
    layers = [Layered(Layer.BUNDLED, parse(bundle.encode() if isinstance(bundle, str) else bundle, "bundled.toml"))]
    if organisation is not None:
        layers.append(layer(Layer.ORGANISATION, organisation))
    if user is not None:
        layers.append(layer(Layer.USER, user))
    if project is not None:
        layers.append(layer(Layer.PROJECT, project, trusted=trusted))
    return merge("default", layers, home=home)

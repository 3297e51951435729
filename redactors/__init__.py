"""Finds and masks secrets: `load().find(data)`, `load(vault).redact(data)`.

Names are fetched when first used: not every process scans.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redactors.engine import Engine
    from redactors.finding import Confidence, Finding, Redaction
    from redactors.known import KnownValues
    from redactors.loading import load
    from redactors.rules.model import Rule
    from redactors.vault import Origin, Vault

__all__ = ["Confidence", "Engine", "Finding", "KnownValues", "Origin", "Redaction", "Rule", "Vault", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module `redactors` has no attribute `{name}`")
    places = {"Engine": "engine", "KnownValues": "known", "Rule": "rules.model", "Origin": "vault", "Vault": "vault"}
    place = "loading" if name == "load" else places.get(name, "finding")
    return getattr(import_module(f"redactors.{place}"), name)

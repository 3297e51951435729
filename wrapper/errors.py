"""The one error tree: an exit code, what happened, and a hint that says what to do.

Every refusal of safe-agent is a `SafeAgentError`. The command line prints it as two lines, `safe-agent: …` and
`hint: …`, and ends with its `exit_code`. Exit codes: the child's own; 128+n for a signal; 125 when safe-agent
refuses or fails; 127 when the client is not found (the codes of `env(1)` and `docker run`).
"""

from typing import ClassVar


class SafeAgentError(Exception):
    """What happened, in one line without a final period; `hint` says what to do about it."""

    exit_code: ClassVar[int] = 125

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class PolicyError(SafeAgentError):
    """A policy that cannot be read or is not valid; `what` begins with `FILE:LINE:` where a line is known."""


class WorkspaceError(SafeAgentError):
    """A folder that must not become a workspace."""


class StateError(SafeAgentError):
    """State, configuration or cache folders that cannot be used, or keys that are missing."""


class AuditError(SafeAgentError):
    """The log cannot be written, read or verified."""


class ProvenanceError(SafeAgentError):
    """An index of provenance, or what a corpus is checked with, that cannot be read, or not be relied on."""


class ProtectionError(SafeAgentError):
    """A protection that cannot be had (promise 5); `protection` is the name for `--allow-degraded`."""

    def __init__(self, protection: str, what: str, *, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.protection = protection


class ClientNotFoundError(SafeAgentError):
    """The client that should be started is not installed."""

    exit_code = 127


class SessionError(SafeAgentError):
    """A process of the running session died, or the session could not go on."""

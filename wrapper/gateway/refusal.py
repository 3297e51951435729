"""What the gateway and the egress proxy do not forward."""

from wrapper.errors import SafeAgentError


class RefusedError(SafeAgentError):
    """A request that is not forwarded, or an upstream that cannot be had; `status` is the HTTP status that says so."""

    def __init__(self, status: int, what: str, *, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.status = status

    @property
    def message(self) -> str:
        """One line for the client's user: who speaks, what happened, what to do."""
        return f"safe-agent: {self.what}" + (f" (hint: {self.hint})" if self.hint else "")

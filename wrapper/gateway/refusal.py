"""What the gateway and the egress proxy do not forward."""

from typing import Final

from wrapper.errors import SafeAgentError

NO_RULE: Final = "no rule allows it"
"""How the log says, first of all, of a host that it was refused because nothing is said of it; more may follow."""

_PASSING: Final = frozenset({502, 504})  # an upstream that was not reached may be there in a moment


class RefusedError(SafeAgentError):
    """A request that is not forwarded, or an upstream that cannot be had; `status` is the HTTP status that says so.

    `lasting`: the same would come of a second try, so the client is told not to make one.
    """

    def __init__(self, status: int, what: str, *, hint: str = "", lasting: bool = False) -> None:
        super().__init__(what, hint=hint)
        self.status = status
        self.is_lasting = lasting or status not in _PASSING

    @property
    def message(self) -> str:
        """One line for the client's user: who speaks, what happened, what to do."""
        return f"safe-agent: {self.what}" + (f" (hint: {self.hint})" if self.hint else "")

"""Which placeholder works at which host, and where in a request.

A binding comes of a `[[secrets]]` of the policy, or of a login that was caught while the session runs. Nothing here
says what was found or sent: `swapping` does the work.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from wrapper.policy.egress import SecretRule, Where


@dataclass(frozen=True, slots=True)
class Binding:
    """One value that works at the hosts it `covers`, in the places of `where`.

    `placeholder` may have a prefix (`ghp_MASKED-…`); the form without stands for the value too. `name` is for people.
    """

    name: str
    placeholder: bytes
    value: bytes = field(repr=False)
    where: tuple[Where, ...]
    covers: Callable[[str, int], bool] = field(repr=False)

    @classmethod
    def of(cls, rule: SecretRule, value: bytes, placeholder: str | bytes) -> Self:
        """Make the binding of a rule of the policy, whose source gave `value`."""
        text = placeholder.encode() if isinstance(placeholder, str) else placeholder
        return cls(rule.name, text, value, rule.where, rule.covers)


class Bindings:
    """All bindings of a session; any thread may ask and add."""

    def __init__(self, bindings: Iterable[Binding] = ()) -> None:
        self._all = tuple(bindings)
        self._adding = threading.Lock()

    def __repr__(self) -> str:
        return f"<Bindings of {len(self._all)} values>"

    def at(self, host: str, port: int) -> tuple[Binding, ...]:
        """Give those for a host's port; what is added later is not in the answer."""
        return tuple(one for one in self._all if one.covers(host, port))

    def add(self, binding: Binding) -> None:
        """Let one more work, from the next question on."""
        with self._adding:
            if binding not in self._all:
                self._all = (*self._all, binding)

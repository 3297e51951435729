"""Values that become known go to everybody who masks or restores: the relay, and the daemon of a FUSE view."""

import contextlib
import socket
import threading

from redactors.known import KnownValues
from redactors.vault import Origin, Vault
from wrapper.view.messages import LONGEST, KnownValue, encode


class Publisher:
    """Sends what the vault has issued since; any thread may call it. `known` are the guard's own known values."""

    def __init__(
        self, vault: Vault, known: KnownValues | None, relay: socket.socket, view: socket.socket | None
    ) -> None:
        self._vault = vault
        self._known = known
        self._relay = relay
        self._view = view
        self._told = len(vault)  # the session has these: the guard was forked from it
        self._lock = threading.Lock()

    def publish(self) -> None:
        """Send what is new."""
        with self._lock:
            self._send_new(self._view)

    def learn(self, value: KnownValue) -> None:
        """Take over a value that the view's daemon has come to know; the daemon is not told again."""
        with self._lock:
            self._send_new(self._view)
            if self._known is not None:
                self._known.add(value.kind, value.value, Origin.OUTSIDE)
            self._vault.issue(value.kind, value.value, Origin.OUTSIDE, value.prefix)
            self._send_new(None)

    def _send_new(self, view: socket.socket | None) -> None:
        issued = tuple(self._vault.issued()) if len(self._vault) > self._told else ()
        for one in issued[self._told :]:
            packet = encode(KnownValue(one.kind, one.value, one.prefix))
            if one.origin is Origin.OUTSIDE and len(packet) < LONGEST:
                for receiver in (self._relay, view):
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it is gone, and masks no more
                        if receiver is not None:
                            receiver.send(packet)
        self._told = max(self._told, len(issued))

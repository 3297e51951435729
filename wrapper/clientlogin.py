"""The client's login in a session: who it is outside, what is shown of it inside, what keeps a new one outside."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from redactors.engine import Engine
from redactors.vault import Origin
from wrapper.agents.client import ROOM, Credential, LoginFile, Secret
from wrapper.gateway.outward import Outward
from wrapper.guard.loginroom import LoginRoom
from wrapper.look import Looked

if TYPE_CHECKING:  # aiohttp: 200 ms, and only the guard needs it
    from wrapper.gateway.intercept.bindings import Binding
    from wrapper.gateway.intercept.capturing import LoginCapture
    from wrapper.gateway.login import LiveCredential
    from wrapper.gateway.turns import Turn


@dataclass(frozen=True, slots=True)
class ClientLogin:
    """One client's. `room` is where the inside keeps its login, None where none can be made in this session."""

    looked: Looked
    engine: Engine
    room: LoginRoom | None

    @classmethod
    def of(cls, looked: Looked, engine: Engine, folder: Path) -> Self:
        """Say what there is; the room will stand in `folder`."""
        room = looked.launch.room
        return cls(looked, engine, None if room is None else LoginRoom(room, folder, looked.vault))

    @property
    def variables(self) -> dict[str, str]:
        """What tells the client of its room."""
        room = self.looked.launch.room
        return {} if room is None else {room.variable: ROOM}

    @property
    def written(self) -> dict[str, str]:
        """The room's folder outside, by where it stands inside."""
        return {} if self.room is None else {ROOM: str(self.room.folder)}

    def make(self) -> None:
        """Make the room."""
        if self.room is not None:
            self.room.fill(self.issue)

    def issue(self, kind: str, value: bytes) -> str:
        """Make a value known, and give its placeholder."""
        if self.engine.known is not None:
            self.engine.known.add(kind, value, Origin.OUTSIDE)
        return self.looked.vault.issue(kind, value, Origin.OUTSIDE)

    def identity(self) -> Credential | None:
        """Read the client's credential anew from its files, and make its secrets known."""
        credential = self.looked.relaunch().credential
        if credential is not None and any(self._is_another(one) for one in _sent(credential)):
            credential = replace(credential, headers={}, login=_ended(credential.login))
        for secret in () if credential is None else credential.secrets:
            self.issue(secret.kind, secret.value)
        return credential

    def _is_another(self, secret: Secret) -> bool:
        """Whether a value that stands where a login was is known as another secret: the inside can have put it there.

        Its placeholder is all that it takes, and the provider would be sent the value (promise 1).
        """
        first = self.looked.launch.credential
        if first is not None and any(one.value == secret.value for one in first.secrets):
            return False
        placeholder = self.looked.vault.placeholder_of(secret.value)
        return placeholder is not None and not placeholder.startswith(f"MASKED-{secret.kind}-")

    def shown(self) -> bytes | None:
        """Give the login file as it is shown inside, from what the real one holds now."""
        credential = self.identity()
        login = None if credential is None else credential.login
        return None if login is None else login.shown(self.issue)

    def live(self, outward: Outward) -> "LiveCredential":
        """Make what gives the gateway its headers."""
        from wrapper.gateway.login import LiveCredential, posting  # noqa: PLC0415 (in the guard only)

        return LiveCredential(self.identity, posting(outward), turn=self._turn(), settle=self._settle)

    def captures(self, bind: "Callable[[Binding], None]") -> "tuple[LoginCapture, ...]":
        """Make what keeps a login of this session outside; `bind` lets a placeholder work at a host."""
        launch = self.looked.launch
        if not launch.login_hosts:
            return ()
        from wrapper.gateway.intercept.capturing import LoginCapture  # noqa: PLC0415 (in the guard only)

        capture = LoginCapture(
            name=self.looked.client.name,
            hosts=tuple(launch.login_hosts),
            client=launch.login_client,
            kind=launch.login_kind,
            issue=self._captured,
            bind=bind,
            current=self._settled_identity,
            own_turn=self._turn(),
        )
        secrets = () if launch.credential is None or launch.room is None else launch.credential.secrets
        capture.learn(one.value for one in secrets if launch.room is not None and launch.room.owns(one.name))
        return (capture,)

    def _captured(self, kind: str, value: bytes) -> str:
        if self.room is not None:
            self.room.take(value)
        return self.issue(kind, value)

    def _settled_identity(self) -> Credential | None:
        self._settle()
        return self.identity()

    def _settle(self) -> None:
        if self.room is not None:
            self.room.settle()

    def _turn(self) -> "Turn":
        from wrapper.gateway.turns import nobody_else, turns  # noqa: PLC0415 (in the guard only)

        credential = self.looked.launch.credential
        login = None if credential is None else credential.login
        return nobody_else if login is None else turns(self.looked.places.state / "logins", login.path)


def _sent(credential: Credential) -> Iterator[Secret]:
    for one in credential.secrets:
        if any(one.value in value.encode() for value in credential.headers.values()):
            yield one


def _ended(login: LoginFile | None) -> LoginFile | None:
    return None if login is None else replace(login, expires=None, renewal=None)

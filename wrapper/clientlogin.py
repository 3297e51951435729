"""The client's login in a session: who it is outside, what is shown of it inside, what keeps a new one outside."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from redactors.engine import Engine
from redactors.vault import Origin
from wrapper.agents.client import ROOM, ClientLaunch, Credential, LoginFile, Secret, header_safe
from wrapper.errors import SafeAgentError, SessionError, StateError
from wrapper.gateway.outward import Outward
from wrapper.guard.loginroom import LoginRoom
from wrapper.look import Looked, read_file
from wrapper.messages import printable
from wrapper.policy.egress import Source

if TYPE_CHECKING:  # aiohttp: 200 ms, and only the guard needs it
    from wrapper.gateway.intercept.bindings import Binding
    from wrapper.gateway.intercept.capturing import LoginCapture
    from wrapper.gateway.login import LiveCredential
    from wrapper.gateway.minted import Minted
    from wrapper.gateway.turns import Turn


@dataclass(frozen=True, slots=True)
class ClientLogin:
    """One client's. `room` is where the inside keeps its login, None where none can be made in this session."""

    looked: Looked
    engine: Engine
    room: LoginRoom | None
    _made: list[str] = field(default_factory=list)  # of whom the logins of this session are
    _given: set[bytes] = field(default_factory=set, repr=False)  # what the provider gave for them

    @classmethod
    def of(cls, looked: Looked, engine: Engine, folder: Path) -> Self:
        """Say what there is; the room will stand in `folder`. Raises SessionError: see `changes`."""
        _refuse_led_elsewhere(looked)
        _refuse_in_workspace(looked)
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
        issuer = secret.kind.partition("-")[0]  # a key of the provider's may be known by a rule, or from a login
        return placeholder is not None and not placeholder.startswith(f"MASKED-{issuer}-")

    def shown(self) -> bytes | None:
        """Give the login file as it is shown inside, from what the real one holds now."""
        credential = self.identity()
        login = None if credential is None else credential.login
        return None if login is None else login.shown(self.issue)

    def live(self, outward: Outward) -> "LiveCredential | Minted":
        """Make what gives the gateway its headers."""
        from wrapper.gateway.login import LiveCredential, posting  # noqa: PLC0415 (in the guard only)

        own = LiveCredential(self.identity, posting(outward), turn=self._turn(), settle=self._settle)
        credential = self.looked.launch.credential
        if credential is None or not credential.command:
            return own
        from wrapper.gateway.minted import Minted  # noqa: PLC0415 (for a client that is set to such a cloud)

        return Minted(own, partial(self._token, credential.command))

    def _token(self, command: str) -> str:
        """Run a command for a token. StateError where it gives none."""
        found = self.looked.sources(quiet=True).read(Source("cmd", command))
        token = found.value.decode("ascii", "replace")
        if not header_safe(token):
            raise StateError(
                f"`{command}` gives no token: {found.why or 'what it prints cannot be sent'}",
                hint="run it outside; it says what is missing",
            )
        self.issue("ACCESS-TOKEN", found.value)
        return token

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
            made=self._made.append,
        )
        secrets = () if launch.credential is None or launch.room is None else launch.credential.secrets
        capture.learn(one.value for one in secrets if launch.room is not None and launch.room.owns(one.name))
        return (capture,)

    def changes(self) -> Iterator[str]:
        """Say, when nothing runs inside any more, what the session has changed: who the client is, where, what it runs.

        The inside writes the client's settings, and may have been told to by anybody. Where these now lead requests to
        another host, no session begins until the user has looked at them: a login, or what any variable of the user's
        holds, would be sent there as a key (promise 1).
        """
        before = self.looked.launch
        if self._made and not before.is_about_login:
            yield f"a login was made inside{_named(self._made[-1])}: if that was not you, log out and in again"
        try:
            after = self.looked.relaunch()
        except SafeAgentError as error:
            yield f"the client's settings were changed during the session: {error.what}"
            return
        if _headers(before) and not _headers(after) and not before.is_about_login:
            yield "the client is logged out now: if that was not you, log in again"
        if places := _sends(after, self.looked) - {*before.providers} - _sends(before, self.looked):
            file = _marker(self.looked)
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.write_text("\n".join(sorted(places)))
            yield f"{_led(places)}; the next session does not begin before you have looked at them"
        if any(self._foreign(before, after)):
            yield "the client is logged in by another key than before: if that was not you, log out and in again"
        for name, said in after.runs.items():
            if before.runs.get(name) != said:
                yield f"{name} was changed during the session; the bare client runs it outside: look at it first"
        for path in before.masked:
            content = read_file(path) or b""
            if self.looked.vault.restore_in_file(content) != content:
                yield f"`{path}` has placeholders of secrets, which are put into no file that the client logs in by"

    def _foreign(self, before: ClientLaunch, after: ClientLaunch) -> Iterator[Secret]:
        """Give what the next session would send, and nobody knows from where. A login file is ours to write."""
        first, then = before.credential, after.credential
        if then is None or (_file(first) is not None and _file(first) == then.source):
            return
        known = {one.value for one in (() if first is None else first.secrets)}
        for one in _sent(then):
            if one.value not in known and not any(map(one.value.endswith, self._given)):  # of a JWT the signature
                yield one

    def _captured(self, kind: str, value: bytes) -> str:
        self._given.add(value)
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


def _refuse_led_elsewhere(looked: Looked) -> None:
    """Refuse a start with what a session has left in the settings; forget it where that is put right."""
    file = _marker(looked)
    left = (read_file(file) or b"").decode("utf-8", "replace").split("\n")
    if places := _sends(looked.launch, looked) & {*left}:
        names = ", ".join(f"`{path}`" for path in looked.launch.masked if path.suffix in (".json", ".toml"))
        raise SessionError(_led(places), hint=f"put that right in {names}; if it is what you want: `rm {file}`")
    file.unlink(missing_ok=True)


def _refuse_in_workspace(looked: Looked) -> None:
    """Refuse a client's folder among the agent's own files, with its login or without.

    Another secret's placeholder in a login there is sent by the next session; and who wrote the project would say
    where requests go, and by which key.
    """
    launch, workspace = looked.launch, Path(looked.facts.workspace).resolve()
    login = _file(launch.credential)
    for path in (*launch.folders, *launch.files, *(() if login is None else (Path(login),))):
        if path.resolve().is_relative_to(workspace):
            raise SessionError(
                f"`{path}`, where the client keeps its login and settings, lies in the workspace",
                hint="let the client have its state elsewhere (CODEX_HOME, CLAUDE_CONFIG_DIR), or start elsewhere",
            )


def _sends(launch: ClientLaunch, looked: Looked) -> set[str]:
    """Give where a start would send requests, and which variables of the user's it would send as a key."""
    variables = () if launch.credential is None else launch.credential.variables
    return {*filter(None, (launch.upstream,)), *(f"${name}" for name in variables if name in looked.facts.environ)}


def _led(places: set[str]) -> str:
    shown = ", ".join(f"`{printable(one)}`" for one in sorted(places))
    return f"the client's settings were changed during a session, which decide what it sends where: {shown}"


def _marker(looked: Looked) -> Path:
    return looked.places.state / "logins" / f"{looked.client.name}-led-elsewhere"


def _named(account: str) -> str:
    return f" as `{printable(account)[:80]}`" if account else ""


def _headers(launch: ClientLaunch) -> bool:
    return launch.credential is not None and bool(launch.credential.headers)


def _file(credential: Credential | None) -> str | None:
    return None if credential is None or credential.login is None else str(credential.login.path)


def _sent(credential: Credential) -> Iterator[Secret]:
    for one in credential.secrets:
        if any(one.value in value.encode() for value in credential.headers.values()):
            yield one


def _ended(login: LoginFile | None) -> LoginFile | None:
    return None if login is None else replace(login, expires=None, renewal=None)

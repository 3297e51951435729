"""What a client is to the session: where its program lies, how it is started, what it may keep, who it is logged in as.

An adapter reads files only through the `read` and `names` it is given, so everything but `find` is a function of its
arguments.
Rules that all adapters keep:
1. The user's arguments stay as they are and in order; ours stand before them.
2. No value of a secret is in `argv` or in `environment`: they stand in `Credential`, whose text never shows them, and
   reach the inside as placeholders.
3. Inside, a base URL has no path: it is the gateway's origin, and the gateway appends what is asked for to
   `upstream`, which is a base URL as the client itself would take it (with `/v1` for OpenAI, without for Anthropic).
4. What the project says (its `.claude` or `.codex` folder) is never asked where the provider is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeGuard

Read = Callable[[Path], bytes | None]
"""Returns a file's content, None where there is none (or it cannot be read)."""

Names = Callable[[Path], tuple[str, ...]]
"""Returns the names in a folder, sorted; none where there is none (or it cannot be read)."""

Mask = Callable[[str, bytes], str]
"""Takes kind and value of a secret known outside, returns its placeholder (`Vault.issue`)."""

Merge = Callable[[bytes | None, bytes | None, bytes | None], bytes | None]
"""Takes the real login file, what the inside made of it (values put back), and what it was shown at first (likewise).

Gives what the real file is to be; each is None where there is none.
"""

NO_PROXY = "127.0.0.1,localhost,::1"
ROOM = "/run/safe-agent-login"
"""The folder inside in which a client keeps its login, where it has a room for it."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is executed: `path` is resolved; `roots` are the folders (or the file) it needs, to be shown read-only.

    `version` is what its package says, `""` where nothing says it.
    """

    path: Path
    roots: tuple[Path, ...]
    version: str = ""


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What an adapter may know. `gateway` and `egress` are origins inside; `upstreams` are policy's, by kind."""

    home: Path
    environ: Mapping[str, str] = field(repr=False)
    gateway: str
    egress: str
    read: Read = field(repr=False)
    names: Names = field(default=lambda _folder: (), repr=False)
    upstreams: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that stays outside. `name` says where it was found, `kind` is the placeholder's."""

    name: str
    kind: str
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Renewal:
    """How a login is renewed (OAuth 2.0, RFC 6749 section 6): POST `body` (JSON) to `url`."""

    url: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoginFile:
    """A login that the client keeps in a file. The real file is read and renewed outside only.

    `shown` is told how to mask and gives the file's content for the inside, to be shown there read-only: it says that
    the login never expires, so the client never tries to renew what it does not have. `renewed` takes the provider's
    answer to `renewal` and the time (seconds since the epoch), and gives the new content of the real file; it raises
    ValueError where the answer is not one. `expires` is in seconds since the epoch, None where nothing says it.
    """

    path: Path
    shown: Callable[[Mask], bytes] = field(repr=False)
    renewed: Callable[[bytes, float], bytes] = field(repr=False)
    expires: float | None = None
    renewal: Renewal | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """A folder of the session's own, at ROOM inside, where the client finds its login and may write, rename, remove it.

    `path` is the real file, which stays outside; `name` its name in the room; `variable` says where the room is.
    `shown` gives what stands there at first, None for no file; `merged` what becomes of the real one (see Merge), so
    that a login that was renewed outside meanwhile is not undone. `owns` says whether the provider's own tokens stand
    at a path of it (`claudeAiOauth/accessToken`). `beside` are other files that the client needs there. `settles`: what
    was written inside counts at once, for the real file stands, covered; else when nothing runs inside any more, which
    is for commands that are about the login and nothing else.
    """

    path: Path
    name: str
    variable: str
    shown: Callable[[Mask], bytes | None] = field(repr=False)
    merged: Merge = field(repr=False)
    owns: Callable[[str], bool]
    beside: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    settles: bool = False


@dataclass(frozen=True, slots=True)
class Credential:
    """Who the client is at the provider.

    `headers` (lower-case names, real values) replace every credential header that comes from inside; `secrets` are
    all values that must never be inside; `variables` are set inside with the placeholder of their secret. `command`,
    where it is not empty, is run outside and prints a token that is sent as `Authorization: Bearer`.
    """

    source: str
    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[Secret, ...]
    variables: Mapping[str, Secret] = field(default_factory=dict)
    login: LoginFile | None = None
    command: str = ""


@dataclass(frozen=True, slots=True)
class ClientLaunch:
    """How to start a client inside.

    `argv` has the program as its first item. `environment` is set, `passed` are names (`*` at the end is a wildcard)
    that pass from the host like those on the allow-list, masked where they look secret. `folders` and `files` are
    absolute paths of the client's state, to be bound read-write (made where missing: folders with mode 0700);
    `made` are files that are made where they are missing, to be covered. `apart` are folders among these that are
    empty inside and private to the session, `fixed` files in whose place there is an empty object, read-only (made
    where they are missing): the client acts on what stands there without asking, outside too. `masked` are absolute
    paths of state files in which secrets may stand and which are shown masked. `of_system` are files of /etc that
    the client reads, to be shown masked and read-only; `above` takes all that is set inside and gives files of
    /etc, path to content, by which that counts whatever settings say. `login_hosts` are what the client's own
    `login` talks to: host to the requests that are for it, as in policy's `[[hosts]] allow`; none where this start
    cannot come to a login. `login_client` is its id there, `login_kind` the kind of what is kept of it.
    `login_places` are the state files into which the client itself writes a login that it makes: path to the entry
    of JSON, "" for all of the file. `is_about_login`: this start is a command for that, and no agent runs.
    `providers` are the upstreams that the client has of its own; `beside` are base URLs for what it asks below a path;
    `asks` is all that it asks there, as in policy's `[[hosts]] allow`, where anything else is refused.
    `runs` is what the user's own settings have the client run, or start programs with: `NAME in FILE` to its text.
    `room` is where the inside has the login file. `outward` are variables that the user's own settings of the client
    set over those of the host: they say through which proxy the provider is reached, and which certificates count.
    `unneeded` are patterns of hosts that it calls by itself and does well without, `early` those that it calls while it
    starts, and does well without then. `notes` are for the user.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    passed: tuple[str, ...] = ()
    kind: str = ""
    upstream: str = ""
    providers: tuple[str, ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    credential: Credential | None = None
    folders: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    made: tuple[Path, ...] = ()
    apart: tuple[Path, ...] = ()
    fixed: tuple[Path, ...] = ()
    masked: tuple[Path, ...] = ()
    of_system: tuple[Path, ...] = ()
    above: Callable[[Mapping[str, str]], Mapping[str, bytes]] | None = field(default=None, repr=False)
    login_hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    login_client: str = ""
    login_kind: str = "LOGIN"
    login_places: Mapping[Path, str] = field(default_factory=dict)
    is_about_login: bool = False
    room: Room | None = None
    runs: Mapping[str, str] = field(default_factory=dict, repr=False)
    outward: Mapping[str, str] = field(default_factory=dict, repr=False)
    unneeded: tuple[str, ...] = ()
    early: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Client(Protocol):
    """One adapter."""

    @property
    def name(self) -> str:
        """Return the name as the user types it."""

    def find(self, path: Sequence[str], home: Path) -> Program:
        """Find the program in the folders of `path`. Raises ClientNotFoundError."""

    def launch(self, program: Program, arguments: Sequence[str], facts: ClientFacts) -> ClientLaunch:
        """Say how to start it. Raises SessionError for a set-up that cannot be protected."""

    def stand_ins(self, secrets: Mapping[bytes, str]) -> dict[bytes, bytes]:
        """Return parts of secrets that stand in the client's `masked` files, and what stands there inside instead.

        `secrets` maps values to placeholders. Inside, each key of the result is shown as its value, and on the way
        back the other way round.
        """


def proxies(facts: ClientFacts) -> dict[str, str]:
    """Return the variables that lead HTTP clients to the egress proxy.

    Both spellings, because curl reads only the lower-case `http_proxy` and others only the upper-case names. A client
    without a route waits for time-outs (measured: codex-cli 5 s at its end); one with a proxy that refuses does not.
    """
    egress = facts.egress
    both = {"HTTP_PROXY": egress, "HTTPS_PROXY": egress, "ALL_PROXY": egress, "NO_PROXY": NO_PROXY}
    return both | {name.lower(): value for name, value in both.items()} | dict(_over_settings(facts))


def _over_settings(facts: ClientFacts) -> Iterator[tuple[str, str]]:
    """Give what takes the place of a proxy in a tool's own settings, which else goes before the environment's.

    See git-config(1), "ENVIRONMENT". As without safe-agent, pip then asks it for hosts of loopback as well.
    """
    if any(_names_proxy(facts, path) for path in (".gitconfig", ".config/git/config")):
        yield from (("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "http.proxy"), ("GIT_CONFIG_VALUE_0", facts.egress))
    if _names_proxy(facts, ".npmrc"):
        yield from (("npm_config_proxy", facts.egress), ("npm_config_https_proxy", facts.egress))
        yield "npm_config_noproxy", NO_PROXY
    if any(_names_proxy(facts, path) for path in (".config/pip/pip.conf", ".pip/pip.conf")):
        yield "PIP_PROXY", facts.egress


def _names_proxy(facts: ClientFacts, path: str) -> bool:
    return b"proxy" in (facts.read(facts.home / path) or b"").lower()


def read_only(name: str, arguments: Sequence[str], commands: Iterable[str]) -> Iterator[str]:
    """Yield what the user is told where `arguments` ask a client for a newer one of itself."""
    if arguments and arguments[0] in commands:
        yield f"{name} is read-only inside: `command {name} {arguments[0]}` brings it up to date, outside"


def header_safe(value: object) -> TypeGuard[str]:
    """Whether a credential can stand in a header at all (RFC 9110, section 5.5)."""
    return isinstance(value, str) and bool(value) and value.isascii() and value.isprintable()

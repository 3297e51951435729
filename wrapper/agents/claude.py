"""Claude Code: how it is started so that its provider is the gateway and its login stays outside.

Facts below without another source were seen with Claude Code 2.1.197 and 2.1.330 against a scripted provider:
- Variables in the `env` of the user's or the project's settings.json beat the process environment, also for
  ANTHROPIC_BASE_URL and proxies; so do those of `--settings`. Those of the managed settings in /etc/claude-code beat
  all of these; of the files in managed-settings.d there, which go before managed-settings.json, the last name counts.
  An empty value is as good as none. (`CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST=1` makes it ignore such variables about the
  provider, and from some version between the two on the login file as well.)
- ANTHROPIC_AUTH_TOKEN goes before ANTHROPIC_API_KEY (both are sent), that before CLAUDE_CODE_OAUTH_TOKEN, that before
  the login file.
- Before it asks the first question, the interactive client compares the last 20 characters of ANTHROPIC_API_KEY with
  `customApiKeyResponses.approved` in its state file, and asks the user if they are not there.
- Without `hasCompletedOnboarding` in that file the interactive client asks `/api/hello` and `/v1/oauth/hello` of the
  provider's own hosts, whatever the base URL is, and ends if it cannot.
- It replaces its state file by rename, falls back to writing in place (EBUSY), and does not write at all if it
  cannot make its lock beside it: the inside's HOME must be writable.
- Its login file stands in CLAUDE_SECURESTORAGE_CONFIG_DIR where that is set, with nothing else but a lock. It is read
  again when its time changes, replaced by rename, and removed by a logout.
- Its background service starts what files in `daemon/dispatch` say, any program at that, and the workers that
  `daemon.json` lists; `jobs` say what it starts again. Each command of the agent first runs a file of
  `shell-snapshots`, and what hooks leave in `session-env`. By `sessions` clients find each other's sockets. All of
  them stand in its folder, so what the inside writes there would run outside wherever the bare client runs.
- `/login` and `auth login` wait on a port of loopback for the browser, and for a code that is pasted; then they ask
  the token endpoint, the profile and the roles. A logout asks for the refresh token's end first, and goes on without.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wrapper.agents import clouds, programs
from wrapper.agents.client import (
    ClientFacts,
    ClientLaunch,
    Credential,
    LoginFile,
    Mask,
    Program,
    Renewal,
    Room,
    Secret,
    header_safe,
    proxies,
    read_only,
)
from wrapper.agents.logins import beside, document, granted, masked, running, secrets_of, usable
from wrapper.errors import SessionError

UPSTREAM = "https://api.anthropic.com"
LOGIN_HOSTS = {
    "platform.claude.com": ("GET /v1/oauth/hello", "POST /v1/oauth/token", "POST /v1/oauth/token/revoke"),
    # What a login reads about the account; the rest of this host is the gateway's.
    "api.anthropic.com": (
        "GET /api/hello",
        "GET /api/oauth/profile",
        "GET /api/oauth/claude_cli/roles",
        "POST /api/oauth/claude_cli/create_api_key",
    ),
}
# What it measures; switches and news, which newer versions fetch beside what the gateway passes on; newer versions of
# itself, after which it looks where its models come from a cloud.
_UNNEEDED = (
    "http-intake.logs.us5.datadoghq.com", "statsig.anthropic.com", "api.anthropic.com", "downloads.claude.ai",
)  # fmt: skip
_EARLY = ("raw.githubusercontent.com",)  # notes on releases
_APPROVED = 20  # characters of the key's end that the client keeps as approved
_INSTALL = "install Claude Code: `npm install -g @anthropic-ai/claude-code`, or put the folder of `claude` into PATH"
_RENEW_URL = "https://platform.claude.com/v1/oauth/token"  # TOKEN_URL and CLIENT_ID of the client's own build
_RENEW_CLIENT = "9d1c250a-e61b-44d9-88ed-5944d1962f5e"
_SCRIPT = 2**20  # bytes; the native program has hundreds of megabytes, npm's script and stub a few kilobytes
_NEVER = 4_102_444_800_000  # milliseconds: the year 2100
_LOGIN = "ANTHROPIC-LOGIN"
_ISSUED = "sk-ant-"
_FILE = ".credentials.json"
_MASKED = (_FILE, "settings.json", "settings.local.json", "CLAUDE.md")
_RUN = (
    "apiKeyHelper", "awsAuthRefresh", "awsCredentialExport", "enabledPlugins", "env", "extraKnownMarketplaces",
    "fileSuggestion", "gcpAuthRefresh", "hooks", "otelHeadersHelper", "proxyAuthHelper", "statusLine",
    "subagentStatusLine",
)  # fmt: skip
_APART = ("daemon", "jobs", "session-env", "sessions", "shell-snapshots")
_SECRET_WORDS = ("token", "secret", "key", "jwt")
_KEYS = {
    "ANTHROPIC_AUTH_TOKEN": ("authorization", "Bearer "),
    "ANTHROPIC_API_KEY": ("x-api-key", ""),
    "CLAUDE_CODE_OAUTH_TOKEN": ("authorization", "Bearer "),
}
_MANAGED = Path("/etc/claude-code")
_DROPPED_IN = _MANAGED / "managed-settings.d"
_ABOVE = str(_DROPPED_IN / "zz-safe-agent.json")
# What a project's settings may not say either: another provider, another credential, another way to it.
_NOT_SETTABLE = (*_KEYS, *clouds.SWITCHES, "ANTHROPIC_UNIX_SOCKET", "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST")
_NOBODY = Credential("no key", {}, ())
_PRINTING = {"-p", "--print", "--version", "-v", "--help", "-h"}
_NO_LOGIN = {"mcp", "plugin", "plugins", "doctor", "update", "upgrade", "install", "agents", "completion"}
_UPDATING = ("update", "upgrade", "install")
_ENTRY = "claudeAiOauth"
_CONSOLE_KEY = "primaryApiKey"  # of the state file
_TOKENS = ("accessToken", "refreshToken", "expiresAt")
_PASSED = (
    "CLAUDE_CODE_*", "CLAUDE_CONFIG_DIR", "ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_*", "ANTHROPIC_SMALL_FAST_MODEL",
    "ANTHROPIC_CUSTOM_MODEL_*", "ANTHROPIC_BETAS", "BASH_*", "DISABLE_*", "ENABLE_*", "MAX_*", "MCP_*", "IS_SANDBOX",
    "USE_BUILTIN_RIPGREP", "API_TIMEOUT_MS", "FORCE_CODE_TERMINAL", "DO_NOT_TRACK",
)  # fmt: skip


class ClaudeCode:
    """The adapter for `claude`."""

    name = "claude"

    def find(self, path: Sequence[str], home: Path) -> Program:
        """Find `claude`: a native installation, or the platform's package behind npm's script."""
        return programs.find("claude", path, home, _native, _INSTALL)

    def launch(self, program: Program, arguments: Sequence[str], facts: ClientFacts) -> ClientLaunch:
        """Say how to start it. Raises SessionError if it is set to a provider that cannot be served."""
        folder = _folder(facts)
        state = folder / ".claude.json" if facts.environ.get("CLAUDE_CONFIG_DIR") else facts.home / ".claude.json"
        managed = tuple(_managed(facts))
        imposed = _env_of(managed, facts)
        settings, given = _settings(folder, facts) | imposed, _given_settings(arguments, facts)
        environ = {**facts.environ, **settings}
        cloud = clouds.cloud({**environ, **given, **imposed}, facts)
        _refuse_to_show_a_token(arguments)
        login = _keys_folder(folder, environ) / _FILE
        may_login = _may_login(arguments)
        return ClientLaunch(
            argv=(str(program.path), *arguments),
            environment=_environment(facts, cloud),
            passed=_PASSED,
            kind="anthropic",
            upstream=_upstream(cloud, (imposed, given, settings, facts.environ), facts),
            providers=(UPSTREAM, *((cloud.own,) if cloud is not None and cloud.own else ())),
            asks=() if cloud is None else cloud.asks,
            beside={} if cloud is None or "anthropic" in facts.upstreams else cloud.beside,
            credential=_credential(login, state, environ, facts, cloud, has_room=may_login),
            folders=(folder,),
            files=() if state.is_relative_to(folder) else (state,),
            made=(login,) if may_login else (),
            apart=tuple(folder / name for name in _APART),
            fixed=(folder / "daemon.json",),
            masked=tuple(dict.fromkeys((state, *(folder / name for name in _MASKED), login))),
            of_system=(*managed, _MANAGED / "managed-mcp.json", _MANAGED / "CLAUDE.md"),
            above=_above,
            login_hosts=LOGIN_HOSTS if may_login else {},
            login_client=_RENEW_CLIENT,
            login_kind=_LOGIN,
            login_places={state: _CONSOLE_KEY},
            is_about_login=arguments[:1] == ("auth",),
            room=_room(login, facts) if may_login else None,
            runs=dict(_runs(folder, state, facts)),
            unneeded=_UNNEEDED,
            early=_EARLY,
            outward=settings | given | imposed,
            notes=(*_notes(settings, folder, facts), *read_only("claude", arguments, _UPDATING)),
        )

    def stand_ins(self, secrets: Mapping[bytes, str]) -> dict[bytes, bytes]:
        """Return the ends of keys: they stand in the state file where the user has approved a key.

        Without this the end of a real key would be readable inside, and the client would ask about the placeholder.
        """
        ends = {value[-_APPROVED:]: text.encode()[-_APPROVED:] for value, text in secrets.items()}
        return {end: shown for end, shown in ends.items() if len(end) == _APPROVED}


def _native(program: Path) -> Path | None:
    """Find the platform's package where the package's own file is only a script, or the stub of a cut installation."""
    if program.suffix not in (".js", ".cjs", ".mjs", ".exe") or program.stat().st_size > _SCRIPT:
        return None
    name = f"@anthropic-ai/claude-code-linux-{programs.architecture()}"
    found = (folder / name / "claude" for folder in programs.modules(program))
    return next((file.resolve() for file in found if file.is_file()), None)


def _folder(facts: ClientFacts) -> Path:
    named = facts.environ.get("CLAUDE_CONFIG_DIR", "")
    return Path(named) if Path(named).is_absolute() else facts.home / ".claude"


def _keys_folder(folder: Path, environ: Mapping[str, str]) -> Path:
    named = environ.get("CLAUDE_SECURESTORAGE_CONFIG_DIR", "")
    return Path(named) if Path(named).is_absolute() else folder


def _may_login(arguments: Sequence[str]) -> bool:
    """Whether this start can come to a login: the interactive client's `/login`, and commands for it."""
    return not _PRINTING & set(arguments) and not (arguments and arguments[0] in _NO_LOGIN)


def _refuse_to_show_a_token(arguments: Sequence[str]) -> None:
    if arguments and arguments[0] == "setup-token":
        raise SessionError(
            "`claude setup-token` shows a token to be copied, and inside there is only its placeholder",
            hint="run it with the bare client, outside safe-agent",
        )


def _settings(folder: Path, facts: ClientFacts) -> dict[str, str]:
    """Read the `env` of the user's own settings."""
    return _env(document(facts.read(folder / "settings.json")))


def _runs(folder: Path, state: Path, facts: ClientFacts) -> Iterator[tuple[str, str]]:
    """Give what the user's own settings have the client run: for all projects, and for single ones."""
    settings = folder / "settings.json"
    yield from running(document(facts.read(settings)), _RUN, settings)
    held = document(facts.read(state))
    yield from running(held, ("mcpServers",), state)
    projects = held.get("projects")
    for path, project in (projects if isinstance(projects, dict) else {}).items():
        if isinstance(project, dict):
            yield from running(project, ("mcpServers",), f"{state}, {path}")


def _managed(facts: ClientFacts) -> Iterator[Path]:
    """Give the files of settings that count above the user's, the one that counts most last."""
    yield _MANAGED / "managed-settings.json"
    yield from (_DROPPED_IN / name for name in facts.names(_DROPPED_IN) if name.endswith(".json") and name[0] != ".")


def _env_of(files: Iterable[Path], facts: ClientFacts) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in files:
        found |= _env(document(facts.read(file)))
    return found


def _above(inside: Mapping[str, str]) -> dict[str, bytes]:
    """Give the settings by which the client is led to the gateway, whatever other settings say."""
    of_cloud = clouds.VARIABLES if any(inside.get(name) for name in clouds.SWITCHES) else ()
    variables = dict.fromkeys((*_NOT_SETTABLE, *of_cloud), "") | dict(inside)
    return {_ABOVE: json.dumps({"env": variables}, indent=2).encode()}


def _env(settings: Mapping[str, Any]) -> dict[str, str]:
    found = settings.get("env")
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def _upstream(cloud: clouds.Cloud | None, sources: Iterable[Mapping[str, str]], facts: ClientFacts) -> str:
    """Give policy's word, else the cloud's address, else what the first of `sources` says that says something."""
    said = (one.get("ANTHROPIC_BASE_URL") for one in sources)
    own = cloud.upstream if cloud is not None else next(filter(None, said), UPSTREAM)
    return (facts.upstreams.get("anthropic") or own).rstrip("/")


def _given_settings(arguments: Sequence[str], facts: ClientFacts) -> dict[str, str]:
    """Read the `env` of `--settings FILE-OR-JSON`; of several the client takes the last."""
    text = ""
    for place, argument in enumerate(arguments):
        if argument == "--settings" and place + 1 < len(arguments):
            text = arguments[place + 1]
        elif argument.startswith("--settings="):
            text = argument.removeprefix("--settings=")
    if text.lstrip().startswith("{"):
        return _env(document(text.encode()))
    return _env(document(facts.read(Path(text)))) if text else {}


def _environment(facts: ClientFacts, cloud: clouds.Cloud | None) -> dict[str, str]:
    led = {} if cloud is None else {**cloud.environment, cloud.base: facts.gateway}
    return {
        **proxies(facts),
        **led,
        "ANTHROPIC_BASE_URL": facts.gateway,
        "DISABLE_AUTOUPDATER": "1",  # its installation is read-only inside
        # A refused installation would be written down in the user's state as a failure.
        "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",
    }


def _credential(
    path: Path,
    state: Path,
    environ: Mapping[str, str],
    facts: ClientFacts,
    cloud: clouds.Cloud | None,
    *,
    has_room: bool,
) -> Credential | None:
    login = _from_login(path, document(facts.read(path)), has_room=has_room)
    if cloud is not None:  # who the client is at Anthropic is nobody there, but for a gateway of the user's
        return beside(cloud.credential or key_in(environ) or _NOBODY, login)
    key = key_in(environ)
    if key is None and login is not None and login.headers:
        return login
    return beside(key or _from_state(document(facts.read(state))), login)


def key_in(environ: Mapping[str, str]) -> Credential | None:
    """Take the credential that the client would take from its environment."""
    found = {name: environ[name].strip() for name in _KEYS if header_safe(environ.get(name, "").strip())}
    if "ANTHROPIC_AUTH_TOKEN" in found or "ANTHROPIC_API_KEY" in found:
        found.pop("CLAUDE_CODE_OAUTH_TOKEN", None)
    if not found:
        return None
    secrets = {name: Secret(name, "ANTHROPIC-KEY", value.encode()) for name, value in found.items()}
    headers = {_KEYS[name][0]: _KEYS[name][1] + value for name, value in found.items()}
    return Credential(" and ".join(found), headers, tuple(secrets.values()), secrets)


def _from_state(state: Mapping[str, Any]) -> Credential | None:
    """Take the key that `/login` made for a console account; it stands in the state file."""
    key = state.get(_CONSOLE_KEY)
    if not usable(key) or not key.startswith(_ISSUED):  # the inside writes this file too
        return None
    return Credential(".claude.json", {"x-api-key": key}, (Secret(_CONSOLE_KEY, "ANTHROPIC-KEY", key.encode()),))


def _from_login(path: Path, login: dict[str, Any], *, has_room: bool) -> Credential | None:
    """Read the login file; the logins of MCP servers stand there too. Without a login to the provider: no headers.

    Where the inside has a room for its login, the real file is not there for it: one may be written any time.
    """
    if not login and not has_room:
        return None
    found = login.get(_ENTRY)
    oauth = found if isinstance(found, dict) and usable(found.get("accessToken")) else {}
    expires = oauth.get("expiresAt")
    return Credential(
        source=str(path),
        headers={"authorization": f"Bearer {oauth['accessToken']}"} if oauth else {},
        secrets=tuple(secrets_of(login, _LOGIN, _is_secret)),
        login=LoginFile(
            path=path,
            shown=lambda mask: _shown(login, mask),
            renewed=lambda answer, now: _renewed(login, answer, now),
            expires=expires / 1000 if isinstance(expires, (int, float)) else None,
            renewal=_renewal(oauth),
        ),
    )


def _room(path: Path, facts: ClientFacts) -> Room:
    """Give the login file a place where the client can replace and remove it."""
    login = document(facts.read(path))
    return Room(
        path=path,
        name=_FILE,
        variable="CLAUDE_SECURESTORAGE_CONFIG_DIR",
        shown=lambda mask: _shown(login, mask) if login else None,
        merged=_merged,
        owns=_owns,
        settles=True,
    )


def _owns(path: str) -> bool:
    return path in (f"{_ENTRY}/accessToken", f"{_ENTRY}/refreshToken")


def _merged(real: bytes | None, now: bytes | None, shown: bytes | None) -> bytes | None:
    """Take over, entry by entry, what the inside has changed; what it left alone is as it is outside.

    A login that both have renewed is the one that lasts longer.
    """
    before, after, merged = document(shown), document(now), document(real)
    for key in (*before, *after):
        if key not in after:
            merged.pop(key, None)
        elif after[key] != before.get(key):
            merged[key] = _login_of(merged.get(key), after[key], before.get(key)) if key == _ENTRY else after[key]
    return json.dumps(merged, separators=(",", ":")).encode() if merged else None


def _login_of(real: Any, after: Any, before: Any) -> Any:
    if not isinstance(after, dict) or not isinstance(real, dict):
        return after
    same = isinstance(before, dict) and after.get("accessToken") == before.get("accessToken")
    changed = real.get("accessToken") not in (after.get("accessToken"), (before or {}).get("accessToken"))
    if same or (changed and (real.get("expiresAt") or 0) > (after.get("expiresAt") or 0)):
        return after | {name: real[name] for name in _TOKENS if name in real}
    return after


def _is_secret(name: str, value: str) -> bool:
    return any(word in name.lower() for word in _SECRET_WORDS) and "://" not in value  # `tokenEndpoint`


def _shown(login: dict[str, Any], mask: Mask) -> bytes:
    shown = masked(login, _LOGIN, _is_secret, mask)
    if isinstance(shown.get(_ENTRY), dict):
        shown[_ENTRY]["expiresAt"] = _NEVER
    return json.dumps(shown).encode()


def _renewal(oauth: Mapping[str, Any]) -> Renewal | None:
    if not isinstance(oauth.get("refreshToken"), str):
        return None
    scopes = [scope for scope in oauth.get("scopes") or () if isinstance(scope, str)]
    body = {"grant_type": "refresh_token", "refresh_token": oauth["refreshToken"], "client_id": _RENEW_CLIENT}
    return Renewal(_RENEW_URL, json.dumps(body | ({"scope": " ".join(scopes)} if scopes else {})).encode())


def _renewed(login: dict[str, Any], answer: bytes, now: float) -> bytes:
    new = granted(answer)
    oauth = login[_ENTRY] | {
        "accessToken": new["access_token"],
        "refreshToken": new.get("refresh_token") or login[_ENTRY].get("refreshToken"),
        "expiresAt": int((now + float(new.get("expires_in") or 3600)) * 1000),
    }
    return json.dumps(login | {_ENTRY: oauth}).encode()


def _notes(settings: Mapping[str, str], folder: Path, facts: ClientFacts) -> Iterator[str]:
    helper = "apiKeyHelper" in document(facts.read(folder / "settings.json"))
    if helper and not set(_KEYS) & (set(settings) | set(facts.environ)):
        yield "`apiKeyHelper` of your settings runs inside, without your secrets: set ANTHROPIC_API_KEY instead"

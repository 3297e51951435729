"""Codex: how it is started so that its provider is the gateway and its login stays outside.

Facts below without another source were seen with codex-cli 0.169.0 against a scripted provider:
- OPENAI_BASE_URL and OPENAI_API_KEY are not read. `-c openai_base_url=…` moves the built-in provider `openai`,
  `-c model_providers.ID.base_url=…` one of the user's own. Of several `-c` of one key the last counts, and each goes
  before every configuration file, the project's included.
- A ChatGPT login cannot be used inside as it is: the client asks the provider which origin its workspace lives at, and
  refuses one that is not `https`; an `id_token` that is no JWT counts as no login; a login that looks old is renewed
  at once. So the inside is shown a login by API key, with a placeholder of the access token as the key, and the
  gateway sends the access token and the account's id to the provider that ChatGPT logins are for.
- The interactive client does not take CODEX_API_KEY, only a login file; `exec` takes both, the variable first.
- `login` and `logout` need nothing of the state folder but `auth.json`, which `logout` removes after it has asked for
  the end of the refresh token, with a ChatGPT login only. `login` waits on port 1455 of loopback for the browser;
  `login --device-auth` shows a code instead. Of a token it reads the claims, not the signature.
- `--no-daemon` is known before every subcommand, not behind all of them, and not twice. Without it the client starts
  (or talks to) a server shared with other sessions, which would act outside.
- Each command of the agent first runs a file of `shell_snapshots`, and finds the client's own tools below `tmp`, both
  in its folder: what the inside wrote there of another session's would run where that one runs.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wrapper.agents import codex_config, programs
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
from wrapper.tokens import claims

UPSTREAM = "https://api.openai.com/v1"
CHATGPT_UPSTREAM = "https://chatgpt.com/backend-api/codex"
LOGIN_HOSTS = {
    "auth.openai.com": (
        "POST /oauth/token",
        "POST /oauth/revoke",
        "POST /api/accounts/deviceauth/usercode",
        "POST /api/accounts/deviceauth/token",
    )
}
_UNNEEDED = ("ab.chatgpt.com",)  # what it measures
_EARLY = ("raw.githubusercontent.com", "api.github.com", "github.com", "chatgpt.com")  # releases, plugins, usage
_MASKED = ("config.toml", ".credentials.json", "auth.json", "AGENTS.md")
_INSTALL = "install Codex: `npm install -g @openai/codex`, or put the folder of `codex` into PATH"
_TARGETS = {"x64": "x86_64-unknown-linux-musl", "arm64": "aarch64-unknown-linux-musl"}
_RENEW_URL = "https://auth.openai.com/oauth/token"  # the client's own build; so is the id
_RENEW_CLIENT = "app_EMoamEEZ73f0CkXaXp7hrann"
_RENEW_AFTER = 8 * 86400.0  # seconds; the client renews a login that is older
_PRIVATE = (Path("/tmp"), Path("/run"), Path("/dev/shm"))  # noqa: S108 - fresh inside, so no place for state
_LOGIN = "OPENAI-LOGIN"
_FILE = "auth.json"
_ACCOUNT = "chatgpt-account-id"
_NO_CALLBACK = {"--device-auth", "--with-api-key", "--with-access-token", "status", "--help", "-h"}  # for `login`
_WITH_VALUE = {
    "-c", "--config", "-p", "--profile", "-m", "--model", "-C", "--cd", "-s", "--sandbox", "-a", "--ask-for-approval",
    "-i", "--image", "--enable", "--disable", "--add-dir", "--local-provider",
}  # fmt: skip
_COMMANDS = {
    "exec", "e", "review", "mcp", "mcp-server", "app-server", "completion", "sandbox", "debug", "apply", "a", "cloud",
    "features", "plugin", "update", "doctor", "queue", "remote-control",
}  # fmt: skip
_KEPT = ("forced_login_method", "forced_chatgpt_workspace_id")  # settings that a login heeds
_BY_VARIABLE = {"exec", "e", "review"}  # subcommands that take CODEX_API_KEY before the login file
_APART = ("shell_snapshots", "tmp")
_RUN = ("hooks", "mcp_servers", "notify", "plugins", "shell_environment_policy")
_PASSED = ("CODEX_HOME", "CODEX_SQLITE_HOME", "CODEX_TUI_*", "CODEX_OSS_*", "RUST_LOG", "RUST_BACKTRACE")


class Codex:
    """The adapter for `codex`."""

    name = "codex"

    def find(self, path: Sequence[str], home: Path) -> Program:
        """Find `codex`: the native program, which needs no node, behind npm's script."""
        return programs.find("codex", path, home, _native, _INSTALL)

    def launch(self, program: Program, arguments: Sequence[str], facts: ClientFacts) -> ClientLaunch:
        """Say how to start it. Raises SessionError for a provider or a state folder that cannot be had inside."""
        folder = _folder(facts)
        config = codex_config.effective(folder, arguments, facts.read)
        provider, settings = codex_config.provider(config, arguments)
        credential = _credential(folder, settings, arguments, facts)
        key = "openai_base_url" if settings is None else f"model_providers.{provider}.base_url"
        ours = ("-c", f"{key}={json.dumps(facts.gateway)}")
        command = _command(arguments)
        room = _room(folder, config, facts) if command in ("login", "logout") else None
        of_openai = settings is None or bool(settings.get("requires_openai_auth"))
        may_login = credential is None and of_openai and command not in _COMMANDS
        lacking = (_lacking(facts),) if credential is None and of_openai and command in _BY_VARIABLE else ()
        by_code = ("--device-auth",) if command == "login" and _NO_CALLBACK.isdisjoint(arguments) else ()
        daemon = () if "--no-daemon" in arguments else ("--no-daemon",)
        return ClientLaunch(
            argv=(str(program.path), *daemon, *ours, *arguments, *by_code),
            environment=proxies(facts),
            passed=_PASSED,
            kind="openai",
            upstream=_upstream(config, settings, credential, facts),
            providers=(UPSTREAM, CHATGPT_UPSTREAM),
            credential=credential,
            folders=() if room else (folder, *_sqlite(folder, facts)),
            apart=() if room else tuple(folder / name for name in _APART),
            masked=tuple(folder / name for name in _MASKED),
            login_hosts=LOGIN_HOSTS if room or may_login else {},
            login_client=_RENEW_CLIENT,
            login_kind=_LOGIN,
            login_places={folder / _FILE: ""},
            is_about_login=room is not None,
            room=room,
            runs=dict(_runs(folder, config, facts)),
            unneeded=_UNNEEDED,
            early=_EARLY,
            notes=(
                *(_login_notes(by_code) if room else _notes(config, credential, may_login=may_login)),
                *lacking,
                *read_only("codex", (command,), ("update",)),
            ),
        )

    def stand_ins(self, secrets: Mapping[bytes, str]) -> dict[bytes, bytes]:  # noqa: ARG002 - the face of every adapter
        """Codex keeps no parts of keys."""
        return {}


def _runs(folder: Path, config: Mapping[str, Any], facts: ClientFacts) -> Iterator[tuple[str, str]]:
    """Give what the user's own settings have the client run."""
    yield from running(config, _RUN, folder / "config.toml")
    hooks = folder / "hooks.json"
    yield from running(document(facts.read(hooks)), ("hooks",), hooks)


def _native(program: Path) -> Path | None:
    if program.suffix != ".js":
        return None
    architecture = programs.architecture()
    inner = Path("vendor", _TARGETS.get(architecture, architecture), "bin", "codex")
    platform = f"@openai/codex-linux-{architecture}"
    found = [folder / platform / inner for folder in programs.modules(program)]
    found.append(program.parent.parent / inner)
    return next((file.resolve() for file in found if file.is_file()), None)


def _folder(facts: ClientFacts) -> Path:
    named = facts.environ.get("CODEX_HOME", "")
    folder = Path(named) if Path(named).is_absolute() else facts.home / ".codex"
    temporary = facts.environ.get("TMPDIR", "")
    private = (*_PRIVATE, Path(temporary)) if Path(temporary).is_absolute() else _PRIVATE
    for place in private:
        if folder.is_relative_to(place):
            raise SessionError(
                f"`{folder}`, Codex's state, lies in `{place}`, which is private and empty inside",
                hint="set CODEX_HOME to a folder elsewhere, for example below your home folder",
            )
    return folder


def _command(arguments: Sequence[str]) -> str:
    """Give the first argument that is no option: a subcommand, or what is asked."""
    words = iter(arguments)
    for word in words:
        if word in _WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def _room(folder: Path, config: Mapping[str, Any], facts: ClientFacts) -> Room:
    """Let a command that is about the login have a state folder of its own, with the login as it is."""
    path = folder / _FILE
    login = document(facts.read(path))
    kept = (f"{key} = {json.dumps(config[key])}\n" for key in _KEPT if isinstance(config.get(key), (str, list)))
    return Room(
        path=path,
        name=path.name,
        variable="CODEX_HOME",
        shown=lambda mask: json.dumps(masked(login, _LOGIN, _is_secret, mask)).encode() if login else None,
        merged=_merged,
        owns=lambda _path: True,
        beside={"config.toml": "".join(kept).encode()},
    )


def _merged(real: bytes | None, now: bytes | None, shown: bytes | None) -> bytes | None:
    """Take over a new login, or that there is none; one that is only shown does not count."""
    after = document(now)
    return real if after == document(shown) else json.dumps(after, indent=2).encode() if after else None


def _sqlite(folder: Path, facts: ClientFacts) -> tuple[Path, ...]:
    named = Path(facts.environ.get("CODEX_SQLITE_HOME", ""))
    return (named,) if named.is_absolute() and not named.is_relative_to(folder) else ()


def _upstream(
    config: Mapping[str, Any], settings: Mapping[str, Any] | None, credential: Credential | None, facts: ClientFacts
) -> str:
    if facts.upstreams.get("openai"):
        return facts.upstreams["openai"].rstrip("/")
    if settings is not None and settings.get("base_url"):
        return str(settings["base_url"]).rstrip("/")
    if config.get("openai_base_url"):
        return str(config["openai_base_url"]).rstrip("/")
    if credential is not None and _ACCOUNT in credential.headers:
        return CHATGPT_UPSTREAM  # never the host's OPENAI_BASE_URL: that is for keys, and would be handed a login
    return (facts.environ.get("OPENAI_BASE_URL") or UPSTREAM).rstrip("/")


def _credential(
    folder: Path, settings: Mapping[str, Any] | None, arguments: Sequence[str], facts: ClientFacts
) -> Credential | None:
    path = folder / _FILE
    login = _from_login(path, document(facts.read(path)))
    if settings is not None and not settings.get("requires_openai_auth"):
        return beside(_provider_key(settings, facts), login)
    key = facts.environ.get("CODEX_API_KEY", "").strip()
    if header_safe(key) and (login is None or not _BY_VARIABLE.isdisjoint(arguments)):
        secret = Secret("CODEX_API_KEY", "OPENAI-KEY", key.encode())
        chosen = Credential("CODEX_API_KEY", {"authorization": f"Bearer {key}"}, (secret,), {secret.name: secret})
        return beside(chosen, login)
    return login


def key_in(environ: Mapping[str, str]) -> Credential | None:
    """Take the key that programs for this provider take from their environment."""
    names = [name for name in ("CODEX_API_KEY", "OPENAI_API_KEY") if header_safe(environ.get(name, "").strip())]
    if not names:
        return None
    secrets = {name: Secret(name, "OPENAI-KEY", environ[name].strip().encode()) for name in names}
    headers = {"authorization": f"Bearer {environ[names[0]].strip()}"}
    return Credential(names[0], headers, tuple(secrets.values()), secrets)


def _provider_key(settings: Mapping[str, Any], facts: ClientFacts) -> Credential | None:
    """Take the key of one of the user's own providers: from a variable, or a token in the configuration."""
    name = str(settings.get("env_key") or "")
    value = facts.environ.get(name, "").strip() if name else str(settings.get("experimental_bearer_token") or "")
    if not header_safe(value):
        return None
    secret = Secret(name or "experimental_bearer_token", "OPENAI-KEY", value.encode())
    return Credential(secret.name, {"authorization": f"Bearer {value}"}, (secret,), {name: secret} if name else {})


def _from_login(path: Path, login: dict[str, Any]) -> Credential | None:
    key, tokens = login.get("OPENAI_API_KEY"), login.get("tokens")
    access = tokens.get("access_token") if isinstance(tokens, dict) else None
    if login.get("auth_mode") in (None, "apikey") and usable(key):
        headers = {"authorization": f"Bearer {key}"}
        return _of_file(path, login, headers, lambda mask: _shown(mask, "OPENAI-KEY", key))
    if isinstance(tokens, dict) and usable(access):
        return _chatgpt(path, login, tokens, access)
    if not login:
        return None
    return _of_file(path, login, {}, lambda mask: json.dumps(masked(login, _LOGIN, _is_secret, mask)).encode())


def _of_file(
    path: Path, login: dict[str, Any], headers: Mapping[str, str], shown: Callable[[Mask], bytes]
) -> Credential:
    file = LoginFile(path, shown, renewed=lambda _answer, _now: json.dumps(login).encode())
    return Credential(str(path), headers, tuple(secrets_of(login, _LOGIN, _is_secret)), login=file)


def _chatgpt(path: Path, login: dict[str, Any], tokens: Mapping[str, Any], access: str) -> Credential:
    said = _claims(access)
    account = str(tokens.get("account_id") or said.get("account") or "")
    file = LoginFile(
        path=path,
        shown=lambda mask: _shown(mask, _LOGIN, access),
        renewed=lambda answer, now: _renewed(login, answer, now),
        expires=_expires(login, said),
        renewal=_renewal(tokens),
    )
    headers = {"authorization": f"Bearer {access}", _ACCOUNT: account}
    return Credential(str(path), headers, tuple(secrets_of(login, _LOGIN, _is_secret)), login=file)


def _is_secret(name: str, _value: str) -> bool:
    """Everything in this file but what says who and when: nothing of it is needed inside."""
    return name not in ("auth_mode", "account_id", "last_refresh", "issuer", "client_id")


def _shown(mask: Mask, kind: str, key: str) -> bytes:
    """Write the login as it is shown inside: by API key, whatever it is outside."""
    shown = {"auth_mode": "apikey", "OPENAI_API_KEY": mask(kind, key.encode()), "tokens": None}
    return json.dumps(shown).encode()


def _claims(token: str) -> dict[str, Any]:
    """Read what an access token says of itself (RFC 7519); empty for one that is no JWT. It is the user's own."""
    found = claims(token)
    auth = found.get("https://api.openai.com/auth")
    return {"exp": found.get("exp"), "account": auth.get("chatgpt_account_id") if isinstance(auth, dict) else None}


def _expires(login: Mapping[str, Any], said: Mapping[str, Any]) -> float | None:
    """Take the earlier of the token's end and the age at which the client itself renews."""
    ends = [float(said["exp"])] if isinstance(said.get("exp"), (int, float)) else []
    with contextlib.suppress(ValueError):
        ends.append(datetime.fromisoformat(str(login.get("last_refresh"))).timestamp() + _RENEW_AFTER)
    return min(ends, default=None)


def _renewal(tokens: Mapping[str, Any]) -> Renewal | None:
    token = tokens.get("refresh_token")
    if not isinstance(token, str) or not token:
        return None
    body = {"client_id": _RENEW_CLIENT, "grant_type": "refresh_token", "refresh_token": token}
    return Renewal(_RENEW_URL, json.dumps(body).encode())


def _renewed(login: dict[str, Any], answer: bytes, now: float) -> bytes:
    new = granted(answer)
    fresh = {name: new[name] for name in ("id_token", "access_token", "refresh_token") if new.get(name)}
    when = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
    return json.dumps(login | {"tokens": login["tokens"] | fresh, "last_refresh": when}, indent=2).encode()


def _login_notes(by_code: Sequence[str]) -> Iterator[str]:
    if by_code:
        yield "your browser cannot reach Codex inside, so it asks for a code (`--device-auth`)"


def _lacking(facts: ClientFacts) -> str:
    unread = ", not from OPENAI_API_KEY" if facts.environ.get("OPENAI_API_KEY", "").strip() else ""
    return f"Codex has no key: it takes one from CODEX_API_KEY{unread}; or log in first, by `safe-codex login`"


def _notes(config: Mapping[str, Any], credential: Credential | None, *, may_login: bool) -> Iterator[str]:
    if may_login:
        yield "Codex is not logged in: `safe-codex login` first; a login in this session counts from the next one on"
    if credential is not None and _ACCOUNT in credential.headers:
        yield "Codex takes your ChatGPT login for an API key inside: its usage and apps are not shown"
    if credential is None and config.get("cli_auth_credentials_store") in ("keyring", "auto"):
        yield (
            "Codex keeps its login in the desktop's keyring, which is not reached from inside: "
            'set `cli_auth_credentials_store = "file"` and run `codex login`'
        )

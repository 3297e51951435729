"""A fake authorisation server for both clients: code exchange, device flow, rotating refresh tokens, revocation.

It speaks plain HTTP on loopback under every name; a `CompanyProxy` in front of it ends TLS and knows the names. A used
refresh token is good no more, and takes the whole login with it (RFC 9700, section 4.14.2), as real ones do.
The shapes are those of Claude Code 2.1.330 and codex-cli 0.169.0.
"""

import base64
import hashlib
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.machine import fake

CLAUDE_TOKEN = "/v1/oauth/token"
CODEX_TOKEN = "/oauth/token"
ACCOUNT = "11111111-2222-3333-4444-555555555555"
HOSTS = ("platform.claude.com", "api.anthropic.com", "claude.ai", "claude.com", "auth.openai.com", "chatgpt.com")


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, str]:
        """The body's fields, of JSON or a form."""
        if self.headers.get("content-type", "").startswith("application/json"):
            found = json.loads(self.body or b"{}")
            return {key: str(value) for key, value in found.items()} if isinstance(found, dict) else {}
        return dict(urllib.parse.parse_qsl(self.body.decode("utf-8", "replace")))


@dataclass(frozen=True)
class Told:
    """One answer; `body` is sent as it is where it is bytes, else as JSON."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False


Override = Callable[[Asked, Told], Told]
"""Takes what was asked and what would be answered, gives what is answered."""


class AuthorizationServer:
    """Serves while it is entered. `issued` are all values that it gave out and that must never be inside.

    `expires_in` is for the next tokens; `polls` is how often a device flow is told to wait; `override` may spoil any
    answer; `pause` is waited for (seconds) before a token request is answered.
    """

    def __init__(self, *, expires_in: int = 3600, polls: int = 1) -> None:
        self.expires_in = expires_in
        self.polls = polls
        self.pause = 0.0
        self.scope = "user:profile user:inference"
        self.override: Override | None = None
        self.asked: list[Asked] = []
        self.issued: list[str] = []
        self.valid: dict[str, str] = {}  # refresh token to its family
        self.access: dict[str, str] = {}  # access token to its family
        self.used: dict[str, str] = {}
        self.revoked: list[str] = []
        self.refused: list[str] = []
        self.codes: dict[str, str] = {}  # code to its challenge (S256), "" where none is checked
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def hosts(self) -> dict[str, int]:
        """What a company's proxy is told."""
        return dict.fromkeys(HOSTS, self.port)

    @property
    def url(self) -> str:
        """The server itself, by plain HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def code(self, challenge: str = "") -> str:
        """Let the user say yes in the browser; gives the code that is pasted or comes with the callback."""
        code = fake("code_", 40)
        self.codes[code] = challenge
        return code

    def login(self) -> dict[str, Any]:
        """Give the tokens of a login that stands already, in the shape of a token answer."""
        return self._tokens(fake("family-", 8), codex=True)

    def paths(self) -> list[str]:
        """List what was asked for, as `POST host/path`."""
        return [f"{one.method} {one.host}{one.path}" for one in self.asked]

    def respond(self, asked: Asked) -> Told:
        """Answer."""
        with self._lock:
            self.asked.append(asked)
            told = self._answer(asked)
        if self.pause and asked.path in (CLAUDE_TOKEN, CODEX_TOKEN):
            time.sleep(self.pause)
        return self.override(asked, told) if self.override else told

    def _answer(self, asked: Asked) -> Told:
        path = asked.path.partition("?")[0]
        if path in (CLAUDE_TOKEN, CODEX_TOKEN):
            return self._token(asked, codex=path == CODEX_TOKEN)
        if path in (f"{CLAUDE_TOKEN}/revoke", "/oauth/revoke"):
            self.revoked.append(asked.fields["token"])
            self._end(self.valid.get(asked.fields["token"], ""))
            return Told(200, {}, {"request-id": fake("req_", 24)})  # without one Claude Code takes it for no answer
        if path == "/api/accounts/deviceauth/usercode":
            return Told(200, {"device_auth_id": fake("deviceauth_", 20), "user_code": "ABCD-12345", "interval": "0"})
        if path == "/api/accounts/deviceauth/token":
            return self._device()
        if path in ("/api/hello", "/v1/oauth/hello"):  # what a client asks that was never set up
            return Told(200, {"message": "hello"})
        return self._about(asked, path)

    def _device(self) -> Told:
        self.polls -= 1
        if self.polls >= 0:
            return Told(403, {"error": "authorization_pending"})
        verifier = fake("", 64)
        challenge = _challenge(verifier)
        code = self.code(challenge)
        self.issued += [code, verifier]
        return Told(200, {"authorization_code": code, "code_challenge": challenge, "code_verifier": verifier})

    def _about(self, asked: Asked, path: str) -> Told:
        bearer = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if bearer not in self.access:
            self.refused.append(path)
            return Told(401, {"error": {"type": "authentication_error", "message": "Invalid bearer token"}})
        if path == "/api/oauth/profile":
            account = {"uuid": ACCOUNT, "email": "dev@example.com", "display_name": "Dev", "has_claude_max": True}
            organization = {"uuid": ACCOUNT, "organization_type": "claude_max", "rate_limit_tier": "default"}
            return Told(200, {"account": account, "organization": organization})
        if path == "/api/oauth/claude_cli/roles":
            return Told(200, {"organization_role": "admin", "workspace_role": None, "organization_name": "Example"})
        if path == "/api/oauth/claude_cli/create_api_key":
            return Told(200, {"raw_key": self._issue(fake("sk" + "-ant-api03-", 80))})
        return Told(404, {"error": "not found"})

    def _token(self, asked: Asked, *, codex: bool) -> Told:
        given = asked.fields
        if given.get("grant_type") == "authorization_code":
            challenge = self.codes.pop(given.get("code", ""), None)
            if challenge is None or (challenge and challenge != _challenge(given.get("code_verifier", ""))):
                self.refused.append(given.get("code", ""))
                return Told(400, {"error": "invalid_grant"})
            return Told(200, self._tokens(fake("family-", 8), codex=codex))
        if given.get("grant_type") == "refresh_token":
            return self._refreshed(given.get("refresh_token", ""), codex=codex)
        if str(given.get("grant_type")).endswith("token-exchange") and given.get("subject_token") in self.issued:
            return Told(200, {"access_token": self._issue(fake("sk" + "-proj-", 80))})
        self.refused.append(str(given.get("grant_type")))
        return Told(400, {"error": "unsupported_grant_type"})

    def _refreshed(self, token: str, *, codex: bool) -> Told:
        if token in self.used:  # somebody has it twice: the login is over for all
            self._end(self.used[token])
        if token not in self.valid:
            self.refused.append(token)
            return Told(400, {"error": "invalid_grant", "error_description": "refresh token used or unknown"})
        family = self.used[token] = self.valid.pop(token)
        return Told(200, self._tokens(family, codex=codex))

    def _end(self, family: str) -> None:
        self.valid = {token: one for token, one in self.valid.items() if one != family}
        self.access = {token: one for token, one in self.access.items() if one != family}

    def _issue(self, value: str) -> str:
        self.issued.append(value)
        return value

    def _tokens(self, family: str, *, codex: bool) -> dict[str, Any]:
        refresh = self._issue(fake("rt_" if codex else "sk" + "-ant-ort01-", 90))
        self.valid[refresh] = family
        access = self._issue(self._jwt() if codex else fake("sk" + "-ant-oat01-", 90))
        self.access[access] = family
        rest = {"expires_in": self.expires_in, "token_type": "Bearer"}
        if codex:
            return {"id_token": self._issue(self._jwt()), "access_token": access, "refresh_token": refresh} | rest
        who = {"account": {"uuid": ACCOUNT, "email_address": "dev@example.com"}, "organization": {"uuid": ACCOUNT}}
        return {"access_token": access, "refresh_token": refresh, "scope": self.scope} | rest | who

    def _jwt(self) -> str:
        auth = {"chatgpt_account_id": ACCOUNT, "chatgpt_plan_type": "plus", "chatgpt_user_id": "user-1"}
        claims = {
            "exp": int(time.time()) + self.expires_in,
            "jti": fake("", 12),
            "email": "dev@example.com",
            "https://api.openai.com/auth": auth,
        }
        parts = (json.dumps({"alg": "RS256", "typ": "JWT"}), json.dumps(claims))
        return (
            ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
            + "."
            + fake("", 86)
        )


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _handler(server: AuthorizationServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                body = self._chunks()
            headers = {name.lower(): value for name, value in self.headers.items()}
            told = server.respond(
                Asked(self.command, headers.get("host", "").partition(":")[0], self.path, headers, body)
            )
            self._tell(told)

        do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = _serve  # noqa: N815 (the base class looks for these names)

        def _chunks(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _tell(self, told: Told) -> None:
            data = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
            self.send_response(told.status)
            for name, value in ({"content-type": "application/json"} | dict(told.headers)).items():
                self.send_header(name, value)
            self.send_header(
                *(("transfer-encoding", "chunked") if told.chunked else ("content-length", str(len(data))))
            )
            self.end_headers()
            if told.chunked:
                data = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in _pieces(data)) + b"0\r\n\r\n"
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
            del format, args

    return Handler


def _pieces(data: bytes) -> list[bytes]:
    return [data[at : at + 7] for at in range(0, len(data), 7)]

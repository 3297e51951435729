"""How a user's machine is set up for Codex: its login, its configuration, the provider that it is led to."""

import base64
import json
from pathlib import Path

from tests.clients.scene import write_json
from tests.fakes.provider import FaultyProvider
from tests.machine import Machine, fake

FREE = "--dangerously-bypass-approvals-and-sandbox"


def trust(machine: Machine, more: str = "") -> None:
    """Write a configuration that trusts the workspace; `more` are lines before it."""
    config = machine.home / ".codex" / "config.toml"
    config.parent.mkdir(mode=0o700, exist_ok=True)
    config.write_text(f'{more}\n[projects."{machine.workspace}"]\ntrust_level = "trusted"\n')


def with_key(machine: Machine, provider: FaultyProvider | None = None) -> str:
    """Log in by API key and return it; the built-in provider is moved to `provider`."""
    machine.planted["key"] = fake("sk" + "-proj-", 80)
    write_json(machine.home / ".codex" / "auth.json", {"OPENAI_API_KEY": machine.planted["key"]})
    trust(machine)
    if provider:
        machine.environ["OPENAI_BASE_URL"] = f"{provider.url}/v1"
    return machine.planted["key"]


def with_chatgpt(machine: Machine, provider: FaultyProvider) -> tuple[Path, dict[str, str]]:
    """Log in by ChatGPT; return the login file and its tokens, all planted but the account's id."""
    tokens = {
        "id_token": jwt({"email": "dev@example.com"}),
        "access_token": jwt({"exp": 4_000_000_000}),
        "refresh_token": fake("rt_", 60),
        "account_id": "11111111-2222-3333-4444-555555555555",
    }
    document = {"OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": "2099-01-01T00:00:00Z"}
    machine.planted |= {name: value for name, value in tokens.items() if name != "account_id"}
    trust(machine, f'openai_base_url = "{provider.url}/backend-api/codex"')
    return write_json(machine.home / ".codex" / "auth.json", document), tokens


def jwt(claims: object) -> str:
    """Make a token that holds `claims` and is signed by nobody."""
    parts = (json.dumps({"alg": "none"}), json.dumps(claims))
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts) + "." + fake("", 40)

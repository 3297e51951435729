"""What the adapters share about login files: which of their strings are secret, and who the client is in the end."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from wrapper.agents.client import Credential, Mask, Secret, header_safe
from wrapper.tokens import parted

IsSecret = Callable[[str, str], bool]
"""Takes a field's name and its value."""


def secrets_of(document: Any, kind: str, is_secret: IsSecret, above: str = "") -> Iterator[Secret]:
    """Yield the secret strings of decoded JSON, named by their path."""
    if isinstance(document, dict):
        for key, item in document.items():
            yield from secrets_of(item, kind, is_secret, f"{above}/{key}")
    elif isinstance(document, list):
        for item in document:
            yield from secrets_of(item, kind, is_secret, above)
    elif isinstance(document, str) and document and is_secret(above.rsplit("/", 1)[-1], document):
        yield Secret(above.removeprefix("/"), kind, document.encode())


def masked(document: Any, kind: str, is_secret: IsSecret, mask: Mask, name: str = "") -> Any:
    """Return decoded JSON with placeholders for its secret strings."""
    if isinstance(document, dict):
        return {key: masked(item, kind, is_secret, mask, key) for key, item in document.items()}
    if isinstance(document, list):
        return [masked(item, kind, is_secret, mask, name) for item in document]
    if isinstance(document, str) and document and is_secret(name, document):
        return masked_token(kind, document, mask)
    return document


def masked_token(kind: str, token: str, mask: Mask) -> str:
    """Return a token with a placeholder for what is secret of it: clients read the claims of a JWT."""
    readable, secret = parted(token)
    return readable + mask(kind, secret.encode())


def beside(chosen: Credential | None, login: Credential | None) -> Credential | None:
    """Return `chosen` with a login file that is not used: its secrets stay outside too, and it is not renewed."""
    if login is None or login.login is None:
        return chosen
    file = replace(login.login, expires=None, renewal=None)
    chosen = chosen or Credential("none", {}, ())
    return replace(chosen, secrets=(*chosen.secrets, *login.secrets), login=file)


def usable(token: object) -> TypeGuard[str]:
    """Whether a token can be sent: not one of which the inside wrote down the placeholder, and nobody the value."""
    return header_safe(token) and "MASKED-" not in token


def document(data: bytes | None) -> dict[str, Any]:
    """Read a client's JSON; empty where it is none."""
    try:
        value = json.loads(data or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def running(settings: Mapping[str, Any], names: Iterable[str], place: object) -> Iterator[tuple[str, str]]:
    """Give those settings in `place` by which programs are started: name and place, and what they say."""
    for name in names:
        if settings.get(name):
            yield f"`{name}` in `{place}`", json.dumps(settings[name], sort_keys=True, default=str)


def granted(answer: bytes) -> dict[str, Any]:
    """Read a provider's answer to a renewal (RFC 6749, section 5.1). Raises ValueError where it is none."""
    new = json.loads(answer)
    if not isinstance(new, dict) or not header_safe(new.get("access_token")):
        raise ValueError("no access token in the answer")
    return new

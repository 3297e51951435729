"""What the adapters share about login files: which of their strings are secret, and who the client is in the end."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from wrapper.agents.client import Credential, Mask, Secret, header_safe

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
        return mask(kind, document.encode())
    return document


def beside(chosen: Credential | None, login: Credential | None) -> Credential | None:
    """Return `chosen` with a login file that is not used: its secrets stay outside too, and it is not renewed."""
    if login is None or login.login is None:
        return chosen
    file = replace(login.login, expires=None, renewal=None)
    chosen = chosen or Credential("none", {}, ())
    return replace(chosen, secrets=(*chosen.secrets, *login.secrets), login=file)


def granted(answer: bytes) -> dict[str, Any]:
    """Read a provider's answer to a renewal (RFC 6749, section 5.1). Raises ValueError where it is none."""
    new = json.loads(answer)
    if not isinstance(new, dict) or not header_safe(new.get("access_token")):
        raise ValueError("no access token in the answer")
    return new

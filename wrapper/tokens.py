"""What of a token may be read inside: a JWT says whom it is for, and only its signature makes it valid; pure."""

import base64
import json
import re
from typing import Any

_JWT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{16,})")  # RFC 7515, section 3.1
_SECRET_CLAIM = re.compile(r"(?i)secret|password|private|refresh")


def parted(token: str) -> tuple[str, str]:
    """Cut a token into what clients read of it and what is secret: `header.claims.` and the signature of a JWT.

    Of anything else, and of a JWT with a claim that is a secret itself, all is secret.
    """
    found = _JWT.fullmatch(token)
    if found is None or not all(isinstance(one := _decoded(found[part]), dict) and _is_open(one) for part in (1, 2)):
        return "", token
    return token[: found.start(3)], found[3]


def claims(token: object) -> dict[str, Any]:
    """Read what a JWT says of itself, believed unseen; empty for anything else."""
    parts = token.split(".") if isinstance(token, str) else []
    found = _decoded(parts[1]) if len(parts) > 1 else None
    return found if isinstance(found, dict) else {}


def _decoded(part: str) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return None


def _is_open(claims: Any) -> bool:
    if isinstance(claims, dict):
        return all(not _SECRET_CLAIM.search(key) and _is_open(one) for key, one in claims.items())
    return not isinstance(claims, list) or all(map(_is_open, claims))

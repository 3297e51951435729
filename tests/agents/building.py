"""Facts and files for the adapters' tests: nothing is read from this machine."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from wrapper.agents.client import ClientFacts, Program

HOME = Path("/home/dev")
GATEWAY, EGRESS = "http://127.0.0.1:41197", "http://127.0.0.1:41198"
PROGRAM = Program(Path("/opt/client/bin/it"), (Path("/opt/client"),), "1.2.3")


def facts(
    files: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    upstreams: Mapping[str, str] | None = None,
) -> ClientFacts:
    """Make facts; `files` maps paths below HOME (or absolute ones) to bytes, text or JSON."""
    contents = {HOME / name: content(value) for name, value in (files or {}).items()}
    return ClientFacts(
        home=HOME,
        environ=environ or {},
        gateway=GATEWAY,
        egress=EGRESS,
        read=contents.get,
        names=lambda folder: tuple(sorted(path.name for path in contents if path.parent == folder)),
        upstreams=upstreams or {},
    )


def content(value: object) -> bytes:
    """Turn text and JSON into a file's bytes."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def mask(kind: str, value: bytes) -> str:
    """Make a placeholder that shows which kind it is of, and its length."""
    return f"MASKED-{kind}-{len(value):08d}"


def token(claims: Mapping[str, object]) -> str:
    """Make an unsigned JWT."""
    parts = (json.dumps({"alg": "none"}), json.dumps(claims), "sig")
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)

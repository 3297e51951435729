"""git's own server of its smart HTTP (git-http-backend(1)) behind a token, for `tests.fakes.service`."""

import base64
import os
import subprocess
from collections.abc import Callable

from tests.fakes.service import Asked, Said
from tests.gateway.remotes.forge import Forge


def backend(forge: Forge, token: str = "") -> Callable[[Asked], Said]:
    """Answer as a forge does that knows one user, by basic authentication; an empty token lets everyone in."""

    def answer(asked: Asked) -> Said:
        user = _user(asked, token)
        if token and not user:
            return Said(b"who are you?", 401, {"WWW-Authenticate": 'Basic realm="forge"'})
        path, _, query = asked.target.partition("?")
        environment = {
            "PATH": os.defpath, "GIT_PROJECT_ROOT": str(forge.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "HOME": str(forge.root), "QUERY_STRING": query, "REQUEST_METHOD": asked.method, "REMOTE_USER": user or "x",
            "REMOTE_ADDR": "127.0.0.1", "CONTENT_TYPE": asked.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(asked.body)), "GIT_PROTOCOL": asked.headers.get("git-protocol", ""),
            "HTTP_CONTENT_ENCODING": asked.headers.get("content-encoding", ""), "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }  # fmt: skip
        done = subprocess.run(
            ["git", "http-backend"], env=environment, input=asked.body, capture_output=True, check=False
        )
        return _said(done.stdout)

    return answer


def _user(asked: Asked, token: str) -> str:
    kind, _, coded = asked.headers.get("authorization", "").partition(" ")
    user, _, password = base64.b64decode(coded or "").decode().partition(":") if kind == "Basic" else ("", "", "")
    return user if password == token else ""


def _said(data: bytes) -> Said:
    head, _, body = data.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    return Said(body, int(headers.pop("Status", "200").split(" ")[0]), headers)

"""Real tools use secrets that they do not have: curl, git, gh, npm, pip, cargo, go, Node and Python in one session each."""

import base64
import hashlib
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes.company import Authority, CompanyProxy
from tests.fakes.service import Asked, Said, Service
from tests.gateway.remotes.backend import backend
from tests.gateway.remotes.forge import Forge
from tests.machine import Machine, fake
from tests.repository import git, repository

pytestmark = pytest.mark.timeout(180)

HOSTS = ("api.github.com", "npm.example", "pypi.example", "go.example", "api.example", "git.example", "other.example")


@dataclass
class World:
    """A machine, what its tools reach, and the tokens that are good there."""

    machine: Machine
    service: Service
    tokens: dict[str, str] = field(default_factory=dict)

    def policy(self, *more: str) -> None:
        """Bind every token to its host."""
        tables = [
            f'[[secrets]]\nname = "{name}"\nfrom = "env:{name.upper()}_TOKEN"\nhosts = ["{host}"]\n{rest}'
            for name, host, rest in (
                ("github", "api.github.com", 'variables = ["GH_TOKEN"]'),
                ("npm", "npm.example", ""),
                ("pypi", "pypi.example", 'where = ["basic"]'),
                ("go", "go.example", 'where = ["basic"]'),
                ("git", "git.example", 'where = ["basic"]\nvariables = []'),
                ("api", "api.example", 'where = ["header:Authorization", "query:key", "body"]'),
            )
        ]
        text = 'version = 1\n[network]\nallow = ["other.example"]\n' + "\n".join((*tables, *more)) + "\n"
        (self.machine.home / ".config/safe-agent/policy.toml").write_text(text)

    def assert_hidden(self, *texts: str) -> None:
        """No token is in what the inside saw, in no form; nor in the log."""
        assert self.machine.leaks(*texts, self.machine.log()) == []


def answer(tokens: dict[str, str], crate: Forge, asked: Asked) -> Said:
    """Be all the hosts at once."""
    match asked.host:
        case "git.example":
            return backend(crate, tokens["git"])(asked)
        case "api.github.com":
            return _github(tokens["github"], asked)
        case "npm.example":
            return _npm(tokens["npm"], asked)
        case "pypi.example":
            return _pypi(tokens["pypi"], asked)
        case "go.example":
            return _go(tokens["go"], asked)
        case _:
            echo = {"headers": asked.headers, "target": asked.target, "body": asked.body.decode("latin-1")}
            return Said(json.dumps(echo).encode(), headers={"Content-Type": "application/json"})


def _basic(asked: Asked, token: str) -> bool:
    return any(
        asked.headers.get("authorization") == "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()
        for user in ("__token__", "user")
    )


def _github(token: str, asked: Asked) -> Said:
    if asked.headers.get("authorization") not in (f"token {token}", f"Bearer {token}"):
        return Said(b'{"message": "Bad credentials"}', 401, {"Content-Type": "application/json"})
    return Said(
        b'{"id": 7, "login": "me"}', 201 if asked.method == "POST" else 200, {"Content-Type": "application/json"}
    )


def _tarball() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        data = b'{"name": "left", "version": "1.0.0", "main": "index.js"}'
        info = tarfile.TarInfo("package/package.json")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


TARBALL = _tarball()


def _npm(token: str, asked: Asked) -> Said:
    if asked.headers.get("authorization") != f"Bearer {token}":
        return Said(b'{"error": "unauthorized"}', 401, {"Content-Type": "application/json"})
    if asked.path.endswith(".tgz"):
        return Said(TARBALL, headers={"Content-Type": "application/octet-stream"})
    sha = base64.b64encode(hashlib.sha512(TARBALL).digest()).decode()
    dist = {"tarball": "https://npm.example/left/-/left-1.0.0.tgz", "integrity": f"sha512-{sha}"}
    version = {"name": "left", "version": "1.0.0", "dist": dist}
    document = {"name": "left", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    return Said(json.dumps(document).encode(), headers={"Content-Type": "application/json"})


def _wheel() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as wheel:
        wheel.writestr("right_pkg.py", "ANSWER = 42\n")
        wheel.writestr("right_pkg-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: right-pkg\nVersion: 1.0\n")
        wheel.writestr(
            "right_pkg-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("right_pkg-1.0.dist-info/RECORD", "")
    return out.getvalue()


WHEEL = _wheel()


def _pypi(token: str, asked: Asked) -> Said:
    if not _basic(asked, token):
        return Said(b"", 401, {"WWW-Authenticate": 'Basic realm="pypi"'})
    if asked.path.endswith(".whl"):
        return Said(WHEEL, headers={"Content-Type": "application/octet-stream"})
    name = "right_pkg-1.0-py3-none-any.whl"
    page = f'<a href="/files/{name}#sha256={hashlib.sha256(WHEEL).hexdigest()}">{name}</a>'
    return Said(page.encode(), headers={"Content-Type": "text/html"})


def _go(token: str, asked: Asked) -> Said:
    if not _basic(asked, token):
        return Said(b"", 401, {"WWW-Authenticate": 'Basic realm="go"'})
    if asked.path.endswith(".mod"):
        return Said(b"module corp.example/tool\n")
    if asked.path.endswith(".info"):
        return Said(b'{"Version": "v1.0.0", "Time": "2020-01-01T00:00:00Z"}')
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as module:
        module.writestr("corp.example/tool@v1.0.0/go.mod", "module corp.example/tool\n")
        module.writestr("corp.example/tool@v1.0.0/tool.go", "package tool\n")
    return Said(out.getvalue(), headers={"Content-Type": "application/zip"})


def _crate(root: Path) -> Forge:
    work = repository(root / "work")
    (work / "src").mkdir()
    (work / "src/lib.rs").write_text("pub const ANSWER: u8 = 42;\n")
    (work / "Cargo.toml").write_text('[package]\nname = "up"\nversion = "1.0.0"\nedition = "2021"\n')
    git(work, "add", ".")
    git(work, "commit", "-qm", "first")
    git(work, "push", "-q", str(repository(root / "org/up.git", "--bare")), "main")
    return Forge(root)


@pytest.fixture
def world(machine: Machine) -> Iterator[World]:
    tokens = {
        "github": fake("gh" + "p_", 36),
        "npm": fake("np" + "m_", 36),
        "pypi": fake("", 40),
        "go": fake("", 40),
        "git": fake("", 40),
        "api": fake("", 40),
    }
    machine.planted |= {f"token {name}": token for name, token in tokens.items()}
    machine.environ.pop("GITHUB_TOKEN")
    machine.environ |= {f"{name.upper()}_TOKEN": token for name, token in tokens.items()}
    machine.environ["PATH"] += f":{Path(shutil.which('go') or '').parent}"
    folder = machine.home / "certificates"
    folder.mkdir()
    authority = Authority(folder)
    crate = _crate(machine.root / "forge")
    with Service(lambda asked: answer(tokens, crate, asked)) as service:
        hosts = dict.fromkeys(HOSTS, service.port)
        with CompanyProxy(hosts, authority) as proxy:
            machine.environ |= {"HTTPS_PROXY": proxy.url(), "SSL_CERT_FILE": str(authority.file)}
            made = World(machine, service, tokens)
            made.policy()
            yield made


NODE = """
const http = require('http'), https = require('https');
const proxy = new URL(process.env.HTTPS_PROXY), token = process.env.API_TOKEN;
http.request({host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: 'api.example:443'})
  .on('connect', (answer, socket) => {
    const headers = {Authorization: 'Bearer ' + token};
    const asked = https.request({method: 'POST', host: 'api.example', path: '/node', socket, agent: false, headers},
      got => got.on('data', text => console.log('node', String(text))));
    asked.end(JSON.stringify({key: token}));
  }).end();
"""
PYTHON = """
import json, os, urllib.request
token = os.environ['API_TOKEN']
for url, headers in (
    ('https://api.example/python?key=' + token + '&other=' + token, {}),
    ('https://api.example/python', {'X-Other': token}),
    ('https://other.example/python', {'Authorization': 'Bearer ' + token}),
):
    print('python', urllib.request.urlopen(urllib.request.Request(url, headers=headers)).read().decode())
"""


def test_tools_use_tokens_that_they_do_not_have(world: World) -> None:
    machine = world.machine
    (machine.workspace / "use.js").write_text(NODE)
    (machine.workspace / "use.py").write_text(PYTHON)
    (machine.workspace / "go.mod").write_text("module example.com/x\n\nrequire corp.example/tool v1.0.0\n")
    (machine.workspace / "crate/src").mkdir(parents=True)
    (machine.workspace / "crate/src/lib.rs").touch()
    (machine.workspace / "crate/Cargo.toml").write_text(
        '[package]\nname = "down"\nversion = "1.0.0"\n[dependencies]\nup = { git = "https://git.example/org/up.git" }\n'
    )
    script = """
        echo "has $GH_TOKEN"
        gh api user && gh api repos/o/r/issues/1/comments -f body='looks good' && echo 'gh commented'
        curl -sS -d "key=$API_TOKEN" https://api.example/curl -H "Authorization: Bearer $API_TOKEN" && echo
        curl -sS --http2 -d '{}' https://api.example/curl2 -H "Authorization: Bearer $API_TOKEN" && echo
        wget -q -O - --header "Authorization: Bearer $API_TOKEN" https://api.example/wget && echo
        node use.js
        python3 use.py
        echo "//npm.example/:_authToken=$NPM_TOKEN" > ~/.npmrc
        npm install --registry=https://npm.example/ --no-audit --no-fund left && echo 'npm installed'
        PIP_INDEX_URL="https://__token__:$PYPI_TOKEN@pypi.example/simple/" python3 -m pip install --quiet \\
            --disable-pip-version-check --target lib right_pkg && echo 'pip installed'
        GOFLAGS=-mod=mod GONOSUMDB=* GOTOOLCHAIN=local GOPROXY="https://user:$GO_TOKEN@go.example" go mod download && \\
            echo 'go downloaded'
        git clone -q https://git.example/org/up.git cloned && ls cloned/src && echo 'git cloned'
        cd crate && cargo fetch --quiet && echo 'cargo fetched'
    """
    seen = machine.seen(script)
    for said in (
        "has ghp_MASKED-",
        "gh commented",
        "npm installed",
        "pip installed",
        "go downloaded",
        "git cloned",
        "cargo fetched",
    ):
        assert said in seen, seen
    token = world.tokens["api"]
    asked = {one.target.partition("?")[0]: one for one in world.service.of("api.example")}
    assert asked["/curl"].headers["authorization"] == f"Bearer {token}"
    assert asked["/curl"].body == f"key={token}".encode()
    assert asked["/curl2"].headers["authorization"] == f"Bearer {token}"
    assert (
        asked["/wget"].headers["authorization"] == f"Bearer {token}"
    )  # it reads no variable: the system's list has us
    assert json.loads(asked["/node"].body) == {"key": token}
    world.assert_hidden(seen)


def test_a_placeholder_elsewhere_stays_one(world: World) -> None:
    (world.machine.workspace / "use.py").write_text(PYTHON)
    seen = world.machine.seen("python3 use.py")
    token, service = world.tokens["api"], world.service
    first, second = service.of("api.example")
    assert f"key={token}&other=MASKED-" in first.target
    assert second.headers["x-other"].startswith("MASKED-")
    assert service.of("other.example")[0].headers["authorization"].startswith("Bearer MASKED-")
    assert "python" in seen
    world.assert_hidden(seen)

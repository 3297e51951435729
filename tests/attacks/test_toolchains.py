"""Credential files that lie in HOME beside programs in PATH, or in settings that are inside: promise 2."""

import socket
from pathlib import Path

import pytest

from tests.machine import COMMANDS, Machine, fake

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUd2hhdCBp\n-----END CERTIFICATE-----\n"


def test_a_credential_file_beside_programs_and_in_settings_is_not_read(anyones: Machine) -> None:
    """Promise 2: `~/.cargo/bin` in PATH brings `~/.cargo`, and with it the token of `cargo publish`."""
    machine = anyones
    home = machine.home
    machine.planted |= {name: fake("", 32) for name in ("cargo", "index", "npm", "fly", "claude", "own")}
    machine.planted |= {name: fake("", 32) for name in ("bundler", "maven", "keyring", "vpn")}
    keyrings = ".local/share/keyrings"
    for folder in (".cargo/bin", ".fly/bin", ".claude/local", "scripts", ".config/pip", ".bundle", ".m2", keyrings):
        (home / folder).mkdir(parents=True)
    (home / "scripts/hello").write_text("#!/bin/sh\necho hello\n")
    (home / "scripts/hello").chmod(0o755)
    for name, text in {
        ".cargo/credentials.toml": f'[registry]\ntoken = "{machine.planted["cargo"]}"\n',
        ".fly/config.yml": f"access_token: {machine.planted['fly']}\n",
        ".claude/.credentials.json": f'{{"claudeAiOauth": {{"accessToken": "{machine.planted["claude"]}"}}}}',
        ".npmrc": f"registry=https://npm.corp.example/\n//npm.corp.example/:_authToken={machine.planted['npm']}\n",
        ".config/pip/pip.conf": f"[global]\nindex-url = https://u:{machine.planted['index']}@pip.corp.example/simple\n",
        "scripts/.env": f"API_KEY={machine.planted['own']}\n",
        ".bundle/config": f'---\nBUNDLE_GEMS__CORP: "joe:{machine.planted["bundler"]}"\n',
        ".m2/settings.xml": f"<server><password>\n{machine.planted['maven']}\n</password></server>\n",
        f"{keyrings}/login.keyring": machine.planted["keyring"],
        "office.ovpn": f"<auth-user-pass>\njoe\n{machine.planted['vpn']}\n</auth-user-pass>\n{CERTIFICATE}",
    }.items():
        (home / name).write_text(text)
    (home / ".local/share/pnpm").mkdir()
    machine.give()
    path = ":".join(
        f"{home}/{folder}" for folder in (".cargo/bin", ".fly/bin", ".claude/local", "scripts", ".local/share/pnpm")
    )
    script = "hello; cd; cat .cargo/*.toml .fly/*.yml .npmrc .config/pip/pip.conf scripts/.env; cat .claude/.c*; "
    script += f"cat .bundle/config .m2/*.xml office.ovpn {keyrings}/*; ls .local/share"
    seen = machine.seen(script, PATH=f"{path}:{machine.environ['PATH']}", SSL_CERT_FILE=f"{home}/office.ovpn")
    assert machine.leaks(seen) == []
    assert "hello\n[registry]" in seen
    assert seen.count("MASKED-") == 7
    assert CERTIFICATE in seen
    assert "pnpm" in seen
    assert "registry=https://npm.corp.example/\n" in seen
    policy = home / ".config/safe-agent/policy.toml"
    policy.write_text('version = 1\n[home]\nread_only = ["~/.npmrc"]\n')  # who names the file itself hands it in
    machine.give()
    assert machine.leaks(machine.seen("cat ~/.npmrc")) == ["npm"]


def test_stores_of_keys_deeper_in_a_toolchain_are_not_there(anyones: Machine) -> None:
    """Promise 2: `~/.dotnet/tools` in PATH brings `~/.dotnet`, and with it the certificates that .NET keeps there."""
    machine, home = anyones, anyones.home
    stores = {
        "net": ".dotnet/corefx/cryptography/x509stores/my/a.pfx",
        "foundry": ".foundry/keystores/deployer",
        "julia": ".julia/servers/pkg.example.org/auth.toml",
    }
    for name, path in stores.items():
        machine.planted[name] = fake("", 32)
        (home / path).parent.mkdir(parents=True)
        (home / path).write_text(machine.planted[name])
    folders = (".dotnet/tools", ".foundry/bin", ".julia/bin")
    for folder in folders:
        (home / folder).mkdir(parents=True)
        (home / folder / "hello").write_text(f"#!/bin/sh\necho from {folder}\n")
        (home / folder / "hello").chmod(0o755)
    (home / ".dotnet/lib.txt").write_text("a part of it")
    machine.give()
    path = ":".join([*(f"{home}/{folder}" for folder in folders), machine.environ["PATH"]])
    seen = machine.seen(f"hello; cat ~/.dotnet/lib.txt; cd; cat {' '.join(stores.values())}; find . -type f", PATH=path)
    assert machine.leaks(seen) == []
    assert "from .dotnet/tools\na part of it" in seen


def test_a_package_file_in_home_does_not_show_home_for_the_clients_sake(anyones: Machine) -> None:
    """Promise 2: a stray `~/package.json` made HOME the package that the client needs."""
    machine, home = anyones, anyones.home
    native = home / ".local/share/claude/versions/2.1.197"
    for folder in (native.parent, home / ".local/bin"):
        folder.mkdir(parents=True)
    native.write_text("#!/bin/sh\nls -A ~; cat ~/notes.txt\n")
    native.chmod(0o755)
    (home / ".local/bin/claude").symlink_to(native)
    (home / "package.json").write_text('{"version": "1.0.0"}')
    (home / "notes.txt").write_text("nobody's business")
    machine.give()
    path = f"{home}/.local/bin:{COMMANDS}:/usr/bin:/bin"
    elsewhere = {name: f"{machine.root}/{name}" for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")}
    for place in elsewhere.values():
        Path(place).mkdir()
    machine.give()
    machine.run(["safe-agent", "keys", "make"], elsewhere, check=True)
    given = {"PATH": path, "ANTHROPIC_API_KEY": fake("sk" + "-ant-api03-"), **elsewhere}
    done = machine.run(["safe-claude", "-p", "x"], given)
    assert "business" not in done.stdout
    assert ".local" in done.stdout
    assert "notes.txt" not in done.stdout


_REACH = """
import os, socket
os.chdir(os.path.expanduser("~"))
for path in ("docker.sock", "run/x/deep.sock", "bin/in.sock"):
    try:
        socket.socket(socket.AF_UNIX).connect(f"TOOL/{path}")
        print("reached", path)
    except OSError as error:
        print(path, error)
"""


@pytest.mark.parametrize("tool", [".rd", ".tool"])
def test_a_socket_beside_programs_in_path_reaches_nobody(anyones: Machine, tool: str) -> None:
    """Promise 1: Rancher Desktop has `docker.sock` beside `bin`; who reaches it does what it likes with the machine."""
    machine, home = anyones, anyones.home
    listening = []
    for path in ("docker.sock", "run/x/deep.sock", "bin/in.sock"):
        place = home / tool / path
        place.parent.mkdir(parents=True, exist_ok=True)
        listening.append(socket.socket(socket.AF_UNIX))
        listening[-1].bind(str(place))
        listening[-1].listen()
        place.chmod(0o666)
    (home / tool / "bin/hello").write_text("#!/bin/sh\necho hello\n")
    (home / tool / "bin/hello").chmod(0o755)
    (machine.workspace / "reach.py").write_text(_REACH.replace("TOOL", tool))
    machine.give()
    assert machine.host("python3", "reach.py").stdout.count("reached") == 3
    seen = machine.seen("hello; python3 reach.py", PATH=f"{home}/{tool}/bin:{machine.environ['PATH']}")
    for one in listening:
        one.close()
    assert "hello" in seen
    assert seen.count("sock") == 3
    assert "reached" not in seen

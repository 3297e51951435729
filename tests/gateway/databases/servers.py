"""Real servers of a test's own on loopback: each started once, when first asked for, and ended with the tests.

They know users with one password, made at run time, who log in by different means: a user's name says by which.
"""

import atexit
import functools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.machine import fake, until

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_AS = "nobody" if os.getuid() == 0 else None  # PostgreSQL and MariaDB refuse to run as root
PLACEHOLDER = "MASKED-PASSWORD-7F3K9Q2X"


@dataclass(frozen=True)
class Server:
    """Where it listens, and the password of all its users."""

    port: int
    password: str


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _folder(name: str) -> Path:
    made = Path(tempfile.mkdtemp(prefix=f"safe-agent-test-{name}-", dir="/var/tmp"))
    if _AS is not None:
        shutil.chown(made, _AS)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _start(command: list[str], port: int, folder: Path) -> None:
    """Start it and wait until it listens."""
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            ["setpriv", "--pdeathsig", "QUIT", *command], cwd=folder, env=_ENVIRONMENT, user=_AS,
            group=_AS and "nogroup", extra_groups=_AS and [], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    atexit.register(_end, server)
    until(lambda: _listens(port) or server.poll() is not None, within=60)
    assert server.poll() is None, (folder / "log").read_text()


def _end(server: subprocess.Popen[bytes]) -> None:
    """End it at once; PostgreSQL takes its children with it."""
    server.send_signal(signal.SIGQUIT)
    try:
        server.wait(5)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def _run(command: list[str], folder: Path, text: str = "") -> None:
    done = subprocess.run(
        command, cwd=folder, env=_ENVIRONMENT, user=_AS, group=_AS and "nogroup", extra_groups=_AS and [],
        input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode()


@functools.cache
def postgresql() -> Server:
    """Start PostgreSQL; users `scram`, `hashed` (MD5), `clear` and `trusted`."""
    made, folder = Server(_free_port(), fake()), _folder("postgresql")
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data = folder / "data"
    _run(
        [f"{programs}/initdb", "-D", str(data), "-U", "owner", "-A", "trust", "-N", "-E", "UTF8", "--no-locale"], folder
    )
    ways = {"scram": "scram-sha-256", "hashed": "md5", "clear": "password", "trusted": "trust"}
    lines = [f"host all {user} 127.0.0.1/32 {way}\n" for user, way in ways.items()]
    (data / "pg_hba.conf").write_text("".join(lines) + "local all owner trust\nlocal all owner peer\n")
    words = f"-D {data} -F -p {made.port} -k {folder} -c listen_addresses=127.0.0.1 -c shared_buffers=1MB"
    _start([f"{programs}/postgres", *words.split()], made.port, folder)
    roles = "".join(
        f"SET password_encryption = '{'md5' if user == 'hashed' else 'scram-sha-256'}';"
        f"CREATE ROLE {user} LOGIN PASSWORD '{made.password}';"
        for user in ways
    )
    asked = ["psql", "-qX", "-h", str(folder), "-p", str(made.port), "-U", "owner", "postgres"]
    _run(asked, folder, roles + "ALTER ROLE scram REPLICATION;")
    return made


@functools.cache
def mariadb() -> Server:
    """Start MariaDB; users `native`, `ed` (ed25519) and `nobody` without a password."""
    made, folder = Server(_free_port(), fake()), _folder("mariadb")
    data = folder / "data"
    small = ["--no-defaults", f"--datadir={data}", "--skip-innodb", "--default-storage-engine=Aria"]
    _run(["mariadb-install-db", *small, "--skip-test-db", "--auth-root-authentication-method=normal"], folder)
    _run(
        ["mariadbd", *small, "--bootstrap", "--plugin-load-add=auth_ed25519"],
        folder,
        "USE mysql;\nFLUSH PRIVILEGES;\n"
        f"CREATE USER native@localhost IDENTIFIED VIA mysql_native_password USING PASSWORD('{made.password}');\n"
        f"CREATE USER ed@localhost IDENTIFIED VIA ed25519 USING PASSWORD('{made.password}');\n"
        "CREATE USER nobody@localhost;\n",
    )
    words = (
        f"--port={made.port} --bind-address=127.0.0.1 --socket={folder}/s --plugin-load-add=auth_ed25519 --skip-log-bin"
    )
    _start(["mariadbd", *small, *words.split()], made.port, folder)
    return made


@functools.cache
def redis() -> Server:
    """Start Redis; users `default` and `app`, which may do everything."""
    made, folder = Server(_free_port(), fake()), _folder("redis")
    lines = f"port {made.port}\nbind 127.0.0.1\nsave ''\nrequirepass {made.password}\nuser app on >{made.password} ~* &* +@all\n"
    (folder / "conf").write_text(lines.replace("''", '""'))
    if _AS is not None:
        shutil.chown(folder / "conf", _AS)
    _start(["redis-server", f"{folder}/conf"], made.port, folder)
    return made

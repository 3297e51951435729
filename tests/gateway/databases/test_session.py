"""One whole session with three databases of the user's machine in it, by the addresses that the user has for them."""

from collections.abc import Iterator

import pytest

from tests.gateway.databases.servers import Server, mariadb, postgresql, redis
from tests.machine import ORDINARY, Machine


@pytest.fixture
def user() -> Iterator[Machine]:
    made = Machine.make(ORDINARY)
    yield made
    made.remove()


def _policy(user: Machine, servers: dict[str, Server]) -> None:
    rules = "".join(
        f'[[loopback]]\nport = {one.port}\nprotocol = "{protocol}"\nfrom = "env:{protocol.upper()}_URL"\n'
        for protocol, one in servers.items()
    )
    (user.home / ".config/safe-agent/policy.toml").write_text(f"version = 1\n{rules}")
    user.give()


def test_databases_work_inside_by_addresses_that_have_placeholders(user: Machine) -> None:
    """Promise 2: the programs are those of the user, the passwords stay outside, also out of the log."""
    servers = {"postgresql": postgresql(), "mysql": mariadb(), "redis": redis()}
    accounts = {"postgresql": "scram", "mysql": "ed", "redis": "default"}
    urls = {
        f"{name.upper()}_URL": f"{name}://{accounts[name]}:{one.password}@127.0.0.1:{one.port}/"
        for name, one in servers.items()
    }
    _policy(user, servers)
    for name, one in servers.items():
        user.planted[name] = one.password
    mysql, placeholder = servers["mysql"].port, "$(echo $MYSQL_URL | sed 's|.*:\\(.*\\)@.*|\\1|')"
    seen = user.seen(
        f"""
        psql -XtA "${{POSTGRESQL_URL}}postgres" -c "SELECT 'psql as ' || current_user"
        mariadb --no-defaults -h127.0.0.1 -P{mysql} -ued -p{placeholder} -BNe "SELECT CONCAT('mariadb as ', CURRENT_USER())"
        redis-cli --no-auth-warning -u $REDIS_URL ACL WHOAMI; env | grep _URL
        """,
        **urls,
    )
    assert "psql as scram\n" in seen, seen
    assert "mariadb as ed@localhost\n" in seen, seen
    assert "default\n" in seen, seen
    assert seen.count(":MASKED-PASSWORD-") == 3, seen
    assert user.leaks(seen, user.log()) == []
    assert f": postgresql as {accounts['postgresql']}" in user.log()

"""Hosts that a session reaches by way of a company's proxy, which alone knows where they are."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes.company import Authority, CompanyProxy
from tests.fakes.provider import FaultyProvider
from tests.machine import Machine


@contextmanager
def reachable(machine: Machine, *names: str) -> Iterator[CompanyProxy]:
    """Let these names lead to a server of TLS whose authority the machine's curl trusts."""
    folder = machine.home / "certificates"
    folder.mkdir()
    authority = Authority(folder)
    provider = FaultyProvider()
    provider.start()
    hosts = dict.fromkeys(names, int(provider.url.rpartition(":")[2]))
    with CompanyProxy(hosts, authority, user="jane:secret") as proxy:
        machine.environ |= {"HTTPS_PROXY": proxy.url("jane:secret"), "CURL_CA_BUNDLE": str(authority.file)}
        yield proxy
    provider.stop()

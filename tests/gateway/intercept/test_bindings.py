"""Which placeholder works where: at its hosts and ports, and no value is ever shown."""

from threading import Thread

from tests.gateway.intercept.exchanges import HOST, binding
from wrapper.gateway.intercept.bindings import Binding, Bindings
from wrapper.policy.egress import SecretRule, Source, Where
from wrapper.policy.model import Layer, Rule

P = b"MASKED-GITHUB-TOKEN-7F3K9Q2X"
V = b"ghp_" + b"Aa0" * 12


def rule(**changes: object) -> SecretRule:
    fields = {
        "hosts": (HOST, "*.example.org:8443"), "name": "github", "source": Source("env", "GITHUB_TOKEN"),
        "where": (Where("basic"),), "variables": ("GH_TOKEN",), "prefix": None, "username": "",
        "rule": Rule(HOST, "secret", Layer.USER, "policy.toml", 1),
    } | changes  # fmt: skip
    return SecretRule(**fields)  # type: ignore[arg-type]


def test_a_binding_is_found_at_its_hosts_and_ports_only() -> None:
    bindings = Bindings((Binding.of(rule(), V, P.decode()),))
    assert [one.placeholder for one in bindings.at(HOST, 443)] == [P]
    assert bindings.at("a.example.org", 8443)
    for host, port in ((HOST, 8443), ("example.com", 443), ("a.example.org", 443), (HOST + ".evil.org", 443)):
        assert bindings.at(host, port) == ()


def test_no_value_is_shown() -> None:
    one = Binding.of(rule(), V, P)
    assert V.decode() not in repr(one) + repr(Bindings((one,)))
    assert "github" in repr(one)


def test_bindings_that_threads_add_at_once_are_all_there() -> None:
    bindings = Bindings()

    def add(first: int) -> None:
        for at in range(first, first + 50):
            bindings.add(binding(b"MASKED-K-%08d" % at, b"v", "basic"))

    threads = [Thread(target=add, args=(first,)) for first in range(0, 200, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.placeholder for one in bindings.at(HOST, 443)}) == 200

"""A filter that never ends does not grow, and gives the placeholders of every session."""

from redactors.vault import Origin, Vault
from wrapper.filter import passing
from wrapper.filter.passing import PassingVault

KEY = bytes(range(32))


def test_a_placeholder_is_that_of_every_session() -> None:
    vault = PassingVault(KEY)
    for origin in Origin:
        assert vault.issue("KEY", b"some value", origin) == Vault(KEY).issue("KEY", b"some value", Origin.OUTSIDE)


def test_a_million_values_that_pass_by_are_not_kept() -> None:
    vault = PassingVault(KEY)
    for number in range(3 * passing._MOST):
        vault.issue("KEY", b"%d" % number, Origin.INSIDE)
    assert len(list(vault.issued())) == 0
    assert len(list(vault._passing.issued())) <= passing._MOST


def test_a_value_that_was_forgotten_gets_the_same_placeholder() -> None:
    vault = PassingVault(KEY)
    first = vault.issue("KEY", b"first", Origin.INSIDE)
    for number in range(2 * passing._MOST):
        vault.issue("KEY", b"%d" % number, Origin.INSIDE)
    assert vault.issue("KEY", b"first", Origin.INSIDE) == first


def test_the_values_of_this_machine_are_kept_and_keep_their_kind() -> None:
    vault = PassingVault(KEY)
    mine = vault.issue("GITHUB-TOKEN", b"mine", Origin.OUTSIDE)
    for number in range(2 * passing._MOST):
        vault.issue("KEY", b"%d" % number, Origin.INSIDE)
    assert vault.issue("SECRET", b"mine", Origin.INSIDE) == mine
    assert vault.value_of(mine) == b"mine"

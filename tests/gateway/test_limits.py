import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway import limits
from wrapper.gateway.destination import Destination
from wrapper.gateway.limits import CutError, Limits
from wrapper.gateway.refusal import RefusedError
from wrapper.policy.egress import Egress, Terms

SITE = Destination("a.example", 443)


def bounded(**more: float) -> Limits:
    def terms(host: str, port: int) -> Terms:
        return msgspec.structs.replace(Egress().terms(host, port), **more)

    return Limits(terms)


def test_places_are_given_back_and_there_are_as_many_as_policy_says() -> None:
    limited = bounded(connections=2)
    first, _ = limited.enter(SITE), limited.enter(SITE)
    with pytest.raises(RefusedError, match=r"2 connections to `a\.example` are open already") as caught:
        limited.enter(SITE)
    assert caught.value.status == 503
    limited.enter(Destination("b.example", 443))
    first.leave()
    limited.enter(SITE)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=40))
def test_never_more_than_the_budget_goes_whatever_the_connections(pieces: list[tuple[bool, int]]) -> None:
    limited, went, came = bounded(send_bytes=100, receive_bytes=50), 0, 0
    for sends, size in pieces:
        try:
            use = limited.enter(SITE)
            if sends:
                use.on_sent(size)
                went += size
            else:
                use.on_received(size)
                came += size
        except (CutError, RefusedError):
            continue
        assert use.total == size
    assert went <= 100
    assert came <= 50


def test_a_budget_is_of_the_host_whatever_its_port_and_named_when_it_is_used_up() -> None:
    limited = bounded(send_bytes=10)
    limited.enter(SITE).on_sent(6)
    other = limited.enter(Destination("a.example", 80))
    with pytest.raises(CutError, match="the 10 bytes that `send_bytes` grants"):
        other.on_sent(5)
    assert other.first_told()
    other.on_sent(4)
    with pytest.raises(RefusedError, match="used up") as caught:
        limited.enter(SITE)
    assert caught.value.status == 403
    with pytest.raises(CutError):
        other.on_sent(1)
    assert not other.first_told()


def test_nothing_is_counted_against_a_host_without_a_budget() -> None:
    use = bounded(send_bytes=0, receive_bytes=0, connections=0).enter(SITE)
    use.on_sent(1 << 40)
    use.on_received(1 << 40)
    assert use.total == 2 << 40
    assert not use.cut


def test_invented_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST", 3)
    limited = bounded()
    for name in "abc":
        limited.enter(Destination(f"{name}.example", 443)).leave()
    with pytest.raises(RefusedError, match="3 hosts"):
        limited.enter(Destination("d.example", 443))
    limited.enter(Destination("a.example", 443))

"""`[provenance]`: what is not a value of it is refused, and who may say what."""

import pytest

from tests.policy.writing import policy
from wrapper.errors import PolicyError
from wrapper.policy.parse import parse


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("sticky = 1.01", "`provenance.sticky` is a share from 0 to 1, not 1.01"),
        ("sticky = nan", "`provenance.sticky` is a share from 0 to 1, not nan"),
        ('unwatched = "agent"', '`provenance.unwatched` is "human" or "unknown", not "agent"'),
        ('claims = "believe"', '`provenance.claims` is "show" or "count", not "believe"'),
        ("capture = 1", "`provenance.capture`: expected `bool`, got `int`"),
    ],
)
def test_what_is_no_value_is_refused_with_its_line(text: str, what: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(f"version = 1\n[provenance]\n{text}\n".encode(), "policy.toml")
    assert caught.value.what == f"policy.toml:3: {what}"


def test_a_project_keeps_taint_longer_and_asks_for_review_but_not_the_other_way_round() -> None:
    tighter = 'sticky = 0.1\nclaims = "count"\nrequire_review = true\nrequire_reason = true'
    found = policy(project=f"[provenance]\n{tighter}")
    assert found.notices == ()
    assert (found.provenance.sticky, found.provenance.claims) == (0.1, "count")
    assert found.provenance.require_review
    assert found.provenance.require_reason
    refused = policy(user=f"[provenance]\n{tighter}", project="[provenance]\nsticky = 0.2\nrequire_review = false")
    assert refused.provenance == found.provenance
    assert [notice.key for notice in refused.notices] == ["provenance.sticky", "provenance.require_review"]


def test_the_organisations_share_is_the_largest_that_a_user_may_set() -> None:
    floor = "[provenance]\nsticky = 0.2"
    assert policy(organisation=floor, user="[provenance]\nsticky = 0.4").provenance.sticky == 0.2
    assert policy(organisation=floor, user="[provenance]\nsticky = 0.1").provenance.sticky == 0.1
    assert policy(user='[provenance]\nunwatched = "human"').provenance.unwatched == "human"

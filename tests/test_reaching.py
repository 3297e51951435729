"""What stands inside of the way out."""

from pathlib import Path

import pytest

from tests.policy.writing import policy
from wrapper.binding import Bound
from wrapper.reaching import Reaching

POLICY = '[[secrets]]\nname = "forge"\nfrom = "env:FORGE"\nhosts = ["git.test"]\n'


@pytest.mark.parametrize(("count", "first"), [("", 0), ("2", 2), ("none", 0), ("-1", 0), ("9" * 5000, 0)])
def test_gits_settings_stand_behind_those_that_are_set_already(count: str, first: int) -> None:
    egress = policy(user=POLICY).egress
    bound = tuple(Bound(one, b"value-of-it", "MASKED-FORGE-00000000") for one in egress.secrets)
    found = Reaching(egress, bound, {}, Path("/python"), "").variables({"GIT_CONFIG_COUNT": count})
    numbers = sorted(int(name.rpartition("_")[2]) for name in found if name.startswith("GIT_CONFIG_KEY_"))
    assert numbers == list(range(first, int(found["GIT_CONFIG_COUNT"])))
    assert len(numbers) > 2
    assert found["FORGE"] == "MASKED-FORGE-00000000"

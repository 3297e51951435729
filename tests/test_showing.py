import errno
import os

import pytest

from wrapper.showing import _remedy


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_on_a_full_disk_nobody_is_told_to_go_on_without_a_cover(number: int) -> None:
    """Promise 5: going on would show the real file, and there is no room for the log either."""
    assert "free space" in _remedy(OSError(number, os.strerror(number)), "cover")
    assert "--allow-degraded" not in _remedy(OSError(number, os.strerror(number)), "cover")


def test_else_the_way_past_a_protection_is_named() -> None:
    assert "`--allow-degraded cover`" in _remedy(OSError(errno.EPERM, os.strerror(errno.EPERM)), "cover")

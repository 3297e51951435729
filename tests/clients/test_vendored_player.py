"""The player in exported pages is the one that its authors publish, byte for byte: the lock file holds its checksum."""

import pytest

from tests.machine import CLIENTS
from wrapper.review.export import html

_PUBLISHED = CLIENTS / "node_modules" / "asciinema-player"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("asciinema-player.min.js", "dist/bundle/asciinema-player.min.js"),
        ("asciinema-player.css", "dist/bundle/asciinema-player.css"),
        ("asciinema-player.LICENSE", "LICENSE"),
    ],
)
def test_the_player_that_we_ship_is_the_published_one(ours: str, theirs: str) -> None:
    assert html.part(f"vendor/{ours}").encode() == (_PUBLISHED / theirs).read_bytes()

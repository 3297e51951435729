"""Where messages stand in their buffers."""

import ctypes

import pytest

from wrapper.view import wire


@pytest.mark.parametrize("head", [wire.OUT_SIZE, wire.WRITE_HEAD, 0, 1, 63, 64, 65])
@pytest.mark.parametrize("size", [100, 4096, wire.LARGEST_WRITE + 8192])
def test_what_stands_behind_the_head_of_a_message_is_aligned_and_the_message_has_room(size: int, head: int) -> None:
    buffer, begin = wire.aligned(size, head)
    assert (ctypes.addressof(ctypes.c_char.from_buffer(buffer)) + begin + head) % 64 == 0
    assert begin >= 0
    assert len(buffer) - begin >= size
    buffer += b"nothing holds it"

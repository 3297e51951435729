"""pkt-lines in any pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.gateway.remotes.pktline import LONGEST, Mark, PacketReader, PktLineError, on_band, packet

PACKETS = st.lists(st.one_of(st.sampled_from(Mark), st.binary(max_size=80)), max_size=12)


def written(packets: list[bytes | Mark]) -> bytes:
    return b"".join(one.value if isinstance(one, Mark) else packet(one) for one in packets)


def read(reader: PacketReader) -> list[bytes | Mark]:
    found = []
    while (one := reader.packet()) is not None:
        found.append(one)
    return found


@given(PACKETS, st.lists(st.integers(1, 40), max_size=60))
def test_whatever_pieces_the_bytes_come_in_the_same_packets_come_out(
    packets: list[bytes | Mark], sizes: list[int]
) -> None:
    data, found, reader = written(packets), [], PacketReader()
    for size in (*sizes, len(data)):
        reader.feed(data[:size])
        data = data[size:]
        found += read(reader)
    assert found == packets


@given(st.binary(max_size=40), st.integers(0, 40))
def test_any_bytes_are_packets_or_an_error_and_that_does_not_depend_on_the_pieces(data: bytes, at: int) -> None:
    def outcome(*pieces: bytes) -> list[bytes | Mark] | str:
        reader, found = PacketReader(), []
        try:
            for piece in pieces:
                reader.feed(piece)
                found += read(reader)
        except PktLineError as error:
            return str(error)
        return found

    assert outcome(data) == outcome(data[:at], data[at:])


@pytest.mark.parametrize(
    "head", [b"0003", b"fff1", b"ffff", b"zzzz", b"+004", b" 004", b"0x04", b"-001", b"00\n0", b"g"]
)
def test_a_length_that_none_has_is_an_error_at_once(head: bytes) -> None:
    reader = PacketReader()
    reader.feed(head)
    with pytest.raises(PktLineError):
        reader.packet()


def test_the_longest_packet_is_read_and_a_longer_one_cannot_be_written() -> None:
    reader = PacketReader()
    reader.feed(packet(b"x" * (LONGEST - 4)))
    assert reader.packet() == b"x" * (LONGEST - 4)
    with pytest.raises(PktLineError):
        packet(b"x" * (LONGEST - 3))


def test_what_is_said_on_a_band_is_cut_into_packets() -> None:
    reader = PacketReader()
    reader.feed(on_band(2, b"y" * LONGEST))
    found = [one for one in read(reader) if isinstance(one, bytes)]
    assert [one[:1] for one in found] == [b"\x02", b"\x02"]
    assert b"".join(one[1:] for one in found) == b"y" * LONGEST

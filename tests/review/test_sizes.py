from wrapper.review.sizes import size


def test_sizes_are_in_the_unit_that_a_person_would_use() -> None:
    assert [size(n) for n in (0, 1023, 1024, 5 << 20, 3 << 30)] == ["0 B", "1023 B", "1.0 KiB", "5.0 MiB", "3.0 GiB"]

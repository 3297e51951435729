"""Numbers of bytes in words; pure."""


def size(count: int) -> str:
    """Say a number of bytes in the unit that a person would use."""
    if count < 1024:
        return f"{count} B"
    value = count / 1024
    for unit in ("KiB", "MiB"):
        if value < 1024:
            return f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"

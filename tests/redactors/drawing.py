"""Values as a generator of keys draws them."""

import random
import string

BASE62 = string.ascii_letters + string.digits


def drawn(alphabet: str, size: int, seed: int) -> bytes:
    """Draw `size` characters; of the same seed the same ones."""
    return "".join(random.Random(seed).choices(alphabet, k=size)).encode()  # noqa: S311 (made up, the same each time)

"""The vault of a scan: placeholders are those of every session, where this machine has a masking key."""

import os

from redactors.vault import Vault
from wrapper.audit.keys import MASKING_KEY_SIZE, Keys
from wrapper.messages import say
from wrapper.plan.places import Places


def masking_vault(places: Places) -> Vault:
    """Make it. Without a key (a build machine) one is made for this run, and said so.

    Raises StateError for a key that others could read.
    """
    keys = Keys(places.config)
    if keys.masking_path.exists():
        return Vault(keys.masking_key())
    say("no masking key on this machine: placeholders are this run's own (`safe-agent keys make`)")
    return Vault(os.urandom(MASKING_KEY_SIZE))

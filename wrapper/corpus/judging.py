"""What documents are judged by, as it is sent to workers; pure."""

from pathlib import Path

import msgspec

from wrapper.corpus.policy import CorpusPolicy


class Judging(msgspec.Struct, frozen=True, kw_only=True):
    """What documents are judged by; it goes to every worker as it is.

    `pack`, `key`, `baseline`: paths ("" : no baseline). The key must lie at this path on each machine that judges: it
    is never sent. The pack and the baseline are, to machines that lack them. `is_incomplete`: the index has faults.
    """

    pack: str
    key: str
    policy: CorpusPolicy
    baseline: str = ""
    is_incomplete: bool = False

    def absolute(self) -> "Judging":
        """Give the same with absolute paths: a worker has a working folder of its own."""
        paths = {
            name: str(Path(path).absolute()) for name in ("pack", "key", "baseline") if (path := getattr(self, name))
        }
        return msgspec.structs.replace(self, **paths)

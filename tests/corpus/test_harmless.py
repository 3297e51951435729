"""What is in every corpus, and in what agents write, too: it must not look like an agent's text."""

from pathlib import Path

import pyarrow as pa

from tests.corpus.packed import code, pack
from wrapper.corpus.batch import judged
from wrapper.corpus.judging import Judging
from wrapper.corpus.policyfile import built_in
from wrapper.corpus.rows import Row, record_batch
from wrapper.corpus.worker import opened
from wrapper.provenance.licences import NOTICES

_RULED = b"""
+-----------------------------+-----------+--------------+
|          %s           | Best Case | Typical Case |
+-----------------------------+-----------+--------------+
| First reference from A to B | 3 Bytes   | 4 Bytes      |
+-----------------------------+-----------+--------------+
| Other reference from A to B | 1 Byte    | 1 Byte       |
+-----------------------------+-----------+--------------+
"""
_OTHER = _RULED.replace(b"reference from A to B", b"way of doing this now").replace(b"Byte", b"Foot")


def _stages(folder: Path, emitted: list[bytes], documents: list[bytes]) -> list[str]:
    pack_file, key = pack(folder, emitted)
    judge = opened(Judging(pack=str(pack_file), key=str(key), policy=built_in()))
    rows = [Row(f"d{number}", "here", number, text) for number, text in enumerate(documents)]
    return [row["stage"] for row in judged(pa.Table.from_batches([record_batch(rows)]), judge).to_pylist()]


def test_a_licence_in_a_docstring_is_nobodys(tmp_path: Path) -> None:
    bsd, mine = NOTICES[2].encode(), code(1)
    emission = b'"""A module.\n' + bsd + b'"""\n' + mine
    others = b"// " + bsd.strip().replace(b"copyright holder nor", b"University nor").replace(b"\n", b"\n// ")
    assert _stages(tmp_path, [emission], [others, mine, bsd.replace(b"\n", b" ")]) == ["clean", "spans", "clean"]


def test_the_rules_of_a_table_are_nobodys(tmp_path: Path) -> None:
    mine = code(2)
    texts = [_OTHER % b"Bridge", mine + _OTHER]
    assert _stages(tmp_path, [_RULED % b"Scenario" + mine], texts) == ["clean", "spans"]

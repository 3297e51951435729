"""How fast a corpus is judged, beside peers: `python bench/corpus.py [--quick] [--emitted FOLDER…] [--corpus FOLDER…]`.

Source text of this machine plays both parts: what lies beneath the folders of `--emitted` is packed as if an agent had
written it, what lies beneath those of `--corpus` is the corpus, repeated until it is large enough, and stored as JSONL
and as Parquet. Both may hold copies of the same code: then it is found, rightly.

Printed: building the pack; recall of spans of 20 lines put into documents, as they were and renamed, re-indented and
commented, beside a join of exact lines; processor time and wall clock of one worker, two, and two of Ray, from first
piece to last, without what it takes to start; the memory of a worker as the corpus goes by; SHA-256 and the join of
exact lines by DuckDB over the same texts in the same run; and what 10 TB would take at that rate.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import random
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.fingerprint import everything, sources
from redactors.tokens import tokenise
from wrapper.corpus import engines
from wrapper.corpus.batch import judged
from wrapper.corpus.judging import Judging
from wrapper.corpus.policyfile import built_in
from wrapper.corpus.worker import opened
from wrapper.provenance.baselines import Baseline
from wrapper.provenance.key import Key, load_or_make
from wrapper.provenance.model import PRINT, Emission, Kind, Sheet
from wrapper.provenance.pack import Pack
from wrapper.provenance.prints import blob_code, printed

_TERABYTES = 10
_SPAN_LINES = 20
_LEAST_TOKENS = 60  # of a span that recall is measured with: shorter ones are imports and tables
_STARTING = 3  # pieces after which all workers run
_TOGETHER = 40  # emissions of a session
_LINES = "(select trim(unnest(string_split(text, chr(10)))) as line from {}) where length(line) > 10"
_KNOWN = "create table known as select distinct hash(line) as code from " + _LINES.format("emitted")  # noqa: S608 (all ours)
_JOIN = "select count(*) from " + _LINES.format("read_parquet(?)") + " and hash(line) in (select code from known)"  # noqa: S608


class Rate(NamedTuple):
    """How fast something was: MB of text a second of processor time and of the clock; 0: not known."""

    name: str
    processor: float
    wall: float


def texts(folders: Sequence[Path]) -> Iterator[bytes]:
    """Give every text of code beneath folders, each content once."""
    seen: set[bytes] = set()
    for folder in folders:
        for _, text in sources(folder):
            digest = hashlib.sha256(text).digest()
            if digest not in seen and len(text) > 200:
                seen.add(digest)
                yield text


def limited(found: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Give texts of so many bytes."""
    for text in found:
        yield text
        size -= len(text)
        if size <= 0:
            return


def emitted(folders: Sequence[Path], lines: int) -> list[bytes]:
    """Give texts of so many lines."""
    found, count = [], 0
    for text in texts(folders):
        found.append(text)
        count += text.count(b"\n")
        if count >= lines:
            break
    return found


def sheets(found: Iterable[bytes], key: Key) -> Iterator[Sheet]:
    """Print texts as emissions of sessions."""
    keyed = key.coder()
    left = iter(found)
    for number in itertools.count():
        group = list(itertools.islice(left, _TOGETHER))
        if not group:
            return
        prints = [printed(text, keyed) for text in group]
        blobs = np.zeros(len(group), PRINT)
        blobs["code"], blobs["emission"] = [blob_code(text, keyed) for text in group], np.arange(len(group))
        emissions = [Emission(kind=Kind.INPUT, session=f"session-{number}", at=1.7e9, model="m") for _ in group]
        tables = {}
        for name in ("lines", "shapes", "words"):
            parts = [getattr(each, name) for each in prints]
            tables[name] = np.concatenate(parts)
            tables[name]["emission"] = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        yield Sheet(session=f"session-{number}", number=0, emissions=emissions, blobs=blobs, reads=(), **tables)


def store(corpus: Sequence[bytes], size: int, piece: int, folder: Path) -> tuple[Path, Path, int, int]:
    """Write the corpus, repeated to `size` bytes, as JSONL and Parquet; how many bytes of text, and documents."""
    jsonl, parquet = folder / "jsonl", folder / "parquet"
    jsonl.mkdir()
    parquet.mkdir()
    rows: list[dict[str, str]] = []
    done = held = number = 0
    for document, text in enumerate(itertools.cycle(corpus)):
        rows.append({"id": f"d{document}", "text": text.decode("utf-8", "replace")})
        held += len(text)
        if held >= piece or done + held >= size:
            with (jsonl / f"{number:04}.jsonl").open("w") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            pq.write_table(pa.Table.from_pylist(rows), parquet / f"{number:04}.parquet", compression="zstd")
            done, held, number, rows = done + held, 0, number + 1, []
        if done >= size:
            return jsonl, parquet, done, document + 1
    raise SystemExit("there is no text in the folders of --corpus")


def run(
    name: str, source: Path, judging: Judging, size: int, **options: object
) -> tuple[Rate, list[int], engines.Outcome]:
    """Judge it all by an engine; its rate, and how much memory the largest worker had after each piece, in MB.

    Time counts from when each worker has done a piece, so that starting them is left out.
    """
    moments: list[tuple[float, float, int]] = []
    memory: list[int] = []

    def progress(now: engines.Progress) -> None:
        workers = _descendants(os.getpid())
        moments.append((time.perf_counter(), sum(_spent(pid) for pid in workers), now.size))
        memory.append(max((_resident(pid) for pid in workers), default=0) // 1000)

    with tempfile.TemporaryDirectory() as out:
        outcome = engines.run([str(source)], judging, f"{out}/run", progress=progress, **options)  # type: ignore[arg-type]
    (start, before, skipped), (end, after, done) = moments[_STARTING], moments[-1]
    judged_bytes = size * (done - skipped) / done / 1e6
    return Rate(name, judged_bytes / (after - before), judged_bytes / (end - start)), memory[1:], outcome


def recall(
    found: Sequence[bytes], corpus: Sequence[bytes], judging: Judging, count: int
) -> Iterator[tuple[str, float, float]]:
    """Give for each change what share of spans is found, by us and by a join of exact lines."""
    chance = random.Random(1)  # noqa: S311 (a sample)
    judge = opened(judging)
    known = {line.strip() for text in found for line in text.split(b"\n")}
    pieces = list(itertools.islice(_pieces(found, chance), count))
    for name, alter in (("as they were", None), ("renamed, re-indented, commented", everything)):
        documents, places = [], []
        for piece in pieces:
            other = chance.choice(corpus).split(b"\n")
            row = chance.randrange(len(other))
            before, changed = b"\n".join([*other[:row], b""]), alter(piece, "#", chance) if alter else piece
            documents.append(b"\n".join([before + changed, *other[row:]]))
            places.append((len(before), len(before) + len(changed)))
        verdicts = judged(_table(documents), judge).to_pylist()
        ours = [
            2 * _covered(row["spans"], *place) >= place[1] - place[0]
            for row, place in zip(verdicts, places, strict=True)
        ]
        theirs = [_exact(document[slice(*place)], known) for document, place in zip(documents, places, strict=True)]
        yield name, sum(ours) / len(ours), sum(theirs) / len(theirs)


def peers(found: Sequence[bytes], corpus: Sequence[bytes], parquet: Path, size: int) -> Iterator[Rate]:
    """Give the rates of SHA-256 alone, and of a join of exact lines by DuckDB in one thread."""
    start, wall = time.process_time(), time.perf_counter()
    for text in corpus:
        hashlib.sha256(text).digest()
    total = sum(len(text) for text in corpus)
    yield Rate("SHA-256 alone", total / (time.process_time() - start) / 1e6, total / (time.perf_counter() - wall) / 1e6)
    database = duckdb.connect(config={"threads": 1})
    database.register("emitted", pa.table({"text": [text.decode("utf-8", "replace") for text in found]}))
    database.execute(_KNOWN)
    start, wall = time.process_time(), time.perf_counter()
    database.execute(_JOIN, [f"{parquet}/*.parquet"]).fetchall()
    yield Rate(
        "DuckDB: join of exact lines",
        size / (time.process_time() - start) / 1e6,
        size / (time.perf_counter() - wall) / 1e6,
    )


def _pieces(found: Sequence[bytes], chance: random.Random) -> Iterator[bytes]:
    while True:
        lines = chance.choice(found).split(b"\n")
        if len(lines) > 2 * _SPAN_LINES:
            row = chance.randrange(len(lines) - _SPAN_LINES)
            piece = b"\n".join(lines[row : row + _SPAN_LINES]) + b"\n"
            if tokenise(piece).code >= _LEAST_TOKENS:
                yield piece


def _exact(piece: bytes, known: set[bytes]) -> bool:
    """Whether half of the lines that say something are known."""
    lines = [line.strip() for line in piece.split(b"\n") if len(line.strip()) > 10]
    return 2 * sum(line in known for line in lines) >= max(len(lines), 1)


def _covered(spans: Sequence[dict[str, int]], start: int, end: int) -> int:
    return sum(max(0, min(span["end"], end) - max(span["start"], start)) for span in spans)


def _table(documents: Sequence[bytes]) -> pa.Table:
    rows = list(range(len(documents)))
    names = pa.array([str(row) for row in rows])
    return pa.table({"id": names, "text": pa.array(documents, pa.large_binary()), "source": names, "row": rows})


def _descendants(pid: int) -> list[int]:
    """Give the processes below one: workers, and whatever Ray needs."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in path.read_text().split():
                found += [int(child), *_descendants(int(child))]
    return found


def _spent(pid: int) -> float:
    """Give the processor time of a process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> int:
    """Give what memory a process has of its own, in KB: the mapped pack belongs to all."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(next((line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:")), "0"))


def _print_rates(rates: Sequence[Rate]) -> None:
    print(f"\n{'MB of text a second':<44}{'of processor':>14}{'of the clock':>14}")
    for rate in rates:
        processor = f"{rate.processor:>14.1f}"
        print(f"  {rate.name:<42}{processor}{rate.wall:>14.1f}")


def _print_extrapolation(rate: Rate) -> None:
    seconds = _TERABYTES * 1e6 / rate.processor
    print(f"\n{_TERABYTES} TB = {_TERABYTES * 1e6:,.0f} MB; / {rate.processor:.1f} MB/s = {seconds:,.0f} s of one core")
    print(f"  / 3600 = {seconds / 3600:,.0f} core hours")
    print(
        f"  on 64 cores {seconds / 3600 / 64:.1f} hours, if storage gives {64 * rate.processor / 1000:.1f} GB/s of text"
    )


def _here(*names: str) -> list[Path]:
    return [Path(name) for name in names if Path(name).is_dir()]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small corpus, a small pack: under a minute")
    parser.add_argument(
        "--emitted", nargs="+", type=Path, default=[Path(sysconfig.get_path("purelib"))], metavar="FOLDER"
    )
    stock = _here("/usr/share", "/usr/include", "/usr/lib/node_modules", str(Path.home() / "go"))
    parser.add_argument(
        "--corpus", nargs="+", type=Path, default=[Path(sysconfig.get_path("stdlib")), *stock], metavar="FOLDER"
    )
    parser.add_argument("--lines", type=int, help="lines of the pack; a million")
    parser.add_argument("--size", type=int, help="MB of the corpus; 400")
    parser.add_argument("--no-ray", action="store_true")
    options = parser.parse_args()
    lines, size = (
        options.lines or (100_000 if options.quick else 1_000_000),
        options.size or (48 if options.quick else 400),
    )
    with tempfile.TemporaryDirectory(prefix="bench-corpus-") as name:
        measure(Path(name), options, lines, size * 1_000_000)


def measure(folder: Path, options: argparse.Namespace, lines: int, size: int) -> None:
    """Do all of it."""
    key = load_or_make(folder / "key")
    found = emitted(options.emitted, lines)
    pack = packed(found, folder / "pack", key)
    corpus = list(limited(texts(options.corpus), size))
    subtracted(corpus[::4], pack, folder / "baseline", key)
    del corpus[::4]
    jsonl, parquet, size, documents = store(corpus, size, max(size // 24, 1 << 20), folder)
    print(f"corpus: {size / 1e6:.0f} MB of text in {documents:,} documents, {len(corpus):,} different ones")
    bare = Judging(pack=str(folder / "pack"), key=str(folder / "key"), policy=built_in())
    judging = msgspec.structs.replace(bare, baseline=str(folder / "baseline"))
    print(f"\n{f'recall of {_SPAN_LINES} lines in a document':<44}{'ours':>14}{'exact lines':>14}")
    for change, ours, theirs in recall(found, corpus, judging, 100 if options.quick else 400):
        print(f"  {change:<42}{ours:>14.3f}{theirs:>14.3f}")
    one, memory, outcome = run("one worker, Parquet", parquet, judging, size, workers=1)
    unaided, _, more = run("one worker, Parquet, no baseline", parquet, bare, size, workers=1)
    rates = [one, run("one worker, JSONL", jsonl, judging, size, workers=1)[0], unaided]
    rates.append(run("two workers, Parquet", parquet, judging, size, workers=2)[0])
    if not options.no_ray:
        rates.append(run("two workers of Ray, Parquet", parquet, judging, size, workers=2, engine="ray")[0])
    _print_rates([*rates, *peers(found, corpus, parquet, size)])
    _print_flagged("with the baseline", outcome)
    _print_flagged("without", more)
    eighths = [memory[len(memory) * eighth // 8] for eighth in range(8)] + memory[-1:]
    print("\na worker's own memory, as the corpus goes by: " + " ".join(f"{each}" for each in eighths) + " MB")
    _print_extrapolation(one)


def packed(found: Sequence[bytes], path: Path, key: Key) -> Pack:
    """Build the pack."""
    start = time.process_time()
    Pack.build(sheets(found, key), path, key)
    spent, total = time.process_time() - start, sum(len(text) for text in found) / 1e6
    pack = Pack.open(path, key)
    size = path.stat().st_size / 1e6
    print(f"pack: {pack.rows:,} lines of {pack.emissions:,} texts, {total:.0f} MB; {size:.0f} MB on disk")
    print(f"printed and built at {total / spent:.1f} MB/s")
    return pack


def subtracted(older: Sequence[bytes], pack: Pack, path: Path, key: Key) -> None:
    """Build a baseline of texts as old as the corpus, which are left out of it."""
    start = time.process_time()
    Baseline.of(older, key.coder(), within=pack).save(path, key)
    spent, total = time.process_time() - start, sum(len(text) for text in older) / 1e6
    print(f"baseline of {total:.0f} MB that stood beside the corpus, at {total / spent:.1f} MB/s")


def _print_flagged(how: str, told: engines.Outcome) -> None:
    share = (told.refused + told.quarantined) / told.documents
    print(f"{how}: {told.refused:,} of {told.documents:,} refused, {told.quarantined:,} in quarantine: {share:.2%}")


if __name__ == "__main__":
    main()

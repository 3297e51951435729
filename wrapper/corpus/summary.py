"""Count verdicts: DuckDB over the parts of a run, streamed, wherever they lie."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wrapper.corpus.storage import Folder, filesystem, shown
from wrapper.errors import ProvenanceError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_SESSIONS: Final = 20  # shown, of those in most documents
TENTHS: Final = 10
_ROWS: Final = 1 << 14  # read at a time: Arrow would read two millions ahead


class Counts(NamedTuple):
    """What all parts say together.

    `sources`: source, documents, size, accepted, refused, quarantined. `sessions`: session, documents, refused.
    `coverage`: documents by tenth, of those in which something was found.
    """

    stages: dict[str, int]
    coverage: tuple[int, ...]
    sources: list[tuple[str, int, int, int, int, int]]
    sessions: list[tuple[str, int, int]]


def counted(parts: Folder, names: list[str]) -> Counts:
    """Count the verdicts in the parts `names`. Raises ProvenanceError where DuckDB is missing, or a part is damaged."""
    with _connection() as database:
        database.register("verdicts", _dataset(parts, names))
        try:
            return Counts(
                stages=dict(database.execute(_STAGES).fetchall()),
                coverage=_tenths(database.execute(_COVERAGE).fetchall()),
                sources=database.execute(_SOURCES).fetchall(),
                sessions=database.execute(_SESSION_COUNTS).fetchall(),
            )
        except Exception as error:
            raise ProvenanceError(f"cannot count the results in `{shown(parts.address)}`: {error}") from error


def verdicts(parts: Folder, names: list[str], *, decisions: tuple[str, ...] = ()) -> "Iterator[pa.RecordBatch]":
    """Give the rows of parts, in the order of their names; `decisions`: only those."""
    import pyarrow.dataset as ds  # noqa: PLC0415 (an extra)

    wanted = ds.field("decision").isin(list(decisions)) if decisions else None
    yield from _dataset(parts, names).to_batches(
        filter=wanted, use_threads=False, batch_size=_ROWS, batch_readahead=2, fragment_readahead=1
    )


_TOTALS: Final = """
    count(*), sum(size)::bigint, count(*) filter (decision = 'accept'), count(*) filter (decision = 'refuse'),
    count(*) filter (decision = 'quarantine')
"""
_STAGES: Final = "select stage, count(*) from verdicts group by stage order by stage"
_SOURCES: Final = f"select source, {_TOTALS} from verdicts group by source order by source"  # noqa: S608 (all ours)
_COVERAGE: Final = f"""
    select least(floor(coverage * {TENTHS})::int, {TENTHS - 1}) as tenth, count(*) from verdicts
    where len(sessions) > 0 group by tenth
"""  # noqa: S608 (as above)
_SESSION_COUNTS: Final = f"""
    select session, count(*) as documents, count(*) filter (decision = 'refuse') from
    (select unnest(sessions) as session, decision from verdicts) group by session
    order by documents desc, session limit {_SESSIONS}
"""  # noqa: S608 (as above)


def _connection() -> "duckdb.DuckDBPyConnection":
    try:
        import duckdb  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ProvenanceError("counting needs DuckDB", hint="`./install.sh --corpus` brings it") from error
    return duckdb.connect()


def _dataset(parts: Folder, names: list[str]) -> Any:
    import pyarrow.dataset as ds  # noqa: PLC0415 (an extra)

    from wrapper.corpus.batch import VERDICTS  # noqa: PLC0415 (imports Arrow)

    found, path = filesystem(parts.address, parts.storage)
    return ds.dataset([f"{path}/{name}" for name in sorted(names)], schema=VERDICTS, format="parquet", filesystem=found)


def _tenths(rows: list[tuple[int, int]]) -> tuple[int, ...]:
    counts = dict(rows)
    return tuple(counts.get(tenth, 0) for tenth in range(TENTHS))

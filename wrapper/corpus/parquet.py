"""Documents out of Parquet: read in small batches of rows, so that memory follows neither the file nor its row groups.

Where texts stand in columns of their own, no row is made in Python but at the end; where they stand deeper
(`messages.content`), rows are decoded as those of JSONL are. A row group that is damaged becomes one row with a fault.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from wrapper.corpus.policy import CorpusPolicy
from wrapper.corpus.rows import Row, parts
from wrapper.corpus.texts import JOINT, ShapeError, Wanted, name_of
from wrapper.errors import ProvenanceError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH: Final = 4 << 20  # bytes of rows in one step, as the file says; its packing may hold more
_MOST_ROWS: Final = 256  # in one step: what one value repeats, packing hides
_BUFFER: Final = 1 << 20
_ALWAYS: Final = 64 << 20  # bytes of text; a small file may unpack as far as it likes
_SPLIT: Final = 256 << 20  # bytes; larger files are read by several workers


def cuts(file: BinaryIO, size: int) -> Sequence[tuple[int, int]]:
    """Cut a large file into runs of row groups; (0, 0) stands for all of them, also of what cannot be read."""
    if size < _SPLIT:
        return ((0, 0),)
    try:
        metadata = _opened(file).metadata
    except _damage():
        return ((0, 0),)
    runs, first, held = [], 0, 0
    for group in range(metadata.num_row_groups):
        held += metadata.row_group(group).total_byte_size
        if held >= _SPLIT or group + 1 == metadata.num_row_groups:
            runs.append((first, group + 1))
            first, held = group + 1, 0
    return runs or ((0, 0),)


def rows(file: BinaryIO, source: str, size: int, run: tuple[int, int], policy: CorpusPolicy) -> Iterator[Row]:
    """Read the rows of some row groups; rows are numbered from 0 over the whole file."""
    try:
        parquet = _opened(file)
    except _damage() as error:
        yield Row(source, source, 0, None, f"is no Parquet file, or damaged: {_short(error)}")
        return
    groups = [parquet.metadata.row_group(group) for group in range(parquet.metadata.num_row_groups)]
    given = 0
    number = sum(group.num_rows for group in groups[: run[0]])
    for place in range(run[0], run[1] or len(groups)):
        after = number + groups[place].num_rows
        try:
            for row in _Group(parquet, place, source, policy).rows(number):
                given += len(row.text or b"")
                number = row.row + (not row.more)
                yield row
                if given > max(_ALWAYS, policy.limits.ratio * size):
                    why = f"unpacks to more than {policy.limits.ratio} times its size; rows behind this are not read"
                    yield Row(f"{source}:{number}", source, number, None, why)
                    return
        except _damage() as error:
            why = f"is damaged: {_short(error)}; {after - number} rows from here on are not read"
            yield Row(f"{source}:{number}", source, number, None, why)
        number = after


def _opened(file: BinaryIO) -> "pq.ParquetFile":
    try:
        import pyarrow.parquet as pq  # noqa: PLC0415 (heavy, and an extra)
    except ImportError as error:
        raise ProvenanceError("reading Parquet needs pyarrow", hint="`./install.sh --corpus` brings it") from error
    return pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)


def _damage() -> tuple[type[Exception], ...]:
    """Give the exceptions by which Arrow says that a file is not what it should be."""
    import pyarrow as pa  # noqa: PLC0415 (as above)

    # fields of one name twice are told by a ValueError or a KeyError; wrong UTF-8 is a ValueError
    return (pa.ArrowException, OSError, ValueError, KeyError)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


class _Group:
    """One row group."""

    def __init__(self, parquet: "pq.ParquetFile", place: int, source: str, policy: CorpusPolicy) -> None:
        self._parquet = parquet
        self._place = place
        self._source = source
        self._policy = policy
        self._wanted = Wanted(policy.columns.text, policy.columns.id)
        schema = parquet.schema_arrow
        texts = [field.name for field in schema if self._holds_texts(field)]
        self._are_plain = all(_is_plain(schema.field(name).type) for name in texts)
        self._id = policy.columns.id.partition(".")[0]
        self._columns = list(dict.fromkeys([*texts, *([self._id] if self._id in schema.names else [])]))
        self._texts = texts

    def _holds_texts(self, field: "pa.Field") -> bool:
        import pyarrow as pa  # noqa: PLC0415 (as above)

        if not self._wanted.every:
            return any(path[0] == field.name for path in self._wanted.paths)
        if _is_plain(field.type):
            return bool(field.name != self._policy.columns.id)
        checks = (pa.types.is_primitive, pa.types.is_decimal, pa.types.is_null)  # numbers, times, booleans
        return not any(check(field.type) for check in checks)

    def rows(self, first: int) -> Iterator[Row]:
        group = self._parquet.metadata.row_group(self._place)
        if not self._texts and not self._wanted.every:
            for number in range(first, first + group.num_rows):
                yield Row(f"{self._source}:{number}", self._source, number, None, self._wanted.lack)
            return
        per_row = max(1, group.total_byte_size // max(1, group.num_rows))
        step = max(1, min(_MOST_ROWS, _BATCH // per_row))
        for batch in self._parquet.iter_batches(step, row_groups=[self._place], columns=self._columns or None):
            yield from self._batch(batch, first)
            first += batch.num_rows

    def _batch(self, batch: "pa.RecordBatch", first: int) -> Iterator[Row]:
        texts = self._joined(batch) if self._are_plain else self._decoded(batch)
        ids = self._ids(batch)
        for at, found in enumerate(texts):
            place = f"{self._source}:{first + at}"
            name = name_of({self._id: ids[at]}, self._policy.columns.id)
            row = Row(name or place, self._source, first + at, None)
            text = found if name or self._id in self._texts else self._with(found, ids[at])
            if isinstance(text, bytes):
                for part in parts([text], self._policy.limits.part_bytes):
                    yield row._replace(**part._asdict())
            else:
                yield row._replace(fault=text)

    def _with(self, found: bytes | str, name: object) -> bytes | str:
        """Add what stands in the place of a name and is none: too long, or with lines."""
        if not self._wanted.every or isinstance(found, str) or not isinstance(name, str | bytes):
            return found
        text = name.encode() if isinstance(name, str) else name
        return JOINT.join((found, text)) if found else text

    def _joined(self, batch: "pa.RecordBatch") -> list[bytes | str]:
        """Join the columns of texts; a row in which all are null has no text."""
        import pyarrow as pa  # noqa: PLC0415 (as above)

        lack = b"" if self._wanted.every else self._wanted.lack
        columns = [batch.column(name).cast(pa.large_binary()).to_pylist() for name in self._texts]
        if not columns:
            return [b""] * batch.num_rows
        present = ([text for text in texts if text is not None] for texts in zip(*columns, strict=True))
        return [JOINT.join(texts) if texts else lack for texts in present]

    def _decoded(self, batch: "pa.RecordBatch") -> list[bytes | str]:
        found: list[bytes | str] = []
        for row in batch.to_pylist():
            try:
                found.append(self._wanted.of({name: _mapped(row[name]) for name in self._texts}))
            except ShapeError as error:
                found.append(str(error))
        return found

    def _ids(self, batch: "pa.RecordBatch") -> list[Any]:
        if self._id not in batch.schema.names:
            return [None] * batch.num_rows
        return list(batch.column(self._id).to_pylist())


def _is_plain(kind: "pa.DataType") -> bool:
    import pyarrow as pa  # noqa: PLC0415 (as above)

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        check(kind)
        for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    )


def _mapped(value: Any) -> Any:
    """Make tables of what Parquet calls maps, lists of pairs in Arrow; a key that comes again has a list of values."""
    if isinstance(value, list):
        if value and all(isinstance(one, tuple) for one in value):
            table: dict[str, list[Any]] = {}
            for key, inner in value:
                name = key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
                table.setdefault(name, []).append(_mapped(inner))
            return table
        return [_mapped(inner) for inner in value]
    return {key: _mapped(inner) for key, inner in value.items()} if isinstance(value, dict) else value

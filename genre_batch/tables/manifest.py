"""A manifest: a table that names recordings, in CSV or Parquet; what it names is looked up, one object after the other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from genre_batch.errors import Missing, UsageError
from genre_batch.tables import storage
from schemas import inventory

COLUMNS = ("uri", "track_id", "genre", "artist")
ROWS = 2**14
LOOKING_UP = 16
"""Threads: most of the time goes into waiting for the store."""


def rows(url: str) -> Iterator[pa.Table]:
    """Columns of schemas.inventory without content_version; size, modified_at and etag are null where nothing is there.

    Raises UsageError for a manifest that cannot be used, StoreUnreachable.
    """
    table = read_table(url)
    if "uri" not in table.column_names:
        raise UsageError(f"{url}: no column uri: a manifest has uri and optionally track_id, genre, artist")
    table = table.select([name for name in COLUMNS if name in table.column_names])
    table = table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))
    if (nameless := pc.index(_no_text(table["uri"]), True).as_py()) >= 0:
        raise UsageError(f"{url}: row {nameless + 1} has no uri")
    if "track_id" not in table.column_names:
        table = table.append_column("track_id", table["uri"])
    _refuse_doubles(url, table["track_id"])
    with ThreadPoolExecutor(LOOKING_UP) as pool:
        for start in range(0, table.num_rows, ROWS):
            yield _looked_up(url, table.slice(start, ROWS), pool)


def read_table(url: str) -> pa.Table:
    """A CSV or Parquet file. Raises UsageError if it is neither, StoreUnreachable."""
    try:
        data = pa.BufferReader(storage.read_needed(url))
    except Missing as error:
        raise UsageError(f"{url} does not exist, or is a folder") from error
    try:
        table = pq.read_table(data) if url.endswith(".parquet") else _read_csv(data)
    except (pa.ArrowInvalid, ValueError) as error:
        raise UsageError(f"{url} cannot be read: {error}") from error
    if len(set(table.column_names)) < table.num_columns:
        raise UsageError(f"{url}: two columns of the same name among {', '.join(table.column_names)}")
    return table


def _read_csv(data: pa.BufferReader) -> pa.Table:
    # Track ids like 00012 are names, not numbers: every column is read as text.
    header = pacsv.open_csv(data).schema.names
    data.seek(0)
    # Nor is NA a missing value: an artist may be called that. Only an empty field is.
    text = pacsv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=[""])
    return pacsv.read_csv(data, convert_options=text)


def _no_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.equal(pc.fill_null(values, ""), "")


def _refuse_doubles(url: str, track_ids: pa.ChunkedArray) -> None:
    counts = pc.value_counts(track_ids)
    values, times = counts.field("values"), counts.field("counts")
    wrong = counts.filter(pc.or_(_no_text(values), pc.greater(times, 1)))
    if len(wrong):
        value, n = wrong[0]["values"].as_py(), wrong[0]["counts"].as_py()
        raise UsageError(f"{url}: track_id {value!r} stands {n} times; every track needs its own")


def _looked_up(url: str, named: pa.Table, pool: ThreadPoolExecutor) -> pa.Table:
    folder = url.rsplit("/", 1)[0]
    places = [
        uri if storage.is_s3(uri) or uri.startswith("/") else storage.join(folder, uri) for uri in named["uri"].to_pylist()
    ]
    found = list(pool.map(storage.stat, places))
    columns = {
        "track_id": named["track_id"],
        "uri": places,
        "size": [each and each.size for each in found],
        "modified_at": [each and each.modified_at for each in found],
        "etag": [each and each.etag for each in found],
    }
    for name in ("genre", "artist"):
        there = name in named.column_names
        columns[name] = pc.if_else(_no_text(named[name]), None, named[name]) if there else pa.nulls(named.num_rows)
    known = [field for field in inventory.ARROW if field.name in columns]
    return pa.table([_column(columns[field.name], field.type) for field in known], schema=pa.schema(known))


def _column(values: pa.ChunkedArray | list[object], kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    return pa.array(values, kind) if isinstance(values, list) else values.cast(kind)

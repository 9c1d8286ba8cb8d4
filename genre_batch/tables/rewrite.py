"""Files that hold rows of some keys, written anew: without these rows, or with something of them changed.

Files of a version never change: a transaction takes such a file out and puts others in. Only files whose bounds allow one of the keys
are read, and only those that hold one are written anew; in pieces, so that the next keys of the same neighbourhood touch less.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from genre_batch.errors import Forbidden, Missing, StoreUnreachable
from genre_batch.tables import parts, storage
from genre_batch.tables.parts import Part

PIECE_BYTES = 16 * 2**20
"""Before compression: at most so much of a file becomes a file of its own."""
PIECE_ROWS = 20_000
"""Or so many rows, where they are small: what is done next to their neighbours then takes a fraction of a second."""
MOST_AT_ONCE = 8
BYTES_AT_ONCE = 256 * 2**20
"""Of files as they are stored; in memory they take some times as much."""

Action: TypeAlias = AddAction | RemoveAction
Change: TypeAlias = Callable[[pa.Table, list[str]], pa.Table]
"""Some rows of a file and their keys, to the rows that take their place."""


def without(table: DeltaTable, place: str, key: str, gone: Collection[str]) -> list[Action]:
    """What takes all rows of these keys out of the table at `place`. Raises StoreUnreachable."""

    def kept(rows: pa.Table, keys: list[str]) -> pa.Table:
        return rows.filter(pa.array([each not in gone for each in keys], pa.bool_()))

    return _changed(table, place, key, gone, kept)


def with_values(table: DeltaTable, place: str, key: str, column: str, values: Mapping[str, object]) -> list[Action]:
    """What sets a column of all rows of these keys, each to its value or null. Raises StoreUnreachable."""

    def put(rows: pa.Table, keys: list[str]) -> pa.Table:
        field = rows.schema.field(column)
        chosen = pa.array([each in values for each in keys], pa.bool_())
        new = pc.if_else(chosen, pa.array(map(values.get, keys), field.type), rows[column])
        return rows.set_column(rows.schema.get_field_index(column), field, new)

    return _changed(table, place, key, values.keys(), put)


def _changed(table: DeltaTable, place: str, key: str, keys: Collection[str], change: Change) -> list[Action]:
    wanted = sorted(keys)
    near = [part for part in parts.of(table, key) if _may_hold(part, wanted)] if wanted else []
    if not near:
        return []
    schema = pa.schema(table.schema().to_arrow())

    def rewritten(part: Part) -> list[Action]:
        return _rewritten(place, part, schema, key, keys, change)

    at_once = min(MOST_AT_ONCE, BYTES_AT_ONCE // max(1, *(part.size for part in near)))
    with ThreadPoolExecutor(max(1, at_once)) as pool:
        return [action for actions in pool.map(rewritten, near) for action in actions]


def _may_hold(part: Part, wanted: list[str]) -> bool:
    if part.low is None or part.high is None:
        return True
    first = bisect_left(wanted, part.low)
    return first < len(wanted) and wanted[first] <= part.high


def _rewritten(place: str, part: Part, schema: pa.Schema, key: str, keys: Collection[str], change: Change) -> list[Action]:
    """Nothing, if the file holds none of the keys after all."""
    try:
        file = pq.ParquetFile(pa.BufferReader(storage.read_bytes(storage.join(place, part.path))))
    except (Missing, Forbidden) as error:
        raise StoreUnreachable(f"a file of the table {place} cannot be read: {error}") from error
    rows_a_piece = _rows_a_piece(file.metadata)
    if not any(each in keys for batch in file.iter_batches(rows_a_piece, columns=[key]) for each in batch[key].to_pylist()):
        return []
    actions: list[Action] = [parts.removed(part)]
    for batch in file.iter_batches(rows_a_piece):
        rows = _conformed(pa.table(batch), schema)
        rows = change(rows, rows[key].to_pylist())
        if rows.num_rows:
            actions.append(parts.added(parts.write(place, rows, key), key))
    return actions


def _rows_a_piece(told: pq.FileMetaData) -> int:
    size = sum(told.row_group(i).total_byte_size for i in range(told.num_row_groups))
    return int(max(1, min(PIECE_ROWS, PIECE_BYTES * told.num_rows // max(1, size))))


def _conformed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """With null in the columns that the table got after the file was written."""
    for field in schema:
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.select(schema.names).cast(schema)

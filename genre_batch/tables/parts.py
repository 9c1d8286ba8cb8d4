"""Parquet files of a table, and what its log says of them: whoever reads or writes skips a file by the bounds of its key."""

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from genre_batch.tables import storage

LONGEST_BOUND = 256
"""Characters. Track ids are paths, which are alike for long."""
LAST_CHARACTER = "\U0010ffff"
SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True)
class Part:
    """A file in the folder of a table. No value of the key's first column is below `low` or above `high`; None: nobody knows."""

    path: str
    size: int
    rows: int
    low: str | None
    high: str | None


def write(place: str, rows: pa.Table, key: str) -> Part:
    """Rows as one new file in the folder of a table. Raises StoreUnreachable."""
    path = f"part-{uuid.uuid4()}.parquet"
    buffer = pa.BufferOutputStream()
    pq.write_table(rows, buffer, compression="zstd")
    data = buffer.getvalue().to_pybytes()
    storage.write_bytes(storage.join(place, path), data)
    return Part(path, len(data), rows.num_rows, *bounds(rows[key]))


def read(place: str, part: Part) -> pa.Table:
    """Its rows. Raises Missing if the file is gone, StoreUnreachable."""
    data = storage.read_needed(storage.join(place, part.path))
    return pq.read_table(pa.BufferReader(data))


def bounds(column: pa.ChunkedArray) -> tuple[str | None, str | None]:
    """Of texts, in the order of their code points; cut to LONGEST_BOUND characters, and bounds still."""
    found = pc.min_max(column).as_py()
    low, high = found["min"], found["max"]
    return (None, None) if low is None else (low[:LONGEST_BOUND], _at_least(high))


def _at_least(text: str) -> str | None:
    if len(text) <= LONGEST_BOUND:
        return text
    head = text[:LONGEST_BOUND].rstrip(LAST_CHARACTER)
    if not head:
        return None
    following = ord(head[-1]) + 1
    return head[:-1] + chr(SURROGATES.stop if following in SURROGATES else following)


def of(table: DeltaTable, key: str) -> list[Part]:
    """Those of the version that is opened."""
    told = pa.table(table.get_add_actions(flatten=True))
    names = ("path", "size_bytes", "num_records", f"min.{key}", f"max.{key}")
    nothing = pa.nulls(told.num_rows)
    columns = [(told[name] if name in told.column_names else nothing).to_pylist() for name in names]
    return [Part(*values) for values in zip(*columns, strict=True)]


def added(part: Part, key: str) -> AddAction:
    """What a transaction says of a new file."""
    known = {name: {key: bound} for name, bound in (("minValues", part.low), ("maxValues", part.high)) if bound is not None}
    stats: dict[str, Any] = {"numRecords": part.rows, "nullCount": {key: 0}} | known
    return AddAction(part.path, part.size, {}, _now_ms(), True, json.dumps(stats))


def removed(part: Part) -> RemoveAction:
    """What a transaction says of a file that is no longer part of the table; it stays until it is vacuumed."""
    return RemoveAction(part.path, True, _now_ms(), size=part.size, partition_values={})


def _now_ms() -> int:
    return int(time.time() * 1000)

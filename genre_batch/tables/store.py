"""The output tables: Delta Lake tables side by side under one URL. Workers write Parquet parts, the driver commits them."""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, QueryBuilder
from deltalake.transaction import AddAction

from genre_batch.errors import ContractViolated, UsageError
from genre_batch.front_end import FrontEnd
from genre_batch.tables import storage
from genre_batch.tables.delta import open_table, reaching
from schemas.contract import ContractError

FRONT_END_PROPERTY = "genre_batch.front_end"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A Parquet part that a worker wrote: not part of the table until the driver commits it."""

    table: str
    path: str
    size: int
    rows: int
    checksum: int
    """Sum of the hashes of its track ids: tells a lost track from a doubled one where the counts agree."""


def checksum(track_ids: Sequence[str]) -> int:
    """Order-free, of each distinct track id once."""
    digests = (blake2b(track_id.encode(), digest_size=8).digest() for track_id in set(track_ids))
    return sum(int.from_bytes(digest) for digest in digests) % 2**64


def read(url: str, name: str, schema: pa.Schema, columns: Sequence[str], where: str | None = None) -> pa.Table:
    """Some columns of the newest version, of the rows that an SQL predicate picks; no rows if there is no such table."""
    wanted = pa.schema([schema.field(column) for column in columns])
    table = open_table(url, name)
    if table is None:
        return wanted.empty_table()
    with reaching(storage.join(url, name)):
        return _select(table, columns, where).cast(wanted)


def _select(table: DeltaTable, columns: Sequence[str], where: str | None = None) -> pa.Table:
    # Not to_pyarrow_dataset(): after reading through it, deltalake 1.6.6 aborts every other process at its exit.
    sql = f"SELECT {', '.join(columns)} FROM rows" + (f" WHERE {where}" if where else "")
    return pa.table(QueryBuilder().register("rows", table).execute(sql).read_all())


def create(url: str, name: str, schema: pa.Schema, properties: dict[str, str] | None = None) -> DeltaTable:
    """The table, made empty if it is not there. Raises UsageError for one of an older version that lacks a column."""
    place = storage.join(storage.normal(url), name)
    with reaching(place):
        table = DeltaTable.create(
            place,
            schema=schema,
            mode="ignore",
            configuration=properties or {},
            raise_if_key_not_exists=False,
            storage_options=storage.delta_options(),
        )
    missing = sorted(set(schema.names) - {field.name for field in table.schema().fields})
    if missing:
        raise UsageError(f"{place} was made by an older version, without {', '.join(missing)}: write to another place")
    return table


def front_end(table: DeltaTable) -> FrontEnd:
    """What a table of shards was stamped with."""
    return FrontEnd.from_json(table.metadata().configuration[FRONT_END_PROPERTY])


def write_part(url: str, contract: ModuleType, table: pa.Table) -> Receipt:
    """Validate rows and write them as one Parquet file. Raises ContractViolated and writes nothing if they break a promise."""
    try:
        contract.validate(table)
    except ContractError as error:
        raise ContractViolated(f"{error}; nothing was published") from error
    name: str = contract.NAME
    path = f"part-{uuid.uuid4()}.parquet"
    place = storage.join(storage.normal(url), name, path)
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    data = buffer.getvalue().to_pybytes()
    storage.write_bytes(place, data)
    return Receipt(
        name, path, len(data), table.num_rows, checksum(table["track_id"].to_pylist() if "track_id" in contract.KEY else [])
    )


def commit(url: str, contract: ModuleType, receipts: Sequence[Receipt], *, replaced: Sequence[str], run_id: str) -> None:
    """Publish the parts of one table in one transaction.

    replaced: values of the key's first column whose older rows, if any, must go in the same transaction. Raises TablesHeld if somebody else
    changed the same rows meanwhile, StoreUnreachable.
    """
    name = contract.NAME
    table = create(url, name, contract.ARROW)
    properties = CommitProperties(custom_metadata={"run_id": run_id})
    with reaching(storage.join(url, name)):
        owner = contract.KEY[0]
        stale = _present(table, owner, replaced)
        if not receipts:
            if stale:
                table.delete(_any_of(owner, stale), commit_properties=properties)
        elif not stale:
            table.create_write_transaction(
                [_add(receipt) for receipt in receipts], "append", table.schema(), commit_properties=properties
            )
        else:
            match = " AND ".join(f"new.{column} = old.{column}" for column in contract.KEY)
            merge = table.merge(
                _rows(url, contract, receipts), match, source_alias="new", target_alias="old", commit_properties=properties
            )
            merge.when_matched_update_all().when_not_matched_insert_all().when_not_matched_by_source_delete(
                _any_of(f"old.{owner}", stale)
            ).execute()


def _add(receipt: Receipt) -> AddAction:
    stats = json.dumps({"numRecords": receipt.rows})
    return AddAction(receipt.path, receipt.size, {}, int(time.time() * 1000), True, stats)


def _rows(url: str, contract: ModuleType, receipts: Sequence[Receipt]) -> pa.RecordBatchReader:
    """The parts one after the other, so that a large commit need not fit in memory."""

    def batches() -> Iterator[pa.RecordBatch]:
        for receipt in receipts:
            part = storage.join(storage.normal(url), receipt.table, receipt.path)
            yield from pq.read_table(pa.BufferReader(storage.read_bytes(part))).cast(contract.ARROW).to_batches()

    return pa.RecordBatchReader.from_batches(contract.ARROW, batches())


def _present(table: DeltaTable, column: str, values: Sequence[str]) -> list[str]:
    if not values:
        return []
    return sorted(set(_select(table, [column])[column].to_pylist()) & set(values))


def _any_of(column: str, values: Sequence[str]) -> str:
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} IN ({quoted})"

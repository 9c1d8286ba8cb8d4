"""The output tables: Delta Lake tables side by side under one URL. Workers write Parquet parts, the driver commits them."""

import json
import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from types import ModuleType
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, QueryBuilder
from deltalake.exceptions import CommitFailedError

from genre_batch.errors import ContractViolated, StoreUnreachable, TablesHeld
from genre_batch.front_end import FrontEnd
from genre_batch.tables import columns as evolved
from genre_batch.tables import parts, rewrite, storage
from genre_batch.tables.delta import open_table, reaching
from genre_batch.tables.parts import Part
from genre_batch.tables.rewrite import Action
from schemas import labels, rejects, runs, segments, shards, trials
from schemas.contract import ContractError

FRONT_END_PROPERTY = "genre_batch.front_end"
CONTRACTS: tuple[ModuleType, ...] = (labels, rejects, runs, segments, shards, trials)
MARKS_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class Receipt(Part):
    """A Parquet part that a worker wrote: not part of the table until the driver commits it."""

    table: str
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
    place = storage.join(storage.normal(url), name)
    nulls = [f"NULL AS {field.name}" for field in evolved.missing(table, place, schema)]
    rows = f"(SELECT {', '.join(['*', *nulls])} FROM rows)" if nulls else "rows"
    # Not to_pyarrow_dataset(): after reading through it, deltalake 1.6.6 aborts every other process at its exit.
    sql = f"SELECT {', '.join(columns)} FROM {rows}" + (f" WHERE {where}" if where else "")
    with reaching(place):
        return pa.table(QueryBuilder().register("rows", table).execute(sql).read_all()).cast(wanted)


def create(url: str, name: str, schema: pa.Schema, properties: dict[str, str] | None = None) -> DeltaTable:
    """The table, made empty if it is not there, with the columns that an older version did not have.

    Raises UsageError if one of these may not be null, TablesHeld, StoreUnreachable.
    """
    place = storage.join(storage.normal(url), name)
    with reaching(place):
        try:
            table = DeltaTable.create(
                place,
                schema=schema,
                mode="ignore",
                configuration=properties or {},
                raise_if_key_not_exists=False,
                storage_options=storage.delta_options(),
                # Or of two that make it at once, the later would make it again as version 1.
                commit_properties=CommitProperties(max_commit_retries=0),
            )
        except CommitFailedError:
            table = DeltaTable(place, storage_options=storage.delta_options())
    return evolved.add_missing(table, place, schema)


def front_end(table: DeltaTable) -> FrontEnd:
    """What a table of shards was stamped with."""
    return FrontEnd.from_json(table.metadata().configuration[FRONT_END_PROPERTY])


def write_part(url: str, contract: ModuleType, table: pa.Table) -> Receipt:
    """Validate rows and write them as one Parquet file. Raises ContractViolated and writes nothing if they break a promise."""
    try:
        contract.validate(table)
    except ContractError as error:
        raise ContractViolated(f"{error}; nothing was published") from error
    part = parts.write(storage.join(storage.normal(url), contract.NAME), table, contract.KEY[0])
    tracks = table["track_id"].to_pylist() if "track_id" in contract.KEY else []
    return Receipt(**asdict(part), table=contract.NAME, checksum=checksum(tracks))


def part(url: str, receipt: Receipt) -> pa.Table:
    """The rows of a part, committed or not. Raises Missing if it is gone, StoreUnreachable."""
    return parts.read(storage.join(storage.normal(url), receipt.table), receipt)


def commit(url: str, contract: ModuleType, receipts: Sequence[Receipt], *, replaced: Collection[str], run_id: str) -> None:
    """The one commit of a job that reads nothing first: see Writer.commit; `replaced` are its stale keys."""
    Writer(url, run_id, [contract]).commit(contract, receipts, stale=replaced)


class Writer:
    """The tables of one run; make it before reading what decides about the run's work.

    Every commit builds on the version that this writer saw last. What somebody else commits in between, be it of other rows, makes
    it raise TablesHeld: Delta by itself sees no conflict between two appends of the same tracks.
    """

    def __init__(self, url: str, run_id: str, contracts: Sequence[ModuleType] = CONTRACTS) -> None:
        """Raises UsageError for a table of a version too old to be written to, TablesHeld, StoreUnreachable."""
        self.url, self.run_id = storage.normal(url), run_id
        opened = ((contract, open_table(url, contract.NAME)) for contract in contracts)
        self._tables = {
            contract.NAME: evolved.add_missing(table, self._place(contract), contract.ARROW)
            for contract, table in opened
            if table is not None
        }

    def commit(self, contract: ModuleType, receipts: Sequence[Receipt], *, stale: Collection[str] = ()) -> None:
        """Append the parts of one table, in one transaction with which all older rows go whose key's first column is in `stale`.

        Without stale keys nothing of the table is read. Raises TablesHeld, StoreUnreachable; nothing of this commit is published then.
        """
        key, table = contract.KEY[0], self._table(contract)
        with reaching(self._place(contract)):
            gone = rewrite.without(table, self._place(contract), key, frozenset(stale))
        self._publish(contract, table, [*gone, *(parts.added(receipt, key) for receipt in receipts)])

    def put(self, contract: ModuleType, rows: pa.Table) -> None:
        """Rows that take the place of those of the same key's first column. Raises ContractViolated, and as `commit` does."""
        self.commit(contract, [write_part(self.url, contract, rows)], stale=rows[contract.KEY[0]].to_pylist())

    def mark(self, contract: ModuleType, marks: pa.Table | pa.RecordBatchReader) -> None:
        """Set `deleted_at` of tracks, to a time or null. Raises as `commit` does.

        marks: columns `track_id` and `deleted_at`. Each million is a transaction.
        """
        table = self._table(contract)
        for some in _by_number(marks, MARKS_AT_ONCE):
            values = dict(zip(some["track_id"].to_pylist(), some["deleted_at"].to_pylist(), strict=True))
            with reaching(self._place(contract)):
                marked = rewrite.with_values(table, self._place(contract), contract.KEY[0], "deleted_at", values)
            self._publish(contract, table, marked)

    def _place(self, contract: ModuleType) -> str:
        return storage.join(self.url, contract.NAME)

    def _table(self, contract: ModuleType) -> DeltaTable:
        if contract.NAME not in self._tables:
            table = create(self.url, contract.NAME, contract.ARROW)
            if version := table.version():
                raise _held(self._place(contract), _told(self._place(contract), version) or {}, version)
            self._tables[contract.NAME] = table
        return self._tables[contract.NAME]

    def _publish(self, contract: ModuleType, table: DeltaTable, actions: list[Action]) -> None:
        if not actions:
            return
        place, version, token = self._place(contract), table.version() + 1, uuid.uuid4().hex
        properties = CommitProperties(custom_metadata={"run_id": self.run_id, "commit": token}, max_commit_retries=0)
        try:
            with reaching(place):
                table.create_write_transaction(actions, "append", table.schema(), commit_properties=properties)
        except (TablesHeld, StoreUnreachable) as error:
            # What was lost may be the answer, not the commit: then it is this one that is in the way.
            told = _told(place, version)
            if told is None:
                raise
            if told.get("commit") != token:
                raise _held(place, told, version) from error
        with reaching(place):
            table.load_as_version(version)


def _told(place: str, version: int) -> dict[str, Any] | None:
    """What the log says of a version, None if there is no such version yet."""
    entries = storage.read_or(storage.join(place, "_delta_log", f"{version:020}.json"), lambda: b"").splitlines()
    if not entries:
        return None
    return next((found["commitInfo"] for entry in entries if "commitInfo" in (found := json.loads(entry))), {})


def _held(place: str, told: dict[str, Any], version: int) -> TablesHeld:
    who = f"run {told['run_id']}" if "run_id" in told else "somebody else"
    return TablesHeld(
        f"{place}: {who} has committed version {version} meanwhile, as may happen to a run that slept until its lock was taken over; "
        "nothing of this commit was published, run again"
    )


def _by_number(rows: pa.Table | pa.RecordBatchReader, number: int) -> Iterator[pa.Table]:
    """At least so many at a time, but for the last."""
    gathered: list[pa.RecordBatch] = []
    for batch in rows.to_reader(number) if isinstance(rows, pa.Table) else rows:
        gathered.append(batch)
        if sum(each.num_rows for each in gathered) >= number:
            yield pa.Table.from_batches(gathered)
            gathered = []
    if gathered:
        yield pa.Table.from_batches(gathered)

"""What a report reads: the tables as they stand, and the labels as they stood before the newest run."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from genre_batch.errors import UsageError
from genre_batch.tables import database, delta, storage
from schemas import labels, rejects, runs, segments

JOB = "label-catalog"
COMMITS = 5000
"""Of a table's history that are looked through: of a night that commits every 30 s, forty hours."""


@dataclass(frozen=True)
class Source:
    """DuckDB with views of `labels`, `rejects`, `runs` and `segments`; of the labels in files that only the newest version has,
    `labels_new`; and of the version that the newest run found, `labels_before` (all of it) and `labels_old` (what only it has).

    run_id: of the newest run of label-catalog. compared: whether the version before that run is there; if not, the three are empty.
    """

    connection: duckdb.DuckDBPyConnection
    run_id: str
    compared: bool

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """The answer to a statement; maps as dicts. Parameters are named, as in `$run`."""
        found: list[dict[str, Any]] = self.table(sql, **values).to_pylist(maps_as_pydicts="strict")
        return found

    def table(self, sql: str, **values: Any) -> pa.Table:
        return self.connection.sql(sql, params=values or None).to_arrow_table()


@contextmanager
def opened(url: str) -> Iterator[Source]:
    """Raises UsageError where no run of label-catalog has published anything, StoreUnreachable."""
    url = storage.normal(url)
    tables = {contract: delta.open_table(url, contract.NAME) for contract in (labels, rejects, runs, segments)}
    with tempfile.TemporaryDirectory(prefix="genre-batch-") as folder, database.opened(folder) as connection:
        files = {contract.NAME: _files(url, contract, table) for contract, table in tables.items()}
        _register(connection, files)
        for contract in tables:
            _view(connection, contract, contract.NAME, list(files[contract.NAME]))
        newest = connection.execute(
            "SELECT run_id, epoch_ms(started_at) FROM runs WHERE job = $job ORDER BY started_at DESC, run_id DESC LIMIT 1",
            {"job": JOB},
        ).fetchone()
        if newest is None:
            raise UsageError(f"{url} holds no run of {JOB}: there is nothing to report yet")
        before = _before(url, tables[labels], *newest)
        earlier = _files(url, labels, before)
        _register(connection, files | {"labels_before": earlier})
        now = files[labels.NAME]
        _view(connection, labels, "labels_before", list(earlier))
        _view(connection, labels, "labels_old", [name for name in earlier if name not in now])
        _view(connection, labels, "labels_new", [name for name in now if before is not None and name not in earlier])
        yield Source(connection, newest[0], before is not None)


def _before(url: str, table: DeltaTable | None, run_id: str, started_ms: int) -> DeltaTable | None:
    """The version of the labels that a run found. None for a first run, and where that version is no longer kept."""
    if table is None:
        return None
    place = storage.join(url, labels.NAME)
    with delta.reaching(place):
        told = table.history(COMMITS)
    mine = [entry["version"] for entry in told if entry.get("run_id") == run_id]
    oldest = told[-1]
    if not mine:
        # It committed no label, unless the log no longer reaches back to it.
        return table if oldest["version"] == 0 or oldest["timestamp"] < started_ms else None
    if min(mine) == oldest["version"]:
        # Its first commits may be among those that the log no longer tells.
        return None
    try:
        found = DeltaTable(place, version=min(mine) - 1, storage_options=storage.delta_options())
    except DeltaError:
        return None
    gone = _files(url, labels, found).items() - _files(url, labels, table).items()
    return found if found.file_uris() and all(storage.exists(uri) for _, uri in gone) else None


def _files(url: str, contract: ModuleType, table: DeltaTable | None) -> dict[str, str]:
    return {} if table is None else database.files_of(storage.join(url, contract.NAME), table)


def _register(connection: duckdb.DuckDBPyConnection, files: dict[str, dict[str, str]]) -> None:
    """Let the database read these files, and no others."""
    shelf = storage.Shelf({name: uri for each in files.values() for name, uri in each.items()})
    if connection.filesystem_is_registered(shelf.protocol):
        connection.unregister_filesystem(shelf.protocol)
    connection.register_filesystem(shelf)
    connection.execute("SET allowed_paths = $1", [list(shelf.files)])


def _view(connection: duckdb.DuckDBPyConnection, contract: ModuleType, name: str, files: Sequence[str]) -> None:
    """With all columns of the contract: null where an older version has none, no rows where there are no files."""
    connection.register(f"empty_{name}", pa.Table.from_batches([], contract.ARROW))
    stored = f" UNION ALL BY NAME SELECT * FROM read_parquet({list(files)}, union_by_name = true)" if files else ""
    connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM empty_{name}{stored}")

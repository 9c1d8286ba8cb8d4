"""SQL over the tables, in DuckDB; reads, and nothing else."""

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from genre_batch.errors import JobError, StoreUnreachable, UsageError
from genre_batch.tables import delta, storage

TABLES = ("labels", "rejects", "runs", "shards", "trials")


def query(url: str, sql: str) -> pa.Table:
    """The answer to one SQL statement over the tables that are there.

    The statement sees only these tables: no other file, no network, no write. Raises UsageError for SQL that DuckDB refuses
    and if there is no table at all, StoreUnreachable.
    """
    opened = {name: table for name in TABLES if (table := delta.open_table(url, name)) is not None}
    if not opened:
        raise UsageError(f"{storage.normal(url)} holds no tables ({', '.join(TABLES)})")
    with duckdb.connect() as connection, delta.reaching(url):
        files = {name: _files(storage.join(storage.normal(url), name), table) for name, table in opened.items()}
        shelf = storage.Shelf({uri: place for part in files.values() for uri, place in part.items()})
        connection.register_filesystem(shelf)
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET allowed_paths = $1", [list(shelf.files)])
        try:
            for name, table in opened.items():
                _add_view(connection, name, table, list(files[name]))
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            if len(connection.extract_statements(sql)) != 1:
                raise UsageError("a query is one SQL statement, neither none nor several")
            return _told_apart(connection.sql(sql).to_arrow_table())
        except duckdb.Error as error:
            raise _meant(error, url) from error


def _files(place: str, table: DeltaTable) -> dict[str, str]:
    """The files of this version under the names that DuckDB knows, which hold no sign that SQL or a pattern would read."""
    # Not file_uris(): it percent-encodes spaces and accents of a local path.
    paths = table.get_add_actions()["path"].to_pylist()
    name = place.rsplit("/", 1)[1]
    return {f"{storage.Shelf.protocol}://{name}/{path}": storage.join(place, path) for path in paths}


def _add_view(connection: duckdb.DuckDBPyConnection, name: str, table: DeltaTable, files: list[str]) -> None:
    """An empty table has no files, and keeps its columns."""
    if files:
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files}, union_by_name = true)")
    else:
        # Not empty_table(): it imports pandas.
        connection.register(name, pa.Table.from_batches([], pa.schema(table.schema().to_arrow())))


def _told_apart(answer: pa.Table) -> pa.Table:
    """A join gives columns of one name, which a reader by name would see as one: they get a number."""
    names: list[str] = []
    for name in answer.column_names:
        tries = (name, *(f"{name}_{i}" for i in range(1, answer.num_columns + 1)))
        names.append(next(each for each in tries if each not in names))
    return answer.rename_columns(names)


def _meant(error: duckdb.Error, url: str) -> JobError:
    """Of what our file system raised within it, DuckDB keeps only the text of the trace; its last line says it all."""
    said = str(error)
    if not said.startswith("Traceback"):
        return UsageError(said)
    last = said.split("\n\nLINE ")[0].splitlines()[-1]
    return UsageError(last) if storage.Shelf.REFUSAL in last else StoreUnreachable(f"{url} cannot be read: {last}")

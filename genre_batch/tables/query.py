"""SQL over the tables, in DuckDB; reads, and nothing else."""

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from genre_batch.errors import JobError, StoreUnreachable, UsageError
from genre_batch.tables import delta, storage
from genre_batch.tables.database import files_of, raised_within

_PROMISED = "promised"
"""A schema, so that its tables do not stand among those that a question sees."""


def query(url: str, sql: str) -> pa.Table:
    """The answer to one SQL statement over the tables that are there.

    The statement sees only these tables: no other file, no network, no write. Raises UsageError for SQL that DuckDB refuses
    and if there is no table at all, StoreUnreachable.
    """
    opened = {name: table for name in delta.TABLES if (table := delta.open_table(url, name)) is not None}
    if not opened:
        raise UsageError(f"{storage.normal(url)} holds no tables ({', '.join(delta.TABLES)})")
    with duckdb.connect() as connection, delta.reaching(url):
        files = {name: files_of(storage.join(storage.normal(url), name), table) for name, table in opened.items()}
        shelf = storage.Shelf({uri: place for part in files.values() for uri, place in part.items()})
        connection.register_filesystem(shelf)
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET allowed_paths = $1", [list(shelf.files)])
        try:
            connection.execute(f"CREATE SCHEMA {_PROMISED}")
            for name, table in opened.items():
                _add_view(connection, name, table, list(files[name]))
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            if len(connection.extract_statements(sql)) != 1:
                raise UsageError("a query is one SQL statement, neither none nor several")
            return _told_apart(connection.sql(sql).to_arrow_table())
        except duckdb.Error as error:
            raise _meant(error, url) from error


def _add_view(connection: duckdb.DuckDBPyConnection, name: str, table: DeltaTable, files: list[str]) -> None:
    """With the columns of the table, which may be in none of its files, or have no files at all."""
    # Not empty_table(): it imports pandas.
    connection.register("columns", pa.Table.from_batches([], pa.schema(table.schema().to_arrow())))
    connection.execute(f"CREATE TABLE {_PROMISED}.{name} AS FROM columns")
    connection.unregister("columns")
    stored = f" UNION ALL BY NAME FROM read_parquet({files}, union_by_name = true)" if files else ""
    connection.execute(f"CREATE VIEW {name} AS FROM {_PROMISED}.{name}{stored}")


def _told_apart(answer: pa.Table) -> pa.Table:
    """A join gives columns of one name, which a reader by name would see as one: they get a number."""
    names: list[str] = []
    for name in answer.column_names:
        tries = (name, *(f"{name}_{i}" for i in range(1, answer.num_columns + 1)))
        names.append(next(each for each in tries if each not in names))
    return answer.rename_columns(names)


def _meant(error: duckdb.Error, url: str) -> JobError:
    """A statement that cannot be answered, or a store that failed."""
    last = raised_within(error)
    if last is None:
        return UsageError(str(error))
    return UsageError(last) if storage.Shelf.REFUSAL in last else StoreUnreachable(f"{url} cannot be read: {last}")

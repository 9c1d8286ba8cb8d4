"""SQL over the tables, in DuckDB; reads, and nothing else."""

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from genre_batch.errors import UsageError
from genre_batch.tables import delta, storage

TABLES = ("labels", "rejects", "runs", "shards")


def query(url: str, sql: str) -> pa.Table:
    """The answer to one SQL statement over the tables that are there.

    The statement sees only these tables: no other file, no network, no write. Raises UsageError for SQL that DuckDB refuses
    and if there is no table at all, StoreUnreachable.
    """
    opened = {name: table for name in TABLES if (table := delta.open_table(url, name)) is not None}
    if not opened:
        raise UsageError(f"{storage.normal(url)} holds no tables ({', '.join(TABLES)})")
    with duckdb.connect() as connection, delta.reaching(url):
        if storage.is_s3(url):
            connection.register_filesystem(storage.filesystem(url))
        files = {name: table.file_uris() for name, table in opened.items()}
        for name, table in opened.items():
            connection.execute(_view(name, table, files[name]))
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET allowed_paths = $1", [[file for part in files.values() for file in part]])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        try:
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise UsageError(str(error)) from error


def _view(name: str, table: DeltaTable, files: list[str]) -> str:
    """The files of this version as a view; an empty table has none, and keeps its columns."""
    if files:
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        return f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{listed}], union_by_name = true)"
    columns = ", ".join(f'"{field.name}"' for field in table.schema().fields)
    empty = ", ".join(f"NULL AS {column}" for column in columns.split(", "))
    return f"CREATE VIEW {name} AS SELECT {empty} WHERE false"

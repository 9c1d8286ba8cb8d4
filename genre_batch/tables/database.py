"""DuckDB over the tables: a database that works out of core in a folder of its own, and reads the newest version of each table."""

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from genre_batch.errors import StoreUnreachable
from genre_batch.tables import delta, storage

MEMORY = "1GB"
THREADS = 2


@contextmanager
def opened(folder: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that spills into `folder`. Raises StoreUnreachable where the disk is full, or a store fails that it reads from."""
    # In a file: what is kept in tables is then compressed, and memory holds a part of it.
    path = os.path.join(folder, "work.duckdb")
    settings: dict[str, Any] = {"memory_limit": MEMORY, "threads": THREADS, "temp_directory": os.path.join(folder, "spilled")}
    try:
        with duckdb.connect(path, config=settings) as connection:
            connection.execute("SET preserve_insertion_order = false")
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
    except duckdb.Error as error:
        if said := raised_within(error):
            raise StoreUnreachable(f"the tables cannot be read: {said}") from error
        if isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException):
            raise StoreUnreachable(
                f"{folder} cannot be worked in, as where its disk is full: {str(error).splitlines()[0]}"
            ) from error
        raise
    except RuntimeError as error:
        raise interrupted(error) from error
    finally:
        for left in glob.glob(f"{glob.escape(path)}*"):
            os.remove(left)


def add_tables(connection: duckdb.DuckDBPyConnection, url: str, contracts: Sequence[ModuleType]) -> None:
    """A view of each table, by its name, with all columns of its contract.

    They are null where an older version has none; there are no rows where there is no table.
    """
    found = {contract.NAME: delta.open_table(url, contract.NAME) for contract in contracts}
    shelved = {
        name: files_of(storage.join(storage.normal(url), name), table) for name, table in found.items() if table is not None
    }
    shelf = storage.Shelf({name: uri for files in shelved.values() for name, uri in files.items()})
    connection.register_filesystem(shelf)
    connection.execute("SET allowed_paths = $1", [list(shelf.files)])
    for contract in contracts:
        name = contract.NAME
        # Not empty_table(): it imports pandas.
        connection.register(f"empty_{name}", pa.Table.from_batches([], contract.ARROW))
        files = list(shelved.get(name, ()))
        stored = f" UNION ALL BY NAME SELECT * FROM read_parquet({files}, union_by_name = true)" if files else ""
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM empty_{name}{stored}")


def files_of(place: str, table: DeltaTable) -> dict[str, str]:
    """The files of this version under the names that DuckDB knows, which hold no sign that SQL or a pattern would read."""
    # Not file_uris(): it percent-encodes spaces and accents of a local path.
    paths = table.get_add_actions()["path"].to_pylist()
    name = place.rsplit("/", 1)[1]
    return {f"{storage.Shelf.protocol}://{name}/{path}": storage.join(place, path) for path in paths}


def interrupted(error: RuntimeError) -> BaseException:
    """A Ctrl-C that DuckDB caught, as what it was; any other as it is."""
    return KeyboardInterrupt() if str(error) == "Query interrupted" else error


def parquet(path: str) -> str:
    """A local file in SQL, after FROM."""
    return f"read_parquet({quoted(glob.escape(path))})"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def raised_within(error: duckdb.Error) -> str | None:
    """What our file system raised within DuckDB, which keeps only the text of the trace: its last line. None if nothing."""
    said = str(error)
    return said.split("\n\nLINE ")[0].splitlines()[-1] if said.startswith("Traceback") else None

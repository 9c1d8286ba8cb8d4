"""Opening a Delta table, and what its errors mean. Apart from store.py, so that a query need not import what writing needs."""

from collections.abc import Iterator
from contextlib import contextmanager

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from genre_batch.errors import StoreUnreachable, TablesHeld
from genre_batch.tables import storage

TABLES = ("labels", "rejects", "runs", "segments", "shards", "trials")
"""All that may lie side by side under one URL."""


def open_table(url: str, name: str) -> DeltaTable | None:
    """The newest version of a table, None if there is none yet. Raises StoreUnreachable."""
    place = storage.join(storage.normal(url), name)
    with reaching(place):
        try:
            return DeltaTable(place, storage_options=storage.delta_options())
        except TableNotFoundError:
            return None


@contextmanager
def reaching(place: str) -> Iterator[None]:
    """As storage.reaching, for what deltalake raises."""
    try:
        with storage.reaching(place):
            yield
    except CommitFailedError as error:
        raise TablesHeld(f"{place}: somebody else committed meanwhile ({error}); nothing was published, run again") from error
    except DeltaError as error:
        raise StoreUnreachable(f"{place}: {str(error).splitlines()[0]}") from error

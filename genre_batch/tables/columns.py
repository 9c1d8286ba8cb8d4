"""Tables of an older version: columns that may be null were added to what readers are promised since."""

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema

from genre_batch.errors import UsageError
from genre_batch.tables.delta import reaching


def missing(table: DeltaTable, place: str, schema: pa.Schema) -> pa.Schema:
    """The fields of the promise that the table lacks. Raises UsageError if one of them may not be null."""
    known = {field.name for field in table.schema().fields}
    found = [field for field in schema if field.name not in known]
    if lost := sorted(field.name for field in found if not field.nullable):
        raise UsageError(f"{place} was made by an older version, without {', '.join(lost)}: write to another place")
    return pa.schema(found)


def add_missing(table: DeltaTable, place: str, schema: pa.Schema) -> DeltaTable:
    """The same table with all fields of the promise. Raises UsageError as above, TablesHeld, StoreUnreachable."""
    if new := list(Schema.from_arrow(missing(table, place, schema)).fields):
        with reaching(place):
            table.alter.add_columns(new, commit_properties=CommitProperties(max_commit_retries=0))
    return table

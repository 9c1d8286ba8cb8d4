"""The one way a table is held to its promise: exact Arrow schema, then pandera's checks of the values."""

from collections.abc import Callable

import pyarrow as pa

MAX_CASES = 5


class ContractError(Exception):
    """Rows that break a table's promise; the message names table, columns, checks and a few of the values."""


def validate(
    name: str, table: pa.Table, arrow: pa.Schema, checks: Callable[[], dict[str, list[object]]], key: list[str]
) -> None:
    """Raise ContractError unless `table` has exactly the schema `arrow`, nulls only where allowed, and passes the checks.

    checks: gives pandera checks by column; a function, so that reading a schema does not import pandera (over a second).
    key: the columns that together are unique.
    """
    if not table.schema.equals(arrow):
        wanted, got = (
            [f"{f.name}: {f.type}{'' if f.nullable else ' not null'}" for f in each] for each in (arrow, table.schema)
        )
        missing, extra = sorted({*wanted} - {*got}), sorted({*got} - {*wanted})
        said = f"missing {missing}, not expected {extra}" if missing or extra else f"order {table.schema.names}"
        raise ContractError(f"table {name}: columns differ: {said}")
    for column in arrow:
        if not column.nullable and table[column.name].null_count:
            raise ContractError(f"table {name}: column {column.name} has {table[column.name].null_count} nulls")
    if table.group_by(key).aggregate([]).num_rows != table.num_rows:
        raise ContractError(f"table {name}: key {', '.join(key)} is not unique")

    import pandera.pyarrow as pandera
    from pandera.errors import SchemaErrors

    contract = {column: pandera.Column(None, checks=found, nullable=True) for column, found in checks().items()}
    try:
        pandera.DataFrameSchema(contract).validate(table.select(list(contract)), lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases.slice(0, MAX_CASES).to_pylist()
        said = "; ".join(f"{case['column']}: {case['check']} fails for {case['failure_case']}" for case in cases)
        raise ContractError(f"table {name}: {said}") from error

"""An answer as CSV, JSON lines, Parquet or a table for people."""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def as_csv(answer: pa.Table) -> str:
    """A header and one line a row; maps, lists and structs as JSON."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.column_names)
    for row in _rows(answer):
        writer.writerow(["" if value is None else _exact(value) for value in row.values()])
    return text.getvalue()


def as_json(answer: pa.Table) -> str:
    """One JSON object a line; maps as objects, times as ISO 8601."""
    return "".join(json.dumps(row, default=_inner, ensure_ascii=False) + "\n" for row in _rows(answer))


def as_parquet(answer: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    buffer = pa.BufferOutputStream()
    pq.write_table(answer, buffer)
    return buffer.getvalue().to_pybytes()


def print_table(answer: pa.Table) -> None:
    """On stdout, as wide as the terminal."""
    table = Table(box=box.SIMPLE)
    for name in answer.column_names:
        table.add_column(
            escape(name), overflow="fold", justify="right" if _is_number(answer.schema.field(name).type) else "left"
        )
    for row in _rows(answer):
        table.add_row(*("" if value is None else escape(_plain(value)) for value in row.values()))
    Console().print(table)


def _rows(answer: pa.Table) -> list[dict[str, Any]]:
    columns = (_values(column) for column in answer.columns)
    return [dict(zip(answer.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type) and column.type.tz:
        # Arrow imports pandas, a third of a second, to make a Python time of one with a zone.
        times = column.cast(pa.timestamp(column.type.unit)).to_pylist()
        return [time.replace(tzinfo=UTC) if time else None for time in times]
    return list(column.to_pylist(maps_as_pydicts="strict"))


def _plain(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else _exact(value)


def _exact(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, default=_inner, ensure_ascii=False)
    return str(value if isinstance(value, Decimal) else _inner(value))


def _inner(value: Any) -> Any:
    """What JSON has no form for."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)

"""query: SQL over the tables."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from jobs import options
from jobs.config import Config


class Form(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def query(
    tables: options.Tables,
    sql: Annotated[str, typer.Argument(help="One SQL statement over labels, rejects, runs, shards.", metavar="SQL")],
    format: Annotated[Form, typer.Option(help="How to print the answer.")] = Form.TABLE,
    config: Config = None,
) -> None:
    """Ask the tables, in DuckDB's SQL; reads only.

    Example: genre-batch query --tables s3://music/genres "SELECT genre, count(*) AS n FROM labels GROUP BY genre ORDER BY n DESC"
    """
    from genre_batch import interrupts
    from genre_batch.tables import present
    from genre_batch.tables.query import query as ask

    with interrupts.deadly():
        answer = ask(tables, sql)
    if format is Form.PARQUET:
        sys.stdout.buffer.write(present.as_parquet(answer))
    elif format is Form.CSV:
        sys.stdout.write(present.as_csv(answer))
    elif format is Form.JSON:
        sys.stdout.write(present.as_json(answer))
    else:
        present.print_table(answer)

"""maintain: what tables need from time to time."""

from typing import Annotated

import typer

from jobs import options
from jobs.config import Config


def maintain(
    tables: options.Tables,
    keep: Annotated[
        str, typer.Option(help="How long versions can be read after they were replaced: 12h, 7d, 2w.", metavar="TIME")
    ] = "7d",
    target_mb: Annotated[int, typer.Option(help="Files smaller than this are put together.", min=1)] = 256,
    any_keep: Annotated[
        bool, typer.Option("--any-keep", help="Allow --keep below 1h, for tables that nobody else reads or writes.")
    ] = False,
    config: Config = None,
) -> None:
    """Put small files together, and take away what no version of the last days needs, such as parts of runs that were killed.

    Under the lock of the tables, so not while a run writes; who reads need not stop.

    Example: genre-batch maintain --tables s3://music/genres --keep 7d
    """
    from genre_batch import durations
    from genre_batch.tables.maintain import maintain as job

    keep_s = durations.seconds(keep, "--keep")
    for done in job(tables, keep_s=keep_s, target_bytes=target_mb * 2**20, any_keep=any_keep):
        print(
            f"{done.table}: {done.files_before:,} files are now {done.files_after:,}; {done.freed / 1e6:,.1f} MB freed; "
            f"versions {done.oldest_version} to {done.newest_version} can be read"
        )

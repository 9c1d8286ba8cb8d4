"""report: one page about the newest run and every label, for people."""

from typing import Annotated

import typer

from jobs import options
from jobs.config import Config


def report(
    tables: options.Tables,
    out: Annotated[str, typer.Option(help="The HTML file to write, or an s3:// URL.", metavar="FILE", show_default=False)],
    core_hour: Annotated[
        float | None, typer.Option(help="Price of an hour of one core: tells what the run cost.", min=0)
    ] = None,
    cores: Annotated[int | None, typer.Option(help="Cores that worked on the run, for --core-hour.", min=1)] = None,
    currency: Annotated[str, typer.Option(help="Of --core-hour.")] = "USD",
    rows: Annotated[int, typer.Option(help="The most labels that the page lists.", min=1)] = 100_000,
    segments: Annotated[int, typer.Option(help="The most segments that its timelines hold.", min=0)] = 1_000_000,
    spectrograms: Annotated[
        int,
        typer.Option(help="Of how many of the labels shown first to read the recording for a picture; 0: none.", min=0, max=25),
    ] = 25,
    config: Config = None,
) -> None:
    """Write one self-contained page: what the newest run did, what changed, and all labels to search.

    Example: genre-batch report --tables s3://music/genres --out report.html --core-hour 0.045 --cores 16
    """
    if cores is not None and core_hour is None:
        raise typer.BadParameter("--cores is for what a run cost: give --core-hour too")
    from genre_batch.report import night
    from genre_batch.report.text import size

    price = None if core_hour is None else night.Price(core_hour=core_hour, cores=cores, currency=currency)
    told = night.write(tables, out, night.Asked(price=price, rows=rows, segments=segments, pictures=spectrograms))
    print(f"report of run {told.run_id}: {told.listed:,} of {told.tracks:,} labels, {size(told.bytes)} in {out}")

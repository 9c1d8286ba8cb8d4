"""import-spectrograms: published spectrograms become segments to train on."""

from typing import Annotated

import typer

from genre_batch.choices import Redo
from jobs import options
from jobs.config import Config
from jobs.summary import accounts


def import_spectrograms(
    spectrograms: Annotated[
        str,
        typer.Option(
            help=".npz archive with X, name and genre, or a folder of genre folders with .png pictures.",
            metavar="URL",
            show_default=False,
        ),
    ],
    shards: options.Shards,
    artists: Annotated[str | None, typer.Option(help="CSV with columns track and artist.", metavar="FILE")] = None,
    segment_s: Annotated[float, typer.Option(help="Length of a segment in seconds.")] = 10.0,
    segment_hop_s: Annotated[
        float | None, typer.Option(help="From the start of a segment to that of the next; default: its length.")
    ] = None,
    descriptors: Annotated[
        str | None, typer.Option(help="Feature table as GTZAN's are published, of the same segments.", metavar="FILE")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="A value of the archive's array split; may be given again; default: all.")
    ] = None,
    colour_map: Annotated[
        str | None, typer.Option(help="In which pictures are drawn; default: each picture's is found out.", metavar="NAME")
    ] = None,
    redo: options.RedoOption = Redo.NOTHING,
    max_reject_fraction: options.MaxRejects = options.DEFAULT_MAX_REJECTS,
    config: Config = None,
) -> None:
    """Add the segments of new and changed spectrograms, as others publish them, to a table of shards.

    Example: genre-batch import-spectrograms --spectrograms logmel.npz --artists artists.csv --shards s3://music/published
    """
    from genre_batch.cluster import imported as job

    summary = job.import_spectrograms(
        source=job.Source(url=spectrograms, only=tuple(only or ()), colour_map=colour_map, descriptors=descriptors),
        shards_url=shards,
        artists=artists,
        segment_s=segment_s,
        segment_hop_s=segment_s if segment_hop_s is None else segment_hop_s,
        redo=redo,
        max_reject_fraction=max_reject_fraction,
    )
    print(accounts("import-spectrograms", "written", summary, shards))

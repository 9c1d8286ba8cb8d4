"""build-shards: a library with genres becomes spectrograms to train on."""

from typing import Annotated

import typer

from genre_batch.choices import Redo
from jobs import options
from jobs.config import Config
from jobs.summary import accounts


def build_shards(
    library: options.Library,
    shards: options.Shards,
    front_end: Annotated[str, typer.Option(help="mel, gtzan-published, seed-10s, seed-3s, or a TOML file.")] = "mel",
    artists: Annotated[str | None, typer.Option(help="CSV with columns track and artist.", metavar="FILE")] = None,
    descriptors: Annotated[bool, typer.Option("--descriptors", help="Store the 57 descriptors of each segment too.")] = False,
    redo: options.RedoOption = Redo.NOTHING,
    max_reject_fraction: options.MaxRejects = options.DEFAULT_MAX_REJECTS,
    config: Config = None,
) -> None:
    """Add the segments of new and changed recordings to a table of shards.

    Example: genre-batch build-shards --library s3://music/library --shards s3://music/shards
    """
    import dataclasses

    from genre_batch import front_end as front_ends
    from genre_batch.cluster import shards as job

    chosen = front_ends.load(front_end)
    if descriptors and chosen.descriptors is None:
        chosen = dataclasses.replace(chosen, descriptors=front_ends.Descriptors())
    summary = job.build_shards(
        library_url=library,
        shards_url=shards,
        front_end=chosen,
        artists=artists,
        redo=redo,
        max_reject_fraction=max_reject_fraction,
    )
    print(accounts("build-shards", "written", summary, shards))

"""tune-baselines: the classical baselines under every feature map and protocol, and the best of them as a bundle."""

from typing import Annotated

import typer

from genre_batch.choices import Features, Map, Model, Profile, Protocol
from jobs import options
from jobs.config import Config


def tune_baselines(
    out: Annotated[str, typer.Option(help="Folder for grid.csv, grid.md, grid.png and the table trials.", metavar="URL")],
    table: Annotated[str | None, typer.Option(help="Feature table as GTZAN's are published.", metavar="FILE")] = None,
    shards: Annotated[
        str | None, typer.Option(help="Or shards, for descriptors built with --descriptors.", metavar="URL")
    ] = None,
    features: Annotated[
        Features, typer.Option(help="What baselines see of shards; statistics: of each band of the spectrogram.")
    ] = Features.DESCRIPTORS,
    artists: Annotated[str | None, typer.Option(help="CSV with columns track and artist, for --table.", metavar="FILE")] = None,
    bundle: Annotated[
        str | None, typer.Option(help="Where the best sound baseline goes; default: bundle in --out.", metavar="URL")
    ] = None,
    profile: Annotated[
        list[Profile] | None, typer.Option(help="sound, or seed: as the original had it; may be given twice.")
    ] = None,
    protocol: Annotated[
        list[Protocol] | None, typer.Option(help="Who may stand on both sides; default: all that apply.")
    ] = None,
    model: Annotated[list[Model] | None, typer.Option(help="Which baselines; default: all eight.")] = None,
    map: Annotated[
        list[Map] | None, typer.Option(help="Which feature maps; default: all four, for statistics all but polynomial.")
    ] = None,
    seed: options.Seed = 42,
    config: Config = None,
) -> None:
    """Tell what descriptors or statistics of spectrograms are worth: eight baselines under four feature maps and four protocols.

    The same command again goes on where an interrupted run stopped.

    Example: genre-batch tune-baselines --table features_10_sec.csv --artists artists.csv --out baselines
    """
    from genre_batch.cluster import tune as job

    tuned = job.tune_baselines(
        table_url=table,
        shards_url=shards,
        artists=artists,
        looked_at=features,
        out=out,
        bundle_url=bundle or f"{out.rstrip('/')}/bundle",
        asked=job.Asked(profile or [Profile.SOUND], protocol or None, model or list(Model), map or None),
        seed=seed,
    )
    for row in job.bests(tuned.rows):
        print(
            f"{row['profile']}, {row['protocol']}: best by track {row['model']} on map {row['map']}, track accuracy "
            f"{row['track_accuracy']:.3f}, segment accuracy {row['segment_accuracy']:.3f} ± {row['std']:.3f}"
            f"{' (LEAKY: segments of a track on both sides)' if row['protocol'] == Protocol.RANDOM else ''}"
        )
    print(f"{len(tuned.rows)} trials in {out}/trials; {out}/grid.csv, {out}/grid.md, {out}/grid.png")
    if tuned.bundle_id:
        print(f"bundle {tuned.bundle_id} in {tuned.bundle_url}")

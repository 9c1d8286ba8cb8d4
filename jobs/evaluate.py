"""evaluate: what a bundle is worth."""

from typing import Annotated

import typer

from jobs import options
from jobs.config import Config


def evaluate(
    bundle: options.Bundle,
    shards: options.Shards,
    out: Annotated[str, typer.Option(help="Folder for evaluation.json and confusion.png.", metavar="URL")],
    include_training: Annotated[
        bool, typer.Option("--include-training", help="Judge training tracks too; marked as such.")
    ] = False,
    config: Config = None,
) -> None:
    """Judge a bundle on the tracks that took no part in its training.

    Example: genre-batch evaluate --bundle s3://music/bundles/first --shards s3://music/shards --out evaluation
    """
    from genre_batch.cluster import evaluate as job

    found = job.evaluate(bundle_url=bundle, shards_url=shards, out=out, include_training=include_training)
    figures = found.figures
    print(
        f"{figures['n_tracks']} tracks ({found.left_out} left out: trained on, or by an artist trained on): track accuracy "
        f"{figures['track_accuracy']:.3f}, segment accuracy {figures['segment_accuracy']:.3f}, macro-F1 {figures['macro_f1']:.3f}, "
        f"ECE {figures['ece']:.3f}; {out}/evaluation.json, {out}/confusion.png"
    )
    if include_training:
        print("These figures include tracks that the bundle was trained on: they flatter it.")

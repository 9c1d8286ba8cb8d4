"""train-network: shards become a bundle that labels."""

from typing import Annotated

import typer

from genre_batch.choices import Protocol
from jobs import options
from jobs.config import Config


def train_network(
    shards: options.Shards,
    bundle: options.Bundle,
    network: Annotated[str, typer.Option(help="Which network.")] = "compact",
    split: Annotated[
        Protocol, typer.Option(help="Who stands on one side only; fault-filtered: GTZAN's lists.")
    ] = Protocol.ARTIST,
    epochs: Annotated[int, typer.Option(min=1)] = 40,
    patience: Annotated[int, typer.Option(help="Stop after so many epochs without a better validation loss.", min=1)] = 8,
    batch_size: Annotated[int, typer.Option(min=2)] = 32,
    learning_rate: Annotated[float, typer.Option()] = 2e-3,
    weight_decay: Annotated[float, typer.Option()] = 1e-2,
    seed: Annotated[int, typer.Option()] = 0,
    workers: Annotated[int, typer.Option(help="Ray Train workers, each on a GPU where there are enough.", min=1)] = 1,
    checkpoints: Annotated[str | None, typer.Option(help="Default: the bundle's URL with -training.", metavar="URL")] = None,
    config: Config = None,
) -> None:
    """Train a network, calibrate it, measure it on artists it never heard, and write a bundle.

    The same command again goes on where an interrupted run stopped.

    Example: genre-batch train-network --shards s3://music/shards --bundle s3://music/bundles/first
    """
    from genre_batch.cluster import train as job

    chosen = job.TrainOptions(
        network=network,
        split=split,
        epochs=epochs,
        patience=patience,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        seed=seed,
        workers=workers,
    )
    trained = job.train_network(
        shards_url=shards, bundle_url=bundle, checkpoints=checkpoints or f"{bundle.rstrip('/')}-training", options=chosen
    )
    test = trained.metrics["test"]
    print(
        f"bundle {trained.bundle_id} in {trained.bundle_url} after {trained.epochs} epochs; on {test['n_tracks']} test tracks: "
        f"track accuracy {test['track_accuracy']:.3f}, macro-F1 {test['macro_f1']:.3f}, "
        f"{test['selective_accuracy']:.3f} where a genre is given ({test['coverage']:.0%})"
    )

"""tune-network: the few parameters of a recipe that matter, searched on folds grouped by artist."""

from typing import Annotated

import typer

from jobs import options
from jobs.config import Config


def tune_network(
    shards: options.Shards,
    out: Annotated[str, typer.Option(help="Folder for trials.csv and best.toml.", metavar="URL", show_default=False)],
    network: options.Network = "compact",
    trials: Annotated[int, typer.Option(help="Recipes to try, the network's own among them.", min=1)] = 16,
    folds: Annotated[int, typer.Option(help="Networks trained for a recipe, each without a fold.", min=2)] = 5,
    recipe: options.RecipeFile = None,
    epochs: options.Epochs = None,
    seed: options.Seed = 0,
    config: Config = None,
) -> None:
    """Search the few parameters of a recipe that matter, and write the best recipe for `train-network --recipe`.

    Drawn are learning rate, weight decay, label smoothing, averaging, batch size and the strengths of mixup and crop. Each draw is
    judged on artists it never heard; one that is behind after a fold is stopped. The same command again goes on where an interrupted
    run stopped; with more --trials it goes further.

    Example: genre-batch tune-network --shards s3://music/shards --out s3://music/tuned
    """
    from genre_batch.cluster import search as job
    from jobs.train_network import recipe_from

    asked = job.Asked(
        network=network, recipe=recipe_from(network, recipe, {"epochs": epochs}), trials=trials, n_folds=folds, seed=seed
    )
    tuned = job.tune_network(shards_url=shards, out=out, asked=asked)
    for line in job.told(tuned, asked):
        print(line)
    print(
        f"{len(tuned.rows)} draws in {out}/trials.csv; train-network --network {network} --recipe {out}/best.toml trains the best"
    )

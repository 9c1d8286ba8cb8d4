"""train-network: shards become a bundle that labels."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from genre_batch.choices import Protocol, Schedule
from jobs import options
from jobs.config import Config

if TYPE_CHECKING:
    from genre_batch.models.recipe import Recipe

NONE = "none"
GTZAN_GENRES = 10


def train_network(
    shards: Annotated[str | None, typer.Option(help="Where the shards are.", metavar="URL", show_default=False)] = None,
    bundle: Annotated[str | None, typer.Option(help="Where the bundle goes.", metavar="URL", show_default=False)] = None,
    network: options.Network = "compact",
    describe: Annotated[
        str | None, typer.Option(help="Only show this network's layers, shapes and parameters.", metavar="NAME")
    ] = None,
    split: options.Split = Protocol.ARTIST,
    folds: Annotated[
        int,
        typer.Option(
            help="Train on all tracks, and judge by so many networks trained without a fold each; 0: keep a test part.",
            min=0,
        ),
    ] = 0,
    recipe: options.RecipeFile = None,
    epochs: options.Epochs = None,
    batch_size: Annotated[int | None, typer.Option(help="Segments; for a recurrent network tracks.", min=2)] = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    weight_decay: Annotated[float | None, typer.Option()] = None,
    schedule: Annotated[Schedule | None, typer.Option(help="How the learning rate goes.")] = None,
    label_smoothing: Annotated[float | None, typer.Option()] = None,
    averaging: Annotated[
        float | None, typer.Option(help="Decay of the moving average of weights that is kept; 0: none.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a better validation loss.", min=1)
    ] = None,
    augment: options.Augment = None,
    waveform: options.Waveform = None,
    seed: options.Seed = 0,
    workers: Annotated[int, typer.Option(help="Ray Train workers, each on a GPU where there are enough.", min=1)] = 1,
    checkpoints: Annotated[str | None, typer.Option(help="Default: the bundle's URL with -training.", metavar="URL")] = None,
    config: Config = None,
) -> None:
    """Train a network, calibrate it, measure it on artists it never heard, and write a bundle.

    What is not given comes from --recipe, and then from what was found best for the network. The same command again goes on where an
    interrupted run stopped.

    Example: genre-batch train-network --shards s3://music/shards --bundle s3://music/bundles/first
    """
    if describe:
        print(_described(describe, shards))
        return
    for name, value in (("--shards", shards), ("--bundle", bundle)):
        if value is None:
            raise typer.BadParameter(f"{name} is needed, or --describe NAME")
    assert shards is not None
    assert bundle is not None
    from genre_batch.cluster import train as job

    given = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "schedule": schedule,
        "label_smoothing": label_smoothing,
        "averaging": averaging,
        "patience": patience,
        "augment": augment,
        "waveform": waveform,
    }
    chosen = job.TrainOptions(
        network=network,
        split=split,
        recipe=recipe_from(network, recipe, given),
        seed=seed,
        workers=workers,
        n_folds=folds,
    )
    trained = job.train_network(
        shards_url=shards, bundle_url=bundle, checkpoints=checkpoints or f"{bundle.rstrip('/')}-training", options=chosen
    )
    part, where = ("folds", "left-out") if folds else ("test", "test")
    figures = trained.metrics[part]
    print(
        f"bundle {trained.bundle_id} in {trained.bundle_url} after {trained.epochs} epochs; on {figures['n_tracks']} {where} tracks: "
        f"track accuracy {figures['track_accuracy']:.3f}, macro-F1 {figures['macro_f1']:.3f}, "
        f"{figures['selective_accuracy']:.3f} where a genre is given ({figures['coverage']:.0%})"
    )


def recipe_from(network: str, file: str | None, given: dict[str, Any]) -> "Recipe":
    """The network's own recipe, over it the file, over it what was given by option; raises UsageError."""
    from genre_batch.errors import UsageError
    from genre_batch.models import recipes
    from genre_batch.models.networks import kind
    from genre_batch.models.recipe import Recipe

    kind(network)
    base = recipes.of(network)
    found = recipes.read(file, base) if file else base
    values = {name: value for name, value in given.items() if value not in (None, [])}
    for name in ("augment", "waveform"):
        if NONE in values.get(name, ()):
            if len(values[name]) > 1:
                raise UsageError(f"--{name} {NONE} stands alone: leave it out, or the others")
            values[name] = []
    return Recipe.from_dict(found.to_dict() | values)


def _described(name: str, shards: str | None) -> str:
    """For the spectrograms of the shards, else for those the network was made for."""
    from genre_batch.models import describe, networks

    shape, n_genres = networks.shape_for(name), GTZAN_GENRES
    if shards:
        from genre_batch.cluster import segments

        opened = segments.open_shards(shards)
        shape, n_genres = opened.front_end.spectrogram_shape, len(set(opened.tracks["genre"].to_pylist()))
    table = describe.describe(networks.kind(name), shape, n_genres)
    title = f"{name}, for spectrograms of {shape[0]} × {shape[1]}, {n_genres} genres"
    return f"{title}\n{table}"

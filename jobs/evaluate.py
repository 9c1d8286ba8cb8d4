"""evaluate: what a bundle is worth."""

from typing import Annotated, Any

import typer

from jobs import options
from jobs.config import Config
from jobs.train_network import recipe_from


def evaluate(
    shards: options.Shards,
    out: Annotated[str, typer.Option(help="Folder for evaluation.json, evaluation.md and pictures.", metavar="URL")],
    bundle: options.Bundle = options.DEFAULT_BUNDLE,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Judge only tracks that training did not hear, nor their artists.")
    ] = False,
    include_training: Annotated[
        bool, typer.Option("--include-training", help="Judge training tracks too; marked as such.")
    ] = False,
    stability: Annotated[
        bool, typer.Option(help="Alter the recordings, where there are any, and count labels that change.")
    ] = True,
    recordings: Annotated[
        str | None,
        typer.Option(help="Library of the recordings behind imported shards.", metavar="URL", show_default=False),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(help="Train the bundle's networks anew so many times, each without some artists, and judge these.", min=0),
    ] = 0,
    seeds: Annotated[int, typer.Option(help="With --folds: repeat with so many seeds.", min=1)] = 1,
    network: Annotated[
        str | None, typer.Option(help="With --folds: this network instead of a bundle's.", metavar="NAME", show_default=False)
    ] = None,
    recipe: options.RecipeFile = None,
    config: Config = None,
) -> None:
    """Judge a bundle on tracks that took no part in its training, or with --folds the way it was made.

    Shards that hold training tracks or their artists are refused, unless --leave-out or --include-training is given.

    Example: genre-batch evaluate --bundle s3://music/bundles/first --shards s3://music/shards --out evaluation --leave-out
    """
    others = {"--seeds": seeds > 1, "--network": network, "--recipe": recipe}
    if not folds and (alone := [name for name, given in others.items() if given]):
        raise typer.BadParameter(f"{', '.join(alone)} needs --folds")
    if folds == 1:
        raise typer.BadParameter("--folds is at least 2: one part is judged by what was trained on the others")
    if folds:
        refused = {"--leave-out": leave_out, "--include-training": include_training, "--recordings": recordings}
        if mixed := [name for name, given in refused.items() if given]:
            raise typer.BadParameter(
                f"--folds judges every track by a network that did not hear it: leave out {', '.join(mixed)}"
            )
        if recipe and not network:
            raise typer.BadParameter("--recipe needs --network: a bundle's networks are trained as they were")
        from genre_batch.cluster import cross

        made = (
            cross.Making.of_network(network, recipe_from(network, recipe, {}), folds)
            if network
            else cross.Making.of_bundle(bundle, folds)
        )
        found = cross.evaluate_folds(making=made, shards_url=shards, out=out, n_seeds=seeds)
    else:
        from genre_batch.cluster import evaluate as job

        found = job.evaluate(
            bundle_url=bundle,
            shards_url=shards,
            out=out,
            leave_out=leave_out,
            include_training=include_training,
            stability=stability,
            recordings=recordings,
        )
    print(f"{_judged(found.figures)}; {', '.join(found.files)} in {out}")
    if found.figures["includes_training_tracks"]:
        print("These figures include tracks that the bundle was trained on, or others by their artists: they flatter it.")


def _judged(figures: dict[str, Any]) -> str:
    """The figures on one line."""
    left_out = figures["tracks_left_out"]
    how = f" ({left_out} left out: trained on, or by an artist trained on)" if left_out else ""
    if folds := figures.get("folds"):
        how = f" by {folds} folds"
    said = (
        f"{figures['n_tracks']} tracks{how}: track accuracy {figures['track_accuracy']:.3f}, segment accuracy "
        f"{figures['segment_accuracy']:.3f}, macro-F1 {figures['macro_f1']:.3f}, ECE {figures['ece']:.3f}, "
        f"{figures['accuracy_at_80']:.3f} of the surest 80 %"
    )
    if figures.get("seeds", 1) > 1:
        accuracy = figures["repeats"]["track_accuracy"]
        said += f"; {figures['seeds']} seeds: track accuracy {accuracy['mean']:.3f} ± {accuracy['deviation']:.3f}"
    if "audio_track_accuracy" in figures:
        said += (
            f"; {figures['n_recordings']} recordings: track accuracy {figures['audio_track_accuracy']:.3f}, "
            f"from the shards {figures['published_track_accuracy']:.3f}"
        )
    measured = {name: found for name, found in figures.get("stability", {}).items() if found["n"]}
    if measured:
        said += "; labels that change: " + ", ".join(f"{found['flip_rate']:.1%} {name}" for name, found in measured.items())
    return said

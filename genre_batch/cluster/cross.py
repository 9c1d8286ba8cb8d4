"""`evaluate --folds`: what a way of making a bundle is worth, told by networks made that way without the artists that they judge."""

from dataclasses import replace
from typing import Any

from genre_batch.choices import Joining
from genre_batch.cluster import evaluate, folds, segments, session
from genre_batch.cluster.evaluate import Evaluation
from genre_batch.cluster.folds import Trial
from genre_batch.errors import UsageError
from genre_batch.evaluation import left_out, metrics, nested
from genre_batch.models import bundle as bundles
from genre_batch.models.bundle import SKOPS, Bundle
from genre_batch.models.recipe import Recipe
from genre_batch.tables import storage


def evaluate_folds(*, making: "Making", shards_url: str, out: str, n_seeds: int = 1) -> Evaluation:
    """Train each network anew for every fold and seed, and write figures, page and pictures to `out`; finished folds lie in `out`/folds, so
    that an interrupted run goes on.

    The figures are those of the first seed; `repeats` sums up all (metrics.repeated). Raises JobError.
    """
    shards = segments.open_shards(shards_url)
    taxonomy, repeats = shards.taxonomy, making.repeats(n_seeds)
    with session.session():
        found = folds.cross_validate(shards, [trial for repeat in repeats for trial in repeat], storage.normal(out))
    size = len(making.trials)
    # Members whose seeds differ were cross-validated on other folds. Those of the first say what calibration and stacking are fitted on:
    # no member has heard the artist of a track that it answers for, whichever they are.
    runs = [
        nested.evaluate(left_out.answers(found[i : i + size], taxonomy, stacking=making.stacking))
        for i in range(0, len(found), size)
    ]
    names = [trial.network for trial in making.trials]
    figures = runs[0] | {
        "bundle_id": making.bundle_id,
        "includes_training_tracks": False,
        "tracks_left_out": 0,
        "shards": shards.url,
        "shards_version": shards.version,
        "folds": making.trials[0].n_folds,
        "seeds": n_seeds,
        "networks": names,
        "repeats": metrics.repeated(runs),
    }
    joined = f", joined by {'stacking' if making.stacking else 'mean log-probability'}" if len(names) > 1 else ""
    remarks = [
        f"Trained anew for each fold: {', '.join(names)}{joined}; shards `{shards.url}` version {shards.version}.",
        *(
            [f"The recipes are those of bundle `{making.bundle_id}`; its own weights are not judged."]
            if making.bundle_id
            else []
        ),
    ]
    return evaluate.publish(out, figures, taxonomy, title=f"Cross-validation of {making.name}", remarks=remarks, history=[])


class Making:
    """What is trained for each fold: the networks of a bundle as it was made, or one network by a recipe."""

    def __init__(self, name: str, trials: list[Trial], *, stacking: bool = False, bundle_id: str | None = None) -> None:
        self.name, self.trials, self.stacking, self.bundle_id = name, trials, stacking, bundle_id

    @classmethod
    def of_network(cls, network: str, recipe: Recipe, n_folds: int) -> "Making":
        return cls(network, [Trial(network=network, recipe=recipe, seed=0, n_folds=n_folds)])

    @classmethod
    def of_bundle(cls, url: str, n_folds: int) -> "Making":
        """Raises UsageError for a bundle with baselines, one that does not say how its networks were trained, one whose join cannot be made
        anew, and for too few folds to stack on."""
        bundle = bundles.load(url)
        trials = [
            Trial(network=each["network"], recipe=Recipe.from_dict(each["recipe"]), seed=each["seed"], n_folds=n_folds)
            for each in _recipes(bundle, url)
        ]
        stacking = bundle.join is not None and bundle.join.method == Joining.STACKING
        if stacking and n_folds < nested.LEAST_STACKED:
            raise UsageError(f"bundle {url} is stacked, and --folds {n_folds} is too few: take at least {nested.LEAST_STACKED}")
        if bundle.join and not (stacking or bundle.join.even):
            raise UsageError(
                f"bundle {url} was joined of ensembles, so that its networks do not count the same, and --folds would judge another: "
                "judge the bundles that it was joined of, or one network with --network NAME"
            )
        return cls(bundle.facts["model"], trials, stacking=stacking, bundle_id=bundle.bundle_id)

    def repeats(self, n_seeds: int) -> list[list[Trial]]:
        """The trials of each repeat. Seeds go on behind the highest of the members, so that no two repeats share a network."""
        seeds = [trial.seed for trial in self.trials]
        step = max(seeds) - min(seeds) + 1
        return [[replace(trial, seed=trial.seed + k * step) for trial in self.trials] for k in range(n_seeds)]


def _recipes(bundle: Bundle, url: str) -> list[dict[str, Any]]:
    for member in bundle.members:
        if member.file == SKOPS:
            raise UsageError(
                f"bundle {url} holds the baseline {member.model!r}, which --folds cannot train anew: "
                "tune-baselines cross-validates baselines, and --network NAME one network"
            )
    found: list[dict[str, Any]] = bundle.facts["provenance"].get("members", [])
    if len(found) != len(bundle.members):
        raise UsageError(f"bundle {url} does not say how its networks were trained: name one with --network NAME")
    return found

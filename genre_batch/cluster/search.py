"""`tune-network`: the few parameters of a recipe that matter, drawn at random and tried on folds grouped by artist."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ray import tune

from genre_batch.choices import Augmentation
from genre_batch.cluster import drawn, folds, segments, session
from genre_batch.cluster.drawn import Draw
from genre_batch.cluster.folds import Trial
from genre_batch.errors import UsageError
from genre_batch.evaluation import draws
from genre_batch.evaluation.draws import Row
from genre_batch.models.recipe import Recipe
from genre_batch.tables import storage
from genre_batch.taxonomy import Taxonomy

DIGITS = 3
"""Of a drawn number: more would pretend that they matter."""

Values = dict[str, float | int]
"""Parameters of a recipe by name; those of its augmentations begin with `strength.`."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """recipe: what is drawn around, and the first to be tried. trials: how many recipes, that one included."""

    network: str
    recipe: Recipe
    trials: int
    n_folds: int
    seed: int


@dataclass(frozen=True)
class Tuned:
    """Rows of all draws by number; the `best` by log-likelihood of those that did all folds, and the `own` recipe's. `by_luck`: the
    lead in track accuracy that the best of so many draws would show by chance; 0 if the best is the own recipe, or that diverged."""

    rows: list[Row]
    best: Row
    own: Row
    by_luck: float


def tune_network(*, shards_url: str, out: str, asked: Asked) -> Tuned:
    """Writes trials.csv and best.toml to `out`. The same call goes on after an interruption: no fold is trained twice.

    Raises JobError.
    """
    if asked.trials < 1 or asked.n_folds < 2:
        raise UsageError("a search takes at least one trial and two folds: give --trials 1 or more, --folds 2 or more")
    place = storage.normal(out)
    with session.session():
        shards = segments.open_shards(shards_url)
        folds.front_end_of(shards, asked.network)
        folds.refuse_large(shards)
        tried = []
        for number, values in enumerate(drawn_values(asked)):
            trial = Trial(network=asked.network, recipe=changed(asked.recipe, values), seed=asked.seed, n_folds=asked.n_folds)
            tried.append(Draw(number, values, folds.planned(shards, trial, place)))
        rows = drawn.try_all(shards, tried, place)
    storage.write_bytes(storage.join(place, "trials.csv"), draws.as_csv(rows).encode())
    tuned = chosen(rows, tried, shards.taxonomy, asked)
    recipe = tried[tuned.best["draw"]].held[0].trial.recipe
    source = f"tune-network --network {asked.network}, seed {asked.seed}, on {shards.url} version {shards.version}"
    storage.write_bytes(storage.join(place, "best.toml"), draws.as_toml(recipe, [source, *told(tuned, asked)]).encode())
    return tuned


def chosen(rows: list[Row], tried: list[Draw], taxonomy: Taxonomy, asked: Asked) -> Tuned:
    """Raises UsageError if no draw did all folds: a draw may have diverged after all others were stopped for it."""
    whole = [row for row in rows if row["folds"] == asked.n_folds and not drawn.diverged(row)]
    if not whole:
        n, rate = sum(map(drawn.diverged, rows)), asked.recipe.learning_rate
        which = (
            f"all {n} draws diverged" if n == len(rows) else f"{n} of {len(rows)} draws diverged, and no other did all folds"
        )
        raise UsageError(f"{which}: search about a recipe with a learning_rate below {rate:g} (--recipe)")
    best, own = max(whole, key=lambda row: row["log_likelihood"]), rows[0]
    if not best["draw"] or drawn.diverged(own):
        return Tuned(rows, best, own, 0.0)
    of_best, of_own = (drawn.judged(tried[row["draw"]].held, taxonomy) for row in (best, own))
    return Tuned(rows, best, own, draws.by_luck(of_best, of_own, len(rows) - 1))


def drawn_values(asked: Asked) -> list[Values]:
    """The values of each draw; of draw 0 the recipe's own. Draw n is the same however many there are, so that more can be asked for
    later."""
    domains = space(asked.recipe)
    own = {name: _part(asked.recipe.to_dict(), name)[name.removeprefix("strength.")] for name in domains}
    found = [own]
    for number in range(1, asked.trials):
        rng = np.random.default_rng((asked.seed, number))
        found.append({name: _rounded(domain.sample(random_state=rng)) for name, domain in domains.items()})
    return found


def space(base: Recipe) -> dict[str, Any]:
    """Where each parameter is drawn from; those of an augmentation only where the recipe has it switched on."""
    found = {
        "learning_rate": tune.loguniform(base.learning_rate / 4, base.learning_rate * 4),
        "weight_decay": tune.loguniform(1e-3, 1.0),
        "label_smoothing": tune.uniform(0.0, 0.2),
        "averaging": tune.choice([0.0, 0.98, 0.99, 0.995]),
        "batch_size": tune.choice([max(2, base.batch_size // 2), base.batch_size, base.batch_size * 2]),
    }
    if Augmentation.MIXUP in base.augment:
        found["strength.mixup_alpha"] = tune.loguniform(0.1, 1.0)
    if Augmentation.CROP in base.augment:
        found["strength.crop_share"] = tune.uniform(0.5, 1.0)
    return found


def changed(base: Recipe, values: Values) -> Recipe:
    """The recipe with these values instead of its own."""
    recipe = base.to_dict()
    for name, value in values.items():
        _part(recipe, name)[name.removeprefix("strength.")] = value
    return Recipe.from_dict(recipe)


def told(tuned: Tuned, asked: Asked) -> list[str]:
    """What was found, and what it is not worth, in sentences."""
    best, own, n = tuned.best, tuned.own, len(tuned.rows)
    lost = sum(map(drawn.diverged, tuned.rows))
    stopped = sum(row["folds"] < asked.n_folds and not drawn.diverged(row) for row in tuned.rows)
    of_best = ", ".join(f"{name} {value:g}" for name, value in best.items() if name not in draws.FIGURES)
    lines = [
        f"Best by log-likelihood of {n} draws, the network's own recipe among them, on {asked.n_folds} folds grouped by artist; "
        f"{stopped} were stopped early{f', {lost} diverged' if lost else ''}.",
        f"Draw {best['draw']}: {of_best}.",
        f"{_figures(best)}; the own recipe: {_figures(own)}.",
    ]
    if not best["draw"]:
        return [*lines, "No draw was better than the network's own recipe."]
    expect = "Chosen on the tracks that tell its figures, so part of its lead is chosen noise: expect less on others."
    if drawn.diverged(own):
        return [*lines, expect]
    return [
        *lines,
        f"{expect} The best of {n - 1} draws that are no better than the own recipe would lead by about {tuned.by_luck:.3f} in track "
        "accuracy.",
    ]


def _figures(row: Row) -> str:
    if drawn.diverged(row):
        return "diverged"
    return f"log-likelihood {row['log_likelihood']:.3f}, track accuracy {row['track_accuracy']:.3f} ± {row['deviation']:.3f} between folds"


def _part(recipe: dict[str, Any], name: str) -> dict[str, Any]:
    """The table of a recipe that holds a parameter."""
    found: dict[str, Any] = recipe["strength"] if name.startswith("strength.") else recipe
    return found


def _rounded(value: float | int) -> float | int:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else int(value)

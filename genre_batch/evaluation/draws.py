"""A search among recipes as people read it: every draw as CSV, the best as a recipe in TOML, and how much of its lead may be luck."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax
from scipy.stats import norm

from genre_batch.models import calibrate
from genre_batch.models.recipe import Recipe

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Row = dict[str, Any]
"""A draw: `draw` (0 is the network's own recipe), `folds` done of how many, its figures, `seconds`, and its parameters by name."""

FIGURES = ("draw", "folds", "log_likelihood", "track_accuracy", "deviation", "loss", "seconds")


@dataclass(frozen=True)
class Judged:
    """Tracks of some folds: mean log-probabilities [shape=(n, n_genres)], class index and fold of each [shape=(n,)]."""

    pooled: Floats
    labels: Ints
    folds: Ints

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        return self.pooled.argmax(axis=1) == self.labels


def figures(judged: Judged) -> dict[str, float]:
    """`folds` done; `log_likelihood`: mean over tracks, in nats, after one temperature fitted on the same tracks, as a bundle's is, so
    that no recipe is chosen for how sure it is of itself; `track_accuracy`, and its `deviation` (n - 1) between folds; `loss`: mean
    cross-entropy as the network says it, without temperature."""
    temperature = calibrate.fit(judged.pooled, judged.labels).temperature
    each = np.arange(len(judged.labels)), judged.labels
    by_fold = [judged.right[judged.folds == fold].mean() for fold in np.unique(judged.folds)]
    return {
        "folds": len(by_fold),
        "log_likelihood": float(log_softmax(judged.pooled / temperature, axis=1)[each].mean()),
        "track_accuracy": float(judged.right.mean()),
        "deviation": float(np.std(by_fold, ddof=1)) if len(by_fold) > 1 else 0.0,
        "loss": -float(log_softmax(judged.pooled, axis=1)[each].mean()),
    }


def by_luck(best: Judged, own: Judged, n_draws: int) -> float:
    """The lead in track accuracy that the best of `n_draws` may show although none is better than `own`, judged on the same tracks.

    The expected largest of so many normal draws (Blom 1958) times the standard error of the paired difference.
    """
    difference = best.right.astype(np.float64) - own.right
    return float(norm.ppf((n_draws - 0.375) / (n_draws + 0.25)) * difference.std() / np.sqrt(len(difference)))


def as_csv(rows: Sequence[Row]) -> str:
    """One line a draw."""
    names = list(dict.fromkeys([*FIGURES, *(name for row in rows for name in row)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()} for row in rows
    )
    return text.getvalue()


def as_toml(recipe: Recipe, remarks: Sequence[str]) -> str:
    """A whole recipe, as `train-network --recipe` reads it; remarks: sentences for its head."""
    values = recipe.to_dict()
    strength = values.pop("strength")
    lines = [*(f"# {remark}" for remark in remarks), *_assigned(values), "", "[strength]", *_assigned(strength), ""]
    return "\n".join(lines)


def _assigned(values: dict[str, Any]) -> list[str]:
    """JSON writes numbers, words and lists of words as TOML does."""
    return [f"{name} = {json.dumps(value)}" for name, value in values.items()]

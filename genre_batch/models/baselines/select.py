"""Choosing a baseline's parameters on rows that it is not judged on, and fitting it."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline

from genre_batch.models.baselines.grids import Grid

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
Split = tuple[Ints, Ints]
"""Rows to fit on, rows to judge on."""


@contextmanager
def _quietly() -> Iterator[None]:
    """What has not converged is judged like any other, and loses if that matters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@dataclass(frozen=True)
class Chosen:
    """The parameters with the best mean accuracy over the inner splits, the first of equals; `accuracy` is that mean, NaN where there
    was nothing to choose."""

    params: dict[str, Any]
    accuracy: float


@_quietly()
def choose(baseline: Pipeline, grids: tuple[Grid, list[Grid]], x: Floats, y: Ints, inner: Sequence[Split]) -> Chosen:
    """x [shape=(n, n_features)]; y [shape=(n,)], class indices; inner: rows of x."""
    map_grid, model_grids = grids
    tried = [(dict(a), dict(b)) for a in ParameterGrid(map_grid) for b in ParameterGrid(model_grids)]
    if len(tried) == 1:
        return Chosen(tried[0][0] | tried[0][1], float("nan"))
    right = np.zeros(len(tried))
    for rows, judged in inner:
        for of_map in ParameterGrid(map_grid):
            # The map is fitted once for all the models behind it.
            mapped = clone(baseline[:-1]).set_params(**of_map)
            fitted, seen = mapped.fit_transform(x[rows], y[rows]), mapped.transform(x[judged])
            for i, (same_map, of_model) in enumerate(tried):
                if same_map == of_map:
                    model = Pipeline([("model", clone(baseline[-1]))]).set_params(**of_model)
                    right[i] += (model.fit(fitted, y[rows]).predict(seen) == y[judged]).mean()
    best = int(right.argmax())
    return Chosen(tried[best][0] | tried[best][1], float(right[best] / len(inner)))


@_quietly()
def fit(baseline: Pipeline, params: dict[str, Any], x: Floats, y: Ints) -> Pipeline:
    """A fitted copy."""
    return clone(baseline).set_params(**params).fit(x, y)


@_quietly()
def fit_watched(baseline: Pipeline, params: dict[str, Any], x: Floats, y: Ints, rows: Ints, watched: Ints) -> Pipeline:
    """A copy fitted on `rows` of x; a neural net that wants to watches the rows `watched` while it learns."""
    model = clone(baseline).set_params(**params)
    if getattr(model[-1], "schedule", None) != "plateau":
        return model.fit(x[rows], y[rows])
    mapped = model[:-1]
    seen = mapped.fit_transform(x[rows], y[rows])
    model[-1].fit(seen, y[rows], valid=(mapped.transform(x[watched]), y[watched]))
    return model


def shares(fitted: Pipeline, x: Floats, n_classes: int) -> Floats:
    """What each row is worth for each class, [shape=(n, n_classes)], rows sum to 1: the model's probabilities, or for a model without
    any the softmax of its decision values."""
    known = fitted.predict_proba(x) if hasattr(fitted, "predict_proba") else softmax(_decisions(fitted, x), axis=1)
    found = np.zeros((len(x), n_classes))
    found[:, fitted.classes_] = known
    return found


def _decisions(fitted: Pipeline, x: Floats) -> Floats:
    decided = fitted.decision_function(x)
    return np.column_stack([-decided, decided]) if decided.ndim == 1 else decided

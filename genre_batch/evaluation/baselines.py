"""One cell of the grid: a baseline under a feature map, chosen, fitted and judged anew for each fold of a protocol."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

from genre_batch import splits
from genre_batch.choices import Map, Model, Profile, Protocol
from genre_batch.evaluation import judged
from genre_batch.evaluation.judged import Judged
from genre_batch.models.baselines import grids, select
from genre_batch.splits import Fold
from genre_batch.tables.features import FeatureTable
from genre_batch.taxonomy import Taxonomy

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]

REPEATS = 5
"""Seeds where a protocol has one split and no folds."""
INNER_FOLDS = 3
"""In which parameters are chosen, within a training fold."""


@dataclass(frozen=True)
class Cell:
    profile: Profile
    protocol: Protocol
    model: Model
    map: Map


@dataclass(frozen=True)
class Outcome:
    """What became of a cell: `figures` as judged.figures gives them, `params` chosen in each fold, `folds` as judged."""

    figures: dict[str, Any]
    params: list[dict[str, Any]]
    split_digest: str
    folds: list[Judged]
    seconds: float


def judge(cell: Cell, table: FeatureTable, *, seed: int) -> Outcome:
    """Raises UsageError where the protocol cannot split the table."""
    started = time.monotonic()
    taxonomy = Taxonomy.of(table.rows["genre"].to_pylist())
    labels = classes(table, taxonomy)
    folds = folds_of(cell.profile, cell.protocol, table, seed=seed)
    x = inputs(cell.profile, table)
    found, params = [], []
    for repeat, fold in enumerate(folds):
        baseline, chosen = fitted(cell, table, x, labels, fold, seed=seed + repeat)
        params.append(chosen)
        seen = x[fold.test]
        found.append(Judged(fold.test, baseline.predict(seen), select.shares(baseline, seen, len(taxonomy))))
    tracks = np.unique(np.array(table.rows["track_id"].to_pylist()), return_inverse=True)[1]
    figures = judged.figures(found, tracks, labels, taxonomy, seed=seed)
    return Outcome(figures, params, splits.digest_of(folds, table.rows), found, time.monotonic() - started)


def fitted(
    cell: Cell, table: FeatureTable, x: Floats, labels: Ints, fold: Fold, *, seed: int
) -> tuple[Pipeline, dict[str, Any]]:
    """A baseline fitted on the training part of a fold, and the parameters chosen for it there.

    `sound` chooses by cross-validation within the training part, grouped as the protocol says; `seed` takes what is best on the
    validation part.
    """
    rows = np.concatenate([fold.train, fold.valid])
    if cell.profile is Profile.SEED:
        n = len(fold.train)
        inner = [(np.arange(n), np.arange(n, len(rows)))]
    else:
        rows = fold.train
        inner = splits.inner_folds(table.rows, cell.protocol, rows, INNER_FOLDS, seed=seed)
    n_rows = min(len(fit) for fit, _ in inner)
    baseline = grids.pipeline(cell.profile, cell.model, cell.map, n_rows=n_rows, seed=seed)
    tried = grids.grids(cell.profile, cell.model, cell.map, n_rows=n_rows)
    chosen = select.choose(baseline, tried, x[rows], labels[rows], inner)
    if cell.profile is Profile.SEED:
        return select.fit_watched(baseline, chosen.params, x[rows], labels[rows], *inner[0]), chosen.params
    return select.fit(baseline, chosen.params, x[rows], labels[rows]), chosen.params


def folds_of(profile: Profile, protocol: Protocol, table: FeatureTable, *, seed: int) -> list[Fold]:
    """At least five to be judged on: folds, or under `seed` the original's three parts with as many random states."""
    if profile is Profile.SEED:
        return [splits.original_rows(table.rows, protocol, seed=seed + i) for i in range(REPEATS)]
    folds = splits.folds(table.rows, protocol, seed=seed)
    return folds if len(folds) > 1 else folds * REPEATS


def inputs(profile: Profile, table: FeatureTable) -> Floats:
    """[shape=(n, 57)]. `seed` has the length of a segment as a 58th input where the table has it, and scales by the minimum and maximum
    of all rows, of the test part too: both are mistakes of the original, kept."""
    if profile is Profile.SOUND:
        return table.values
    columns = table.values if table.length is None else np.column_stack([table.length, table.values])
    return np.asarray(MinMaxScaler().fit_transform(columns))


def classes(table: FeatureTable, taxonomy: Taxonomy) -> Ints:
    """The class index of each row."""
    return np.array([taxonomy.index(genre) for genre in table.rows["genre"].to_pylist()], np.int64)

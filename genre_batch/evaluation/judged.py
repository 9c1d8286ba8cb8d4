"""Figures of a model that was fitted anew for each fold and judged on the rows it had not seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from genre_batch.taxonomy import Taxonomy

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]

RESAMPLES = 2000
CONFIDENCE = 0.95
DRAWN_AT_ONCE = 2**20
"""Tracks."""


@dataclass(frozen=True)
class Judged:
    """Rows of the test part of one fold: `rows` in the table, `heard` class by class index [shape=(n,)], `shares` of each class
    [shape=(n, n_genres)], rows sum to 1."""

    rows: Ints
    heard: Ints
    shares: Floats


def figures(folds: list[Judged], tracks: Ints, labels: Ints, taxonomy: Taxonomy, *, seed: int) -> dict[str, Any]:
    """Counts over all judged rows, never means of means; `std` is the deviation (n - 1) of segment accuracy between the folds.

    tracks, labels: [shape=(n_rows of the table,)], each row's track and class. A track is judged by the mean of its segments' shares,
    within a fold. `ci_low` and `ci_high` bound 95 % of segment accuracies when tracks are drawn anew with replacement (Efron 1979).
    """
    heard = np.concatenate([fold.heard for fold in folds])
    rows = np.concatenate([fold.rows for fold in folds])
    by_fold = [accuracy_score(labels[fold.rows], fold.heard) for fold in folds]
    by_track = [_tracks(fold, tracks, labels) for fold in folds]
    true, best = (np.concatenate(each) for each in zip(*by_track, strict=True))
    classes = np.arange(len(taxonomy))
    low, high = interval(heard == labels[rows], tracks[rows], seed=seed)
    recall = recall_score(true, best, labels=classes, average=None, zero_division=0)
    return {
        "segment_accuracy": float(accuracy_score(labels[rows], heard)),
        "track_accuracy": float(accuracy_score(true, best)),
        "macro_f1": float(f1_score(true, best, labels=np.unique(true), average="macro", zero_division=0)),
        "std": float(np.std(by_fold, ddof=1)) if len(by_fold) > 1 else 0.0,
        "ci_low": low,
        "ci_high": high,
        "n": len(np.unique(rows)),
        "n_tracks": len(np.unique(tracks[rows])),
        "by_fold": [float(accuracy) for accuracy in by_fold],
        "per_genre": {genre: float(recall[i]) for i, genre in enumerate(taxonomy.genres)},
        "confusion": confusion_matrix(true, best, labels=classes).tolist(),
    }


def interval(right: npt.NDArray[np.bool_], tracks: Ints, *, seed: int) -> tuple[float, float]:
    """Percentile bootstrap of the share that is right, over whole tracks: segments of a track are no independent evidence."""
    _, track = np.unique(tracks, return_inverse=True)
    n_right, n = np.bincount(track, right), np.bincount(track)
    rng, shares = np.random.default_rng(seed), np.empty(RESAMPLES)
    # A few resamples at a time: all of 100,000 tracks would take gigabytes. The numbers are the same as if drawn at once.
    step = max(1, DRAWN_AT_ONCE // len(n))
    for some in (slice(start, min(start + step, RESAMPLES)) for start in range(0, RESAMPLES, step)):
        drawn = rng.integers(0, len(n), (some.stop - some.start, len(n)))
        shares[some] = n_right[drawn].sum(1) / n[drawn].sum(1)
    low, high = np.quantile(shares, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _tracks(fold: Judged, tracks: Ints, labels: Ints) -> tuple[Ints, Ints]:
    """The true and the heard class of each track of a fold."""
    _, first, track = np.unique(tracks[fold.rows], return_index=True, return_inverse=True)
    sums = np.zeros((len(first), fold.shares.shape[1]))
    np.add.at(sums, track, fold.shares)
    return labels[fold.rows][first], sums.argmax(axis=1)

"""How good labels are, and how far the figures can be believed: counts over all rows, never means of batch means."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from genre_batch.errors import UsageError
from genre_batch.evaluation import judged
from genre_batch.models.calibrate import Calibration, pool, probabilities
from genre_batch.taxonomy import Taxonomy

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]

ECE_BINS = 15
STEPS = 20
"""Of the curve of accuracy against coverage: 1.00, 0.95, ... 0.05."""
REPEATED = ("segment_accuracy", "track_accuracy", "macro_f1", "ece", "accuracy_at_80")
"""Figures that `repeated` sums up."""


def reliability(shares: Floats, labels: Ints, bins: int = ECE_BINS) -> list[dict[str, Any]]:
    """Confidence beside accuracy in bins of equal width that hold a track: `low` and `high` edge, `n` tracks, mean `confidence`,
    `accuracy`. A confidence on an edge belongs to the upper bin.

    shares [shape=(n, n_genres)], rows sum to 1; labels [shape=(n,)].
    """
    confidence = shares.max(axis=1)
    right = shares.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "low": float(b / bins),
            "high": float((b + 1) / bins),
            "n": int((place == b).sum()),
            "confidence": float(confidence[place == b].mean()),
            "accuracy": float(right[place == b].mean()),
        }
        for b in np.unique(place)
    ]


def expected_calibration_error(shares: Floats, labels: Ints, bins: int = ECE_BINS) -> float:
    """Mean gap between confidence and accuracy over the bins of `reliability`, weighted by size (Naeini et al. 2015)."""
    return sum(abs(b["accuracy"] - b["confidence"]) * b["n"] for b in reliability(shares, labels, bins)) / len(labels)


def selective(confidence: Floats, right: Flags) -> list[dict[str, Any]]:
    """Accuracy where only the surest tracks are labelled, at each `coverage` of 1.00, 0.95, ... 0.05 (El-Yaniv and Wiener 2010).

    Of n tracks the ceil(coverage · n) surest are kept; `confidence` is that of the least sure of them. Where it is shared by tracks
    that are kept and others that are not, none comes first: those kept count as right as often as all that share it, which is the
    mean over every order of them. confidence, right [shape=(n,)].
    """
    falling, group, size = np.unique(-confidence, return_inverse=True, return_counts=True)
    n_right, last = np.bincount(group, right), np.cumsum(size)
    curve = []
    for step in range(STEPS, 0, -1):
        kept = -(-step * len(right) // STEPS)
        edge = int(np.searchsorted(last, kept))
        of_edge = kept - (last[edge] - size[edge])
        accuracy = (n_right[:edge].sum() + of_edge * n_right[edge] / size[edge]) / kept
        curve.append({"coverage": step / STEPS, "n": kept, "accuracy": float(accuracy), "confidence": float(-falling[edge])})
    return curve


def evaluate(
    logits: Floats,
    tracks: Ints,
    labels: Ints,
    taxonomy: Taxonomy,
    calibration: Calibration | Sequence[Calibration],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """All figures of one set of tracks.

    logits [shape=(n_segments, n_genres)]; tracks [shape=(n_segments,)], each segment's track 0..n_tracks - 1; labels
    [shape=(n_tracks,)], class indices; calibration: one for all tracks, or one for each; seed: of the bootstrap. Returns plain numbers
    and lists, ready for JSON:

    - `temperature`, `unknown_below`: of the calibration; of several the medians;
    - `*_interval`: lower and upper bound of 95 % of accuracies when tracks are drawn anew (judged.interval);
    - `ece`, `reliability`: of confidences as labels carry them, after the temperature; `ece_before_temperature`: without it;
    - `selective`: the curve of that name; `accuracy_at_80` its accuracy at a coverage of 0.80, `gain_at_80` that less track accuracy;
    - `coverage`, `selective_accuracy`: of tracks at or above `unknown_below`, and `unknown` with the counts behind them.

    Raises UsageError where there is nothing to judge, or logits are not finite.
    """
    _validate(logits, labels)
    pooled = pool(logits, tracks)
    each = [calibration] * len(labels) if isinstance(calibration, Calibration) else calibration
    temperature, unknown_below = (np.array([getattr(c, name) for c in each]) for name in ("temperature", "unknown_below"))
    shares = probabilities(pooled / temperature[:, None], 1.0)
    confidence, predicted = shares.max(axis=1), shares.argmax(axis=1)
    right = predicted == labels
    segment_right = np.asarray(logits).argmax(axis=1) == labels[tracks]
    track_accuracy = float(accuracy_score(labels, predicted))
    curve = selective(confidence, right)
    at_80 = next(point["accuracy"] for point in curve if point["coverage"] == 0.8)
    classes = np.arange(len(taxonomy))
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    unknown = _unknown(confidence, right, unknown_below)
    return {
        "n_tracks": len(labels),
        "n_segments": len(logits),
        "segment_accuracy": float(segment_right.mean()),
        "segment_accuracy_interval": list(judged.interval(segment_right, tracks, seed=seed)),
        "track_accuracy": track_accuracy,
        "track_accuracy_interval": list(judged.interval(right, np.arange(len(labels)), seed=seed)),
        "macro_f1": float(f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0)),
        "temperature": float(np.median(temperature)),
        "unknown_below": float(np.median(unknown_below)),
        "ece": expected_calibration_error(shares, labels),
        "ece_before_temperature": expected_calibration_error(probabilities(pooled, 1.0), labels),
        "reliability": reliability(shares, labels),
        "coverage": unknown["coverage"],
        "selective_accuracy": unknown["selective_accuracy"],
        "unknown": unknown,
        "selective": curve,
        "accuracy_at_80": at_80,
        "gain_at_80": at_80 - track_accuracy,
        "per_genre": {
            genre: {"precision": float(precision[i]), "recall": float(recall[i]), "f1": float(f1[i]), "n": int(support[i])}
            for i, genre in enumerate(taxonomy.genres)
        },
        "confusion": confusion_matrix(labels, predicted, labels=classes).tolist(),
    }


def repeated(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """What `evaluate` found with one seed after the other, in short: `n_repeats`; for each of REPEATED the `mean` and the `deviation`
    (n - 1; 0 for a single run); and `recall`, each genre's mean over the runs that had tracks of it (0 if none had).

    Deviations tell how much seeds matter, not how much the choice of tracks does: that is what intervals are for.
    Raises UsageError without runs or where they tell other genres apart.
    """
    if not runs:
        raise UsageError("there are no figures to sum up: evaluate with at least one seed")
    genres = list(runs[0]["per_genre"])
    if any(list(run["per_genre"]) != genres for run in runs):
        raise UsageError("figures of different genres cannot be summed up: repeat with one taxonomy")
    found = {name: np.array([run[name] for run in runs]) for name in REPEATED}
    of_genre = {genre: [run["per_genre"][genre] for run in runs if run["per_genre"][genre]["n"]] for genre in genres}
    return {
        "n_repeats": len(runs),
        **{
            name: {"mean": float(values.mean()), "deviation": float(values.std(ddof=1)) if len(runs) > 1 else 0.0}
            for name, values in found.items()
        },
        "recall": {
            genre: float(np.mean([each["recall"] for each in there])) if there else 0.0 for genre, there in of_genre.items()
        },
    }


def _unknown(confidence: Floats, right: Flags, unknown_below: Floats) -> dict[str, Any]:
    """What the thresholds of the tracks do; `n_unknown_right` counts tracks they withhold whose best genre was the true one."""
    given = confidence >= unknown_below
    return {
        "coverage": float(given.mean()),
        "selective_accuracy": float(right[given].mean()) if given.any() else 0.0,
        "n_unknown": int((~given).sum()),
        "n_unknown_right": int(right[~given].sum()),
    }


def _validate(logits: Floats, labels: Ints) -> None:
    if not len(labels):
        raise UsageError("there is no track to judge: choose tracks that took no part in training")
    # argmax of NaN is class 0: a model that diverged would look like one that always hears the first genre.
    if bad := int((~np.isfinite(logits)).any(axis=1).sum()):
        raise UsageError(
            f"the logits of {bad} of {len(logits)} segments are not finite: train the model anew, or with a lower rate"
        )

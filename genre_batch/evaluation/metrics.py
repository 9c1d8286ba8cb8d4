"""How good labels are: counts over all rows, never means of batch means."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from genre_batch.models.calibrate import Calibration, pool, probabilities
from genre_batch.taxonomy import Taxonomy

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]

ECE_BINS = 15


def expected_calibration_error(shares: Floats, labels: Ints, bins: int = ECE_BINS) -> float:
    """Mean gap between confidence and accuracy over bins of equal width, weighted by size (Naeini et al. 2015).

    shares [shape=(n, n_genres)], rows sum to 1; labels [shape=(n,)].
    """
    confidence = shares.max(axis=1)
    right = shares.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(float(right[place == b].mean() - confidence[place == b].mean())) * (place == b).sum() for b in np.unique(place)]
    return float(sum(gaps) / len(labels))


def evaluate(logits: Floats, tracks: Ints, labels: Ints, taxonomy: Taxonomy, calibration: Calibration) -> dict[str, Any]:
    """All figures of one set of tracks.

    logits [shape=(n_segments, n_genres)]; tracks [shape=(n_segments,)], each segment's track 0..n_tracks - 1; labels
    [shape=(n_tracks,)], class indices. Returns plain numbers and lists, ready for JSON.
    """
    shares = probabilities(pool(logits, tracks), calibration.temperature)
    predicted = shares.argmax(axis=1)
    given = shares.max(axis=1) >= calibration.unknown_below
    classes = np.arange(len(taxonomy))
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    return {
        "n_tracks": len(labels),
        "n_segments": len(logits),
        "segment_accuracy": float(accuracy_score(labels[tracks], np.asarray(logits).argmax(axis=1))),
        "track_accuracy": float(accuracy_score(labels, predicted)),
        "macro_f1": float(f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0)),
        "ece": expected_calibration_error(shares, labels),
        "coverage": float(given.mean()),
        "selective_accuracy": float((predicted == labels)[given].mean()) if given.any() else 0.0,
        "per_genre": {
            genre: {"precision": float(precision[i]), "recall": float(recall[i]), "f1": float(f1[i]), "n": int(support[i])}
            for i, genre in enumerate(taxonomy.genres)
        },
        "confusion": confusion_matrix(labels, predicted, labels=classes).tolist(),
    }

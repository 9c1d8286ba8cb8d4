"""From the logits of segments to the label of a track that says how sure it is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Fitted on validation tracks. `temperature` divides a track's pooled log-probabilities (Guo et al., "On calibration of
    modern neural networks", 2017); a track whose best genre is less probable than `unknown_below` is `unknown`."""

    temperature: float
    unknown_below: float


def pool(logits: npt.NDArray[np.floating], tracks: Ints) -> Floats:
    """Mean log-probability of each track's segments.

    logits [shape=(n_segments, n_genres)]; tracks [shape=(n_segments,)], 0..n_tracks - 1, each at least once.
    Returns [shape=(n_tracks, n_genres)].
    """
    segments = log_softmax(np.asarray(logits, np.float64), axis=1)
    sums = np.zeros((int(tracks.max()) + 1, segments.shape[1]))
    np.add.at(sums, tracks, segments)
    return sums / np.bincount(tracks)[:, None]


def probabilities(pooled: Floats, temperature: float) -> Floats:
    """[shape=(n_tracks, n_genres)], rows sum to 1."""
    return np.asarray(softmax(pooled / temperature, axis=1))


def fit(pooled: Floats, labels: Ints, *, target_accuracy: float = 0.9, min_coverage: float = 0.5) -> Calibration:
    """The temperature with the least cross-entropy against Platt's targets on these tracks, and the lowest threshold above
    which `target_accuracy` of them are right; at least `min_coverage` of the tracks keep a genre even where that target is out of reach."""

    # Platt's targets (1999): n right answers are no proof of certainty, or a few easy tracks would drive confidence to 1.
    n, n_genres = pooled.shape
    targets = np.full((n, n_genres), 1 / (n + 2) / max(n_genres - 1, 1))
    targets[np.arange(n), labels] = (n + 1) / (n + 2)

    def cross_entropy(log_temperature: float) -> float:
        return -float((targets * log_softmax(pooled / np.exp(log_temperature), axis=1)).sum(axis=1).mean())

    best = minimize_scalar(cross_entropy, bounds=(np.log(0.05), np.log(20)), method="bounded")
    temperature = float(np.exp(best.x))
    return Calibration(temperature, _threshold(probabilities(pooled, temperature), labels, target_accuracy, min_coverage))


def _threshold(shares: Floats, labels: Ints, target_accuracy: float, min_coverage: float) -> float:
    confidence = shares.max(axis=1)
    order = np.argsort(-confidence)
    right = (shares.argmax(axis=1) == labels)[order]
    kept = np.arange(1, len(labels) + 1)
    # A threshold keeps all tracks of one confidence or none: only where it falls can the line be drawn.
    ends = np.append(np.diff(confidence[order]) < 0, True)
    good = ends & (np.cumsum(right) / kept >= target_accuracy)
    enough = ends & (kept >= np.ceil(min_coverage * len(labels)))
    most = max(np.flatnonzero(good).max(initial=0), np.flatnonzero(enough).min())
    return 0.0 if most == len(labels) - 1 else float(confidence[order[most]])

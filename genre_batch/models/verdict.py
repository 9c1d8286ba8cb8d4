"""What a bundle says of one track, from what its models said of the track's segments."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genre_batch.models.bundle import Bundle
from genre_batch.models.calibrate import Floats, pool, probabilities
from genre_batch.taxonomy import UNKNOWN


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a bundle says of one track; `genre` is `unknown` where `confidence` is below the bundle's threshold."""

    genre: str
    confidence: float
    best_genre: str
    runner_up: str | None
    probabilities: list[float]


def judge(bundle: Bundle, logits: npt.NDArray[np.floating]) -> Verdict:
    """logits: [shape=(n_segments, n_genres)] of one track."""
    return judge_pooled(bundle, pool(logits, np.zeros(len(logits), np.int64))[0])


def judge_pooled(bundle: Bundle, pooled: Floats) -> Verdict:
    """pooled: the mean log-probabilities of a track's segments, [shape=(n_genres,)]."""
    shares = probabilities(pooled[None], bundle.calibration.temperature)[0]
    order = np.argsort(-shares, kind="stable")
    best, confidence = bundle.taxonomy.genres[order[0]], float(shares[order[0]])
    return Verdict(
        genre=best if confidence >= bundle.calibration.unknown_below else UNKNOWN,
        confidence=confidence,
        best_genre=best,
        runner_up=bundle.taxonomy.genres[order[1]] if len(order) > 1 else None,
        probabilities=shares.tolist(),
    )

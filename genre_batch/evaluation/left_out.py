"""What a cross-validated model said of what was left out, from rows of tables to figures and a calibration for its bundle."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from genre_batch.evaluation import nested
from genre_batch.evaluation.nested import Answers
from genre_batch.models import calibrate
from genre_batch.models.calibrate import Calibration
from genre_batch.taxonomy import Taxonomy

FOUND = pa.schema(
    [
        pa.field("track_id", pa.string()),
        pa.field("genre", pa.string()),
        pa.field("artist", pa.string()),
        pa.field("segment", pa.int32()),
        pa.field("fold", pa.int32()),
        pa.field("logits", pa.list_(pa.float32())),
    ]
)
"""What each segment was called by the model that had not heard its fold."""


def answers(members: Sequence[pa.Table], taxonomy: Taxonomy, *, stacking: bool = False) -> Answers:
    """members: rows as FOUND, the same segments in the same order of each; each track in one fold, and those of the first member count.

    Tracks are numbered in the order of their ids. Raises UsageError for too few folds.
    """
    rows = members[0]
    _, first, tracks = np.unique(np.array(rows["track_id"].to_pylist()), return_index=True, return_inverse=True)
    labels = np.array([taxonomy.index(genre) for genre in rows["genre"].take(first).to_pylist()], np.int64)
    folds = rows["fold"].to_numpy()[first].astype(np.int64)
    return Answers([logits(each) for each in members], tracks.astype(np.int64), labels, folds, taxonomy, stacking)


def logits(found: pa.Table) -> npt.NDArray[np.float32]:
    """[shape=(n_segments, n_genres)]."""
    return np.array(found["logits"].to_pylist(), np.float32)


def measure(found: Answers) -> tuple[dict[str, Any], Calibration]:
    """Figures as nested.evaluate gives them, and the calibration for the bundle: fitted on all tracks, but each answer by models,
    and where they are stacked by a stacking, that had not heard its fold.

    `temperature` and `unknown_below` are those of the calibration; the other figures are by calibrations that had not heard the
    fold either, which `nested` says. Also `track_accuracy_by_fold` and `track_accuracy_deviation` (n - 1).
    """
    joined = found.joined(np.ones(len(found.labels), np.bool_))
    pooled = calibrate.pool(joined, found.tracks)
    calibration = calibrate.fit(pooled, found.labels)
    right = pooled.argmax(axis=1) == found.labels
    by_fold = [float(right[found.folds == fold].mean()) for fold in np.unique(found.folds)]
    return nested.evaluate(found) | {
        "nested": True,
        "temperature": calibration.temperature,
        "unknown_below": calibration.unknown_below,
        "track_accuracy_by_fold": by_fold,
        "track_accuracy_deviation": float(np.std(by_fold, ddof=1)),
    }, calibration

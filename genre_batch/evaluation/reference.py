"""What a run is compared with for drift: what the bundle's cross-validation said, and what earlier runs found."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genre_batch.evaluation import left_out
from genre_batch.evaluation.profile import COLUMNS, Profile
from genre_batch.models import calibrate
from genre_batch.models.bundle import Bundle
from genre_batch.taxonomy import UNKNOWN
from schemas.runs import State

ENOUGH_TRACKS = 100
"""Earlier runs are put together until they tried as many: a night's two new albums say little of a catalogue."""

NEEDED = ("run_id", "job", "state", "library", "bundle_id", "started_at", *COLUMNS)
"""Columns of the runs table that `before` looks at."""


class Before(NamedTuple):
    """`continued`: of the runs that this one goes on with, because they did not finish; `previous`: of finished work before that."""

    continued: Profile
    previous: Profile | None


def of(bundle: Bundle) -> Profile | None:
    """What label-catalog would have called the tracks of the bundle's cross-validation: by models that had not heard their artists,
    with the bundle's temperature and threshold. Their durations, loudness and rejects are not known. None if it has no folds."""
    folds = bundle.folds
    if folds is None:
        return None
    _, tracks = np.unique(np.array(folds["track_id"].to_pylist()), return_inverse=True)
    pooled = calibrate.pool(left_out.logits(folds), tracks.astype(np.int64))
    shares = calibrate.probabilities(pooled, bundle.calibration.temperature)
    genres, threshold = bundle.taxonomy.genres, bundle.calibration.unknown_below
    labels = [
        {
            "genre": genres[best] if confidence >= threshold else UNKNOWN,
            "confidence": confidence,
            "duration_s": None,
            "loudness_db": None,
        }
        for best, confidence in zip(shares.argmax(axis=1).tolist(), shares.max(axis=1).tolist(), strict=True)
    ]
    return Profile.of(labels, [])


def before(runs: pa.Table, *, run_id: str, job: str, library: str, bundle_id: str | None) -> Before:
    """What runs of the same job, library and bundle found before run `run_id`; runs: columns NEEDED of the runs table.

    A run does its tracks in the order of their ids, so one that was stopped saw the first folders of a library and the next one sees
    the others: the two are one piece of work, and only whole pieces are compared. `previous` is the last of them, and if it tried
    fewer than ENOUGH_TRACKS tracks those before it too; None if they tried none.
    """
    alike = [row for row in _newest_first(runs) if (row["job"], row["library"], row["bundle_id"]) == (job, library, bundle_id)]
    earlier = [row for row in alike if row["run_id"] != run_id]
    continued, previous = Profile(), Profile()
    finished = False
    for row in earlier:
        if row["state"] == State.FINISHED:
            if previous.tried >= ENOUGH_TRACKS:
                break
            finished = True
        if finished:
            previous += Profile.from_row(row)
        else:
            continued += Profile.from_row(row)
    return Before(continued, previous if previous.tried else None)


def _newest_first(runs: pa.Table) -> list[dict[str, Any]]:
    # Not to_pylist of the times: Arrow imports pandas for times with a zone.
    order = pc.sort_indices(runs, [("started_at", "descending"), ("run_id", "descending")])
    rows: list[dict[str, Any]] = runs.take(order).drop_columns("started_at").to_pylist()
    return rows

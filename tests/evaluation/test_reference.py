"""What a run is compared with: what the bundle would have called its folds, and the finished work before it."""

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from genre_batch.evaluation import reference
from genre_batch.evaluation.profile import Profile
from genre_batch.evaluation.reference import NEEDED
from genre_batch.models import bundle as bundles
from genre_batch.models.calibrate import Calibration
from schemas import runs
from tests import rows, sample_bundle, sample_folds
from tests.rows import WHEN, label, reject, table

ASKED = {"run_id": "tonight", "job": "label-catalog", "library": "/music", "bundle_id": "bundle1"}


def found(genre: str, n: int) -> Profile:
    return Profile.of([label(genre=genre)] * n, [reject()])


def run(night: int, profile: Profile, **changes: Any) -> rows.Row:
    return rows.run(f"run{night}", started_at=WHEN + timedelta(days=night), **profile.to_row()) | changes


def before(*stored: rows.Row, **asked: str) -> reference.Before:
    return reference.before(table(runs, *stored).select(NEEDED), **(ASKED | asked))


def by_hand(folds: pa.Table, calibration: Calibration) -> tuple[dict[str, int], list[int]]:
    """Of each track the mean of its segments' log-probabilities, divided by the temperature; in plain NumPy, track by track."""
    genres: dict[str, int] = {}
    confidence = [0] * 10
    logits = np.array(folds["logits"].to_pylist(), np.float64)
    tracks = np.array(folds["track_id"].to_pylist())
    for track in np.unique(tracks):
        each = logits[tracks == track]
        pooled = (each - np.log(np.exp(each).sum(axis=1, keepdims=True))).mean(axis=0) / calibration.temperature
        shares = np.exp(pooled) / np.exp(pooled).sum()
        genre = sample_folds.GENRES[int(shares.argmax())] if shares.max() >= calibration.unknown_below else "unknown"
        genres[genre] = genres.get(genre, 0) + 1
        confidence[int(shares.max() * 10)] += 1
    return genres, confidence


@pytest.mark.parametrize("calibration", [Calibration(1.0, 0.0), Calibration(0.4, 0.8), Calibration(3.0, 0.6)])
def test_the_folds_as_label_catalog_would_have_called_them(calibration: Calibration):
    bundle = sample_folds.cross_validated(calibration=calibration)
    assert bundle.folds is not None
    genres, confidence = by_hand(bundle.folds, calibration)
    assert reference.of(bundle) == Profile(genres, {}, tuple(confidence))
    assert ("unknown" in genres) == (calibration.unknown_below > 0)


def test_the_order_of_segments_and_tracks_does_not_matter():
    folds = sample_folds.found(1.0, 0)
    mixed = folds.take(np.random.default_rng(0).permutation(folds.num_rows))
    assert reference.of(sample_folds.cross_validated(folds=mixed)) == reference.of(sample_folds.cross_validated(folds=folds))


def test_the_bundle_that_ships():
    """Its coverage with the threshold fitted on all tracks is near the .510 that its card tells of held-out folds."""
    found = reference.of(bundles.load(bundles.PUBLISHED))
    assert found is not None
    assert found.tried == sum(found.confidence) == 639
    assert 1 - found.genres["unknown"] / found.tried == pytest.approx(0.51, abs=0.03)
    assert not any(found.duration + found.loudness)


def test_a_bundle_without_folds_is_no_reference():
    assert reference.of(sample_bundle.sample()) is None


def test_no_run_before():
    assert before() == (Profile(), None)
    assert before(run(1, found("rock", 500), run_id="tonight")) == (Profile(), None), "its own row is no earlier run"


def test_the_newest_finished_run_with_enough_tracks():
    oldest, newest = found("jazz", 500), found("rock", 99)
    assert before(run(2, newest), run(1, oldest)) == (Profile(), newest)


def test_small_nights_are_put_together():
    nights = [found("rock", 40), found("jazz", 50), found("metal", 60), found("blues", 70)]
    stored = [run(night, profile) for night, profile in enumerate(nights)]
    assert before(*stored).previous == nights[3] + nights[2]
    assert before(*stored[:2]).previous == nights[1] + nights[0], "all there are"


def test_nights_that_found_nothing_are_passed_over():
    assert before(run(1, found("rock", 500)), run(2, Profile()), run(3, Profile())).previous == found("rock", 500)
    assert before(run(1, Profile())).previous is None


@pytest.mark.parametrize("state", ["stopped", "failed", "running"])
def test_a_run_that_did_not_finish_is_gone_on_with(state: str):
    last, first_half, second_half = found("jazz", 300), found("rock", 100), found("metal", 100)
    stored = [run(1, last), run(2, first_half, state=state), run(3, second_half, state=state)]
    assert before(*stored) == (first_half + second_half, last)


def test_what_a_finished_run_went_on_with_is_part_of_it():
    oldest, half, rest = found("jazz", 300), found("rock", 100), found("metal", 100)
    assert before(run(1, oldest), run(2, half, state="stopped"), run(3, rest)) == (Profile(), rest + half)


@pytest.mark.parametrize(
    "other", [{"job": "build-shards"}, {"library": "/other"}, {"bundle_id": "bundle2"}, {"bundle_id": None}]
)
def test_runs_of_something_else_do_not_count(other: dict[str, str]):
    assert before(run(1, found("jazz", 300)), run(2, found("rock", 300), **other)).previous == found("jazz", 300)


def test_runs_of_shards_have_no_bundle():
    stored = [run(1, found("jazz", 300), bundle_id=None), run(2, found("rock", 300))]
    asked: dict[str, Any] = ASKED | {"bundle_id": None}
    assert reference.before(table(runs, *stored).select(NEEDED), **asked).previous == found("jazz", 300)

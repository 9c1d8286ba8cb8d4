"""What judges a fold was fitted without it: changing its labels changes no temperature, threshold or weight that it is judged by."""

import numpy as np
import pytest

from genre_batch.errors import UsageError
from genre_batch.evaluation import metrics
from genre_batch.evaluation.nested import Answers, evaluate
from genre_batch.models import calibrate, join
from genre_batch.models.calibrate import pool, probabilities
from genre_batch.taxonomy import Taxonomy

THREE = Taxonomy(("blues", "jazz", "rock"))
N = 90


def answers(n_members: int = 1, n_folds: int = 3, *, stacking: bool = False, seed: int = 0) -> Answers:
    """Ninety tracks of two segments; members are surer than they are right, each in its own measure."""
    rng = np.random.default_rng(seed)
    labels = np.arange(N) % 3
    tracks = np.repeat(np.arange(N), 2)
    members = [
        ((2 + m) * (rng.normal(0, 1, (2 * N, 3)) + 0.8 * np.eye(3)[labels[tracks]])).astype(np.float32)
        for m in range(n_members)
    ]
    return Answers(members, tracks, labels, rng.permutation(np.arange(N) % n_folds), THREE, stacking)


def relabelled(found: Answers, fold: int) -> Answers:
    labels = np.where(found.folds == fold, (found.labels + 1) % 3, found.labels)
    return Answers(found.members, found.tracks, labels, found.folds, found.taxonomy, found.stacking)


def test_a_fold_is_calibrated_by_the_others():
    found = answers()
    pooled = pool(found.members[0], found.tracks)
    calibrations = found.calibrations()
    assert sorted(calibrations) == [0, 1, 2]
    for fold, calibration in calibrations.items():
        others = found.folds != fold
        assert calibration == calibrate.fit(pooled[others], found.labels[others])
    assert len({calibration.temperature for calibration in calibrations.values()}) == 3


def test_figures_by_hand():
    """Each track's confidence is divided by the temperature of its fold, and held against its fold's threshold."""
    found = answers()
    figures, calibrations = evaluate(found), found.calibrations()
    pooled = pool(found.members[0], found.tracks)
    shares = np.concatenate([probabilities(pooled[i : i + 1], calibrations[found.folds[i]].temperature) for i in range(N)])
    thresholds = np.array([calibrations[fold].unknown_below for fold in found.folds])
    given = shares.max(axis=1) >= thresholds
    right = shares.argmax(axis=1) == found.labels
    assert figures["ece"] == pytest.approx(metrics.expected_calibration_error(shares, found.labels), abs=1e-12)
    assert figures["ece_before_temperature"] == metrics.expected_calibration_error(probabilities(pooled, 1.0), found.labels)
    assert figures["ece"] < figures["ece_before_temperature"]
    assert 0 < figures["coverage"] == given.mean() < 1
    assert figures["selective_accuracy"] == right[given].mean()
    assert figures["track_accuracy"] == right.mean()
    assert figures["temperature"] == np.median([calibrations[fold].temperature for fold in found.folds])
    assert figures["unknown_below"] == np.median(thresholds)


def test_several_members_count_the_same():
    found = answers(2)
    joined = found.joined(np.ones(N, np.bool_))
    log_shares = [pool(each, np.arange(2 * N)) for each in found.members]
    np.testing.assert_allclose(joined, (log_shares[0] + log_shares[1]) / 2, atol=1e-5)
    lone = answers(1)
    assert lone.joined(np.ones(N, np.bool_)) is lone.members[0]


def test_a_fold_is_joined_by_a_stacking_of_the_others():
    found = answers(2, stacking=True)
    joined = found.joined(np.ones(N, np.bool_))
    for fold in range(3):
        others, mine = found.folds != fold, (found.folds == fold)[found.tracks]
        pooled = [pool(each, found.tracks)[others] for each in found.members]
        expected = join.stacked(pooled, found.labels[others], 3)([each[mine] for each in found.members])
        np.testing.assert_array_equal(joined[mine], expected)


@pytest.mark.parametrize(("n_members", "stacking"), [(1, False), (2, False), (2, True)])
def test_labels_of_a_fold_change_nothing_that_judges_it(n_members: int, stacking: bool):
    found = answers(n_members, stacking=stacking)
    other = relabelled(found, 1)
    mine, everyone = (found.folds == 1)[found.tracks], np.ones(N, np.bool_)
    np.testing.assert_array_equal(other.joined(everyone)[mine], found.joined(everyone)[mine])
    before, after = found.calibrations(), other.calibrations()
    assert after[1] == before[1]
    assert after[0].temperature > before[0].temperature, "but the other folds notice"
    assert evaluate(other)["track_accuracy"] < evaluate(found)["track_accuracy"]


@pytest.mark.parametrize(
    ("n_folds", "stacking", "said"), [(1, False, "calibration is fitted"), (2, True, "stacking and calibration are")]
)
def test_too_few_folds(n_folds: int, stacking: bool, said: str):
    with pytest.raises(UsageError, match=rf"--folds {n_folds}: {said}.*take at least {n_folds + 1}"):
        answers(2, n_folds, stacking=stacking)


def test_a_genre_that_is_all_in_one_fold_cannot_be_stacked():
    found = answers(2, stacking=True)
    found = Answers(found.members, found.tracks, found.labels, found.labels, THREE, stacking=True)
    with pytest.raises(UsageError, match="hold no track of genre 'blues': take more --folds"):
        evaluate(found)

"""Pooling, temperature and threshold, in exact numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch.models import calibrate
from genre_batch.models.calibrate import Calibration, pool, probabilities

Floats = calibrate.Floats
Ints = calibrate.Ints


def logs(*shares: list[float]) -> Floats:
    return np.log(np.array(shares))


def test_pool_is_the_mean_log_probability_of_a_tracks_segments():
    segments = logs([0.5, 0.5], [0.9, 0.1], [0.2, 0.8])
    pooled = pool(segments, np.array([0, 1, 1]))
    np.testing.assert_allclose(pooled, [np.log([0.5, 0.5]), [np.log(0.9 * 0.2) / 2, np.log(0.1 * 0.8) / 2]], rtol=0, atol=1e-12)


def test_pool_normalises_each_segment_first():
    segments = logs([0.5, 0.5], [0.9, 0.1])
    shifted = segments + np.array([[100.0], [-3.0]])
    np.testing.assert_allclose(pool(shifted, np.array([0, 0])), pool(segments, np.array([0, 0])), rtol=0, atol=1e-12)


def test_pool_takes_tracks_in_any_order():
    segments = logs([0.5, 0.5], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4])
    tracks, order = np.array([0, 1, 1, 2]), np.array([3, 1, 0, 2])
    np.testing.assert_allclose(pool(segments[order], tracks[order]), pool(segments, tracks), rtol=0, atol=1e-12)


def test_pool_computes_in_double_precision():
    segments = np.array([[0.0, 1.0], [0.5, 0.25]], np.float32)
    assert pool(segments, np.array([0, 0])).dtype == np.float64


def test_extreme_logits_stay_finite():
    shares = probabilities(pool(np.array([[1e4, 0.0], [0.0, 0.0]]), np.array([0, 0])), 1.0)
    assert np.isfinite(shares).all()
    np.testing.assert_allclose(shares, [[1.0, 0.0]], atol=1e-12)


def test_probabilities_at_temperature_one_are_those_of_one_segment():
    pooled = pool(logs([0.5, 0.3, 0.2]), np.array([0]))
    np.testing.assert_allclose(probabilities(pooled, 1.0), [[0.5, 0.3, 0.2]], rtol=0, atol=1e-12)


def test_a_temperature_of_two_takes_square_roots():
    shares = probabilities(pool(logs([0.64, 0.32, 0.04]), np.array([0])), 2.0)
    roots = np.sqrt([0.64, 0.32, 0.04])
    np.testing.assert_allclose(shares, [roots / roots.sum()], rtol=0, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6), st.floats(0.05, 20))
def test_probabilities_sum_to_one_and_keep_their_order(seed: int, n_genres: int, temperature: float):
    pooled = np.random.default_rng(seed).normal(0, 3, (5, n_genres))
    shares = probabilities(pooled, temperature)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(shares.argmax(axis=1), pooled.argmax(axis=1))


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_a_known_miscalibration_is_recovered(factor: float):
    """Labels drawn from known probabilities; logits that are `factor` times too sure."""
    rng = np.random.default_rng(11)
    logits = rng.normal(0, 1.5, (20_000, 4))
    shares = probabilities(logits, 1.0)
    labels = (shares.cumsum(axis=1) < rng.random((len(shares), 1))).sum(axis=1)
    found = calibrate.fit(logits * factor, labels)
    assert found.temperature == pytest.approx(factor, rel=0.05)


def test_a_few_easy_tracks_are_no_proof_of_certainty():
    """All right and sure: without Platt's targets the temperature would fall to its bound and confidence rise to 1."""
    labels = np.array([0, 1] * 5)
    pooled = np.where(np.eye(2)[labels] > 0, -0.05, -3.0)
    found = calibrate.fit(pooled, labels)
    assert probabilities(pooled, found.temperature).max(axis=1) == pytest.approx(np.full(10, 11 / 12), abs=0.005)
    assert found.unknown_below == 0.0


# Of two genres with confidence c the first is heard; a track is right where its label is 0.
def shares_of(*confidence: float) -> Floats:
    return np.array([[c, 1 - c] for c in confidence])


def threshold(confidence: list[float], right: list[bool], target: float = 0.9, coverage: float = 0.0) -> float:
    labels = np.where(right, 0, 1)
    return calibrate._threshold(shares_of(*confidence), labels, target, coverage)


def test_the_threshold_is_the_least_sure_of_those_kept():
    assert threshold([0.6, 0.9, 0.8, 0.7], [False, True, True, False]) == 0.8


def test_a_late_error_is_outweighed_by_what_is_right():
    """Three of four right are 0.75: the line falls at the last place where the target holds, not at the first error."""
    assert threshold([0.95, 0.9, 0.8, 0.7, 0.6], [True, False, True, True, False], target=0.75) == 0.7


def test_exactly_on_target_is_enough():
    assert threshold([0.9, 0.8, 0.7, 0.6], [True, True, False, True], target=0.75) == 0.0
    assert threshold([0.9, 0.8, 0.7, 0.6], [True, True, False, True], target=0.76) == 0.8


def test_where_all_are_right_none_is_unknown():
    assert threshold([0.9, 0.55], [True, True]) == 0.0


def test_where_all_are_wrong_coverage_decides():
    confidence, wrong = [0.9, 0.8, 0.7, 0.6, 0.55], [False] * 5
    assert threshold(confidence, wrong, coverage=0.4) == 0.8
    assert threshold(confidence, wrong, coverage=0.5) == 0.7
    assert threshold(confidence, wrong, coverage=1.0) == 0.0


def test_coverage_is_a_floor_not_a_goal():
    assert threshold([0.9, 0.8, 0.7, 0.6], [True, True, True, False], coverage=0.5) == 0.7


def test_tracks_of_one_confidence_stand_or_fall_together():
    """Half of the tied tracks are right, so no threshold there holds the target."""
    assert threshold([0.9, 0.6, 0.6], [True, True, False]) == 0.9
    assert threshold([0.9, 0.6, 0.6], [True, False, True]) == 0.9
    assert threshold([0.9, 0.6, 0.6], [True, True, False], coverage=0.5) == 0.0


@st.composite
def validated(draw: st.DrawFn) -> tuple[Floats, Ints]:
    """Few distinct values, so that confidences tie."""
    n, n_genres = draw(st.integers(1, 30)), draw(st.integers(2, 4))
    values = st.lists(st.integers(0, 3), min_size=n * n_genres, max_size=n * n_genres)
    labels = st.lists(st.integers(0, n_genres - 1), min_size=n, max_size=n)
    return np.array(draw(values), np.float64).reshape(n, n_genres) / 2, np.array(draw(labels))


@settings(max_examples=100, deadline=None)
@given(validated(), st.sampled_from([0.5, 0.75, 0.9, 1.0]), st.sampled_from([0.1, 0.5, 0.8]))
def test_the_threshold_keeps_its_promise(case: tuple[Floats, Ints], target: float, coverage: float):
    pooled, labels = case
    found = calibrate.fit(pooled, labels, target_accuracy=target, min_coverage=coverage)
    shares = probabilities(pooled, found.temperature)
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == labels

    def share_right(lowest: float) -> float:
        return float(right[confidence >= lowest].mean())

    kept = confidence >= found.unknown_below
    assert kept.mean() >= coverage
    fewer = confidence[kept & (confidence > max(found.unknown_below, confidence[kept].min()))]
    if share_right(found.unknown_below) < target:
        assert len(fewer) / len(labels) < coverage
    assert all(share_right(lower) < target for lower in confidence[~kept])


def test_calibrations_are_values():
    assert Calibration(1.0, 0.5) == Calibration(temperature=1.0, unknown_below=0.5)

"""Figures of a set of tracks: by hand where they are our own, as scikit-learn has them where they are not."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from genre_batch.evaluation.metrics import ECE_BINS, evaluate, expected_calibration_error
from genre_batch.models.calibrate import Calibration, pool, probabilities
from genre_batch.taxonomy import Taxonomy

FOUR = Taxonomy(("blues", "jazz", "pop", "rock"))
PLAIN = Calibration(temperature=1.0, unknown_below=0.0)


def of_two(*confidence: float) -> np.ndarray:
    return np.array([[c, 1 - c] for c in confidence])


def test_calibration_error_by_hand():
    """Ten bins: 0.95 and 0.93 with one right, 0.62 right, 0.55 and 0.52 both wrong."""
    shares = of_two(0.95, 0.93, 0.62, 0.55, 0.52)
    labels = np.array([0, 1, 0, 1, 1])
    gaps = 2 * abs(0.5 - 0.94) + 1 * abs(1 - 0.62) + 2 * abs(0 - 0.535)
    assert expected_calibration_error(shares, labels, bins=10) == pytest.approx(gaps / 5, abs=1e-12)


def test_fifteen_bins_are_usual():
    assert ECE_BINS == 15
    shares, labels = of_two(0.72, 0.67, 0.66), np.array([0, 1, 1])
    # 0.72 and 0.67 lie in 10/15..11/15, 0.66 in 9/15..10/15.
    assert expected_calibration_error(shares, labels) == pytest.approx((2 * abs(0.5 - 0.695) + 0.66) / 3, abs=1e-12)


def test_certainty_falls_into_the_last_bin():
    shares, labels = of_two(1.0, 0.95), np.array([1, 0])
    assert expected_calibration_error(shares, labels, bins=10) == pytest.approx(abs(0.5 - 0.975), abs=1e-12)


def test_who_is_right_as_often_as_said_has_no_error():
    shares = of_two(*[0.75] * 4)
    assert expected_calibration_error(shares, np.array([0, 0, 0, 1])) == 0.0


def test_errors_in_two_bins_do_not_cancel():
    shares = of_two(0.95, 0.55)
    assert expected_calibration_error(shares, np.array([1, 0]), bins=10) == pytest.approx((0.95 + 0.45) / 2, abs=1e-12)


def segments(seed: int, n_tracks: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noisy logits of one to five segments a track, and the tracks' labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(FOUR), n_tracks)
    tracks = np.repeat(np.arange(n_tracks), rng.integers(1, 6, n_tracks))
    logits = rng.normal(0, 1.5, (len(tracks), len(FOUR))) + 1.2 * np.eye(len(FOUR))[labels[tracks]]
    return logits, tracks, labels


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_scikit_learn(seed: int):
    logits, tracks, labels = segments(seed)
    calibration = Calibration(temperature=1.5, unknown_below=0.45)
    found = evaluate(logits, tracks, labels, FOUR, calibration)
    shares = probabilities(pool(logits, tracks), 1.5)
    predicted = shares.argmax(axis=1)
    given_genre = shares.max(axis=1) >= 0.45
    assert 0 < given_genre.sum() < len(labels), "or the threshold would not matter"
    assert found["n_tracks"] == 60
    assert found["n_segments"] == len(logits)
    assert found["track_accuracy"] == sklearn.accuracy_score(labels, predicted)
    assert found["segment_accuracy"] == sklearn.accuracy_score(labels[tracks], logits.argmax(axis=1))
    assert found["macro_f1"] == pytest.approx(sklearn.f1_score(labels, predicted, average="macro"))
    assert found["confusion"] == sklearn.confusion_matrix(labels, predicted).tolist()
    assert found["coverage"] == pytest.approx(given_genre.mean())
    assert found["selective_accuracy"] == sklearn.accuracy_score(labels[given_genre], predicted[given_genre])
    assert found["ece"] == expected_calibration_error(shares, labels)
    report: dict[str, Any] = sklearn.classification_report(labels, predicted, target_names=FOUR.genres, output_dict=True)
    for genre, figures in found["per_genre"].items():
        expected = report[genre]
        assert [figures[key] for key in ("precision", "recall", "f1", "n")] == pytest.approx(
            [expected[key] for key in ("precision", "recall", "f1-score", "support")]
        )


def test_temperature_changes_confidence_and_no_label():
    logits, tracks, labels = segments(5)
    cold, hot = (evaluate(logits, tracks, labels, FOUR, Calibration(t, 0.0)) for t in (0.5, 3.0))
    for figure in ("track_accuracy", "macro_f1", "confusion", "per_genre", "segment_accuracy"):
        assert cold[figure] == hot[figure]
    assert cold["ece"] != hot["ece"]


def test_a_track_is_judged_by_all_its_segments():
    """Two of three segments lean one way, the third is sure of the other."""
    logits = np.log([[0.6, 0.4], [0.6, 0.4], [0.01, 0.99]])
    found = evaluate(logits, np.array([0, 0, 0]), np.array([1]), Taxonomy(("jazz", "rock")), PLAIN)
    assert found["track_accuracy"] == 1.0
    assert found["segment_accuracy"] == pytest.approx(1 / 3)


def test_a_genre_that_is_not_there_does_not_lower_macro_f1():
    logits = 5 * np.eye(4)[[0, 1, 1]]
    found = evaluate(logits, np.arange(3), np.array([0, 1, 1]), FOUR, PLAIN)
    assert found["macro_f1"] == 1.0
    assert found["per_genre"]["rock"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 0}
    assert np.shape(found["confusion"]) == (4, 4)


def test_rows_of_the_confusion_are_the_true_genres():
    found = evaluate(5 * np.eye(4)[[3, 3]], np.arange(2), np.array([0, 3]), FOUR, PLAIN)
    assert found["confusion"] == [[0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


def test_exactly_on_the_threshold_a_genre_is_given():
    logits = np.log([[0.75, 0.25], [0.5, 0.5]])
    taxonomy, labels = Taxonomy(("jazz", "rock")), np.array([0, 1])
    confidence = float(probabilities(pool(logits, np.arange(2)), 1.0).max(axis=1)[0])
    found = evaluate(logits, np.arange(2), labels, taxonomy, Calibration(1.0, confidence))
    assert (found["coverage"], found["selective_accuracy"]) == (0.5, 1.0)


def test_where_no_genre_is_given_none_is_right():
    logits, tracks, labels = segments(1)
    found = evaluate(logits, tracks, labels, FOUR, Calibration(1.0, 1.1))
    assert (found["coverage"], found["selective_accuracy"]) == (0.0, 0.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 20))
def test_figures_are_shares_and_plain_json(seed: int, n_tracks: int):
    found = evaluate(*segments(seed, n_tracks), FOUR, Calibration(1.0, 0.5))
    assert json.loads(json.dumps(found)) == found
    for figure in ("segment_accuracy", "track_accuracy", "macro_f1", "ece", "coverage", "selective_accuracy"):
        assert 0 <= found[figure] <= 1
    assert sum(map(sum, found["confusion"])) == n_tracks == sum(genre["n"] for genre in found["per_genre"].values())

"""Figures of a set of tracks: by hand where they are our own, as scikit-learn has them where they are not."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn
from sklearn.calibration import calibration_curve

from genre_batch.errors import UsageError
from genre_batch.evaluation import judged
from genre_batch.evaluation.metrics import (
    ECE_BINS,
    REPEATED,
    evaluate,
    expected_calibration_error,
    reliability,
    repeated,
    selective,
)
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


def test_reliability_by_hand():
    found = reliability(of_two(0.95, 0.93, 0.62, 0.55, 0.52), np.array([0, 1, 0, 1, 1]), bins=10)
    assert [(b["low"], b["high"], b["n"], b["accuracy"]) for b in found] == [
        *[(0.5, 0.6, 2, 0.0), (0.6, 0.7, 1, 1.0), (0.9, 1.0, 2, 0.5)],
    ]
    assert [b["confidence"] for b in found] == pytest.approx([0.535, 0.62, 0.94], abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_reliability_is_that_of_scikit_learn(seed: int):
    logits, tracks, labels = segments(seed, 200)
    shares = probabilities(pool(logits, tracks), 1.5)
    found = reliability(shares, labels)
    right, confidence = calibration_curve(shares.argmax(axis=1) == labels, shares.max(axis=1), n_bins=ECE_BINS)
    assert len(found) > 5
    assert [b["accuracy"] for b in found] == pytest.approx(right, abs=1e-12)
    assert [b["confidence"] for b in found] == pytest.approx(confidence, abs=1e-12)
    assert sum(b["n"] for b in found) == 200
    gaps = [b["n"] * abs(b["accuracy"] - b["confidence"]) for b in found]
    assert expected_calibration_error(shares, labels) == pytest.approx(sum(gaps) / 200, abs=1e-12)


def at(curve: list[dict[str, Any]], coverage: float) -> dict[str, Any]:
    return next(point for point in curve if point["coverage"] == coverage)


def test_the_curve_keeps_the_surest_first():
    """Ten tracks, the two least sure are wrong, and the fourth."""
    confidence = np.array([0.99, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55])
    right = np.array([1, 1, 1, 0, 1, 1, 1, 1, 0, 0], bool)
    shuffled = np.random.default_rng(0).permutation(10)
    curve = selective(confidence[shuffled], right[shuffled])
    assert [point["coverage"] for point in curve] == [step / 20 for step in range(20, 0, -1)]
    assert at(curve, 1.0) == {"coverage": 1.0, "n": 10, "accuracy": 0.7, "confidence": 0.55}
    assert at(curve, 0.8) == {"coverage": 0.8, "n": 8, "accuracy": 7 / 8, "confidence": 0.65}
    assert at(curve, 0.4) == {"coverage": 0.4, "n": 4, "accuracy": 0.75, "confidence": 0.85}
    assert at(curve, 0.3) == {"coverage": 0.3, "n": 3, "accuracy": 1.0, "confidence": 0.9}
    assert at(curve, 0.75) == at(curve, 0.8) | {"coverage": 0.75}, "a track is kept whole: 7.5 are 8"
    assert at(curve, 0.05)["n"] == 1


def test_of_tracks_that_are_as_sure_as_each_other_none_comes_first():
    """One sure and right, then four tied of which one is right: kept are 1, and 1, 2, 3, 4 of the tied at a quarter each."""
    confidence, right = np.array([0.5, 0.9, 0.5, 0.5, 0.5]), np.array([False, True, True, False, False])
    for order in (np.arange(5), np.array([4, 2, 0, 1, 3])):
        curve = selective(confidence[order], right[order])
        accuracies = [at(curve, coverage)["accuracy"] for coverage in (0.2, 0.4, 0.6, 0.8, 1.0)]
        assert accuracies == pytest.approx([1, 1.25 / 2, 1.5 / 3, 1.75 / 4, 2 / 5], abs=1e-12)
    assert [at(curve, coverage)["confidence"] for coverage in (0.2, 0.4, 1.0)] == [0.9, 0.5, 0.5]


def test_without_any_difference_in_confidence_nothing_is_won():
    curve = selective(np.full(30, 0.5), np.arange(30) < 12)
    assert [point["accuracy"] for point in curve] == pytest.approx([0.4] * 20, abs=1e-12)


FIVE_OF_TWO = (np.log(of_two(0.9, 0.8, 0.7, 0.62, 0.55)), np.arange(5), np.array([0, 0, 0, 0, 1]))
"""Five tracks of one segment; the least sure is wrong."""
TWO = Taxonomy(("jazz", "rock"))


def test_selective_figures_by_hand():
    found = evaluate(*FIVE_OF_TWO, TWO, Calibration(1.0, 0.65))
    assert found["track_accuracy"] == 0.8
    assert found["accuracy_at_80"] == 1.0
    assert found["gain_at_80"] == pytest.approx(0.2, abs=1e-12)
    assert found["unknown"] == {"coverage": 0.6, "selective_accuracy": 1.0, "n_unknown": 2, "n_unknown_right": 1}
    assert (found["coverage"], found["selective_accuracy"]) == (0.6, 1.0)
    assert (found["temperature"], found["unknown_below"]) == (1.0, 0.65)
    assert [point["confidence"] for point in found["selective"]][::4] == pytest.approx([0.55, 0.62, 0.7, 0.8, 0.9], abs=1e-12)


def test_the_error_before_temperature_is_that_of_temperature_one():
    """.9, .8, .7 and .62 right, .55 wrong: each in a bin of its own. A temperature of 1/2 squares the odds."""
    found = evaluate(*FIVE_OF_TWO, TWO, Calibration(0.5, 0.0))
    assert found["ece_before_temperature"] == pytest.approx((0.1 + 0.2 + 0.3 + 0.38 + 0.55) / 5, abs=1e-12)
    sharper = np.array([c**2 / (c**2 + (1 - c) ** 2) for c in (0.9, 0.8, 0.7, 0.62, 0.55)])
    # .988 and .941 share the last bin, the others are alone.
    gaps = (1 - sharper[0]) + (1 - sharper[1]) + (1 - sharper[2]) + (1 - sharper[3]) + sharper[4]
    assert found["ece"] == pytest.approx(gaps / 5, abs=1e-12)
    assert found["ece"] < found["ece_before_temperature"]
    plain = evaluate(*FIVE_OF_TWO, TWO, PLAIN)
    assert plain["ece"] == plain["ece_before_temperature"] == found["ece_before_temperature"]


def test_intervals_are_of_whole_tracks():
    logits, tracks, labels = segments(4)
    found = evaluate(logits, tracks, labels, FOUR, PLAIN, seed=7)
    right = pool(logits, tracks).argmax(axis=1) == labels
    assert found["track_accuracy_interval"] == list(judged.interval(right, np.arange(60), seed=7))
    by_segment = logits.argmax(axis=1) == labels[tracks]
    assert found["segment_accuracy_interval"] == list(judged.interval(by_segment, tracks, seed=7))
    assert found["segment_accuracy_interval"] != list(judged.interval(by_segment, np.arange(len(logits)), seed=7))
    half = 1.96 * np.sqrt(found["track_accuracy"] * (1 - found["track_accuracy"]) / 60)
    low, high = found["track_accuracy_interval"]
    assert (high - low) / 2 == pytest.approx(half, rel=0.15), "one segment a track is a binomial"


def test_the_same_tracks_have_the_same_figures():
    case = segments(2)
    assert evaluate(*case, FOUR, PLAIN) == evaluate(*case, FOUR, PLAIN)
    assert len({str(evaluate(*case, FOUR, PLAIN, seed=seed)["segment_accuracy_interval"]) for seed in range(4)}) > 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_model_that_diverged_is_refused(bad: float):
    logits, tracks, labels = segments(0)
    logits[3, 1] = logits[3, 2] = logits[9, 0] = bad
    with pytest.raises(UsageError, match=rf"logits of 2 of {len(logits)} segments are not finite"):
        evaluate(logits, tracks, labels, FOUR, PLAIN)


def test_nothing_to_judge_is_refused():
    with pytest.raises(UsageError, match="no track to judge"):
        evaluate(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, np.int64), FOUR, PLAIN)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(4, 60), st.floats(0.2, 5), st.floats(0, 1))
def test_what_holds_of_all_figures(seed: int, n_tracks: int, temperature: float, unknown_below: float):
    logits, tracks, labels = segments(seed, n_tracks)
    found = evaluate(logits, tracks, labels, FOUR, Calibration(temperature, unknown_below))
    assert found["selective"][0]["accuracy"] == pytest.approx(found["track_accuracy"], abs=1e-12)
    assert all(0 <= point["accuracy"] <= 1 for point in found["selective"])
    for key in ("n", "coverage"):
        assert [point[key] for point in found["selective"]] == sorted((p[key] for p in found["selective"]), reverse=True)
    assert [p["confidence"] for p in found["selective"]] == sorted(p["confidence"] for p in found["selective"])
    assert 0 <= found["ece"] <= 1
    assert 0 <= found["ece_before_temperature"] <= 1
    unknown = found["unknown"]
    assert unknown["coverage"] * n_tracks == pytest.approx(n_tracks - unknown["n_unknown"])
    named_right = unknown["selective_accuracy"] * unknown["coverage"] * n_tracks
    assert named_right + unknown["n_unknown_right"] == pytest.approx(found["track_accuracy"] * n_tracks)
    for figure in ("track_accuracy", "segment_accuracy"):
        low, high = found[f"{figure}_interval"]
        assert low <= found[figure] <= high


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 40))
def test_the_curve_knows_no_order_of_tracks_and_agrees_with_thresholds(seed: int, n: int):
    rng = np.random.default_rng(seed)
    confidence, right = rng.integers(5, 9, n) / 10, rng.random(n) < 0.6
    assume(len(set(confidence)) > 1)
    order, curve = rng.permutation(n), selective(confidence, right)
    assert selective(confidence[order], right[order]) == curve
    for point in curve:
        kept = confidence >= point["confidence"]
        if kept.sum() == point["n"]:
            assert point["accuracy"] == pytest.approx(right[kept].mean(), abs=1e-12)
        else:
            assert kept.sum() > point["n"]


def run(recall: float, n: int = 10, **figures: float) -> dict[str, Any]:
    return (
        dict.fromkeys(REPEATED, 0.5)
        | figures
        | {"per_genre": {"jazz": {"recall": recall, "n": n}, "rock": {"recall": 0.25, "n": 4}}}
    )


def test_repeats_by_hand():
    found = repeated(
        [run(0.5, track_accuracy=0.6, ece=0.1), run(0.75, track_accuracy=0.8, ece=0.1), run(1.0, track_accuracy=0.7)]
    )
    assert found["n_repeats"] == 3
    assert found["track_accuracy"] == {"mean": pytest.approx(0.7, abs=1e-12), "deviation": pytest.approx(0.1, abs=1e-12)}
    assert found["ece"]["mean"] == pytest.approx(0.7 / 3, abs=1e-12)
    assert found["ece"]["deviation"] == pytest.approx(0.4 / np.sqrt(3), abs=1e-12)
    assert found["macro_f1"] == {"mean": 0.5, "deviation": 0.0}
    assert found["recall"] == {"jazz": 0.75, "rock": 0.25}
    assert set(found) == {"n_repeats", "recall", *REPEATED}


def test_a_genre_that_a_repeat_did_not_draw_does_not_lower_its_recall():
    assert repeated([run(0.5), run(0.0, n=0)])["recall"]["jazz"] == 0.5
    assert repeated([run(0.0, n=0)])["recall"]["jazz"] == 0.0


def test_one_repeat_has_no_deviation_and_real_figures_can_be_summed_up():
    once = evaluate(*segments(0), FOUR, PLAIN)
    found = repeated([once])
    assert found["accuracy_at_80"] == {"mean": once["accuracy_at_80"], "deviation": 0.0}
    assert json.loads(json.dumps(found)) == found
    twice = repeated([once, evaluate(*segments(1), FOUR, PLAIN)])
    assert twice["segment_accuracy"]["deviation"] > 0


def test_repeats_that_do_not_belong_together_are_refused():
    with pytest.raises(UsageError, match="no figures to sum up"):
        repeated([])
    with pytest.raises(UsageError, match="different genres"):
        repeated([run(0.5), evaluate(*segments(0), FOUR, PLAIN)])

"""Figures over folds: by hand, as scikit-learn has them, and an interval that knows how little segments of one track say."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from genre_batch.evaluation import judged
from genre_batch.evaluation.judged import Judged, figures, interval
from genre_batch.taxonomy import Taxonomy

THREE = Taxonomy(("blues", "jazz", "rock"))

# Two segments a track: blues, jazz, rock, blues.
TRACKS = np.array([0, 0, 1, 1, 2, 2, 3, 3])
LABELS = np.array([0, 0, 1, 1, 2, 2, 0, 0])

# Tracks by mean share: blues .55 against .45; blues .55 against .45 where jazz is right; rock; rock .55 where blues is right.
FOLDS = [
    Judged(
        np.array([0, 1, 2, 3]),
        np.array([0, 1, 1, 1]),
        np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.4, 0.6, 0.0], [0.7, 0.3, 0.0]]),
    ),
    Judged(
        np.array([4, 5, 6, 7]),
        np.array([2, 0, 2, 0]),
        np.array([[0.0, 0.0, 1.0], [0.9, 0.0, 0.1], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]]),
    ),
]


def test_figures_by_hand():
    found = figures(FOLDS, TRACKS, LABELS, THREE, seed=0)
    assert found["segment_accuracy"] == 5 / 8
    assert found["by_fold"] == [3 / 4, 2 / 4]
    assert found["std"] == pytest.approx(0.25 / np.sqrt(2), abs=1e-12)
    assert found["track_accuracy"] == 2 / 4
    assert found["macro_f1"] == pytest.approx((1 / 2 + 0 + 2 / 3) / 3, abs=1e-12)
    assert found["per_genre"] == {"blues": 0.5, "jazz": 0.0, "rock": 1.0}
    assert found["confusion"] == [[1, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert (found["n"], found["n_tracks"]) == (8, 4)
    # Of four tracks drawn, jazz is all right and the others half: 1/2 without jazz (in .32 of draws), 7/8 with three times jazz (.05).
    assert found["ci_low"] == 0.5
    assert found["ci_high"] == 0.875


def test_folds_of_unequal_size_count_by_their_rows():
    folds = [Judged(FOLDS[0].rows[:1], np.array([0]), FOLDS[0].shares[:1]), Judged(np.arange(1, 4), np.full(3, 2), np.eye(3))]
    found = figures(folds, np.arange(4), np.array([0, 0, 0, 0]), THREE, seed=0)
    assert found["segment_accuracy"] == 1 / 4
    assert found["by_fold"] == [1.0, 0.0]
    assert found["std"] == pytest.approx(np.sqrt(0.5), abs=1e-12)


def test_one_fold_has_no_deviation():
    assert figures(FOLDS[:1], TRACKS, LABELS, THREE, seed=0)["std"] == 0.0


def test_the_order_of_rows_in_a_fold_does_not_matter():
    turned = [Judged(fold.rows[::-1], fold.heard[::-1], fold.shares[::-1]) for fold in FOLDS]
    assert figures(turned, TRACKS, LABELS, THREE, seed=0) == figures(FOLDS, TRACKS, LABELS, THREE, seed=0)


def test_a_track_is_judged_within_a_fold():
    """Random rows tear tracks: each fold then judges the segments that it has."""
    shares = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
    torn = [Judged(np.array([i]), np.array([i]), shares[i : i + 1]) for i in range(2)]
    found = figures(torn, np.array([7, 7]), np.array([0, 0]), THREE, seed=0)
    assert found["confusion"] == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert found["track_accuracy"] == 0.5
    assert (found["n"], found["n_tracks"]) == (2, 1)
    whole = [Judged(np.array([0, 1]), np.array([0, 1]), shares)]
    assert figures(whole, np.array([7, 7]), np.array([0, 0]), THREE, seed=0)["track_accuracy"] == 1.0


def test_rows_judged_again_are_no_more_rows():
    once, thrice = (figures(FOLDS * times, TRACKS, LABELS, THREE, seed=0) for times in (1, 3))
    for figure in ("n", "n_tracks", "segment_accuracy", "track_accuracy", "macro_f1", "per_genre", "ci_low", "ci_high"):
        assert thrice[figure] == once[figure]
    assert thrice["by_fold"] == once["by_fold"] * 3
    assert np.sum(thrice["confusion"]) == 3 * np.sum(once["confusion"])


def test_a_genre_that_is_not_there_does_not_lower_macro_f1():
    fold = Judged(np.arange(2), np.array([0, 2]), np.eye(3)[[0, 2]])
    found = figures([fold], np.arange(2), np.array([0, 2]), THREE, seed=0)
    assert found["macro_f1"] == 1.0
    assert found["per_genre"] == {"blues": 1.0, "jazz": 0.0, "rock": 1.0}
    assert np.shape(found["confusion"]) == (3, 3)


def random(seed: int, n_tracks: int = 40, n_folds: int = 3) -> tuple[list[Judged], np.ndarray, np.ndarray]:
    """One to four segments a track, whole tracks in folds, right more often than not."""
    rng = np.random.default_rng(seed)
    tracks = np.repeat(np.arange(n_tracks), rng.integers(1, 5, n_tracks))
    labels = rng.integers(0, 3, n_tracks)[tracks]
    shares = rng.dirichlet(np.ones(3), len(tracks)) + 0.4 * np.eye(3)[labels]
    shares /= shares.sum(axis=1, keepdims=True)
    heard = np.where(rng.random(len(tracks)) < 0.8, shares.argmax(axis=1), 0)
    in_fold = rng.permutation(np.arange(n_tracks) % n_folds)[tracks]
    places = [np.flatnonzero(in_fold == i) for i in range(n_folds)]
    return [Judged(rows, heard[rows], shares[rows]) for rows in places], tracks, labels


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_scikit_learn(seed: int):
    folds, tracks, labels = random(seed)
    found = figures(folds, tracks, labels, THREE, seed=0)
    rows = np.concatenate([fold.rows for fold in folds])
    heard, shares = np.concatenate([fold.heard for fold in folds]), np.concatenate([fold.shares for fold in folds])
    best = np.array([shares[tracks[rows] == track].mean(axis=0).argmax() for track in range(40)])
    true = np.array([labels[tracks == track][0] for track in range(40)])
    assert 0 < found["track_accuracy"] < 1
    assert found["segment_accuracy"] == pytest.approx(sklearn.accuracy_score(labels[rows], heard))
    assert found["track_accuracy"] == pytest.approx(sklearn.accuracy_score(true, best))
    assert found["macro_f1"] == pytest.approx(sklearn.f1_score(true, best, average="macro"))
    assert found["confusion"] == sklearn.confusion_matrix(true, best).tolist()
    assert [*found["per_genre"].values()] == pytest.approx(sklearn.recall_score(true, best, average=None))
    each = [sklearn.accuracy_score(labels[fold.rows], fold.heard) for fold in folds]
    assert found["by_fold"] == pytest.approx(each)
    assert found["std"] == pytest.approx(np.std(each, ddof=1))
    assert (found["n"], found["n_tracks"]) == (len(tracks), 40)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 20))
def test_figures_are_shares_and_plain_json(seed: int, n_tracks: int):
    folds, tracks, labels = random(seed, n_tracks)
    found = figures(folds, tracks, labels, THREE, seed=seed)
    assert json.loads(json.dumps(found)) == found
    for figure in ("segment_accuracy", "track_accuracy", "macro_f1", "ci_low", "ci_high"):
        assert 0 <= found[figure] <= 1
    assert np.sum(found["confusion"]) == n_tracks
    assert found["ci_low"] <= found["segment_accuracy"] <= found["ci_high"]


def lopsided(n_tracks: int, share: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    """Tracks of one segment, of which a share is right."""
    return np.arange(n_tracks) < share * n_tracks, np.arange(n_tracks)


@pytest.mark.parametrize("n_tracks", [50, 200, 1000])
def test_the_interval_of_single_segments_is_binomial(n_tracks: int):
    low, high = interval(*lopsided(n_tracks), seed=0)
    half = 1.96 * np.sqrt(0.7 * 0.3 / n_tracks)
    assert (low, high) == pytest.approx((0.7 - half, 0.7 + half), abs=0.15 * half + 1 / n_tracks)


def test_the_interval_narrows_with_tracks():
    widths = [high - low for low, high in (interval(*lopsided(n), seed=0) for n in (10, 40, 160, 640))]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] / widths[-1] == pytest.approx(8, rel=0.25), "sixty-four times the tracks"


@pytest.mark.parametrize("n_segments", [2, 10])
def test_more_segments_that_say_the_same_do_not_narrow_it(n_segments: int):
    right, tracks = lopsided(50)
    alone = interval(right, tracks, seed=0)
    assert interval(np.repeat(right, n_segments), np.repeat(tracks, n_segments), seed=0) == alone
    as_if_independent = interval(np.repeat(right, n_segments), np.arange(50 * n_segments), seed=0)
    assert as_if_independent[1] - as_if_independent[0] < 0.8 * (alone[1] - alone[0])


def test_longer_tracks_count_for_more():
    """Fifty tracks of nine segments that are right, fifty of one that is wrong: .9 of the segments, half of the tracks."""
    long = np.repeat(np.arange(50), 9)
    right, tracks = np.array([True] * 450 + [False] * 50), np.concatenate([long, np.arange(50, 100)])
    low, high = interval(right, tracks, seed=0)
    assert 0.85 < low < 0.9 < high < 0.95


def test_one_track_has_no_interval():
    assert interval(np.array([True, False, True, True]), np.zeros(4, np.int64), seed=0) == (0.75, 0.75)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_right_and_all_wrong_leave_no_doubt(share: float):
    assert interval(*lopsided(20, share), seed=0) == (share, share)


def test_the_interval_repeats_itself_and_knows_its_seed():
    right, tracks = random(0)[2] == 0, random(0)[1]
    first = interval(right, tracks, seed=1)
    assert interval(right, tracks, seed=1) == first
    assert interval(right, 3 * tracks + 7, seed=1) == first, "tracks are told apart, their numbers mean nothing"
    assert len({interval(right, tracks, seed=seed) for seed in range(5)}) > 1


@pytest.mark.parametrize("at_once", [1, 70, 1000, 2**20])
def test_figures_do_not_depend_on_how_many_are_drawn_at_once(at_once: int, monkeypatch: pytest.MonkeyPatch):
    folds, tracks, labels = random(4)
    right = np.concatenate([fold.heard for fold in folds]) == labels[np.concatenate([fold.rows for fold in folds])]
    monkeypatch.setattr(judged, "DRAWN_AT_ONCE", at_once)
    n_right, n = np.bincount(tracks, right), np.bincount(tracks)
    drawn = np.random.default_rng(5).integers(0, 40, (2000, 40))
    expected = np.quantile(n_right[drawn].sum(1) / n[drawn].sum(1), [(1 - 0.95) / 2, (1 + 0.95) / 2])
    assert interval(right, tracks, seed=5) == tuple(expected)


def test_the_memory_does_not_grow_with_tracks():
    """Of 100,000 tracks at once it would be 5 GB, of these 0.5 GB."""
    tracemalloc.start()
    try:
        interval(*lopsided(10_000), seed=0)
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()


def test_two_thousand_draws_and_95_percent():
    assert (judged.RESAMPLES, judged.CONFIDENCE) == (2000, 0.95)
    right, tracks = lopsided(100)
    drawn = np.random.default_rng(3).integers(0, 100, (2000, 100))
    shares = right[drawn].mean(axis=1)
    low, high = interval(right, tracks, seed=3)
    assert ((shares >= low) & (shares <= high)).mean() >= 0.95
    assert (shares < low).mean() <= 0.025
    assert (shares > high).mean() <= 0.025

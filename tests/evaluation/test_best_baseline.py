"""The best baseline becomes a bundle that keeps what its folds said, and looks at what its table told."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import log_softmax

from genre_batch.choices import Map, Model, Profile, Protocol
from genre_batch.evaluation import baselines, best_baseline, left_out
from genre_batch.evaluation.baselines import Cell
from genre_batch.evaluation.grid import Row
from genre_batch.front_end import Descriptors
from genre_batch.models import calibrate, scorer
from genre_batch.models.baselines import serve
from genre_batch.signal import statistics
from genre_batch.tables.features import FeatureTable
from tests.sample_folds import DESCRIBED, DRAWN, TWO, segments

pytestmark = pytest.mark.usefixtures("one_thread")


def table(inputs: str = "statistics") -> FeatureTable:
    """Forty tracks of two segments; every two are by one artist; genres lie two deviations apart in the first ten values."""
    n_columns = 3 * DRAWN.n_bands if inputs == "statistics" else 57
    track = np.arange(80) // 2
    genre = track // 2 % 2
    values = np.random.default_rng(0).normal(size=(80, n_columns))
    values[:, :10] += 0.6 * genre[:, None]
    rows = pa.table(
        {
            "track_id": [f"track {t:02}" for t in track],
            "segment": pa.array(np.arange(80) % 2, pa.int32()),
            "genre": [TWO.genres[g] for g in genre],
            "artist": [f"artist {t // 2}" for t in track],
        }
    )
    return FeatureTable("/music/shards", rows, values, None, DRAWN if inputs == "statistics" else DESCRIBED)


def row(protocol: Protocol) -> Row:
    said = {"profile": "sound", "protocol": protocol.value, "model": "knn", "map": "none", "run_id": "run1"}
    return said | {"split_digest": "0123456789abcdef"}


def test_the_folds_by_artist_are_kept_as_they_were_judged():
    made = best_baseline.bundle(table(), row(Protocol.ARTIST), seed=1)
    rows = made.folds
    assert rows is not None
    assert rows.schema.equals(left_out.FOUND)
    cell = Cell(Profile.SOUND, Protocol.ARTIST, Model.KNN, Map.NONE)
    judged = baselines.judge(cell, table(), seed=1).folds
    for n, fold in enumerate(judged):
        mine = rows.filter(pa.array(np.isin(np.arange(80), fold.rows)))
        assert set(mine["fold"].to_pylist()) == {n}
        assert mine.select(["track_id", "segment"]).equals(
            table().rows.select(["track_id", "segment"]).take(np.sort(fold.rows))
        )
        expected = serve.logits(fold.shares)[np.argsort(fold.rows)]
        np.testing.assert_array_equal(left_out.logits(mine), expected)
    figures = made.facts["metrics"]["folds"]
    logits = left_out.logits(rows)
    pooled = log_softmax(logits, axis=1).reshape(40, 2, 2).mean(axis=1)
    labels = np.arange(40) // 2 % 2
    assert figures["track_accuracy"] == (pooled.argmax(axis=1) == labels).mean()
    assert figures["nested"]
    assert 0.6 < figures["track_accuracy"] < 1, "or there is nothing to calibrate"
    assert made.calibration.temperature == pytest.approx(calibrate.fit(pooled, labels).temperature, rel=1e-4)


@pytest.mark.parametrize(("protocol", "nested"), [(Protocol.TRACK, True), (Protocol.RANDOM, False)])
def test_folds_that_tear_artists_are_not_kept(protocol: Protocol, nested: bool):
    made = best_baseline.bundle(table(), row(protocol), seed=1)
    assert made.folds is None
    assert made.facts["metrics"]["folds"]["nested"] is nested
    assert made.facts["provenance"]["options"]["split"] == protocol


def test_one_fold_has_no_others_to_calibrate_it():
    gtzan = table()
    names = [f"{genre}.{n:05}" for genre in ("jazz", "rock") for n in range(40)]
    genres = pa.array([name.split(".")[0] for name in names])
    rows = gtzan.rows.set_column(0, "track_id", pa.array(names)).set_column(2, "genre", genres)
    rows = rows.set_column(1, "segment", pa.array([0] * 80, pa.int32()))
    made = best_baseline.bundle(dataclasses.replace(gtzan, rows=rows), row(Protocol.FAULT_FILTERED), seed=1)
    assert made.folds is None
    figures = made.facts["metrics"]["folds"]
    assert not figures["nested"]
    assert figures["n_tracks"] == figures["n_segments"] < 80


@pytest.mark.parametrize("inputs", ["statistics", "descriptors"])
def test_it_looks_at_what_its_table_told(inputs: str):
    made = best_baseline.bundle(table(inputs), row(Protocol.ARTIST), seed=1)
    (member,) = made.members
    assert member.inputs == (inputs,)
    spectrograms, descriptors = segments(3)
    seen = statistics.describe(spectrograms) if inputs == "statistics" else descriptors
    expected = serve.logits(serve.load(member.files["model.skops"]).predict_proba(seen))
    given = (spectrograms, None) if inputs == "statistics" else (None, descriptors)
    np.testing.assert_array_equal(scorer.of(made, "cpu")(*given), expected)
    assert made.facts["provenance"]["inputs"] == [inputs]
    assert made.facts["provenance"]["cost"]["milliseconds"] > 0
    assert bool(made.front_end.descriptors) == (inputs == "descriptors")
    assert made.front_end.descriptors in (None, Descriptors())

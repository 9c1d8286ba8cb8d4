"""Rows of what was left out become figures, and the calibration of a bundle."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from genre_batch.evaluation import left_out, nested
from genre_batch.models import calibrate
from tests.sample_folds import TWO, found


def test_rows_become_arrays_by_the_order_of_track_ids():
    rows = found(1.0, 0, range(6)).take([9, 0, 3, 5, 1, 8])  # of tracks 4, 0, 1, 2, 0, 4
    answers = left_out.answers([rows], TWO)
    assert answers.tracks.tolist() == [3, 0, 1, 2, 0, 3]
    assert answers.labels.tolist() == [0, 0, 1, 0], "artists 0, 0, 1 and 2 play jazz, jazz, rock and jazz"
    assert answers.folds.tolist() == [0, 0, 0, 1]
    np.testing.assert_array_equal(answers.members[0], np.array(rows["logits"].to_pylist(), np.float32))


def test_one_member_after_the_other():
    first, second = found(1.0, 0), found(1.0, 1)
    answers = left_out.answers([first, second], TWO, stacking=True)
    assert answers.stacking
    np.testing.assert_array_equal(answers.members[1], left_out.logits(second))
    assert answers.members[0].shape == (80, 2)
    assert answers.members[0].dtype == np.float32


def test_figures_are_nested_and_the_calibration_is_of_all():
    rows = found(1.0, 3)
    answers = left_out.answers([rows], TWO)
    figures, calibration = left_out.measure(answers)
    pooled = calibrate.pool(answers.members[0], answers.tracks)
    assert calibration == calibrate.fit(pooled, answers.labels)
    expected = nested.evaluate(answers)
    changed = {"nested", "temperature", "unknown_below", "track_accuracy_by_fold", "track_accuracy_deviation"}
    assert {name: value for name, value in figures.items() if name not in changed} == {
        name: value for name, value in expected.items() if name not in changed
    }
    assert figures["nested"]
    assert (figures["temperature"], figures["unknown_below"]) == (calibration.temperature, calibration.unknown_below)


def test_accuracy_of_each_fold_by_hand():
    """Fold 0 holds artists 0, 1, 10 and 11, with two tracks each: one of the eight is made wrong, in fold 3 two."""
    rows = found(9.0, 0).to_pylist()
    for row in rows:
        if row["track_id"] in ("track 00", "track 12", "track 13"):
            row["logits"] = row["logits"][::-1]
    figures, _ = left_out.measure(left_out.answers([pa.Table.from_pylist(rows, left_out.FOUND)], TWO))
    assert figures["track_accuracy_by_fold"] == [7 / 8, 1, 1, 6 / 8, 1]
    assert figures["track_accuracy_deviation"] == pytest.approx(np.std([7 / 8, 1, 1, 6 / 8, 1], ddof=1))
    assert figures["track_accuracy"] == 37 / 40


def test_no_fold_s_labels_touch_its_own_confidence():
    """All of a fold's labels are turned: what is said of it stays, and only it is wrong now."""
    answers = left_out.answers([found(2.0, 5)], TWO)
    turned = dataclasses.replace(answers, labels=np.where(answers.folds == 1, 1 - answers.labels, answers.labels))
    assert nested.Answers.calibrations(answers)[1] == nested.Answers.calibrations(turned)[1]
    assert left_out.measure(answers)[1] != left_out.measure(turned)[1]

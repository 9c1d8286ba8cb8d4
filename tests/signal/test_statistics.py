"""Statistics of bands in exact numbers, and as numpy has them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genre_batch.signal import statistics


def test_one_spectrogram_by_hand():
    """Band 0 stands still; band 1 goes 0, 2, 0, 6: mean 2, deviation √6; its steps 2, -2, 6: mean 2, deviation √(32/3)."""
    found = statistics.describe(np.array([[[5, 5, 5, 5], [0, 2, 0, 6]]], np.uint8))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [[5, 2, 0, 6**0.5, 0, (32 / 3) ** 0.5]], rtol=1e-12)


def test_each_column_has_its_name():
    assert statistics.names(2) == [
        "band0_mean",
        "band1_mean",
        "band0_deviation",
        "band1_deviation",
        "band0_change",
        "band1_change",
    ]
    assert len(statistics.names(128)) == 384


def test_steps_down_are_no_large_numbers():
    """uint8 would wrap: 255 - 0 is no step of 1."""
    (found,) = statistics.describe(np.array([[[0, 255, 0, 255]]], np.uint8))
    assert found[2] == pytest.approx(np.std([255, -255, 255]))


@settings(max_examples=30, deadline=None)
@given(arrays(np.uint8, (3, 4, 7)))
def test_as_numpy_over_all_at_once(levels: np.ndarray):
    whole = levels.astype(np.float64)
    expected = [whole.mean(2), whole.std(2), (whole[..., 1:] - whole[..., :-1]).std(2)]
    np.testing.assert_allclose(statistics.describe(levels), np.concatenate(expected, axis=1), atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(arrays(np.uint8, (1, 3, 6), elements=st.integers(0, 200)), st.integers(0, 55))
def test_a_louder_track_moves_its_means_alone(levels: np.ndarray, gain: int):
    before, after = statistics.describe(levels)[0], statistics.describe(levels + np.uint8(gain))[0]
    np.testing.assert_allclose(after[:3] - before[:3], gain, atol=1e-9)
    np.testing.assert_allclose(after[3:], before[3:], atol=1e-9)

"""The running median is scipy's to the last bit, for every size and shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import median_filter

from genre_batch.signal import median


def filtered(source: np.ndarray, size: int) -> np.ndarray:
    out = np.full_like(source, np.nan)
    median.rows(source, size, out, median.buffer(size))
    return out


def by_definition(source: np.ndarray, size: int) -> np.ndarray:
    padded = np.pad(source, ((size // 2, size // 2), (0, 0)), mode="symmetric")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, size, axis=0), axis=-1)


def test_three_rows():
    np.testing.assert_array_equal(filtered(np.array([[5], [1], [3]], np.float32), 3), [[5], [3], [3]])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_equals_scipy(data):
    n, lanes, half = data.draw(st.tuples(st.integers(1, 70), st.integers(1, 40), st.integers(1, 20)))
    seed, levels = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.sampled_from([2, 5, 2**20]))
    source = np.random.default_rng(seed).integers(0, levels, (n, lanes)).astype(np.float32)
    size = 2 * half + 1
    found = filtered(source, size)
    np.testing.assert_array_equal(found, by_definition(source, size))
    # Where half a window is four times as long as the array, scipy 1.17 reads memory before the array.
    if half < 4 * n:
        np.testing.assert_array_equal(found, median_filter(source, (size, 1), mode="reflect"))


@pytest.mark.parametrize("shape", [(130, 1025), (1025, 136), (16, 272), (17, 273), (65, 545)])
def test_equals_scipy_across_blocks_of_rows_and_of_columns(shape):
    source = np.random.default_rng(3).random(shape, dtype=np.float32)
    np.testing.assert_array_equal(filtered(source, 31), median_filter(source, (31, 1), mode="reflect"))


@pytest.mark.parametrize("size", [3, 5, 7, 9, 17, 31])
def test_network_finds_the_median_of_every_order_of_two_values(size):
    """The 0-1 principle: a network that is right for zeros and ones is right for everything. Ones from any row to any other."""
    rows = 4 * size
    starts, stops = np.triu_indices(rows)
    place = np.arange(rows)[:, None]
    runs = ((place >= starts) & (place <= stops)).astype(np.float32)
    scattered = np.random.default_rng(size).integers(0, 2, (rows, 5000)).astype(np.float32)
    for source in (runs, 1 - runs, scattered):
        np.testing.assert_array_equal(filtered(source, size), by_definition(source, size))


def test_source_is_left_alone():
    source = np.random.default_rng(5).random((40, 30), dtype=np.float32)
    before = source.copy()
    filtered(source, 7)
    np.testing.assert_array_equal(source, before)

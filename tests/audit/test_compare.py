"""Two tracks laid over one another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch.audit.compare import best_fit


def noise(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-60, 61, (8, n)).astype(np.int8)


def by_hand(a: np.ndarray, b: np.ndarray, least: int) -> dict[int, float]:
    """The correlation at each lag, one lag after the other."""
    found = {}
    for lag in range(least - b.shape[1], a.shape[1] - least + 1):
        start, end = max(lag, 0), min(a.shape[1], b.shape[1] + lag)
        x, y = a[:, start:end].astype(float).ravel(), b[:, start - lag : end - lag].astype(float).ravel()
        found[lag] = x @ y / np.sqrt((x @ x) * (y @ y))
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(20, 60), st.integers(20, 60), st.integers(1, 20))
def test_it_is_the_greatest_of_all_lags(seed: int, n_a: int, n_b: int, least: int):
    a, b = noise(seed, n_a), noise(seed + 1, n_b)
    found = by_hand(a, b, least)
    best, lag = best_fit(a, b, least)
    assert best == pytest.approx(max(found.values()), abs=1e-5)
    assert found[lag] == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_a_copy_is_found_where_it_begins(cut: int):
    whole = noise(0, 100)
    assert best_fit(whole, whole[:, cut:], 50) == (pytest.approx(1), cut)
    assert best_fit(whole[:, cut:], whole, 50) == (pytest.approx(1), -cut)


def test_a_copy_of_half_the_size_is_a_copy():
    whole = noise(0, 100) // 2 * 2
    assert best_fit(whole, whole // 2, 50) == (pytest.approx(1), 0)


def test_others_have_nothing_to_do_with_one_another():
    assert best_fit(noise(0, 400), noise(1, 400), 200)[0] < 0.1


def test_silence_is_like_nothing():
    silence = np.zeros((8, 100), np.int8)
    assert best_fit(silence, noise(0, 100), 50)[0] == 0
    assert best_fit(silence, silence, 50)[0] == 0


def test_fewer_columns_than_least_do_not_count():
    """They share one column of a hundred, at its end."""
    a, b = noise(0, 100), noise(1, 100)
    b[:, 0] = a[:, -1]
    assert best_fit(a, b, 50)[0] < 0.3
    assert best_fit(a, b, 1) == (pytest.approx(1), 99)

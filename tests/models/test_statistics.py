"""Each statistic against numpy and scipy by hand, and against signals whose pulse is known."""

import numpy as np
import pytest
import torch
from scipy.fft import dct

from genre_batch.models.statistics import CYCLES, GROUP, LEAST, N_CEPSTRAL, N_COVARIANCE, WINDOW, Statistics


def levels(n: int, rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, (n, rows, columns))


def told(statistics: Statistics, x: np.ndarray) -> np.ndarray:
    return statistics(torch.from_numpy(x).float()).numpy()


def by_hand(x: np.ndarray) -> np.ndarray:
    """Of one segment."""

    def deviation(lines: np.ndarray) -> np.ndarray:
        return np.sqrt(lines.var(axis=1) + LEAST)

    def change(lines: np.ndarray) -> np.ndarray:
        return np.sqrt((np.diff(lines, axis=1) ** 2).mean(axis=1) + LEAST)

    rows, columns = x.shape
    cepstra = dct(x, axis=0, norm="ortho")[:N_CEPSTRAL]
    correlations = np.corrcoef(cepstra[:N_COVARIANCE])[np.triu_indices(min(N_COVARIANCE, rows), 1)]
    groups = np.stack([x[i : i + GROUP].mean(axis=0) for i in range(0, rows - rows % GROUP, GROUP)])
    groups -= groups.mean(axis=1, keepdims=True)
    if columns < WINDOW:
        groups = np.tile(groups, -(-WINDOW // columns))
    windows = np.lib.stride_tricks.sliding_window_view(groups, WINDOW, axis=1)[:, :: WINDOW // 4]
    spectra = np.abs(np.fft.rfft(windows * np.hanning(WINDOW), axis=2)) ** 2
    pulses = np.log(spectra[:, :, list(CYCLES)].mean(axis=1) + 1e-3)
    parts = [x.mean(axis=1), deviation(x), change(x), deviation(cepstra), change(cepstra), correlations, pulses.ravel()]
    return np.concatenate(parts)


@pytest.mark.parametrize(("rows", "columns"), [(128, 129), (32, 64), (33, 200), (8, 44), (16, 7)])
def test_against_numpy_by_hand(rows: int, columns: int):
    x = levels(2, rows, columns)
    statistics = Statistics(rows)
    found = told(statistics, x)
    assert found.shape == (2, statistics.size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [by_hand(each) for each in x], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("columns", [15, WINDOW, WINDOW + 11, 129])
def test_channels_that_lie_together_change_nothing(columns: int):
    """As networks are trained on a CPU. Many times, for what oneDNN makes of such weights depends on what lies in memory beside them."""
    x = levels(8, 16, columns)
    expected = [by_hand(each) for each in x]
    for _ in range(20):
        statistics = Statistics(16).to(memory_format=torch.channels_last)
        np.testing.assert_allclose(told(statistics, x), expected, rtol=1e-3, atol=1e-3)


def test_a_pulse_is_told_in_its_place():
    rows, columns = 8, 256
    for cycles in (1, 4, 12, 31):
        x = np.full((1, rows, columns), 0.5)
        x[0, :GROUP] += 0.4 * np.cos(2 * np.pi * cycles * np.arange(columns) / WINDOW)
        pulses = told(Statistics(rows), x)[0, -2 * len(CYCLES) :].reshape(2, -1)
        assert CYCLES[pulses[0].argmax()] == cycles
        np.testing.assert_allclose(pulses[1], np.log(1e-3), atol=1e-3)


def test_bands_that_go_together_and_against_each_other():
    """Two rows have two cepstral coefficients: their sum and their difference."""
    wave = np.sin(np.arange(100))
    for sign, expected in ((2.0, 1.0), (0.5, -1.0)):
        x = np.stack([0.5 + 0.2 * sign * wave, 0.5 + 0.2 * wave])[None]
        correlation = told(Statistics(2), x)[0, 3 * 2 + 2 * 2]
        np.testing.assert_allclose(correlation, expected, atol=1e-3)


def test_silence_is_finite():
    assert np.isfinite(told(Statistics(16), np.zeros((1, 16, 100)))).all()


def test_there_is_nothing_to_learn_and_nothing_to_store():
    statistics = Statistics(32)
    assert not list(statistics.parameters())
    assert not statistics.state_dict()


def test_time_shifted_by_a_hop_changes_no_deviation():
    x = np.tile(levels(1, 8, WINDOW), 3)
    size = 3 * 8
    np.testing.assert_allclose(
        told(Statistics(8), np.roll(x, 16, axis=2))[:, :size], told(Statistics(8), x)[:, :size], atol=2e-2
    )

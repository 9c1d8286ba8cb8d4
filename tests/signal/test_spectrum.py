"""Centroid, bandwidth and rolloff, by hand and against librosa."""

import librosa
import numpy as np

from genre_batch.signal import spectrum

BIN_HZ = 10.0


def figures(magnitude: np.ndarray, share: float = 0.85) -> np.ndarray:
    magnitude = np.asarray(magnitude, np.float32)
    n_frames, n_bins = magnitude.shape
    out = np.full((3, n_frames), np.nan)
    spectrum.centroid_and_bandwidth(magnitude, BIN_HZ, out[0], out[1])
    spectrum.rolloff(np.ascontiguousarray(magnitude.T), share, BIN_HZ * np.arange(n_bins), out[2])
    return out


def test_one_line_is_its_own_centroid_without_bandwidth():
    np.testing.assert_array_equal(figures([[0, 0, 0, 7, 0, 0]]), [[30], [0], [30]])


def test_two_equal_lines():
    np.testing.assert_allclose(figures([[0, 1, 0, 0, 0, 1]]), [[30], [20], [50]])


def test_silence_is_zero():
    np.testing.assert_array_equal(figures(np.zeros((2, 6))), np.zeros((3, 2)))


def test_rolloff_is_the_bin_that_reaches_the_share():
    assert figures([[1, 1, 1, 1]], share=0.5)[2] == 10
    assert figures([[1, 1, 1, 1]], share=0.51)[2] == 20
    assert figures([[1, 0, 0, 0]], share=0.99)[2] == 0


def test_equal_to_librosa():
    magnitude = np.random.default_rng(2).random((50, 1025), dtype=np.float32) ** 4
    magnitude[7] = 0
    magnitude[8] = 1e-42
    rate_hz = BIN_HZ * 2048
    centroid, bandwidth, rolloff = figures(magnitude)
    np.testing.assert_allclose(centroid, librosa.feature.spectral_centroid(S=magnitude.T, sr=rate_hz)[0], rtol=1e-6)
    np.testing.assert_allclose(bandwidth, librosa.feature.spectral_bandwidth(S=magnitude.T, sr=rate_hz)[0], rtol=1e-6)
    np.testing.assert_array_equal(rolloff, librosa.feature.spectral_rolloff(S=magnitude.T, sr=rate_hz)[0])

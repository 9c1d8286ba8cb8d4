"""The mel filters are librosa's."""

import librosa
import numpy as np
import pytest

from genre_batch.front_end import GTZAN_PUBLISHED, MEL
from genre_batch.signal import mel


@pytest.mark.parametrize(
    ("rate_hz", "n_fft", "n_bands", "fmin_hz", "fmax_hz"),
    [
        (MEL.sample_rate_hz, MEL.n_fft, MEL.n_bands, MEL.fmin_hz, MEL.fmax_hz),
        (GTZAN_PUBLISHED.sample_rate_hz, GTZAN_PUBLISHED.n_fft, GTZAN_PUBLISHED.n_bands, GTZAN_PUBLISHED.fmin_hz, None),
        (22_050, 2048, 128, 0.0, 8000.0),
        (44_100, 4096, 96, 20.0, 16_000.0),
        (16_000, 512, 40, 1000.0, None),
        (8000, 1024, 64, 0.0, 900.0),
        (48_000, 1024, 1, 500.0, 5000.0),
    ],
)
def test_filters_equal_librosa(rate_hz, n_fft, n_bands, fmin_hz, fmax_hz):
    expected = librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_bands, fmin=fmin_hz, fmax=fmax_hz)
    filters = mel.filters(rate_hz, n_fft, n_bands, fmin_hz, fmax_hz)
    assert filters.shape == (n_bands, 1 + n_fft // 2)
    assert filters.dtype == np.float32
    np.testing.assert_allclose(filters.toarray(), expected, rtol=1e-5, atol=1e-6 * expected.max())


def test_filters_are_kept_sparse():
    filters = mel.filters(22_050, 2048, 128, 30.0, None)
    assert filters.nnz < 2 * 1025 + 128


def test_slaneys_scale_in_known_places():
    hz = np.array([0.0, 200.0, 1000.0, 6400.0])
    np.testing.assert_allclose(mel._to_mel(hz), [0, 3, 15, 42])
    np.testing.assert_allclose(mel._to_hz(np.array([0.0, 3.0, 15.0, 42.0])), hz)

"""The transform has librosa's bits; the inverse gives the samples back."""

import librosa
import numpy as np
import pytest

from genre_batch.signal.stft import Stft

pytestmark = pytest.mark.filterwarnings("ignore:n_fft=:UserWarning")


def noise(n: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(n).standard_normal(n)).astype(np.float32)


@pytest.mark.parametrize(("n", "n_fft", "hop"), [(66_150, 2048, 512), (9001, 1024, 200), (1024, 2048, 512), (3000, 1001, 250)])
def test_magnitudes_are_librosas_to_the_last_bit(n, n_fft, hop):
    samples, stft = noise(n), Stft(n, n_fft, hop)
    stft.analyse(samples)
    expected = librosa.stft(samples, n_fft=n_fft, hop_length=hop).T
    np.testing.assert_array_equal(stft.spectra, expected)
    np.testing.assert_array_equal(stft.magnitude, np.abs(expected))
    np.testing.assert_array_equal(stft.power, np.abs(expected) ** 2)


@pytest.mark.parametrize(("n", "n_fft", "hop"), [(66_150, 2048, 512), (66_149, 2048, 512), (1024, 2048, 512), (5000, 512, 100)])
def test_inverse_gives_the_samples_back(n, n_fft, hop):
    samples, stft = noise(n), Stft(n, n_fft, hop)
    out = np.full(n, np.nan, np.float32)
    stft.analyse(samples)
    stft.synthesise(out)
    np.testing.assert_allclose(out, samples, atol=2e-7)


def test_inverse_of_other_spectra_is_librosas():
    n = 20_000
    stft = Stft(n, 2048, 512)
    stft.analyse(noise(n))
    stft.spectra *= np.random.default_rng(1).random(stft.spectra.shape, dtype=np.float32)
    out = np.empty(n, np.float32)
    stft.synthesise(out)
    np.testing.assert_allclose(out, librosa.istft(stft.spectra.T, hop_length=512, length=n), atol=2e-7)

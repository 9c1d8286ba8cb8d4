"""Decibels of the mel bands and their coefficients are librosa's to rounding."""

import librosa
import numpy as np
import pytest
from scipy import fft

from genre_batch.front_end import Descriptors
from genre_batch.signal.cepstrum import Cepstrum

RATE_HZ = 22_050
PARAMETERS = Descriptors()


def heard(power: np.ndarray) -> Cepstrum:
    cepstrum = Cepstrum(len(power), RATE_HZ, 20, PARAMETERS)
    cepstrum.listen(power)
    return cepstrum


@pytest.mark.parametrize("n_frames", [1, 3, 130, 431, 1293])
def test_decibels_are_librosas(n_frames):
    magnitude = np.random.default_rng(n_frames).random((n_frames, 1025), dtype=np.float32) ** 9
    power = magnitude**2
    mel = librosa.feature.melspectrogram(S=np.asfortranarray(power.T), sr=RATE_HZ)
    np.testing.assert_allclose(heard(power).decibels, librosa.power_to_db(mel).T, atol=1e-5)


def test_coefficients_are_the_cosine_transform():
    power = np.random.default_rng(4).random((40, 1025), dtype=np.float32)
    cepstrum = heard(power)
    expected = fft.dct(cepstrum.decibels.astype(np.float64), axis=1, norm="ortho")[:, :20]
    np.testing.assert_allclose(cepstrum.figures(), np.column_stack([expected.mean(0), expected.var(0)]), rtol=1e-9, atol=1e-9)


def test_silence_is_flat_at_the_floor():
    figures = heard(np.zeros((9, 1025), np.float32)).figures()
    assert figures[0, 0] == pytest.approx(-100 * np.sqrt(128))
    np.testing.assert_allclose(figures[1:], 0, atol=1e-9)

"""Chroma filters and tuning are librosa's; a note is where it should be."""

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch.front_end import Descriptors
from genre_batch.signal import chroma
from genre_batch.signal.stft import Stft

RATE_HZ = 22_050
PARAMETERS = Descriptors()


def power_of(samples: np.ndarray) -> np.ndarray:
    stft = Stft(len(samples), PARAMETERS.n_fft, PARAMETERS.hop_length)
    stft.analyse(samples.astype(np.float32))
    return stft.power


def tone(hz: float, n: int = 30_000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(n) / RATE_HZ)


@pytest.mark.parametrize("tuning", [-0.5, -0.07, 0.0, 0.3, 0.49])
@pytest.mark.parametrize(("rate_hz", "n_fft", "n_chroma"), [(22_050, 2048, 12), (12_000, 1024, 12), (44_100, 2048, 24)])
def test_filters_equal_librosa(rate_hz, n_fft, n_chroma, tuning):
    expected = librosa.filters.chroma(sr=rate_hz, n_fft=n_fft, n_chroma=n_chroma, tuning=tuning)
    found = chroma.filters(rate_hz, n_fft, n_chroma, tuning)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.T, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("cents", [-40, -10, 0, 25])
def test_tuning_of_a_tone(cents):
    power = power_of(tone(440 * 2 ** (cents / 1200)))
    found = chroma.Chroma(len(power), RATE_HZ, PARAMETERS).tuning(power)
    assert found == pytest.approx(cents / 100, abs=0.05)
    assert found == librosa.estimate_tuning(S=power.T, sr=RATE_HZ, bins_per_octave=12)


def test_a_above_middle_c_is_pitch_class_nine():
    power = power_of(tone(440))
    filters = chroma.filters(RATE_HZ, PARAMETERS.n_fft, PARAMETERS.n_chroma, 0.0)
    assert set(np.argmax(power @ filters, axis=1)) == {9}


def test_silence_has_no_tuning_and_no_chroma():
    power = np.zeros((10, 1025), np.float32)
    found = chroma.Chroma(10, RATE_HZ, PARAMETERS)
    assert found.tuning(power) == 0
    assert found.figures(power) == (0, 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 1.0, 4.0]))
def test_tuning_is_librosas_on_any_spectrum(seed, sharpness):
    power = np.random.default_rng(seed).random((5, 1025), dtype=np.float32) ** np.float32(sharpness)
    expected = librosa.estimate_tuning(S=power.T, sr=RATE_HZ, bins_per_octave=12)
    assert chroma.Chroma(5, RATE_HZ, PARAMETERS).tuning(power) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-0.5, 0.5, width=32), min_size=1, max_size=40))
def test_histogram_is_numpys(values):
    residual, edges = np.array(values, np.float32), np.linspace(-0.5, 0.5, 101)
    np.testing.assert_array_equal(chroma._histogram(residual, edges), np.histogram(residual, edges)[0])

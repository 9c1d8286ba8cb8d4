"""Harmonic and percussive parts: what goes where, and librosa's figures."""

import dataclasses

import librosa
import numpy as np
import pytest

from genre_batch.front_end import Descriptors
from genre_batch.signal.harmonic import Separation
from genre_batch.signal.stft import Stft

RATE_HZ = 22_050


def parted(samples: np.ndarray, parameters: Descriptors = Descriptors()) -> tuple[float, float, float, float]:
    p = parameters
    stft = Stft(len(samples), p.n_fft, p.hop_length)
    separation = Separation(*stft.magnitude.shape, len(samples), p.median_size, p.mask_power)
    stft.analyse(samples.astype(np.float32))
    separation.turn(stft.magnitude)
    np.testing.assert_array_equal(separation.turned[:, : stft.n_frames], stft.magnitude.T)
    return separation.part(stft)


def test_a_tone_is_harmonic():
    _, harmonic, _, percussive = parted(np.sin(2 * np.pi * 440 * np.arange(RATE_HZ * 2) / RATE_HZ))
    assert harmonic == pytest.approx(0.5, rel=0.02)
    assert percussive < 0.005


def test_clicks_are_percussive():
    clicks = np.zeros(RATE_HZ * 2)
    clicks[5000::11_025] = 1
    _, harmonic, _, percussive = parted(clicks)
    assert percussive > 100 * harmonic


def test_silence_is_neither():
    assert parted(np.zeros(5000)) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "change", [{}, {"mask_power": 1.0}, {"mask_power": 3.0}, {"median_size": 9}, {"n_fft": 1024, "hop_length": 256}], ids=str
)
@pytest.mark.parametrize("n", [30_000, 30_011, 8192])
def test_equal_to_librosa(n, change):
    parameters = dataclasses.replace(Descriptors(), **change)
    samples = np.random.default_rng(n).standard_normal(n).astype(np.float32).cumsum(dtype=np.float32) / 100
    samples[::3000] += 1
    samples[n // 2 :] = 0
    harmonic, percussive = librosa.effects.hpss(
        samples,
        kernel_size=parameters.median_size,
        power=parameters.mask_power,
        n_fft=parameters.n_fft,
        hop_length=parameters.hop_length,
    )
    expected = [f(part, dtype=np.float64) for part in (harmonic, percussive) for f in (np.mean, np.var)]
    np.testing.assert_allclose(parted(samples, parameters), expected, rtol=1e-5, atol=1e-7)

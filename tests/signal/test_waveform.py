"""Loudness and zero crossings, by hand and against librosa."""

import librosa
import numpy as np
import pytest

from genre_batch.signal.waveform import Waveform


def figures(samples: np.ndarray, n_fft: int = 2048, hop: int = 512, threshold: float = 1e-10) -> tuple[np.ndarray, np.ndarray]:
    padded = np.pad(samples.astype(np.float32), n_fft // 2)
    waveform = Waveform(len(padded), n_fft, hop)
    rms, rate = np.empty((2, 1 + len(samples) // hop))
    waveform.rms(padded, rms)
    waveform.zero_crossing_rate(padded, threshold, rate)
    return rms, rate


def test_a_constant_is_as_loud_as_it_is_and_never_crosses():
    rms, rate = figures(np.full(8192, -0.5))
    np.testing.assert_array_equal(rms[2:-2], 0.5)
    # Half of the first window lies before the segment.
    assert rms[0] == pytest.approx(0.5 / np.sqrt(2))
    assert not rate.any()


def test_a_click_downwards_crosses_twice():
    click = np.zeros(8192)
    click[4000] = -1
    _, rate = figures(click)
    # Windows that hold the click: those centred less than 1024 samples from it.
    np.testing.assert_array_equal(np.flatnonzero(rate), [6, 7, 8, 9])
    np.testing.assert_array_equal(rate[6:10], 2 / 2048)


def test_a_click_upwards_does_not_cross():
    click = np.zeros(8192)
    click[4000] = 1
    assert not figures(click)[1].any()


def test_what_is_quieter_than_the_threshold_is_zero():
    quiet = np.where(np.arange(4096) % 2, 1e-3, -1e-3)
    assert figures(quiet, threshold=1e-4)[1][4] == 2047 / 2048
    assert not figures(quiet, threshold=2e-3)[1].any()


@pytest.mark.parametrize(
    ("n", "n_fft", "hop"), [(66_150, 2048, 512), (66_149, 2048, 512), (1024, 2048, 512), (9001, 1024, 200)]
)
def test_equal_to_librosa(n, n_fft, hop):
    samples = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    samples[::7] = 0
    samples[::11] = -0.0
    rms, rate = figures(samples, n_fft, hop)
    expected = librosa.feature.zero_crossing_rate(samples, frame_length=n_fft, hop_length=hop)
    np.testing.assert_array_equal(rate, expected[0])
    np.testing.assert_allclose(rms, librosa.feature.rms(y=samples, frame_length=n_fft, hop_length=hop)[0], rtol=1e-5)

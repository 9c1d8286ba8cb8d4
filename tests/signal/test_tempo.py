"""Tempo: known beats, and librosa's envelope, correlation and choice."""

import dataclasses

import librosa
import numpy as np
import pytest

from genre_batch.front_end import Descriptors
from genre_batch.signal.tempo import Tempo

RATE_HZ = 22_050
PARAMETERS = Descriptors()
FRAMES_PER_MINUTE = 60 * RATE_HZ / PARAMETERS.hop_length


def levels(n_frames: int) -> np.ndarray:
    return (-80 * np.random.default_rng(n_frames).random((n_frames, 128))).astype(np.float32)


def beats(period: int, n_frames: int = 600) -> np.ndarray:
    """All bands rise every `period` frames."""
    decibels = np.full((n_frames, 128), -80, np.float32)
    decibels[::period] = 0
    return decibels


@pytest.mark.parametrize("period", [15, 20, 21, 25, 30])
def test_tempo_of_beats(period):
    assert Tempo(600, RATE_HZ, PARAMETERS).bpm(beats(period)) == pytest.approx(FRAMES_PER_MINUTE / period, rel=1e-12)


def test_nothing_rises_in_a_steady_sound():
    assert Tempo(50, RATE_HZ, PARAMETERS).bpm(np.full((50, 128), -20, np.float32)) == 0


def test_fast_beats_count_at_a_slower_tempo():
    fastest = dataclasses.replace(PARAMETERS, max_bpm=150)
    found = Tempo(600, RATE_HZ, fastest).bpm(beats(10))
    assert found == pytest.approx(FRAMES_PER_MINUTE / 20)


@pytest.mark.parametrize("n_frames", [2, 3, 4, 5, 131, 700])
def test_envelope_is_librosas_to_the_last_bit(n_frames):
    decibels = levels(n_frames)
    expected = librosa.onset.onset_strength(S=decibels.T, sr=RATE_HZ, aggregate=np.median)
    np.testing.assert_array_equal(Tempo(n_frames, RATE_HZ, PARAMETERS).onsets(decibels), expected)


@pytest.mark.parametrize("n_frames", [3, 130, 345, 1293])
@pytest.mark.parametrize("kind", ["noise", "pause", "one"])
def test_correlation_is_the_mean_tempogram(n_frames, kind):
    envelope = np.random.default_rng(1).random(n_frames, dtype=np.float32) * 20
    if kind == "pause":
        envelope[n_frames // 3 :] = 0
    if kind == "one":
        envelope[:] = 0
        envelope[n_frames // 2] = 1
    tempo = Tempo(n_frames, RATE_HZ, PARAMETERS)
    expected = librosa.feature.tempogram(onset_envelope=envelope, sr=RATE_HZ, win_length=tempo.window).mean(axis=1)
    np.testing.assert_allclose(tempo.correlation(envelope), expected, atol=1e-11)


def test_one_frame_has_no_tempo():
    assert Tempo(1, RATE_HZ, PARAMETERS).bpm(levels(1)) == 0

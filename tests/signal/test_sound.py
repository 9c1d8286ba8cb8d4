"""Whole recordings: which channels are kept, and rates."""

import io

import numpy as np
import pytest
import soundfile as sf
from numpy.testing import assert_allclose, assert_array_equal

from genre_batch.errors import Undecodable
from genre_batch.signal import decode, encode, sound

RATE_HZ = 22_050


def tone(seconds: float = 6.0, rate_hz: int = RATE_HZ, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def recording(samples: np.ndarray, rate_hz: int = RATE_HZ) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, samples, rate_hz, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


TONE = tone()
STEREO = np.stack([tone(), 0.5 * tone(hz=660)], axis=1)


@pytest.mark.parametrize("samples", [TONE[:, None], STEREO], ids=["mono", "stereo"])
def test_one_channel_and_two_are_kept(samples):
    found = sound.read(recording(samples))
    assert found.rate_hz == RATE_HZ
    assert_array_equal(found.samples, samples)
    assert_array_equal(found.mono, samples.sum(axis=1) / np.float32(samples.shape[1]))


def test_more_channels_are_mixed():
    samples = np.tile(np.array([0.75, 0.25, -0.25], np.float32), (1000, 1))
    assert_array_equal(sound.read(recording(samples)).samples, np.full((1000, 1), 0.25))


def test_channels_are_mixed_where_only_their_mean_is_audio():
    samples = np.tile(np.array([3e38, -3e38], np.float32), (1000, 1))
    assert_array_equal(sound.read(recording(samples)).samples, np.zeros((1000, 1)))


def test_what_libsndfile_refuses_is_read_by_ffmpeg():
    data = encode.ffmpeg(STEREO, RATE_HZ, "alac", "ipod", {})
    with pytest.raises(Undecodable):
        decode.open_libsndfile(data, 10.0)
    assert_allclose(sound.read(data).samples, STEREO, atol=1e-4)


def test_written_and_read_again():
    assert_array_equal(sound.read(sound.write(sound.Sound(RATE_HZ, 100 * STEREO))).samples, 100 * STEREO)


def test_resampled_as_one_channel_after_the_other():
    found = sound.Sound(RATE_HZ, STEREO).at(44_100)
    assert found.rate_hz == 44_100
    expected = np.stack([tone(rate_hz=44_100), 0.5 * tone(rate_hz=44_100, hz=660)], axis=1)
    assert_allclose(found.samples[2000:-2000], expected[2000:-2000], atol=1e-3)
    assert found.samples.shape == expected.shape


@pytest.mark.parametrize(
    ("rate_hz", "coded_hz"),
    [(8_000, 32_000), (32_000, 32_000), (32_001, 44_100), (44_100, 44_100), (48_000, 48_000), (192_000, 48_000)],
)
def test_codable_at_the_next_higher_rate(rate_hz, coded_hz):
    found = sound.Sound(rate_hz, tone(1.0, rate_hz)[:, None]).codable()
    assert (found.rate_hz, found.samples.shape) == (coded_hz, (coded_hz, 1))

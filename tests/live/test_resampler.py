"""Samples in any number, resampled as they come."""

import numpy as np
import pytest

from genre_batch.errors import Undecodable
from genre_batch.live.now import LAG_S
from genre_batch.live.resampler import Resampler


def tone(n: int, rate_hz: int) -> np.ndarray:
    return np.sin(2 * np.pi * 440 * np.arange(n) / rate_hz).astype(np.float32)


def run(samples: np.ndarray, rate_hz: int, size: int) -> np.ndarray:
    resampler = Resampler(22_050, "HQ")
    parts = [part for i in range(0, len(samples), size) for part in resampler.push(samples[i : i + size], rate_hz)]
    return np.concatenate([*parts, *resampler.end()])


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
def test_the_same_however_many_come_at_a_time(rate_hz: int):
    samples = tone(2 * rate_hz, rate_hz)
    whole = run(samples, rate_hz, len(samples))
    assert len(whole) == 2 * 22_050
    np.testing.assert_allclose(whole[1000:-1000], tone(len(whole), 22_050)[1000:-1000], atol=1e-3)
    for size in (160, 1000, rate_hz):
        np.testing.assert_array_equal(run(samples, rate_hz, size), whole)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 48_000, 96_000, 192_000])
def test_comes_out_well_before_a_look_is_due(rate_hz: int):
    resampler, came = Resampler(22_050, "HQ"), 0
    for n in range(60):
        came += sum(map(len, resampler.push(np.zeros(rate_hz // 50, np.float32), rate_hz)))
        # Denoising may hold back another frame of 46 ms.
        assert came / 22_050 >= (n + 1) / 50 - (LAG_S - 0.06)


def test_at_the_same_rate_nothing_is_changed():
    samples = tone(3000, 22_050)
    np.testing.assert_array_equal(run(samples, 22_050, 77), samples)


def test_another_rate_begins_anew_and_loses_nothing():
    resampler = Resampler(22_050, "HQ")
    first, second = tone(44_100, 44_100), tone(48_000, 48_000)
    parts = [*resampler.push(first, 44_100), *resampler.push(second, 48_000), *resampler.end()]
    np.testing.assert_array_equal(np.concatenate(parts), np.concatenate([run(first, 44_100, 99), run(second, 48_000, 99)]))


def test_a_rate_that_soxr_refuses():
    resampler = Resampler(22_050, "no such quality")
    with pytest.raises(Undecodable, match="a sample rate of 44100 Hz cannot be resampled to 22050 Hz"):
        resampler.push(tone(44_100, 44_100), 44_100)

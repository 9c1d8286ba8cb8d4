"""What is kept of a track: rendered songs and what is done to them."""

import numpy as np
import pytest
from scipy import ndimage

from genre_batch.audit import compare, hearing
from genre_batch.audit.bands import Timeline
from genre_batch.audit.fingerprint import SIZE, Fingerprint, fingerprint, moments, signs, summary
from genre_batch.embedded.instruments import RATE_HZ
from genre_batch.embedded.song import Manner, render
from genre_batch.front_end import GTZAN_PUBLISHED
from genre_batch.signal import alter, encode
from genre_batch.signal.extract import extract


@pytest.fixture(scope="module")
def song() -> bytes:
    rng = np.random.default_rng(3)
    return encode.libsndfile(render("pop", Manner.of(rng), rng, 14.0), RATE_HZ, "FLAC", "PCM_16")


def heard(data: bytes) -> Fingerprint:
    found = hearing.hear(data)
    return fingerprint(found.pictures, found.positions, hearing.FRONT_END, found.duration_s)


def alike(a: np.ndarray, b: np.ndarray) -> tuple[float, int]:
    return compare.best_fit(a, b, min(a.shape[1], b.shape[1]) // 2)


def test_shapes_and_units(song: bytes):
    found = heard(song)
    assert found.levels.shape[0] == 32
    assert found.levels.shape[1] * found.step_s == pytest.approx(14, abs=0.1)
    assert (found.signs.shape[1] + 8) * found.sign_step_s == pytest.approx(14, abs=0.1)
    assert set(np.unique(found.signs)) == {-1, 0, 1}
    assert found.summary.shape == (3, 96)
    assert len(found.moments) > 5
    np.testing.assert_allclose(np.linalg.norm(found.moments.astype(float), axis=1), 127, atol=2)


def test_gain_changes_next_to_nothing(song: bytes):
    a, b = heard(song), heard(alter.scaled(song, 0.1))
    assert alike(a.levels, b.levels) == (pytest.approx(1, abs=0.001), 0)
    assert alike(a.signs, b.signs) == (pytest.approx(1, abs=0.001), 0)


@pytest.mark.parametrize("seconds", [3.0, 2.517])
def test_an_offset_is_found_to_a_column(song: bytes, seconds: float):
    a, b = heard(song), heard(alter.offset(song, seconds))
    found, lag = alike(a.signs, b.signs)
    assert found > 0.8
    assert lag * a.sign_step_s == pytest.approx(seconds, abs=a.sign_step_s)


def test_all_at_once_is_still_the_same_and_another_performance_is_not(song: bytes):
    copy = heard(alter.mp3(alter.scaled(alter.offset(song, 3.0), 2.0), 128_000))
    assert alike(heard(song).signs, copy.signs)[0] > 0.65
    other = render("pop", Manner.of(np.random.default_rng(3)), np.random.default_rng(4), 14.0)
    assert alike(heard(encode.libsndfile(other, RATE_HZ, "FLAC", "PCM_16")).signs, copy.signs)[0] < 0.5


def test_published_spectrograms_have_fingerprints_too(song: bytes):
    found = extract(song, GTZAN_PUBLISHED)
    assert found.spectrograms is not None
    one = fingerprint(found.spectrograms, found.positions, GTZAN_PUBLISHED, found.duration_s)
    assert one.step_s == one.sign_step_s == pytest.approx(1708 / 22_050)
    assert len(one.moments) > 3
    assert fingerprint(found.spectrograms, found.positions, GTZAN_PUBLISHED, found.duration_s).digest == one.digest
    changed = found.spectrograms.copy()
    changed[0, 60, 60] ^= 1
    assert fingerprint(changed, found.positions, GTZAN_PUBLISHED, found.duration_s).digest != one.digest


def test_of_a_long_track_two_minutes_are_kept():
    front_end = hearing.FRONT_END
    pictures = np.random.default_rng(0).integers(0, 256, (30, *front_end.spectrogram_shape), dtype=np.uint8)
    found = fingerprint(pictures, np.arange(30, dtype=np.int32), front_end, 150.0)
    assert found.levels.shape[1] * found.step_s == pytest.approx(120, abs=0.1)
    assert len(found.summary) == 30


def test_the_same_moments_are_found_wherever_a_track_begins():
    levels = ndimage.gaussian_filter1d(np.random.default_rng(0).normal(0, 20, (32, 400)), 2, axis=1).astype(np.float32)
    whole = moments(levels, np.ones(400, bool), 0.05)
    later = moments(levels[:, 60:], np.ones(340, bool), 0.05)
    same = (whole.astype(float) @ later.T.astype(float) > 0.99 * 127**2).any(axis=0)
    assert same.sum() >= len(later) - 2 > 5


def test_moments_keep_away_from_what_was_not_heard_and_from_short_tracks():
    levels = np.random.default_rng(0).normal(0, 6, (32, 60)).astype(np.float32)
    heard_ = np.ones(60, bool)
    assert len(moments(levels, heard_, 0.05)) > 0
    heard_[30] = False
    assert moments(levels, heard_, 0.05).shape == (0, SIZE)
    assert moments(levels[:, :39], np.ones(39, bool), 0.05).shape == (0, SIZE)


def test_a_loop_has_each_of_its_moments_once():
    bar = ndimage.gaussian_filter1d(np.random.default_rng(0).normal(0, 20, (32, 80)), 2, axis=1, mode="wrap")
    found, once = (moments(np.tile(bar, n).astype(np.float32), np.ones(80 * n, bool), 0.05) for n in (8, 2))
    assert 3 <= len(once) <= len(found) <= 7


def test_signs_compare_neighbouring_bands_and_moments():
    levels = np.zeros((3, 5), np.float32)
    levels[1, 3:] = 6
    np.testing.assert_array_equal(signs(Timeline(levels, 0.15)), [[0, 0, 1, 0], [0, 0, -1, 0]])
    levels[:, 1] = np.nan
    np.testing.assert_array_equal(signs(Timeline(levels, 0.15)), [[0, 0, 1, 0], [0, 0, -1, 0]])
    levels[:, 2] = np.nan
    np.testing.assert_array_equal(signs(Timeline(levels, 0.15)), [[0, 0, 0, 0], [0, 0, 0, 0]])


def test_signs_of_shorter_columns_are_of_means():
    levels = np.zeros((2, 40), np.float32)
    levels[1] = np.arange(40) % 2
    levels[1, 20:] += 5
    found = signs(Timeline(levels, 0.023))[0]
    assert found.shape == (32,)
    assert (found[11:22] == 1).all()


def test_a_summary_is_mean_deviation_and_deviation_of_the_change():
    levels = np.zeros((1, 32, 4), np.float32)
    levels[0, 5] = [0, 2, 0, 2]
    found = summary(levels)[0]
    assert (found[5], found[32 + 5]) == (1, 1)
    assert found[64 + 5] == pytest.approx(np.std([2, -2, 2, 0]))
    assert np.count_nonzero(found) == 3

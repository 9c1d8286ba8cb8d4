"""Spectrograms of any front end on one line of time."""

import dataclasses

import numpy as np
import pytest

from genre_batch.audit import bands
from genre_batch.audit.bands import COARSE, FINE, Bands
from genre_batch.front_end import GTZAN_PUBLISHED, MEL, PRESETS, SEED_3S, SEED_10S, FrontEnd
from genre_batch.signal import spectrogram

LINEAR = dataclasses.replace(MEL, name="linear", scale="linear", n_bands=1025, segment_s=1.0, segment_hop_s=1.0)


def at(*positions: int) -> np.ndarray:
    return np.array(positions, np.int32)


def test_rows_of_a_linear_spectrogram_are_bins():
    np.testing.assert_allclose(bands.row_centres_hz(LINEAR), np.arange(1025) * 22_050 / 2048)


def test_rows_of_mel_bands_are_where_a_tone_is_loudest():
    centres = bands.row_centres_hz(MEL)
    assert (np.diff(centres) > 0).all()
    for hz in (500.0, 2000.0, 6000.0):
        tone = np.sin(2 * np.pi * hz * np.arange(MEL.segment_samples) / MEL.sample_rate_hz).astype(np.float32)
        loudest = spectrogram.power(tone, MEL).mean(axis=1).argmax()
        nearest = np.abs(centres - hz).argmin()
        assert abs(int(loudest) - int(nearest)) <= 1


def test_rows_of_a_resized_picture_keep_their_ends():
    centres = bands.row_centres_hz(SEED_10S)
    assert len(centres) == 480
    assert centres[0] == pytest.approx(0.5 * (1025 / 480 - 1) * 22_050 / 2048)
    assert centres[-1] == pytest.approx(11_025 - centres[0])


@pytest.mark.parametrize("front_end", PRESETS.values(), ids=PRESETS)
def test_a_tone_lies_in_its_band_whatever_the_front_end(front_end: FrontEnd):
    hz = 1500.0
    tone = np.sin(2 * np.pi * hz * np.arange(front_end.segment_samples) / front_end.sample_rate_hz).astype(np.float32)
    energy = spectrogram.power(tone, front_end)
    drawn = spectrogram.picture(spectrogram.decibels(energy, front_end, float(energy.max())), front_end)
    level = bands.decibels(drawn[np.newaxis], front_end, COARSE)[0].mean(axis=1)
    edges = 700 * (10 ** (np.linspace(*(2595 * np.log10(1 + np.array([100, 5500]) / 700)), 33) / 2595) - 1)
    assert np.searchsorted(edges, hz) - 1 == level.argmax()


def test_the_quietest_30_db_of_80_are_one_level():
    pictures = np.full((1, *MEL.spectrogram_shape), 95, np.uint8)
    pictures[:, :, 50:] = 96
    level = bands.decibels(pictures, MEL, COARSE)[0]
    assert level[:, :50] == pytest.approx(30.0)
    assert level[:, 50:] == pytest.approx(96 * 80 / 255)


def test_fine_bands_are_rows_while_there_are_few():
    assert bands._weights(MEL, FINE).shape[0] == np.sum(
        (bands.row_centres_hz(MEL) >= 4000) & (bands.row_centres_hz(MEL) < 11_000)
    )
    assert 64 <= bands._weights(LINEAR, FINE).shape[0] < 128
    np.testing.assert_allclose(bands._weights(LINEAR, FINE).sum(axis=1), 1, rtol=1e-5)


def test_fine_bands_are_all_rows_where_too_few_lie_above():
    low = dataclasses.replace(MEL, name="low", sample_rate_hz=8000, n_bands=24)
    assert bands._weights(low, FINE).shape == (24, 24)


def test_segments_stand_where_they_were_and_what_was_silent_is_missing():
    one = dataclasses.replace(MEL, name="second", segment_s=1.0, segment_hop_s=1.0)
    pictures = np.stack([np.full(one.spectrogram_shape, level, np.uint8) for level in (100, 200)])
    line = bands.timeline(pictures, at(0, 2), one, 3.0, COARSE)
    assert line.step_s == pytest.approx(2 * 512 / 22_050)
    second = np.arange(len(line.heard)) * line.step_s
    assert not line.heard[(second > 1.1) & (second < 1.9)].any()
    assert line.heard[(second < 0.9) | (second > 2.05)].all()
    assert np.nanmax(line.levels[:, second < 1]) == pytest.approx(100 * 80 / 255)
    assert np.nanmin(line.levels[:, second > 2.05]) == pytest.approx(200 * 80 / 255)


def test_of_two_segments_that_overlap_the_earlier_is_taken():
    half = dataclasses.replace(MEL, name="half", segment_s=2.0, segment_hop_s=1.0)
    pictures = np.stack([np.full(half.spectrogram_shape, level, np.uint8) for level in (100, 200)])
    line = bands.timeline(pictures, at(0, 1), half, 3.0, COARSE)
    second = np.arange(len(line.heard)) * line.step_s
    assert line.levels[:, second < 1.9].max() == pytest.approx(100 * 80 / 255)
    assert line.levels[:, second > 2.1].min() == pytest.approx(200 * 80 / 255)


def test_silence_that_fills_up_a_segment_is_left_out():
    line = bands.timeline(np.full((1, *MEL.spectrogram_shape), 100, np.uint8), at(0), MEL, 2.0, COARSE)
    assert len(line.heard) * line.step_s == pytest.approx(2.0, abs=0.05)


def test_pads_are_no_columns():
    pictures = np.zeros((1, *SEED_3S.spectrogram_shape), np.uint8)
    pictures[:, :, 2:-2] = 200
    assert bands.decibels(pictures, SEED_3S, COARSE).min() == pytest.approx(200 * 80 / 255)
    assert bands.decibels(pictures, SEED_3S, COARSE).shape[2] == SEED_3S.n_frames


def test_a_column_lasts_as_long_as_it_was_drawn_from():
    assert bands.column_seconds(GTZAN_PUBLISHED) == 1708 / 22_050
    assert bands.column_seconds(SEED_10S) == pytest.approx(10 / 640, rel=0.01)


def test_a_band_between_two_rows_is_the_nearest():
    few = dataclasses.replace(MEL, name="few", n_bands=8)
    weights = bands._weights(few, Bands(100.0, 5500.0, 32, 0.046))
    assert weights.shape == (32, 8)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
